//go:build linux

package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// insideVariable tells the test binary that it was started by elsewhere.
const insideVariable = "SANDBOX_TEST_INSIDE"

// elsewhere prepares the current test to run again in a process of its own, which
// finds value in insideVariable.
func elsewhere(t *testing.T, value string, attr *syscall.SysProcAttr) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideVariable+"="+value, "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = attr
	return cmd
}

// ownMachine returns attributes of a process that has its own limits of
// namespaces and its own mounts, and may change both.
func ownMachine() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

func runElsewhere(t *testing.T) {
	t.Helper()
	able(t)
	out, err := elsewhere(t, "1", ownMachine()).CombinedOutput()
	t.Logf("%s", out)
	if err != nil || strings.Contains(string(out), "--- SKIP") {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestMachineWithoutNamespaces(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		runElsewhere(t)
		return
	}
	for _, limit := range []string{"user", "net", "pid", "mnt", "ipc", "uts"} {
		file := "/proc/sys/user/max_" + limit + "_namespaces"
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		err = Probe(t.Context(), Options{TempDir: t.TempDir()})
		e, ok := errors.AsType[*smoke.NotRunnableError](err)
		if !ok || !strings.Contains(e.Help, "sysctl -w user.max_"+limit+"_namespaces=") {
			t.Errorf("without %s namespaces: got %T: %v", limit, err, err)
		}
		if err := os.WriteFile(file, before, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := Probe(t.Context(), Options{TempDir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

// TestMachineWithCoveredProc checks the way on where the kernel gives no /proc, as
// in containers that cover parts of their own.
func TestMachineWithCoveredProc(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		runElsewhere(t)
		return
	}
	if err := unix.Mount("tmpfs", "/proc/sys", "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	var notes []string
	img := image(t, v1.Config{Entrypoint: []string{"/app"}, User: "65534:65534"}, runtime.GOARCH, testimage.Layer(t, program(t, runtime.GOARCH)))
	c, err := New(t.Context(), img, Options{TempDir: t.TempDir(), Note: func(text string) { notes = append(notes, text) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 2 {
		if got := succeed(t, c, "print", "x"); got != "x" {
			t.Errorf("got %q", got)
		}
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "/proc") {
		t.Errorf("notes: %q", notes)
	}
}

// TestCallerIsKilled checks that nothing outlives a caller that has no time for
// Close.
func TestCallerIsKilled(t *testing.T) {
	if token := os.Getenv(insideVariable); token != "" {
		c := native(t, v1.Config{User: "65534:65534"})
		if _, err := c.Serve(t.Context(), smoke.Process{Args: []string{"parent", token, "hang"}}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return alive(t, token) == 2 })
		fmt.Println("\nready in", c.dir)
		select {}
	}
	able(t)
	token := fmt.Sprint("token-", os.Getpid(), "-", time.Now().UnixNano())
	cmd := elsewhere(t, token, nil)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var left string
	for lines := bufio.NewScanner(stdout); left == "" && lines.Scan(); {
		_, left, _ = strings.Cut(lines.Text(), "ready in ")
	}
	if left == "" {
		t.Error("it does not say that it is ready")
	}
	waitFor(t, func() bool { return alive(t, token) == 2 })
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	waitFor(t, func() bool { return alive(t, token) == 0 })
	if err := removeAll(left); left != "" && err != nil {
		t.Error(err)
	}
}
