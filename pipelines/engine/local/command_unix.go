//go:build unix

package local

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a command into a process group of its own and interrupts the
// group when its context ends: the go command starts compilers and linkers.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
