//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
	"github.com/slipway-dev/slipway/pipelines/engine/internal/testprogram"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// image assembles an image for this machine, or for the architecture that the
// config is given for.
func image(t testing.TB, config v1.Config, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", arch, config
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return img
}

// program is the program of the tests, compiled for an architecture.
func program(t *testing.T, arch string) testimage.Entry {
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

// probed is what Probe says of this machine.
var probed = sync.OnceValue(func() error { return Probe(context.Background(), Options{}) })

// able skips a test where the machine refuses namespaces.
func able(t *testing.T) {
	t.Helper()
	err := probed()
	if _, ok := errors.AsType[*smoke.NotRunnableError](err); ok {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// contain makes a container of an image, and checks that it leaves nothing.
func contain(t *testing.T, img v1.Image) *Container {
	t.Helper()
	able(t)
	temp := t.TempDir()
	c, err := New(t.Context(), img, Options{TempDir: temp, Note: func(text string) { t.Log("note:", text) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(temp)
		if err != nil {
			t.Error(err)
		}
		for _, entry := range left {
			t.Errorf("left behind: %s", entry.Name())
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(mounts, []byte(temp)) {
			t.Errorf("still mounted below %s", temp)
		}
	})
	return c
}

// native is a container with the program at /app and further entries.
func native(t *testing.T, config v1.Config, entries ...testimage.Entry) *Container {
	t.Helper()
	if config.Entrypoint == nil {
		config.Entrypoint = []string{"/app"}
	}
	return contain(t, image(t, config, runtime.GOARCH, testimage.Layer(t, append([]testimage.Entry{program(t, runtime.GOARCH)}, entries...)...)))
}

// run runs a container and fails the test on an error of the sandbox.
func run(t *testing.T, c *Container, args ...string) smoke.Exit {
	t.Helper()
	exit, err := c.Run(t.Context(), smoke.Process{Args: args})
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return exit
}

// succeed runs a container whose program must succeed, and returns its output.
func succeed(t *testing.T, c *Container, args ...string) string {
	t.Helper()
	exit := run(t, c, args...)
	if exit.Code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, exit.Code, exit.Stderr)
	}
	return string(exit.Stdout)
}

// fail runs a container whose program must fail and say a text.
func fail(t *testing.T, c *Container, text string, args ...string) {
	t.Helper()
	exit := run(t, c, args...)
	if exit.Code == 0 || !strings.Contains(string(exit.Stderr), text) {
		t.Errorf("%q: want a failure with %q, got exit code %d: %s", args, text, exit.Code, exit.Stderr)
	}
}

func TestFilesAreReadOnly(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"}, testimage.File("etc/config", "a", 0o666), testimage.Dir("open", 0o777))
	fail(t, c, "read-only file system", "write", "/open/new")
	fail(t, c, "read-only file system", "write", "/etc/config")
	fail(t, c, "no such file or directory", "write", "/tmp/new")
	fail(t, c, "read-only file system", "write", "/dev/new")
	fail(t, c, "read-only file system", "write", "/proc/sys/kernel/core_pattern")
	succeed(t, c, "write", "/dev/shm/new")
	succeed(t, c, "write", "/dev/null")
	if got := succeed(t, c, "write", "/dev/stdout"); got != "written" {
		t.Errorf("/dev/stdout got %q", got)
	}
}

func TestRootFindsReadOnlyProc(t *testing.T) {
	c := native(t, v1.Config{User: "0:0"})
	fail(t, c, "read-only file system", "write", "/proc/sys/kernel/core_pattern")
	fail(t, c, "read-only file system", "write", "/app")
	if got := succeed(t, c, "read", "/proc/interrupts"); got != "" {
		t.Errorf("/proc/interrupts tells %q", got)
	}
}

func TestTmpAndVolumesAreWritable(t *testing.T) {
	config := v1.Config{User: "1234", Volumes: map[string]struct{}{"/data": {}, "/root-only": {}, "/new": {}, "/link/below": {}}}
	c := native(t, config,
		testimage.Dir("tmp", 0o1777), testimage.Dir("data", 0o750).Owned(1234, 0), testimage.File("data/seed", "seed", 0o640).Owned(1234, 0),
		testimage.Symlink("data/also", "seed"), testimage.Dir("root-only", 0o755), testimage.Dir("elsewhere", 0o755), testimage.Symlink("link", "/elsewhere"),
	)
	if got := succeed(t, c, "write+read", "/tmp/new"); got != "written" {
		t.Errorf("got %q", got)
	}
	if got := succeed(t, c, "write+read", "/data/new"); got != "written" {
		t.Errorf("got %q", got)
	}
	if got := succeed(t, c, "read", "/data/also"); got != "seed" {
		t.Errorf("the volume lost what the image has in it: %q", got)
	}
	fail(t, c, "no such file", "read", "/data/new") // each run has volumes of its own
	for _, closed := range []string{"/root-only/new", "/new/new", "/link/below/new"} {
		fail(t, c, "permission denied", "write", closed)
	}
	if got := succeed(t, c, "list", "/data"); !strings.Contains(got, "drwxr-x--- /data\n") {
		t.Errorf("modes changed:\n%s", got)
	}
}

func TestImageMayNotCoverTheRuntimesPlaces(t *testing.T) {
	able(t)
	for _, volume := range []string{"/", "/proc/x", "/dev", "/link"} {
		img := image(t, v1.Config{Volumes: map[string]struct{}{volume: {}}}, runtime.GOARCH, testimage.Layer(t, testimage.Symlink("link", "/dev/x")))
		c, err := New(t.Context(), img, Options{TempDir: t.TempDir()})
		if err == nil {
			t.Errorf("volume %s was taken", volume)
			_ = c.Close()
		}
	}
}

func TestNetworkIsIsolated(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	c := native(t, v1.Config{User: "65534:65534"})
	address := listener.Addr().String()
	fail(t, c, "connection refused", "connect", address)
	fail(t, c, "network is unreachable", "connect", "192.0.2.1:80")

	exit, err := c.Run(t.Context(), smoke.Process{Args: []string{"connect", address}, HostNetwork: true})
	if err != nil || exit.Code != 0 {
		t.Errorf("in the host's network: %v, exit code %d: %s", err, exit.Code, exit.Stderr)
	}
	for _, file := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Logf("this machine has no %s to compare", file)
			continue
		}
		exit, err := c.Run(t.Context(), smoke.Process{Args: []string{"read", file}, HostNetwork: true})
		if err != nil || !bytes.Equal(exit.Stdout, want) {
			t.Errorf("%s: got %q (%v), want the host's", file, exit.Stdout, err)
		}
	}
}

func TestServe(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534", StopSignal: "SIGINT"})
	for _, address := range []string{"127.0.0.1:8080", "[::1]:8080"} {
		s, err := c.Serve(t.Context(), smoke.Process{Args: []string{"serve", ":8080"}})
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: &http.Transport{
			DialContext:       patient(s),
			DisableKeepAlives: true,
		}}
		response, err := client.Get("http://" + address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if e := response.Body.Close(); err != nil || e != nil || string(body) != "hello from /healthz" {
			t.Errorf("got %q, %v, %v", body, err, e)
		}
		exit, err := s.Stop(t.Context())
		if err != nil || exit.Code != 7 || string(exit.Stdout) != "stopping on interrupt\n" {
			t.Errorf("stopped with %+v, %v", exit, err)
		}
		<-s.Done()
		if again, err := s.Stop(t.Context()); err != nil || again.Code != 7 {
			t.Errorf("a second stop gives %+v, %v", again, err)
		}
		if conn, err := s.Dial(t.Context(), "tcp", address); err == nil {
			_ = conn.Close()
			t.Error("dialed a program that has ended")
		}
	}
}

// patient dials until the program listens.
func patient(s smoke.Service) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		for {
			conn, err := s.Dial(ctx, network, address)
			if err == nil || !isRefused(err) {
				return conn, err
			}
			select {
			case <-s.Done():
				return nil, errors.New("ended")
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func TestDialFailures(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"})
	s, err := c.Serve(t.Context(), smoke.Process{Args: []string{"hang"}})
	if err != nil {
		t.Fatal(err)
	}
	for network, address := range map[string]string{
		"tcp":  "127.0.0.1:1",
		"tcp6": "not-an-address",
		"unix": "/run/socket",
		"none": "127.0.0.1:1",
	} {
		if conn, err := s.Dial(t.Context(), network, address); err == nil {
			_ = conn.Close()
			t.Errorf("%s %s: dialed", network, address)
		} else if network == "tcp" && !isRefused(err) {
			t.Errorf("want ECONNREFUSED, got %v", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, err := s.Dial(ended, "tcp", "127.0.0.1:1"); err == nil {
		_ = conn.Close()
		t.Error("dialed with an ended context")
	}
	exit, err := s.Stop(ended)
	if !errors.Is(err, context.Canceled) || exit.Signal != "SIGKILL" || exit.Code != 137 {
		t.Errorf("got %+v, %v", exit, err)
	}
}

func TestServeOnAHostPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := native(t, v1.Config{User: "65534:65534"})
	s, err := c.Serve(t.Context(), smoke.Process{Args: []string{"serve", address}, HostNetwork: true})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := patient(s)(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if exit, err := s.Stop(t.Context()); err != nil || exit.Code != 7 {
		t.Errorf("got %+v, %v", exit, err)
	}
}

func TestPrivilegedPorts(t *testing.T) {
	fail(t, native(t, v1.Config{User: "65534:65534"}), "permission denied", "serve", ":80")

	s, err := native(t, v1.Config{User: "0"}).Serve(t.Context(), smoke.Process{Args: []string{"serve", ":80"}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := patient(s)(t.Context(), "tcp", "localhost:80")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExits(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"})
	if exit := run(t, c, "exit", "42"); exit.Code != 42 || exit.Signal != "" || exit.Elapsed <= 0 {
		t.Errorf("got %+v", exit)
	}
	// Process 1 of a container does not get signals of its own making.
	if exit := run(t, c, "abort"); exit.Code != 0 {
		t.Errorf("got %+v", exit)
	}
}

func TestContextKillsEverything(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"})
	token := "token-" + filepath.Base(t.TempDir()) + fmt.Sprint(os.Getpid(), time.Now().UnixNano())
	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.Serve(ctx, smoke.Process{Args: []string{"parent", token, "hang"}})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return alive(t, token) == 2 })
	cancel()
	<-s.Done()
	if n := alive(t, token); n != 0 {
		t.Errorf("%d processes are still there", n)
	}
	exit, err := s.Stop(t.Context())
	if !errors.Is(err, context.Canceled) || exit.Signal != "SIGKILL" {
		t.Errorf("got %+v, %v", exit, err)
	}
	if !strings.Contains(string(exit.Stdout), "started") {
		t.Errorf("what it wrote is lost: %q", exit.Stdout)
	}

	limited, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if exit, err := c.Run(limited, smoke.Process{Args: []string{"hang"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v, %v", exit, err)
	}
	if _, err := c.Run(limited, smoke.Process{Args: []string{"hang"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that has ended starts a program: %v", err)
	}
}

func TestGrandchildrenEndWithTheProgram(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"})
	token := "token-" + fmt.Sprint(os.Getpid(), time.Now().UnixNano())
	if got := succeed(t, c, "parent", token); !strings.Contains(got, "started") {
		t.Errorf("got %q", got)
	}
	if n := alive(t, token); n != 0 {
		t.Errorf("%d processes are still there", n)
	}
}

func TestCloseKills(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"})
	token := "token-" + fmt.Sprint(os.Getpid(), time.Now().UnixNano())
	s, err := c.Serve(t.Context(), smoke.Process{Args: []string{"hang", token}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Stop(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	if n := alive(t, token); n != 0 {
		t.Errorf("%d processes are still there", n)
	}
	if _, err := c.Run(t.Context(), smoke.Process{Args: []string{"exit", "0"}}); !errors.Is(err, errClosed) {
		t.Errorf("a closed container runs: %v", err)
	}
}

// alive counts the processes of this machine with a word in their arguments.
func alive(t *testing.T, token string) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	for _, line := range lines {
		text, err := os.ReadFile(line)
		if err == nil && bytes.Contains(text, []byte(token)) {
			n++
		}
	}
	return n
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for !ready() {
		if t.Context().Err() != nil {
			t.Fatal("gave up")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOutputIsCapped(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534"})
	exit := run(t, c, "flood")
	if exit.Code != 0 || len(exit.Stdout) != smoke.MaxOutput || len(exit.Stderr) != smoke.MaxOutput {
		t.Errorf("exit code %d, %d and %d bytes", exit.Code, len(exit.Stdout), len(exit.Stderr))
	}
}

func TestAtTheSameTime(t *testing.T) {
	var all sync.WaitGroup
	defer all.Wait()
	for range 2 {
		c := native(t, v1.Config{User: "65534:65534"}, testimage.Dir("tmp", 0o1777))
		var runs sync.WaitGroup
		defer runs.Wait() // before the container is closed
		for i := range 4 {
			runs.Go(func() {
				text := fmt.Sprint("run ", i)
				exit, err := c.Run(t.Context(), smoke.Process{Args: []string{"print", text}})
				if err != nil || string(exit.Stdout) != text {
					t.Errorf("got %+v, %v", exit, err)
				}
			})
			// All of them listen at the same port.
			runs.Go(func() {
				s, err := c.Serve(t.Context(), smoke.Process{Args: []string{"serve", "127.0.0.1:8080"}})
				if err != nil {
					t.Error(err)
					return
				}
				conn, err := patient(s)(t.Context(), "tcp", "127.0.0.1:8080")
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.Close()
				if exit, err := s.Stop(t.Context()); err != nil || exit.Code != 7 {
					t.Errorf("got %+v, %v", exit, err)
				}
			})
		}
	}
}
