package plan

import (
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/image"
)

// unpack writes an archive of files into a new folder, whose path has no links.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// module is a module with one main package in its folder.
const module = "-- go.mod --\nmodule example.com/hello\n\ngo 1.26\n-- main.go --\npackage main\n\nfunc main() {}\n"

// rootPEM is one certificate.
var rootPEM = func() string {
	block, _ := pem.Decode(image.Mozilla())
	return string(pem.EncodeToMemory(block))
}()

// named is what the configurations of tests name: a certificate and assets.
var named = "-- ca.pem --\n" + rootPEM + "-- own.pem --\n" + rootPEM + "-- certs/own.pem --\n" + rootPEM + "-- templates/index.html --\n-- a/b --\n-- x --\n-- y --\n"

func read(t *testing.T, dir string) *source {
	t.Helper()
	s, err := readSource(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadSource(t *testing.T) {
	const workspace = `
-- go.work --
go 1.26
toolchain go1.26.7
use ./app
use (
	./lib
)
replace example.com/c => ./third/c
-- app/go.mod --
module example.com/app
go 1.26
toolchain go1.26.1
replace example.com/d => ../third/d
-- lib/go.mod --
module example.com/lib
go 1.26
replace example.com/e v1.0.0 => ../third/e
-- alone/go.mod --
module example.com/alone
go 1.26
toolchain go1.26.2
-- third/c/go.mod --
module example.com/c
`
	for name, test := range map[string]struct {
		archive, dir string
		want         engine.Source // Root relative to the archive
		toolchain    string
	}{
		"a module": {module, ".", engine.Source{Root: ".", Module: ".", Modules: []string{"."}}, ""},
		"a folder of a module": {module + "-- cmd/a/main.go --\npackage main\n", "cmd/a",
			engine.Source{Root: ".", Module: ".", Modules: []string{"."}}, ""},
		"a folder's module is the nearest": {module + "-- inner/go.mod --\nmodule example.com/inner\n", "inner",
			engine.Source{Root: "inner", Module: ".", Modules: []string{"."}}, ""},
		"a toolchain": {"-- go.mod --\nmodule a\ngo 1.26\ntoolchain go1.26.8\n", ".",
			engine.Source{Root: ".", Module: ".", Modules: []string{"."}}, "go1.26.8 go.mod"},
		"vendored": {module + "-- vendor/modules.txt --\n", ".",
			engine.Source{Root: ".", Module: ".", Modules: []string{"."}, Vendor: true}, ""},
		"a vendor folder of somebody's own": {module + "-- vendor/vendor.go --\npackage vendor\n", ".",
			engine.Source{Root: ".", Module: ".", Modules: []string{"."}}, ""},
		"a workspace": {workspace, "app", engine.Source{
			Root: ".", Module: "app", Modules: []string{"app", "lib", "third/c", "third/d", "third/e"}, Workspace: "go.work",
		}, "go1.26.7 go.work"},
		"a vendored workspace": {workspace + "-- vendor/modules.txt --\n-- app/vendor/none --\n", "lib", engine.Source{
			Root: ".", Module: "lib", Modules: []string{"app", "lib", "third/c", "third/d", "third/e"}, Workspace: "go.work", Vendor: true,
		}, "go1.26.7 go.work"},
		"a workspace's module's own vendor folder": {workspace + "-- app/vendor/modules.txt --\n", "app", engine.Source{
			Root: ".", Module: "app", Modules: []string{"app", "lib", "third/c", "third/d", "third/e"}, Workspace: "go.work",
		}, "go1.26.7 go.work"},
		"a workspace that does not use the module": {workspace, "alone",
			engine.Source{Root: "alone", Module: ".", Modules: []string{"."}}, "go1.26.2 go.mod"},
		"a workspace above what it uses": {"-- go.work --\ngo 1.26\nuse ./a/b\n-- a/b/go.mod --\nmodule a\n", "a/b",
			engine.Source{Root: ".", Module: "a/b", Modules: []string{"a/b"}, Workspace: "go.work"}, ""},
		"a replacement outside of the module": {`
-- app/go.mod --
module example.com/app
replace example.com/lib => ../lib
replace (
	example.com/inner v1.2.3 => ./inner
	example.com/other => example.com/fork v1.0.0
)
`, "app", engine.Source{Root: ".", Module: "app", Modules: []string{"app", "app/inner", "lib"}}, ""},
		"folders whose names begin alike": {"-- ab/go.mod --\nmodule a\nreplace b => ../abc\n", "ab",
			engine.Source{Root: ".", Module: "ab", Modules: []string{"ab", "abc"}}, ""},
	} {
		dir := unpack(t, test.archive)
		s := read(t, filepath.Join(dir, test.dir))
		test.want.Root = filepath.Join(dir, test.want.Root)
		if diff := cmp.Diff(test.want, s.Source); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := strings.TrimSpace(s.toolchain + " " + s.toolchainFrom); got != test.toolchain {
			t.Errorf("%s: the toolchain is %q, want %q", name, got, test.toolchain)
		}
		if want := filepath.Join(dir, test.dir); s.dir != want {
			t.Errorf("%s: the source is %s, want %s", name, s.dir, want)
		}
	}
}

func TestReadSourceByAbsolutePaths(t *testing.T) {
	lib := unpack(t, "-- go.mod --\nmodule example.com/lib\n")
	dir := unpack(t, "-- go.work --\ngo 1.26\nuse ./app\nuse "+lib+"\n-- app/go.mod --\nmodule a\n-- one/go.mod --\nmodule one\nreplace example.com/lib => "+lib+"/\n")
	for _, name := range []string{"app", "one"} {
		s := read(t, filepath.Join(dir, name))
		common := filepath.Dir(lib)
		if s.Root != common && !strings.HasPrefix(common, s.Root+string(filepath.Separator)) {
			t.Errorf("%s: the root %s does not hold %s", name, s.Root, lib)
		}
		if rel := relative(s.Root, lib); !slices.Contains(s.Modules, rel) {
			t.Errorf("%s: the modules are %v, without %s", name, s.Modules, rel)
		}
	}
}

func TestReadSourceThroughALink(t *testing.T) {
	dir := unpack(t, "-- go.work --\ngo 1.26\nuse ./app\n-- app/go.mod --\nmodule a\n")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "app"), link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if s := read(t, link); s.Root != dir || s.Workspace != "go.work" {
		t.Errorf("through a link the root is %s, the workspace %q", s.Root, s.Workspace)
	}
}

func TestReadSourceThatIsNone(t *testing.T) {
	dir := unpack(t, `
-- none/main.go --
package main
-- file --
-- mod/go.mod --
module example.com/a

go 1.26
requires example.com/b v1.0.0
-- nameless/go.mod --
go 1.26
-- work/go.work --
go 1.26

usess ./a
-- work/a/go.mod --
module a
-- gone/go.work --
go 1.26
use ./a
use ./b
-- gone/a/go.mod --
module a
-- brokenwork/go.work --
go 1.26
use (
	./a
	./b
)
-- brokenwork/a/go.mod --
module a
-- brokenwork/b/go.mod --
module b
garbage
-- outside/go.work --
go 1.26
use ./a
use ./b
-- outside/a/go.mod --
module a
`)
	for source, want := range map[string]string{
		"missing":      "SOURCE: does not exist; name the folder of a Go program (--source)",
		"file":         "SOURCE: is no folder; name the folder of a Go program (--source)",
		"file/x":       "SOURCE: does not exist; name the folder of a Go program (--source)",
		"none":         "SOURCE: has no go.mod, and no folder above it has one; make one with go mod init",
		"mod":          "SOURCE/go.mod: line 4: unknown directive: requires",
		"nameless":     "SOURCE/go.mod: names no module; begin it with a line like: module example.com/hello",
		"work/a":       "DIR/work/go.work: line 3: unknown directive: usess",
		"gone/a":       "DIR/gone/b/go.mod: does not exist, though go.work uses its folder",
		"brokenwork/a": "DIR/brokenwork/b/go.mod: line 2: unknown directive: garbage",
		"outside":      "SOURCE: belongs to a workspace and to no module of it; name the folder of one (--source): ./a, ./b",
	} {
		_, err := readSource(filepath.Join(dir, source), true)
		want = strings.NewReplacer("SOURCE", filepath.Join(dir, source), "DIR", dir).Replace(want)
		se, ok := errors.AsType[*SourceError](err)
		if !ok || filepath.ToSlash(se.Error()) != filepath.ToSlash(want) {
			t.Errorf("%s:\n got %v\nwant %s", source, err, want)
		}
	}
}

const several = `
-- go.mod --
module example.com/several/v2

go 1.26

ignore ./web
ignore node_modules
-- lib.go --
package several
-- cmd/a/main.go --
package main
-- cmd/b/main.go --
// Package main, documented.
package main
-- cmd/tagged/main.go --
//go:build special

package main
-- cmd/cgo/main.go --
package main

import "C"
-- cmd/cgotag/main.go --
//go:build cgo

package main
-- cmd/nocgo/main.go --
//go:build !cgo

package main
-- cmd/windows/main_windows.go --
package main
-- cmd/ignored/main.go --
//go:build ignore

package main
-- cmd/tests/main_test.go --
package main
-- cmd/broken/main.go --
package main

func main( {
-- cmd/testdata/x/main.go --
package main
-- cmd/_hidden/main.go --
package main
-- .hidden/main.go --
package main
-- vendor/x/main.go --
package main
-- web/gen/main.go --
package main
-- cmd/web/main.go --
package main
-- cmd/b/node_modules/x/main.go --
package main
-- nested/go.mod --
module example.com/nested
-- nested/main.go --
package main
-- nested/deep/main.go --
package main
-- empty/README --
`

func TestMainPackages(t *testing.T) {
	dir := unpack(t, several)
	for _, test := range []struct {
		dir  string
		tags []string
		want []string
	}{
		{".", nil, []string{"./cmd/a", "./cmd/b", "./cmd/broken", "./cmd/cgo", "./cmd/cgotag", "./cmd/nocgo", "./cmd/web"}},
		{".", []string{"special"}, []string{"./cmd/a", "./cmd/b", "./cmd/broken", "./cmd/cgo", "./cmd/cgotag", "./cmd/nocgo", "./cmd/tagged", "./cmd/web"}},
		{"cmd/a", nil, []string{"."}},
		{"cmd/tagged", nil, nil},
		{"cmd/tagged", []string{"special"}, []string{"."}},
		{"nested", nil, []string{".", "./deep"}},
		{"empty", nil, nil},
	} {
		got, err := read(t, filepath.Join(dir, test.dir)).mainPackages(test.tags)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %v: %s", test.dir, test.tags, diff)
		}
	}
}

