//go:build unix

package local

import (
	"os/exec"
	"syscall"
	"time"
)

// ownGroup puts a command into a process group of its own, since the go command
// starts compilers, linkers and tests, and interrupts the group when its context
// ends. go test cleans up then; go build just ends.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}

// endGroup kills what is left of the group of a command that has ended, and waits
// until it is gone, so that nobody writes to a folder that is being removed. Where
// the machine's first process reaps no orphans they stay as zombies, which cannot
// be told from what still ends; so the wait is short.
func endGroup(cmd *exec.Cmd) {
	if cmd.Process == nil {
		return
	}
	for range 100 {
		if syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) != nil {
			return // nothing is left, as usual
		}
		time.Sleep(10 * time.Millisecond)
	}
}
