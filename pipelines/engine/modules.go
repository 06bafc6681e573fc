package engine

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// ModuleFiles lists the files that decide which modules a source needs, beside
// its import statements: go.mod and go.sum of every module, go.work and
// go.work.sum. They are relative to the source's Root. An engine downloads and
// verifies on these alone, so that an edit of the source repeats neither, and
// so that the go command, which adds to go.sum when it downloads, never writes
// to the source.
func (s Source) ModuleFiles() ([]string, error) {
	var names []string
	if s.Workspace != "" {
		names = append(names, s.Workspace, s.Workspace+".sum")
	}
	for _, m := range s.Modules {
		names = append(names, path.Join(m, "go.mod"), path.Join(m, "go.sum"))
	}
	var have []string
	for _, name := range names {
		_, err := os.Stat(filepath.Join(s.Root, filepath.FromSlash(name)))
		switch {
		case err == nil:
			have = append(have, name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return have, nil
}
