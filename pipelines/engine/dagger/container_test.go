package dagger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
	"github.com/slipway-dev/slipway/pipelines/engine/internal/testprogram"
	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// connected is the one client of the tests of containers. It lives as long as they
// do.
var connected = sync.OnceValues(func() (*sdk.Client, error) {
	return sdk.Connect(context.Background())
})

// engineClient returns a client of the engine that the environment names, and
// skips a test where it names none.
func engineClient(t testing.TB) *sdk.Client {
	t.Helper()
	pipelinetest.NeedsDagger(t)
	client, err := connected()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// testImage assembles an image.
func testImage(t testing.TB, p v1.Platform, config v1.Config, entries ...testimage.Entry) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, testimage.Layer(t, entries...))
	if err != nil {
		t.Fatal(err)
	}
	configFile, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	configFile = configFile.DeepCopy()
	configFile.OS, configFile.Architecture, configFile.Variant, configFile.Config = p.OS, p.Architecture, p.Variant, config
	if img, err = mutate.ConfigFile(img, configFile); err != nil {
		t.Fatal(err)
	}
	return img
}

// testProgram is the program of the tests, compiled for an architecture.
func testProgram(t testing.TB, arch string) testimage.Entry {
	t.Helper()
	content, err := testprogram.Compile(arch)
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs the go command: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return testimage.File("app", content, 0o755)
}