func TestMainPackage(t *testing.T) {
	dir := unpack(t, several)
	for _, test := range []struct {
		dir, named string
		tags       []string
		want       string
	}{
		{".", "./cmd/a", nil, "./cmd/a"},
		{".", "cmd/a/", nil, "./cmd/a"},
		{".", "./cmd/../cmd/a", nil, "./cmd/a"},
		{".", "example.com/several/v2/cmd/a", nil, "./cmd/a"},
		{".", "./cmd/cgo", nil, "./cmd/cgo"},
		{".", "./cmd/tagged", []string{"special"}, "./cmd/tagged"},
		{"cmd", "./a", nil, "./cmd/a"},
		{"cmd", "example.com/several/v2/cmd/b", nil, "./cmd/b"},
		{"cmd/a", ".", nil, "./cmd/a"},
		{"cmd/a", "../b", nil, "./cmd/b"},
		{"nested", ".", nil, "."},
	} {
		got, err := read(t, filepath.Join(dir, test.dir)).mainPackage(test.named, test.tags)
		if err != nil || got != test.want {
			t.Errorf("%s in %s: got %s, %v, want %s", test.named, test.dir, got, err, test.want)
		}
	}
	for _, test := range []struct{ named, want string }{
		{"./cmd/none", "there is no such folder in DIR"},
		{"./...", "there is no such folder in DIR"},
		{"cmd/a/main.go", "there is no such folder in DIR"},
		{"example.com/several/v2/none", "there is no such folder in DIR"},
		{"example.com/several/v22", "there is no such folder in DIR"},
		{".", "is package several, not a main package"},
		{"example.com/several/v2", "is package several, not a main package"},
		{"..", "is outside the module"},
		{"../other", "is outside the module"},
		{"example.com/several/v2/../../x", "is outside the module"},
		{"/cmd/a", "is an absolute path; name it relative to the source, like ./cmd/hello"},
		{"./nested", "belongs to another module, that of DIR/nested; name this folder as the source (--source)"},
		{"./nested/deep", "belongs to another module, that of DIR/nested; name this folder as the source (--source)"},
		{"./empty", "holds no Go files that are built for linux; build tags may leave them out (build.tags)"},
		{"./cmd/tests", "holds no Go files that are built for linux; build tags may leave them out (build.tags)"},
		{"./cmd/tagged", "holds no Go files that are built for linux; build tags may leave them out (build.tags)"},
		{"./cmd/windows", "holds no Go files that are built for linux; build tags may leave them out (build.tags)"},
	} {
		got, err := read(t, dir).mainPackage(test.named, nil)
		want := "package " + test.named + ": " + strings.ReplaceAll(test.want, "DIR", dir)
		if _, ok := errors.AsType[*SourceError](err); !ok || err.Error() != want {
			t.Errorf("%s:\n got %s %v\nwant %s", test.named, got, err, want)
		}
	}
}

