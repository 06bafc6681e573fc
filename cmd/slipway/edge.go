package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// edge is what the command line gets from the process that it runs in.
type edge struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	// workflow is GitHub's that this is a step of, or nil.
	workflow *workflow
}

// env looks a variable up; the last one of a name counts, as for exec.
func (e *edge) env(name string) string {
	for _, v := range slices.Backward(e.environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// childEnviron is the environment for the programs that are started: what is
// meant for slipway, the password above all, is none of their business.
func (e *edge) childEnviron() []string {
	return slices.DeleteFunc(slices.Clone(e.environ), func(v string) bool { return strings.HasPrefix(v, "SLIPWAY_") })
}

// cacheDir is where slipway keeps its own when nothing else is said:
// $XDG_CACHE_HOME/slipway or its like, as os.UserCacheDir has it.
func (e *edge) cacheDir() (string, error) {
	if dir := e.env("SLIPWAY_CACHE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := e.env("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "slipway"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", usagef("there is no folder for caches (%w); set HOME or SLIPWAY_CACHE_DIR, or give --cache-dir", err)
	}
	return filepath.Join(dir, "slipway"), nil
}
