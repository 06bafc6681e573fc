package plan

import (
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/slipway-dev/slipway/pipelines/engine"
)

// SourceError says that a folder is no source that can be built.
type SourceError struct {
	Path   string // the folder or file
	Reason string // what is wrong and what would do
}

func (e *SourceError) Error() string { return e.Path + ": " + e.Reason }

// source is what a folder of Go source says of itself.
type source struct {
	// dir is the folder as it was named, absolute.
	dir string
	engine.Source
	modulePath string
	// toolchain is the release that go.work or go.mod names, and where.
	toolchain, toolchainFrom string
	// ignore are the folders that go.mod leaves out of patterns like "./...".
	ignore []string
}

// readSource reads go.mod, go.work and vendor/. It runs nothing.
func readSource(dir string, workspace bool) (*source, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// Links are resolved as the go command resolves its working folder: the path
	// to the module must be the one that go.work names.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, &SourceError{dir, "does not exist; name the folder of a Go program (--source)"}
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return nil, &SourceError{dir, "is no folder; name the folder of a Go program (--source)"}
	}
	moduleDir := findUp(abs, "go.mod")
	if moduleDir == "" {
		return nil, &SourceError{dir, noModule(abs)}
	}
	mod, err := readMod(filepath.Join(moduleDir, "go.mod"))
	if err != nil {
		return nil, err
	}
	s := &source{dir: abs, modulePath: mod.Module.Mod.Path}
	for _, i := range mod.Ignore {
		s.ignore = append(s.ignore, i.Path)
	}
	if mod.Toolchain != nil {
		s.toolchain, s.toolchainFrom = mod.Toolchain.Name, "go.mod"
	}
	modules := append([]string{moduleDir}, localReplacements(moduleDir, mod.Replace)...)
	var workDir string
	if workspace {
		var used []string
		if workDir, used, err = s.readWorkspace(moduleDir); err != nil {
			return nil, err
		}
		modules = append(modules, used...)
	}
	slices.Sort(modules)
	modules = slices.Compact(modules)
	s.Root = commonFolder(append(modules, moduleDir))
	if workDir != "" {
		s.Root = commonFolder([]string{s.Root, workDir})
		s.Workspace = relative(s.Root, filepath.Join(workDir, "go.work"))
	}
	s.Module = relative(s.Root, moduleDir)
	for _, m := range modules {
		s.Modules = append(s.Modules, relative(s.Root, m))
	}
	_, err = os.Stat(filepath.Join(s.vendorParent(), "vendor", "modules.txt"))
	s.Vendor = err == nil
	return s, nil
}

// noModule says what a folder that belongs to no module should have.
func noModule(dir string) string {
	if workDir := findUp(dir, "go.work"); workDir != "" {
		if work, err := readWork(filepath.Join(workDir, "go.work")); err == nil && len(work.Use) > 0 {
			var modules []string
			for _, u := range work.Use {
				modules = append(modules, u.Path)
			}
			return "belongs to a workspace and to no module of it; name the folder of one (--source): " + strings.Join(modules, ", ")
		}
	}
	return "has no go.mod, and no folder above it has one; make one with go mod init"
}

// vendorParent is the folder that a vendor folder stands in.
func (s *source) vendorParent() string {
	if s.Workspace != "" {
		return filepath.Join(s.Root, filepath.FromSlash(path.Dir(s.Workspace)))
	}
	return s.moduleDir()
}

// readWorkspace looks for a go.work that uses the module, and returns its
// folder and the modules that the build can take from it.
func (s *source) readWorkspace(moduleDir string) (string, []string, error) {
	workDir := findUp(moduleDir, "go.work")
	if workDir == "" {
		return "", nil, nil
	}
	work, err := readWork(filepath.Join(workDir, "go.work"))
	if err != nil {
		return "", nil, err
	}
	var used []string
	for _, u := range work.Use {
		used = append(used, folder(workDir, u.Path))
	}
	if !slices.Contains(used, moduleDir) {
		// The go command would refuse to build a module that its workspace does not
		// use. A module on its own is what people mean then.
		return "", nil, nil
	}
	if work.Toolchain != nil {
		s.toolchain, s.toolchainFrom = work.Toolchain.Name, "go.work"
	}
	all := append(slices.Clone(used), localReplacements(workDir, work.Replace)...)
	for _, dir := range used {
		mod, err := readMod(filepath.Join(dir, "go.mod"))
		if err != nil {
			return "", nil, err
		}
		all = append(all, localReplacements(dir, mod.Replace)...)
	}
	return workDir, all, nil
}

func readWork(name string) (*modfile.WorkFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return nil, &SourceError{name, parseProblem(err)}
	}
	return work, nil
}

func readMod(name string) (*modfile.File, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &SourceError{name, "does not exist, though go.work uses its folder"}
	}
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse(name, data, nil)
	if err != nil {
		return nil, &SourceError{name, parseProblem(err)}
	}
	if mod.Module == nil {
		return nil, &SourceError{name, "names no module; begin it with a line like: module example.com/hello"}
	}
	return mod, nil
}

// parseProblem is the first problem of a go.mod, with its line.
func parseProblem(err error) string {
	var list modfile.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		return fmt.Sprintf("line %d: %v", list[0].Pos.Line, list[0].Err)
	}
	return err.Error()
}

func localReplacements(dir string, replace []*modfile.Replace) []string {
	var dirs []string
	for _, r := range replace {
		if r.New.Version != "" || !modfile.IsDirectoryPath(r.New.Path) {
			continue
		}
		dirs = append(dirs, folder(dir, r.New.Path))
	}
	return dirs
}

