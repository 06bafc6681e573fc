package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/engine/local"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// program makes a module with one main package.
func program(t *testing.T, files map[string]string) engine.Source {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"go.mod":  "module example.com/prog\n\ngo 1.26.0\n",
		"main.go": "package main\n\nfunc main() { println(word) }\n",
		"word.go": "//go:build !other\n\npackage main\n\nconst word = \"hello\"\n",
		"else.go": "//go:build other\n\npackage main\n\nconst word = \"goodbye\"\n",
	}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return engine.Source{Root: dir, Module: ".", Modules: []string{"."}}
}

func target(t *testing.T, where string) engine.Target {
	t.Helper()
	p, err := platform.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Target{Image: "prog", Package: ".", Name: "prog", Platform: p, Ldflags: "-s -w"}
}

func compile(t *testing.T, e *local.Engine, src engine.Source, progress report.Sink, targets ...engine.Target) *engine.Compiled {
	t.Helper()
	c, err := e.Compile(t.Context(), src, targets, progress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func hash(t *testing.T, file string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// TestEnvironmentDoesNotReachTheBuild sets everything in the environment and in
// the go command's own settings that could change a binary, and none does.
func TestEnvironmentDoesNotReachTheBuild(t *testing.T) {
	src := program(t, nil)
	where := target(t, "linux/amd64")
	clean := compile(t, local.New(local.Options{Environ: os.Environ(), CacheDir: t.TempDir()}), src, nil, where)

	settings := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(settings, []byte("GOEXPERIMENT=nodwarf5\nGOAMD64=v3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	environ := append(os.Environ(),
		"GOFLAGS=-tags=other -buildvcs=true", "GOENV="+settings, "CGO_ENABLED=1", "GOOS=windows", "GOARCH=arm", "GOFIPS140=latest",
		"GODEBUG=http2server=0", "GO386=softfloat",
	)
	var warnings []string
	sink := report.Sink(func(e report.Event) {
		if e.State == report.Warning {
			warnings = append(warnings, e.Text)
		}
	})
	dirty := compile(t, local.New(local.Options{Environ: environ, CacheDir: t.TempDir()}), src, sink, where)
	if hash(t, clean.Binaries[0]) != hash(t, dirty.Binaries[0]) {
		info, err := buildinfo.ReadFile(dirty.Binaries[0])
		t.Errorf("the environment changed the binary: %v %v", info, err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "GOFLAGS has -tags=other, which is not used") {
		t.Errorf("the warnings are %q", warnings)
	}
	if clean.Go == "" || "go"+clean.Go != runtime.Version() && !strings.HasPrefix(runtime.Version(), "devel") && os.Getenv("GOTOOLCHAIN") == "local" {
		t.Errorf("the release is %q", clean.Go)
	}
}

// TestTargets wants tags, linker flags and variables of a target to reach its
// build, and each binary to be for its platform.
func TestTargets(t *testing.T) {
	src := program(t, map[string]string{"main.go": "package main\n\nvar version = \"none\"\n\nfunc main() { println(word, version) }\n"})
	amd64, arm := target(t, "linux/amd64"), target(t, "linux/arm/v6")
	arm.Tags, arm.Ldflags, arm.Env = []string{"other"}, "-s -w -X main.version=1.2.3", []string{"GOFIPS140=off"}
	c := compile(t, local.New(local.Options{Environ: os.Environ(), CacheDir: t.TempDir()}), src, nil, amd64, arm)
	for i, want := range []string{"GOAMD64=v1", "GOARM=6"} {
		info, err := buildinfo.ReadFile(c.Binaries[i])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(info.String(), want) || !strings.Contains(info.String(), "CGO_ENABLED=0") || !strings.Contains(info.String(), "-trimpath=true") {
			t.Errorf("binary %d was built as\n%s", i, info)
		}
		if strings.Contains(info.String(), "vcs") {
			t.Errorf("binary %d has the revision in it:\n%s", i, info)
		}
	}
	data, err := os.ReadFile(c.Binaries[1])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte("goodbye")) || !bytes.Contains(data, []byte("1.2.3")) {
		t.Error("tags or linker flags did not reach the build")
	}
	if bytes.Contains(data, []byte(src.Root)) {
		t.Error("the source's path is in the binary")
	}
	if _, err := os.Stat(c.Zoneinfo); err != nil {
		t.Error(err)
	}
}

// TestUpToDateBinaryIsNotLinkedAgain looks at the file that is kept.
func TestUpToDateBinaryIsNotLinkedAgain(t *testing.T) {
	src, cache := program(t, nil), t.TempDir()
	e := local.New(local.Options{Environ: os.Environ(), CacheDir: cache})
	kept := func() os.FileInfo {
		t.Helper()
		compile(t, e, src, nil, target(t, "linux/amd64"))
		files, err := filepath.Glob(filepath.Join(cache, "binaries", "*", "prog"))
		if err != nil || len(files) != 1 {
			t.Fatalf("kept are %v, %v", files, err)
		}
		info, err := os.Stat(files[0])
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first, second := kept(), kept()
	if !os.SameFile(first, second) {
		t.Error("an unchanged program was linked again")
	}
	if err := os.WriteFile(filepath.Join(src.Root, "word.go"), []byte("//go:build !other\n\npackage main\n\nconst word = \"changed\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if os.SameFile(first, kept()) {
		t.Error("a changed program was not linked")
	}

	// A kept binary that was damaged is not taken, whether its header is whole or not.
	files, err := filepath.Glob(filepath.Join(cache, "binaries", "*", "prog"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2]++
	for _, damaged := range [][]byte{changed, whole[:len(whole)/2], []byte("no binary"), nil} {
		if err := os.WriteFile(files[0], damaged, 0o755); err != nil {
			t.Fatal(err)
		}
		c := compile(t, e, src, nil, target(t, "linux/amd64"))
		got, err := os.ReadFile(c.Binaries[0])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, whole) {
			t.Error("a damaged binary was taken")
		}
	}
}

// TestBuildsAtOnce builds the same target in one cache from many sides: each
// gets a whole binary.
func TestBuildsAtOnce(t *testing.T) {
	src, cache := program(t, nil), t.TempDir()
	var wg sync.WaitGroup
	sums := make([][sha256.Size]byte, 6)
	for i := range sums {
		wg.Go(func() {
			e := local.New(local.Options{Environ: os.Environ(), CacheDir: cache})
			c, err := e.Compile(t.Context(), src, []engine.Target{target(t, "linux/amd64")}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := engine.CheckStatic(c.Binaries[0], target(t, "linux/amd64").Platform); err != nil {
				t.Error(err)
			}
			sums[i] = hash(t, c.Binaries[0])
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, sum := range sums {
		if sum != sums[0] {
			t.Error("two builds gave different binaries")
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "run-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestNamedRelease compiles with another release than the one at hand, which
// the go command fetches.
func TestNamedRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("fetches a Go toolchain")
	}
	src := program(t, nil)
	src.Go = "1.26.7"
	c, err := local.New(local.Options{Environ: os.Environ(), CacheDir: t.TempDir()}).Compile(t.Context(), src, []engine.Target{target(t, "linux/amd64")}, nil)
	if _, ok := errors.AsType[*engine.ToolchainError](err); ok {
		t.Skipf("the module proxy does not have it: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	info, err := buildinfo.ReadFile(c.Binaries[0])
	if err != nil {
		t.Fatal(err)
	}
	if c.Go != "1.26.7" || info.GoVersion != "go1.26.7" {
		t.Errorf("compiled by %s, and the binary says %s", c.Go, info.GoVersion)
	}
	if _, err := os.Stat(c.Zoneinfo); err != nil {
		t.Error(err)
	}
}

// TestCancel ends a build in the middle, with everything that it started.
func TestCancel(t *testing.T) {
	cache := t.TempDir()
	temp := t.TempDir()
	e := local.New(local.Options{Environ: append(os.Environ(), "TMPDIR="+temp), CacheDir: cache, GoCaches: filepath.Join(cache, "go")})
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	var once sync.Once
	sink := report.Sink(func(ev report.Event) {
		if ev.Step == "compile" && ev.State == report.Started {
			once.Do(func() { close(started) })
		}
	})
	done := make(chan error, 1)
	go func() {
		// Empty caches: the standard library is compiled, which takes a while.
		_, err := e.Compile(ctx, program(t, nil), []engine.Target{target(t, "linux/riscv64")}, sink)
		done <- err
	}()
	<-started
	time.Sleep(300 * time.Millisecond) // somewhere in the middle; correct whenever it is
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "run-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if runtime.GOOS == "linux" {
		for _, p := range processesOf(t, cache) {
			t.Errorf("still running: %s", p)
		}
	}
}

// processesOf lists the processes whose environment names a folder.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range environs {
		data, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(data, []byte("GOCACHE="+dir)) {
			continue // it ended, or is somebody else's
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		found = append(found, strings.ReplaceAll(string(cmdline), "\x00", " "))
	}
	return found
}