// TestBinaryName asks the go command for the names as well.
func TestBinaryName(t *testing.T) {
	gobin := t.TempDir()
	for _, test := range []struct{ module, inModule, want string }{
		{"example.com/hello", ".", "hello"},
		{"example.com/hello", "./cmd/world", "world"},
		{"example.com/hello/v2", ".", "hello"},
		{"example.com/hello/v10", "./cmd/world", "world"},
		{"example.com/hello", "./cmd/world/v3", "world"},
		{"example.com/hello", "./v0", "v0"},
		{"example.com/hello", "./v1", "v1"},
		{"example.com/hello", "./v02", "v02"},
		{"example.com/hello", "./v2x", "v2x"},
		{"example.com/hello", "./v", "v"},
		{"gopkg.in/hello.v2", ".", "hello.v2"},
		{"hello", ".", "hello"},
		{"v2", ".", "v2"},
	} {
		dir := unpack(t, "-- go.mod --\nmodule "+test.module+"\n\ngo 1.26\n-- "+path.Join(test.inModule, "main.go")+" --\npackage main\n")
		if got := read(t, dir).binaryName(test.inModule); got != test.want {
			t.Errorf("%s of %s is called %s, want %s", test.inModule, test.module, got, test.want)
		}
		cmd := exec.Command("go", "list", "-f", "{{.Target}}", test.inModule)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOBIN="+gobin, "GOOS=", "GOARCH=")
		out, err := cmd.Output()
		switch got := strings.TrimSuffix(filepath.Base(strings.TrimSpace(string(out))), ".exe"); {
		case errors.Is(err, exec.ErrNotFound):
		case err != nil:
			t.Errorf("%s of %s: go list: %v", test.inModule, test.module, err)
		case got != test.want:
			t.Errorf("go calls %s of %s %s, want %s", test.inModule, test.module, got, test.want)
		}
	}
}