// folder is the folder that a go.mod or go.work in dir names.
func folder(dir, name string) string {
	if name = filepath.FromSlash(name); filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

// findUp returns the nearest folder, from dir upwards, that holds a file.
func findUp(dir, name string) string {
	for {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// commonFolder is the deepest folder that holds all of the given ones.
func commonFolder(dirs []string) string {
	common := dirs[0]
	for _, dir := range dirs[1:] {
		for common != dir && !strings.HasPrefix(dir, strings.TrimSuffix(common, string(filepath.Separator))+string(filepath.Separator)) {
			parent := filepath.Dir(common)
			if parent == common {
				break
			}
			common = parent
		}
	}
	return common
}

// relative is a path below root, slash-separated.
func relative(root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(rel)
}

func (s *source) moduleDir() string { return filepath.Join(s.Root, filepath.FromSlash(s.Module)) }

// readPackage reads the package in a folder as the go command does for Linux,
// and returns nil where there is nothing to build. What is left without cgo
// counts; where that is nothing, files that need cgo do: a program that needs it
// should be told so, not be missing.
func readPackage(dir string, tags []string) *build.Package {
	c := build.Default
	c.GOOS, c.GOARCH, c.BuildTags, c.Dir = "linux", "amd64", tags, ""
	c.GOPATH = "" // imports are not resolved here
	for _, cgo := range []bool{false, true} {
		c.CgoEnabled = cgo
		// An error may be one of the source, which the compiler tells better.
		p, _ := c.ImportDir(dir, 0)
		if p != nil && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			return p
		}
	}
	return nil
}

// mainPackages lists the main packages below the source's folder, relative to
// it ("./cmd/hello"), leaving out what the go command's "./..." leaves out.
func (s *source) mainPackages(tags []string) ([]string, error) {
	var mains []string
	err := s.walkPackages(tags, func(dir string, p *build.Package) {
		if p.Name == "main" {
			mains = append(mains, dir)
		}
	})
	return mains, err
}

// walkPackages calls see for each package below the source's folder.
func (s *source) walkPackages(tags []string, see func(dir string, p *build.Package)) error {
	return filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if p != s.dir {
			name := d.Name()
			if name == "vendor" || name == "testdata" || name[0] == '.' || name[0] == '_' || s.ignored(p) {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
				return filepath.SkipDir // another module
			}
		}
		if pkg := readPackage(p, tags); pkg != nil {
			see(dotted(relative(s.dir, p)), pkg)
		}
		return nil
	})
}

// ignored tells whether go.mod's ignore directive leaves a folder out
// (https://go.dev/ref/mod#go-mod-file-ignore): ./x is one folder of the module,
// x is any of that name.
func (s *source) ignored(dir string) bool {
	rel := "/" + relative(s.moduleDir(), dir) + "/"
	for _, pattern := range s.ignore {
		name := "/" + path.Clean(pattern) + "/"
		if strings.HasPrefix(rel, name) || !strings.HasPrefix(pattern, "./") && strings.Contains(rel, name) {
			return true
		}
	}
	return false
}

// dotted writes a relative path as the go command wants a package's: "./cmd/hello".
func dotted(rel string) string {
	if rel == "." {
		return rel
	}
	return "./" + rel
}

// locate finds the folder of a package that is named by a path relative to the
// source or by its import path, and returns it relative to the module. The
// folder need not exist.
func (s *source) locate(named string) string {
	named = filepath.ToSlash(named)
	dir := filepath.Join(s.dir, filepath.FromSlash(named))
	if rest, ok := strings.CutPrefix(named, s.modulePath); ok && (rest == "" || rest[0] == '/') {
		dir = filepath.Join(s.moduleDir(), filepath.FromSlash(rest))
	}
	return relative(s.moduleDir(), dir)
}

// mainPackage checks that a package was named that can be built, and returns it
// relative to the module.
func (s *source) mainPackage(named string, tags []string) (string, error) {
	fail := func(format string, args ...any) (string, error) {
		return "", &SourceError{"package " + named, fmt.Sprintf(format, args...)}
	}
	if path.IsAbs(filepath.ToSlash(named)) {
		return fail("is an absolute path; name it relative to the source, like ./cmd/hello")
	}
	inModule := s.locate(named)
	if inModule == ".." || strings.HasPrefix(inModule, "../") {
		return fail("is outside the module")
	}
	dir := filepath.Join(s.moduleDir(), filepath.FromSlash(inModule))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fail("there is no such folder in %s", s.dir)
	}
	if other := findUp(dir, "go.mod"); other != s.moduleDir() {
		return fail("belongs to another module, that of %s; name this folder as the source (--source)", other)
	}
	pkg := readPackage(dir, tags)
	switch {
	case pkg == nil:
		return fail("holds no Go files that are built for linux; build tags may leave them out (build.tags)")
	case pkg.Name != "main":
		return fail("is package %s, not a main package", pkg.Name)
	}
	return dotted(inModule), nil
}

// binaryName is what the go command would call a main package's binary: the
// last element of its import path that is no major version.
func (s *source) binaryName(inModule string) string {
	elements := strings.Split(path.Join(s.modulePath, inModule), "/")
	last := elements[len(elements)-1]
	if len(elements) > 1 && isMajor(last) {
		last = elements[len(elements)-2]
	}
	return last
}

// isMajor knows v2, v3, v10 and so on, but not v0, v05 and v1.
func isMajor(s string) bool {
	return len(s) > 1 && s[0] == 'v' && strings.Trim(s[1:], "0123456789") == "" && s[1] != '0' && s != "v1"
}
