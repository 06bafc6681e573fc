//go:build unix

package local

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a command into a process group of its own, since the go command
// starts compilers and linkers, and interrupts the group when its context ends,
// so that the go command can remove its temporary folder.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}

// endGroup kills what is left of the group of a command that has ended.
func endGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nothing being left is the usual case
	}
}
