package engine_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

func parse(t *testing.T, s string) v1.Platform {
	t.Helper()
	p, err := platform.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// gobuild compiles a program with the toolchain at hand.
func gobuild(t *testing.T, program string, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "program")
	write(t, filepath.Join(dir, "main.go"), program)
	cmd := exec.Command("go", "build", "-o", out, "main.go")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off"), env...)
	text, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no Go toolchain here")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// notStatic checks that a file is refused, for a reason that begins so.
func notStatic(t *testing.T, file, p, reason string) {
	t.Helper()
	err := engine.CheckStatic(file, parse(t, p))
	e, ok := errors.AsType[*engine.NotStaticError](err)
	if !ok || e.Path != file || e.Platform != p || !strings.HasPrefix(e.Reason, reason) {
		t.Errorf("%s for %s: got %v, want that it %s", filepath.Base(file), p, err, reason)
	}
}

// TestCheckStatic holds Go's binaries against every platform: each is for its
// own, with every variant, and for no other. Those of MIPS differ in their byte
// order and word size alone.
func TestCheckStatic(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "mips"} {
		p := parse(t, "linux/"+arch)
		file := gobuild(t, "package main\n\nfunc main() {}\n", engine.Target{Platform: p}.GoEnv()...)
		for _, other := range platform.All() {
			if other.Architecture == arch {
				if err := engine.CheckStatic(file, other); err != nil {
					t.Errorf("%s: %v", arch, err)
				}
				continue
			}
			notStatic(t, file, platform.String(other), "is for another machine: EM_")
		}
	}
}

func TestCheckStaticOfWhatNeedsCgo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("cgo makes programs for this machine alone, which is no Linux")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("cgo needs gcc, which is not here")
	}
	file := gobuild(t, "package main\n\nimport \"C\"\n\nfunc main() {}\n", "CGO_ENABLED=1", "GOOS=", "GOARCH=")
	notStatic(t, file, "linux/"+runtime.GOARCH, "needs a dynamic loader, which the image does not have")
}

// TestCheckStaticOfOtherLinkers links in each of the ways that a C compiler can.
func TestCheckStaticOfOtherLinkers(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("there is no gcc for Linux here")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.c")
	write(t, source, "void _start(void) { for (;;); }\n")
	here := "linux/" + runtime.GOARCH
	for flags, reason := range map[string]string{
		"-static":     "",
		"-pie":        "needs a dynamic loader",
		"-static-pie": "needs shared libraries",
		"-shared":     "needs shared libraries",
		"-c":          "is no executable: ET_REL",
	} {
		file := filepath.Join(dir, "out"+flags)
		if out, err := exec.Command(gcc, "-nostdlib", "-fPIC", flags, "-o", file, source).CombinedOutput(); err != nil {
			t.Logf("gcc %s does not work here: %v: %s", flags, err, out)
			continue
		}
		if reason != "" {
			notStatic(t, file, here, reason)
			continue
		}
		if err := engine.CheckStatic(file, parse(t, here)); err != nil {
			t.Errorf("%s: %v", flags, err)
		}
		err := engine.CheckStatic(file, v1.Platform{OS: "linux", Architecture: "sparc64"})
		if want := "linux/sparc64: the binary has an architecture that is not known here"; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", flags, err, want)
		}
	}
}

func TestCheckStaticOfNoExecutable(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "script": "#!/bin/sh\n", "windows": "MZ\x90\x00\x03", "cut off": "\x7fELF\x02\x01\x01",
	} {
		file := filepath.Join(dir, name)
		write(t, file, content)
		notStatic(t, file, "linux/amd64", "is no ELF executable: ")
	}
	notStatic(t, filepath.Join(dir, "missing"), "linux/amd64", "is no ELF executable: ")
}