// enginePlatform is the engine's own.
func enginePlatform(t testing.TB) v1.Platform {
	t.Helper()
	name, err := engineClient(t).DefaultPlatform(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := v1.ParsePlatform(string(name))
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

// loadImage loads an image, and checks that it leaves nothing.
func loadImage(t testing.TB, img v1.Image) (engine.Container, error) {
	t.Helper()
	client := engineClient(t)
	temp, err := os.MkdirTemp("", "t")
	if err != nil {
		t.Fatal(err)
	}
	e := New(client, Options{Builder: os.Getenv("SLIPWAY_TEST_BUILDER"), TempDir: temp})
	c, err := e.Load(t.Context(), img)
	t.Cleanup(func() {
		if c != nil {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		left, err := os.ReadDir(temp)
		if err != nil {
			t.Error(err)
		}
		for _, entry := range left {
			t.Errorf("left behind: %s", entry.Name())
		}
		if err := os.RemoveAll(temp); err != nil {
			t.Error(err)
		}
		checkLeaks(t)
	})
	return c, err
}

// checkLeaks fails a test whose goroutines do not end.
func checkLeaks(t testing.TB) {
	t.Helper()
	for range 200 { // what is over takes a moment to go
		if leaks() == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("goroutines are left:\n%s", leaks())
}

// leaks returns the goroutines that run this package's own code, but for tests.
func leaks() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "/engine/dagger.(*line)") || strings.Contains(stack, "/engine/dagger.(*execution)") ||
			strings.Contains(stack, "/engine/dagger.launch") || strings.Contains(stack, "/engine/dagger.(*container)") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// native is a container with the program at /app and further entries.
func native(t testing.TB, config v1.Config, entries ...testimage.Entry) engine.Container {
	t.Helper()
	p := enginePlatform(t)
	if config.Entrypoint == nil {
		config.Entrypoint = []string{"/app"}
	}
	c, err := loadImage(t, testImage(t, p, config, append([]testimage.Entry{testProgram(t, p.Architecture)}, entries...)...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var nobody = v1.Config{User: "65534:65534"}

// run runs a container and fails the test on an error of the engine.
func run(t testing.TB, c engine.Container, args ...string) smoke.Exit {
	t.Helper()
	exit, err := c.Run(t.Context(), smoke.Process{Args: args})
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return exit
}

// brief is an exit in one line, with the beginning of what it wrote.
func brief(e smoke.Exit) string {
	cut := func(b []byte) []byte { return b[:min(len(b), 200)] }
	return fmt.Sprintf("exit code %d %s, stdout %q, stderr %q", e.Code, e.Signal, cut(e.Stdout), cut(e.Stderr))
}

// succeed runs a container whose program must succeed, and returns its output.
func succeed(t testing.TB, c engine.Container, args ...string) string {
	t.Helper()
	exit := run(t, c, args...)
	if exit.Code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, exit.Code, exit.Stderr)
	}
	return string(exit.Stdout)
}

// fail runs a container whose program must fail and say a text.
func fail(t testing.TB, c engine.Container, text string, args ...string) {
	t.Helper()
	exit := run(t, c, args...)
	if exit.Code == 0 || !strings.Contains(string(exit.Stderr), text) {
		t.Errorf("%q: want a failure with %q, got exit code %d: %s", args, text, exit.Code, exit.Stderr)
	}
}

func look(t testing.TB, c engine.Container, p smoke.Process) testprogram.Seen {
	t.Helper()
	p.Args = append([]string{"report"}, p.Args...)
	exit, err := c.Run(t.Context(), p)
	if err != nil || exit.Code != 0 {
		t.Fatalf("%v, exit code %d: %s", err, exit.Code, exit.Stderr)
	}
	var s testprogram.Seen
	if err := json.Unmarshal(exit.Stdout, &s); err != nil {
		t.Fatalf("%v: %s", err, exit.Stdout)
	}
	return s
}

func TestExits(t *testing.T) {
	c := native(t, nobody)
	if exit := run(t, c, "exit", "42"); exit.Code != 42 || exit.Signal != "" || exit.Elapsed <= 0 {
		t.Errorf("got %s", brief(exit))
	}
	if exit := run(t, c, "complain", "no database"); exit.Code != 1 || string(exit.Stderr) != "no database\n" || len(exit.Stdout) > 0 {
		t.Errorf("got %s", brief(exit))
	}
	for number, want := range map[int]string{9: "SIGKILL", 1: "SIGHUP", 15: "SIGTERM"} {
		if exit := run(t, c, "die", fmt.Sprint(number)); exit.Code != 128+number || exit.Signal != want {
			t.Errorf("want %s, got %s", want, brief(exit))
		}
	}
	// The same again is run again.
	if exit := run(t, c, "exit", "42"); exit.Code != 42 {
		t.Errorf("got %s", brief(exit))
	}
}

// TestSegmentationFault uses a program without a runtime that would explain it.
func TestSegmentationFault(t *testing.T) {
	p := enginePlatform(t)
	if p.Architecture != "amd64" {
		t.Skip("the program is for linux/amd64")
	}
	// An ELF file of one segment, at 0x400000, whose code at 0x400078 reads address 0.
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) +
		"\x02\x00\x3e\x00\x01\x00\x00\x00\x78\x00\x40\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 8) +
		"\x00\x00\x00\x00\x40\x00\x38\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\x01\x00\x00\x00\x05\x00\x00\x00" + strings.Repeat("\x00", 8) + "\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00" +
		"\x82\x00\x00\x00\x00\x00\x00\x00\x82\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00" +
		"\x48\x31\xc0\x48\x8b\x00\xeb\xfe\x00\x00" // xor rax, rax; mov rax, [rax]; jmp .
	c, err := loadImage(t, testImage(t, p, v1.Config{Entrypoint: []string{"/x"}, User: "5:5"}, testimage.File("x", elf, 0o755)))
	if err != nil {
		t.Fatal(err)
	}
	if exit := run(t, c); exit.Code != 139 || exit.Signal != "SIGSEGV" {
		t.Errorf("got %s", brief(exit))
	}
}

func TestOutputIsCapped(t *testing.T) {
	exit := run(t, native(t, nobody), "flood")
	if exit.Code != 0 || len(exit.Stdout) != smoke.MaxOutput || len(exit.Stderr) != smoke.MaxOutput {
		t.Errorf("exit code %d, %d and %d bytes", exit.Code, len(exit.Stdout), len(exit.Stderr))
	}
}

func TestSurroundings(t *testing.T) {
	t.Setenv("SLIPWAY_TEST_SECRET", "leaked") // the caller's environment stays outside
	c := native(t, v1.Config{
		User: "65534:65534", Entrypoint: []string{"/app"}, Cmd: []string{"exit", "3"}, WorkingDir: "srv/data/",
		Env: []string{"A=image", "B=image", "EMPTY="},
	})
	got := look(t, c, smoke.Process{
		Args: []string{"one", "", "$A"}, Env: []string{"B=caller", "C=caller=more"}, Stdin: "typed\n",
	})
	status := got.Status
	got.Status = nil
	want := testprogram.Seen{
		UID: 65534, GID: 65534, PID: got.PID, Groups: got.Groups,
		Args: []string{"/app", "report", "one", "", "$A"},
		Env: []string{
			"HOSTNAME=" + got.Host, "HOME=/", "PATH=" + process.DefaultPath,
			"A=image", "B=caller", "EMPTY=", "C=caller=more",
		},
		Dir: "/srv/data", Host: got.Host, Stdin: "typed\n",
		Descriptors: []string{"0", "1", "2"},
		Umask:       0o022,
		Files:       []string{".slipway", "app", "dev", "etc", "proc", "srv", "sys"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"NoNewPrivs": "1", "CapEff": "0000000000000000", "SigIgn": "0000000000000000", "SigBlk": "0000000000000000",
	} {
		if status[name] != want {
			t.Errorf("%s is %s, want %s", name, status[name], want)
		}
	}
	if got := look(t, c, smoke.Process{}); got.Stdin != "" {
		t.Errorf("without any stdin it read %q", got.Stdin)
	}

	// Without arguments it is the image's Cmd; with none it is the entrypoint alone,
	// which this program does not like.
	if exit, err := c.Run(t.Context(), smoke.Process{}); err != nil || exit.Code != 3 {
		t.Errorf("the image's Cmd: %s, %v", brief(exit), err)
	}
	if exit, err := c.Run(t.Context(), smoke.Process{Args: []string{}}); err != nil || exit.Code != 2 || !strings.Contains(string(exit.Stderr), "out of range") {
		t.Errorf("no arguments: %s, %v", brief(exit), err)
	}
}

func TestLargeStdin(t *testing.T) {
	c := native(t, nobody)
	text := strings.Repeat("0123456789", 1<<16)
	if got := look(t, c, smoke.Process{Stdin: text}); got.Stdin != text {
		t.Errorf("of %d bytes %d arrived", len(text), len(got.Stdin))
	}
	// Nor does it matter that nobody reads it.
	exit, err := c.Run(t.Context(), smoke.Process{Args: []string{"exit", "4"}, Stdin: text})
	if err != nil || exit.Code != 4 {
		t.Errorf("got %s, %v", brief(exit), err)
	}
}

func TestUser(t *testing.T) {
	p := enginePlatform(t)
	files := []testimage.Entry{
		testProgram(t, p.Architecture),
		testimage.File("etc/passwd", "root:x:0:0::/root:\napp:x:1000:1001:App:/home/app:\nbroken line\nodd:x:many:0::/:\n", 0o644),
		testimage.File("etc/group", "root:x:0:\ngrp:x:1001:\nlogs:x:2000:root,app\n", 0o644),
	}
	type user struct {
		uid, gid int
		home     string
	}
	for spec, want := range map[string]user{
		"":          {0, 0, "/root"},
		"app":       {1000, 1001, "/home/app"},
		"1000:1000": {1000, 1000, "/home/app"},
		"app:logs":  {1000, 2000, "/home/app"},
		"app:5":     {1000, 5, "/home/app"},
		"7000:7001": {7000, 7001, "/"},
	} {
		t.Run(spec, func(t *testing.T) {
			c, err := loadImage(t, testImage(t, p, v1.Config{User: spec, Entrypoint: []string{"/app"}}, files...))
			if err != nil {
				t.Fatal(err)
			}
			got := look(t, c, smoke.Process{})
			if (user{got.UID, got.GID, want.home}) != want || !slices.Contains(got.Env, "HOME="+want.home) {
				t.Errorf("runs as %d:%d with %q, want %+v", got.UID, got.GID, got.Env, want)
			}
		})
	}
	for spec, want := range map[string]string{
		"nobody":   `the image's user "nobody": the image's /etc/passwd has no name "nobody"; use its number`,
		"app:none": `the image's user "app:none": the image's /etc/group has no group "none"; use its number`,
		"odd":      `the image's /etc/passwd has no name "odd"`,
	} {
		_, err := loadImage(t, testImage(t, p, v1.Config{User: spec, Entrypoint: []string{"/app"}}, files...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("user %q: got %v", spec, err)
		}
	}
}

func TestTmpAndVolumes(t *testing.T) {
	c := native(t, v1.Config{User: "1234:1234", Volumes: map[string]struct{}{"/data": {}, "/new": {}}},
		testimage.Dir("tmp", 0o1777), testimage.Dir("data", 0o750).Owned(1234, 0), testimage.File("data/seed", "seed", 0o640).Owned(1234, 0))
	succeed(t, c, "write", "/tmp/new")
	succeed(t, c, "write", "/data/new")
	fail(t, c, "no such file", "read", "/data/new") // each run has files of its own
	if got := succeed(t, c, "read", "/data/seed"); got != "seed" {
		t.Errorf("got %q", got)
	}
	fail(t, c, "permission denied", "write", "/new/new") // it is root's
	fail(t, c, "permission denied", "write", "/app")
}

func TestProgramsThatCannotStart(t *testing.T) {
	p := enginePlatform(t)
	for name, c := range map[string]struct {
		config  v1.Config
		entries []testimage.Entry
		want    string
	}{
		"missing":           {v1.Config{Entrypoint: []string{"/missing"}}, nil, "cannot start /missing: the image has no such file"},
		"not in PATH":       {v1.Config{Entrypoint: []string{"missing"}, Env: []string{"PATH=/a:/b"}}, nil, "no such program in its PATH (/a:/b)"},
		"empty":             {v1.Config{Entrypoint: []string{""}}, nil, "first word is empty"},
		"shell form":        {v1.Config{Entrypoint: []string{"/bin/sh", "-c", "/app"}}, nil, "the image has no shell; use the exec form"},
		"shell by name":     {v1.Config{Cmd: []string{"sh", "-c", "/app"}}, nil, "the image has no shell; use the exec form"},
		"no execute bit":    {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "", 0o644)}, "its mode needs an execute bit"},
		"not for its user":  {v1.Config{Entrypoint: []string{"/x"}, User: "5:5"}, []testimage.Entry{testimage.File("x", "", 0o700)}, "user 5:5 may not execute it"},
		"a directory":       {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.Dir("x", 0o755)}, "it is a directory"},
		"text":              {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "hello", 0o755)}, "neither ELF nor a script"},
		"script":            {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "#! /usr/bin/python3 -E\n", 0o755)}, "it is a script for /usr/bin/python3, which is not in the image"},
		"the supervisor":    {v1.Config{Entrypoint: []string{"/proc/self/exe"}}, nil, "leads out of the image"},
		"... by a link":     {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.Symlink("x", supervisorPath)}, "leads out of the image"},
		"closed directory":  {v1.Config{Entrypoint: []string{"/app"}, User: "5:5", WorkingDir: "/x"}, []testimage.Entry{testimage.Dir("x", 0o700)}, "user 5:5 cannot enter the working directory /x"},
		"workdir is a file": {v1.Config{Entrypoint: []string{"/app"}, WorkingDir: "/x"}, []testimage.Entry{testimage.File("x", "", 0o755)}, "cannot enter the working directory /x"},
	} {
		t.Run(name, func(t *testing.T) {
			container, err := loadImage(t, testImage(t, p, c.config, c.entries...))
			if err != nil {
				t.Fatal(err)
			}
			_, err = container.Run(t.Context(), smoke.Process{})
			if e, ok := errors.AsType[*process.StartError](err); !ok || !strings.Contains(e.Error(), c.want) {
				t.Errorf("want a StartError with %q, got %T: %v", c.want, err, err)
			}
		})
	}
	t.Run("nothing to run", func(t *testing.T) {
		container, err := loadImage(t, testImage(t, p, v1.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := container.Run(t.Context(), smoke.Process{}); err == nil || !strings.HasPrefix(err.Error(), "there is nothing to run") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("served", func(t *testing.T) {
		container, err := loadImage(t, testImage(t, p, v1.Config{Entrypoint: []string{"/missing"}}))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := container.Serve(t.Context(), smoke.Process{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, %v", s, err)
		}
	})
}

func TestProgramsByName(t *testing.T) {
	p := enginePlatform(t)
	app := testProgram(t, p.Architecture)
	app.Name = "opt/bin/app"
	for _, name := range []string{"app", "./app", "../bin/app", "/link"} {
		c, err := loadImage(t, testImage(t, p, v1.Config{
			Entrypoint: []string{name}, Env: []string{"PATH=/none:/opt/bin"}, WorkingDir: "/opt/bin", User: "5:5",
		}, app, testimage.Symlink("link", "/opt/bin/app")))
		if err != nil {
			t.Fatal(err)
		}
		if got := succeed(t, c, "print", "found"); got != "found" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestNotRunnable(t *testing.T) {
	c := native(t, nobody)
	_, err := c.Run(t.Context(), smoke.Process{Args: []string{"print", "x"}, HostNetwork: true})
	if _, ok := errors.AsType[*smoke.NotRunnableError](err); !ok {
		t.Errorf("host network: %v", err)
	}
	_, err = c.Serve(t.Context(), smoke.Process{Args: []string{"serve", ":1"}, HostNetwork: true})
	if _, ok := errors.AsType[*smoke.NotRunnableError](err); !ok {
		t.Errorf("host network: %v", err)
	}
	// No processor is too old on demand; the text is the runtime's.
	_, err = c.Run(t.Context(), smoke.Process{Args: []string{
		"complain", "This program can only be run on AMD64 processors with v3 microarchitecture support.",
	}})
	if e, ok := errors.AsType[*smoke.NotRunnableError](err); !ok || !strings.Contains(e.Reason, "v3 microarchitecture") {
		t.Errorf("got %T: %v", err, err)
	}
	_, err = loadImage(t, testImage(t, v1.Platform{OS: "windows", Architecture: "amd64"}, v1.Config{}))
	if _, ok := errors.AsType[*smoke.NotRunnableError](err); !ok {
		t.Errorf("windows: %v", err)
	}
}

// TestForeignPrograms runs a program of each architecture that the engine may have
// an emulator for: it runs, or is said not to.
func TestForeignPrograms(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		t.Run(arch, func(t *testing.T) {
			if arch == enginePlatform(t).Architecture {
				t.Skip("it is the engine's own")
			}
			c, err := loadImage(t, testImage(t, v1.Platform{OS: "linux", Architecture: arch},
				v1.Config{Entrypoint: []string{"/app"}, User: "65534:65534"}, testProgram(t, arch)))
			if err != nil {
				t.Fatal(err)
			}
			exit, err := c.Run(t.Context(), smoke.Process{Args: []string{"exit", "42"}})
			if e, ok := errors.AsType[*smoke.NotRunnableError](err); ok {
				if want := "no emulator is registered for linux/" + arch; !strings.HasPrefix(e.Reason, want) {
					t.Errorf("want %q, got %v", want, e)
				}
				t.Skip(e)
			}
			if err != nil || exit.Code != 42 {
				t.Fatalf("got %s, %v", brief(exit), err)
			}
			s, err := c.Serve(t.Context(), smoke.Process{Args: []string{"serve", ":8080"}})
			if err != nil {
				t.Fatal(err)
			}
			if got := get(t, s, "http://"+s.Host()+":8080/x"); got != "hello from /x" {
				t.Errorf("got %q", got)
			}
			if exit, err := s.Stop(t.Context()); err != nil || exit.Code != 7 {
				t.Errorf("got %s, %v", brief(exit), err)
			}
		})
	}
}

func TestVariants(t *testing.T) {
	p := enginePlatform(t)
	if p.Architecture != "amd64" {
		t.Skip("needs an engine for amd64")
	}
	p.Variant = "v3" // of the image; the program is for all
	c, err := loadImage(t, testImage(t, p, v1.Config{Entrypoint: []string{"/app"}, User: "65534:65534"}, testProgram(t, p.Architecture)))
	if err != nil {
		t.Fatal(err)
	}
	if got := succeed(t, c, "print", "x"); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestSocketDir(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := socketDir(long)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(dir) }()
	if len(dir) > maxSocketDir {
		t.Errorf("%s is too long", dir)
	}
	if left, err := os.ReadDir(long); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
