package engine

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// places finds the files of a source by what the go command calls them.
type places struct {
	src Source
	// modules are the folders of the source's modules by their paths.
	modules map[string]string
}

// modulePaths are the folders of the source's modules by the path of each. A
// go.mod that cannot be read is left out.
func (s Source) modulePaths() map[string]string {
	paths := map[string]string{}
	for _, m := range s.Modules {
		data, err := os.ReadFile(filepath.Join(s.Root, filepath.FromSlash(m), "go.mod"))
		if err != nil {
			continue
		}
		if name := modfile.ModulePath(data); name != "" {
			paths[name] = m
		}
	}
	return paths
}

// folder is where a package of the source is.
func (p places) folder(importPath string) (string, bool) {
	for module := importPath; module != "." && module != "/"; module = path.Dir(module) {
		if dir, ok := p.modules[module]; ok {
			return path.Join(dir, strings.TrimPrefix(importPath, module)), true
		}
	}
	return "", false
}

// below makes a file relative to the root, if it is in it. A relative one is
// relative to the root already.
func (p places) below(file string) (string, bool) {
	file = filepath.ToSlash(file)
	if root := filepath.ToSlash(filepath.Clean(p.src.Root)); filepath.IsAbs(p.src.Root) {
		file = strings.TrimPrefix(file, strings.TrimSuffix(root, "/")+"/")
	}
	file = path.Clean(file)
	return file, file != "." && fs.ValidPath(file) && filepath.IsLocal(filepath.FromSlash(file))
}

// built finds a file that the go command, the compiler or vet names while it
// speaks of a package. They write it relative to the folder that they run in,
// or absolute where that is shorter. In the output of an engine that works
// elsewhere an absolute one is relative to the root.
func (p places) built(file, importPath string) (string, bool) {
	switch name := path.Base(filepath.ToSlash(file)); {
	case p.src.Workspace != "" && strings.TrimSuffix(name, ".sum") == path.Base(p.src.Workspace):
		return p.below(p.src.Workspace + strings.TrimPrefix(name, path.Base(p.src.Workspace)))
	case filepath.IsAbs(file):
		return p.below(file)
	}
	file = path.Clean(filepath.ToSlash(file))
	var known []string
	if moduleFile.MatchString(file) {
		known = p.src.Modules
	} else if dir, ok := p.folder(importPath); ok {
		known = []string{dir}
	}
	here := path.Join(p.src.Module, file)
	if !slices.Contains(known, path.Dir(here)) && slices.Contains(known, path.Dir(file)) {
		here = file
	}
	return p.below(here)
}

// logged finds a file that a test of a package names when it logs something: its
// name alone, or all of its path (-fullpath).
func (p places) logged(file, importPath string) (string, bool) {
	switch {
	case filepath.IsAbs(file):
		return p.below(file)
	case strings.Contains(file, "/"):
		return p.traced(file, importPath)
	}
	dir, ok := p.folder(importPath)
	if !ok {
		return "", false
	}
	return p.below(path.Join(dir, file))
}

// traced finds the file of a function of a package. A file that is in the root
// and of no package of the source is one of the toolchain or of a module cache.
func (p places) traced(file, importPath string) (string, bool) {
	for _, name := range []string{importPath, strings.TrimSuffix(importPath, "_test")} {
		dir, ok := p.folder(name)
		if !ok {
			continue
		}
		if path.Dir(file) == name { // -trimpath
			file = path.Join(dir, path.Base(file))
		}
		if rel, ok := p.below(file); ok && path.Dir(rel) == dir {
			return rel, true
		}
	}
	return "", false
}
