//go:build !unix

package local

import "os/exec"

// ownGroup leaves the command as it is: the go command alone is killed.
func ownGroup(*exec.Cmd) {}

// endGroup does nothing, since there is no group.
func endGroup(*exec.Cmd) {}
