//go:build linux

package main

import (
	"os"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
	"github.com/slipway-dev/slipway/pipelines/engine/internal/executable"
)

// find returns the file to execute.
func find(t wire.Task) (string, *executable.Failure) {
	file, failure := executable.Find(t.Args[0], t.Env)
	if failure == nil {
		failure = notOurs(file)
	}
	return file, failure
}

// notOurs refuses the supervisor itself, which a path can lead to, or a script's
// interpreter: it is not of the image.
func notOurs(name string) *executable.Failure {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil
	}
	for _, file := range []string{name, executable.Interpreter(name)} {
		if info, err := os.Stat(file); err == nil && os.SameFile(info, self) {
			return executable.LeadsOut(file)
		}
	}
	return nil
}
