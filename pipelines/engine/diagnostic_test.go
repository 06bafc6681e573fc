package engine_test

import (
	stdcmp "cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/engine/local"
)

// TestDiagnostics builds and tests each archive of testdata/diagnostic with the
// toolchain at hand. The last file of an archive, "want", says which
// diagnostics that gives. A line that begins with ">" is a step with its
// package or its arguments; steps that follow each other give the same. The
// archive's comment can name the folder of the main module.
func TestDiagnostics(t *testing.T) {
	archives, err := filepath.Glob("testdata/diagnostic/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			last := len(archive.Files) - 1
			if archive.Files[last].Name != "want" {
				t.Fatal("the last file is not want")
			}
			src := unpack(t, archive.Files[:last])
			for line := range strings.Lines(string(archive.Comment)) {
				if module, ok := strings.CutPrefix(line, "module "); ok {
					src.Module = strings.TrimSpace(module)
				}
			}
			var steps []string
			var want string
			check := func() {
				for _, step := range steps {
					checkDiagnostics(t, src, step, want)
				}
				steps, want = nil, ""
			}
			for line := range strings.Lines(string(archive.Files[last].Data)) {
				step, ok := strings.CutPrefix(line, "> ")
				if !ok {
					want += line
					continue
				}
				if want != "" {
					check()
				}
				steps = append(steps, strings.TrimSpace(step))
			}
			check()
		})
	}
}

// unpack makes a source of files.
func unpack(t *testing.T, files []txtar.File) engine.Source {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	src := engine.Source{Root: root, Module: "."}
	for _, f := range files {
		name := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, name, string(f.Data))
		switch path.Base(f.Name) {
		case "go.mod":
			src.Modules = append(src.Modules, path.Dir(f.Name))
		case "go.work":
			src.Workspace = f.Name
		case "modules.txt":
			src.Vendor = true
		}
	}
	return src
}

// checkDiagnostics runs a step, "compile PACKAGE" or "test ARGS", and compares
// what its failure has to say.
func checkDiagnostics(t *testing.T, src engine.Source, step, want string) {
	t.Helper()
	e := local.New(local.Options{Environ: append(os.Environ(), "GOPROXY=off", "GOFLAGS="), CacheDir: t.TempDir()})
	words := strings.Fields(step)
	var err error
	switch words[0] {
	case "download", "compile":
		target := engine.Target{Package: words[1], Name: "prog", Platform: parse(t, "linux/amd64")}
		_, err = e.Compile(t.Context(), src, []engine.Target{target}, nil)
	default:
		test := engine.Test{Args: words[1:]}
		if src.Workspace != "" { // "./..." is one module alone
			for _, m := range src.Modules {
				rel, err := filepath.Rel(src.Module, m)
				if err != nil {
					t.Fatal(err)
				}
				test.Packages = append(test.Packages, "./"+filepath.ToSlash(rel)+"/...")
			}
		}
		err = e.Test(t.Context(), src, test, nil)
	}
	if _, ok := errors.AsType[*engine.ToolchainError](err); ok {
		t.Skip(err)
	}
	failed, ok := errors.AsType[*engine.CompileError](err)
	if !ok {
		t.Fatalf("%s: got %v, want a *CompileError", step, err)
	}
	if strings.Contains(failed.Output, "-race ") || strings.Contains(failed.Output, "C compiler") {
		t.Skip(failed.Output)
	}
	if failed.Step != words[0] {
		t.Fatalf("got %v, want a failure of %s", err, words[0])
	}
	found := failed.Diagnostics(src)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(strings.ReplaceAll(text(found, true), src.Root, "$ROOT"), "\n")); diff != "" {
		t.Errorf("> %s (- want, + got)\n%s\nfrom\n%s", step, diff, failed.Output)
	}
	for _, d := range found {
		if d.File == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(src.Root, filepath.FromSlash(d.File)))
		if err != nil {
			t.Errorf("> %s: %v", step, err)
		} else if lines := strings.Count(string(data), "\n"); d.Line > lines+1 {
			t.Errorf("> %s: %s has %d lines, and not %d", step, d.File, lines, d.Line)
		}
	}
	// A Dagger engine leaves its own root out.
	failed.Output = strings.ReplaceAll(strings.ReplaceAll(failed.Output, src.Root+"/", ""), src.Root, ".")
	if diff := cmp.Diff(text(found, false), text(failed.Diagnostics(src), false)); diff != "" {
		t.Errorf("> %s without the root (- with it, + without)\n%s\nfrom\n%s", step, diff, failed.Output)
	}
}