func TestSourceURL(t *testing.T) {
	for module, want := range map[string]string{
		"github.com/acme/hello":         "https://github.com/acme/hello",
		"github.com/acme/hello/v2":      "https://github.com/acme/hello",
		"gitlab.com/acme/hello/sub":     "https://gitlab.com/acme/hello",
		"codeberg.org/acme/hello":       "https://codeberg.org/acme/hello",
		"github.com/acme":               "",
		"example.com/acme/hello":        "",
		"notgithub.com/acme/hello":      "",
		"github.com.evil.io/acme/hello": "",
		"hello":                         "",
	} {
		if got := (&source{modulePath: module}).sourceURL(); got != want {
			t.Errorf("%s is published at %q, want %q", module, got, want)
		}
	}
}

const mit = `MIT License

Copyright (c) 2026 Acme

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

const isc = `ISC License

Copyright (c) 2026 Acme

Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS
OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER
TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.
`

func TestLicenses(t *testing.T) {
	for name, test := range map[string]struct{ archive, dir, want string }{
		"none":                         {module, ".", ""},
		"of the module":                {module + "-- LICENSE --\n" + mit, ".", "MIT"},
		"by another name":              {module + "-- COPYING.md --\n" + isc, ".", "ISC"},
		"the folder's own comes first": {module + "-- LICENSE --\n" + mit + "-- cmd/LICENSE --\n" + isc, "cmd", "ISC"},
		"the module's for a folder":    {module + "-- LICENSE --\n" + mit + "-- cmd/x --\n", "cmd", "MIT"},
		"the workspace's":              {"-- LICENSE --\n" + mit + "-- go.work --\ngo 1.26\nuse ./a\n-- a/go.mod --\nmodule a\n", "a", "MIT"},
		"two":                          {module + "-- LICENSE --\n" + mit + isc, ".", ""},
		"with its address":             {module + "-- LICENSE --\nhttps://opensource.org/licenses/MIT\n\n" + mit, ".", "MIT"},
		"another's address":            {module + "-- LICENSE --\nhttps://www.apache.org/licenses/LICENSE-2.0\n\n" + mit, ".", "MIT"},
		"nothing known":                {module + "-- LICENSE --\nAll rights reserved.\n", ".", ""},
	} {
		got, err := read(t, filepath.Join(unpack(t, test.archive), test.dir)).licenses()
		if err != nil || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}

func TestDropsVendor(t *testing.T) {
	const vendored = module + "-- vendor/modules.txt --\n"
	for name, test := range map[string]struct{ archive, dir, want string }{
		"nothing":            {vendored, ".", ""},
		"other patterns":     {vendored + "-- .gitignore --\n*.o\n# vendor\nvendored/\n", ".", ""},
		"a name":             {vendored + "-- .gitignore --\n*.o\nvendor\n", ".", ".gitignore"},
		"a folder":           {vendored + "-- .gitignore --\n/vendor/\n", ".", ".gitignore"},
		"what is in it":      {vendored + "-- .dockerignore --\n**/vendor/*\n", ".", ".dockerignore"},
		"taken in again":     {vendored + "-- .gitignore --\nvendor/\n!vendor/\n", ".", ""},
		"beside the go.work": {"-- go.work --\ngo 1.26\nuse ./a\n-- .gitignore --\nvendor/\n-- vendor/modules.txt --\n-- a/go.mod --\nmodule a\n", "a", ".gitignore"},
		"without line's end": {vendored + "-- .gitignore --\n  vendor  ", ".", ".gitignore"},
	} {
		if got := read(t, filepath.Join(unpack(t, test.archive), test.dir)).dropsVendor(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
