package executable_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/executable"
)

// The engines' tests see most of the package at work, inside of images.

func write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"a", "b", "a/dir"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "a/closed", "", 0o644)
	write(t, "b/closed", "", 0o755)
	write(t, "b/dir", "", 0o755)
	write(t, "here", "", 0o755)
	env := []string{"PATH=/none", "PATHS=/x", "PATH=a:b:"}
	for name, want := range map[string]string{
		"closed": "b/closed", "dir": "b/dir", "here": "./here", "/x": "/x", "./none": "./none",
	} {
		if got, f := executable.Find(name, env); f != nil || got != want {
			t.Errorf("%s: got %q, %+v, want %q", name, got, f, want)
		}
	}
	for name, want := range map[string]string{
		"": "first word is empty", "none": "no such program in its PATH (a:b:)", "bash": "the image has no shell",
	} {
		if got, f := executable.Find(name, env); f == nil || !strings.Contains(f.Reason, want) {
			t.Errorf("%q: got %q, %+v, want %q", name, got, f, want)
		}
	}
}

func TestInterpreter(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x")
	for content, want := range map[string]string{
		"#!/bin/x":                           "/bin/x",
		"#! \t/bin/x  -E y\nmore":            "/bin/x",
		"":                                   "",
		"#!":                                 "",
		"#!\n/bin/x":                         "",
		"hello #!/bin/x":                     "",
		"#!/" + strings.Repeat("x", 1000):    "/" + strings.Repeat("x", 253),
		"\x7fELF" + strings.Repeat("x", 300): "",
	} {
		write(t, file, content, 0o644)
		if got := executable.Interpreter(file); got != want {
			t.Errorf("%.20q: got %q, want %q", content, got, want)
		}
	}
	// A pipe that nobody writes to would be read for ever.
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, none := range []string{pipe, dir, filepath.Join(dir, "missing")} {
		if got := executable.Interpreter(none); got != "" {
			t.Errorf("%s: got %q", none, got)
		}
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	text, self := filepath.Join(dir, "text"), "/proc/self/exe"
	write(t, text, "hello", 0o755)
	for _, c := range []struct {
		file  string
		err   error
		want  string
		whole bool
	}{
		{filepath.Join(dir, "missing"), syscall.ENOENT, "the image has no such file", false},
		{filepath.Join(dir, "sh"), syscall.ENOENT, "the image has no shell", false},
		{text, syscall.ENOEXEC, "it is no program: neither ELF nor a script", false},
		{text, syscall.EINVAL, "the kernel takes it for a broken program", false},
		{text, syscall.E2BIG, "its arguments and environment are too long", false},
		{text, syscall.ENOMEM, "it cannot be executed", false},
		{text, os.ErrClosed, "it cannot be executed: file already closed", false},
		{dir, &os.PathError{Op: "fork/exec", Path: dir, Err: syscall.EACCES}, "it is a directory", false},
		// What a missing emulator looks like: nothing is wrong with the program.
		{self, syscall.ENOENT, "it cannot be executed", true},
		{self, syscall.ENOEXEC, "and the image says that it is for linux/none", true},
	} {
		f := executable.Explain(c.file, "linux/none", c.err)
		if !strings.HasSuffix(f.Reason, c.want) || f.Whole != c.whole {
			t.Errorf("%s, %v: got %+v, want %q", c.file, c.err, f, c.want)
		}
	}
}