// text is a line for each diagnostic, and one for each that continues its
// message. They are in the order of their places, since the go command works on
// several packages at once.
func text(list []engine.Diagnostic, messages bool) string {
	if len(list) == 0 {
		return "nothing\n"
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b engine.Diagnostic) int {
		return stdcmp.Or(stdcmp.Compare(a.File, b.File), stdcmp.Compare(a.Line, b.Line), stdcmp.Compare(a.Column, b.Column))
	})
	var b strings.Builder
	for _, d := range list {
		place := d.File
		for _, n := range []int{d.Line, d.Column} {
			if n > 0 {
				place += fmt.Sprintf(":%d", n)
			}
		}
		if d.File == "" {
			place = "nowhere"
		}
		if d.Test != "" {
			place += " " + d.Test
		}
		if messages {
			place += ": " + strings.ReplaceAll(d.Message, "\n", "\n    | ")
		}
		b.WriteString(place + "\n")
	}
	return b.String()
}

// FuzzDiagnostics wants a place in the source of every diagnostic, whatever a
// test may have printed.
func FuzzDiagnostics(f *testing.F) {
	steps := []string{"test", "compile", "vet", "download", "verify"}
	for _, output := range []string{
		"# example.com/x\n./main.go:3:15: undefined: nothing\n\thave (a)\n",
		"vet: ../../lib/lib.go:3:15: undefined\nC:\\x\\main.go:1:2: a\n/etc/passwd.go:1:1: a\n\xff.go:1:1: a\n",
		"package example.com/x\n\timports example.com/lib/../../y from ../a.go\n\timports example.com/x from b.go: import cycle not allowed\n",
		"go: errors parsing ../go.mod:\n../go.mod:5: unknown directive: x\n../../go.work:2: x\n",
		"--- FAIL: TestX (0.00s)\n    x_test.go:7: a\n        b\n    --- FAIL: TestX/a (0.00s)\n        ../../y_test.go:8: c\nFAIL\nFAIL\texample.com/x/../..\t0.01s\n",
		"=== RUN   TestX\n    /x_test.go:99999999999999999999: a\n--- FAIL: TestX (0.00s)\nFAIL\texample.com/x\t0.01s\n",
		"panic: test timed out after 1s\n\trunning tests:\n\t\tTestX/a (1s)\n\ngoroutine 1 [running]:\ntesting.(*T).Run(...)\nexample.com/x.TestX(0x1)\n\t../x_test.go:5 +0x1\nFAIL\texample.com/x\t1.0s\n",
		"==================\nWARNING: DATA RACE\nRead at 0x0 by goroutine 1:\n  example.com/lib%2e.f()\n      /lib/x.go:3 +0x1\n==================\nFAIL\texample.com/x\t1.0s\n",
		"--- FAIL: Example (0.00s)\ngot:\nwant:\nFAIL\texample.com/x\t1.0s\n",
	} {
		for i := range steps {
			f.Add(uint8(i), output)
		}
	}
	src := engine.Source{Root: f.TempDir(), Module: "app", Modules: []string{"app", "lib"}, Workspace: "go.work"}
	for _, m := range src.Modules {
		if err := os.Mkdir(filepath.Join(src.Root, m), 0o755); err != nil {
			f.Fatal(err)
		}
	}
	// A module that cannot be read, and one whose path says little.
	if err := os.WriteFile(filepath.Join(src.Root, "app", "go.mod"), []byte("module example.com/x\n"), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, step uint8, output string) {
		failed := engine.CompileError{Step: steps[int(step)%len(steps)], Output: output}
		places := map[string]bool{}
		for _, d := range failed.Diagnostics(src) {
			if d.File == "" && d.Test == "" {
				t.Errorf("%+v has no place and is no test's", d)
			}
			if d.File != "" && (!fs.ValidPath(d.File) || d.File == ".") {
				t.Errorf("%q is no file of the source", d.File)
			}
			if d.Line < 0 || d.Column < 0 {
				t.Errorf("%+v has a place before the file", d)
			}
			place := text([]engine.Diagnostic{{File: d.File, Line: d.Line, Column: d.Column}}, false)
			if d.File != "" && places[place] {
				t.Errorf("%s is there twice", place)
			}
			places[place] = true
		}
	})
}
