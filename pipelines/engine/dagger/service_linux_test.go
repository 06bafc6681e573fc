package dagger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// The tests here need no engine: the supervisor runs on this machine, with a folder
// of the test's for a container's root.

// supervisor is compiled for this machine, as the engine compiles it: apart from
// the module, and from the standard library alone.
var supervisor = sync.OnceValues(func() (string, error) {
	files, err := supervisorFiles()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "supervisor-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "build", "-o", "supervise", "./"+supervisorPackage)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	content, err := os.ReadFile(filepath.Join(dir, "supervise"))
	return string(content), err
})

// supervised launches the program under a supervisor of this machine.
func supervised(t *testing.T, task wire.Task) *execution {
	t.Helper()
	supervise, err := supervisor()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs the go command: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"supervise": supervise, "app": testProgram(t, runtime.GOARCH).Content} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if task.Dir == "" {
		task.Dir = dir
	}
	task.Env, task.MaxOutput = append(task.Env, "PATH="+dir), smoke.MaxOutput
	p := launch(t.Context(), func(ctx context.Context) (int, string, error) {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, filepath.Join(dir, "supervise"), listener.Addr().String(), "word")
		cmd.Stderr = &said
		err := cmd.Run()
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			err = nil
		}
		return cmd.ProcessState.ExitCode(), said.String(), err
	}, listener, task)
	t.Cleanup(func() {
		p.close()
		<-p.gone
		if _, err := os.Lstat(listener.Addr().String()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
		checkLeaks(t)
	})
	return p
}

// ended waits for a program's end.
func ended(t *testing.T, p *execution) smoke.Exit {
	t.Helper()
	if err := p.await(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.exit
}

func TestSupervisorRuns(t *testing.T) {
	for _, c := range []struct {
		args []string
		want smoke.Exit
	}{
		{[]string{"app", "print", "x"}, smoke.Exit{Stdout: []byte("x")}},
		{[]string{"./app", "complain", "no"}, smoke.Exit{Code: 1, Stderr: []byte("no\n")}},
		{[]string{"app", "exit", "42"}, smoke.Exit{Code: 42}},
		{[]string{"app", "die", "9"}, smoke.Exit{Code: 137, Signal: "SIGKILL"}},
	} {
		got := ended(t, supervised(t, wire.Task{Args: c.args}))
		if got.Elapsed <= 0 {
			t.Errorf("%q took no time", c.args)
		}
		if brief(got) != brief(c.want) {
			t.Errorf("%q: got %s, want %s", c.args, brief(got), brief(c.want))
		}
	}
	if got := ended(t, supervised(t, wire.Task{Args: []string{"app", "flood"}})); len(got.Stdout) != smoke.MaxOutput || len(got.Stderr) != smoke.MaxOutput {
		t.Errorf("kept %d and %d bytes", len(got.Stdout), len(got.Stderr))
	}
}

func TestSupervisorSaysWhyNot(t *testing.T) {
	for want, task := range map[string]wire.Task{
		"cannot start ./none: the image has no such file":                                            {Args: []string{"./none"}},
		"cannot start none: the image has no such program in its PATH":                               {Args: []string{"none"}},
		"cannot start sh: the image has no shell; use the exec form":                                 {Args: []string{"sh"}},
		"cannot start ./supervise: ./supervise leads out of the image":                               {Args: []string{"./supervise"}},
		"cannot start app: user " + fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()) + " cannot enter": {Args: []string{"app"}, Dir: "/none"},
	} {
		p := supervised(t, task)
		err := p.await(t.Context())
		if e, ok := errors.AsType[*process.StartError](err); !ok || !strings.HasPrefix(e.Error(), want) {
			t.Errorf("want a StartError with %q, got %T: %v", want, err, err)
		}
	}
}

func TestSupervisorDials(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free in a moment
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p := supervised(t, wire.Task{Args: []string{"app", "serve once", address}})
	if err := p.await(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := service{p, process.SIGTERM}
	conn, err := patient(s)(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("0123456789"), 1<<18)
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("of %d bytes %d came back: %v", len(sent), len(got), err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second close: %v", err)
	}
	if got := ended(t, p); got.Code != 0 {
		t.Errorf("got %s", brief(got))
	}
}

func TestSupervisorKills(t *testing.T) {
	p := supervised(t, wire.Task{Args: []string{"app", "hang"}})
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.await(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.done
	if !errors.Is(p.err, context.Canceled) || p.exit.Signal != "SIGKILL" {
		t.Errorf("got %s, %v", brief(p.exit), p.err)
	}
}

// TestContainersThatFail checks what is made of a container in which no supervisor
// ever calls.
func TestContainersThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		container containing
		want      string
		not       bool // runnable
	}{
		"no emulator": {
			func(context.Context) (int, string, error) {
				return 1, "exec /.slipway/supervise: exec format error\n", nil
			},
			"no emulator is registered for linux/s390x on the Dagger engine's machine", true,
		},
		"no emulator, as an error": {
			func(context.Context) (int, string, error) {
				return 0, "", errors.New("process failed: exec format error")
			},
			"no emulator is registered for linux/s390x on the Dagger engine's machine", true,
		},
		"killed": {
			func(context.Context) (int, string, error) { return 137, "", nil },
			"dagger: the program's container ended before it (exit code 137)", false,
		},
		"engine": {
			func(context.Context) (int, string, error) {
				return 0, "", errors.New("out of space [traceparent:00-1-2-3]")
			},
			"dagger: running the image: out of space", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
			if err != nil {
				t.Fatal(err)
			}
			p := launch(t.Context(), c.container, listener, wire.Task{Platform: "linux/s390x"})
			err = p.await(t.Context())
			if _, ok := errors.AsType[*smoke.NotRunnableError](err); ok != c.not || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("want %q, got %T: %v", c.want, err, err)
			}
			<-p.gone
			checkLeaks(t)
		})
	}
}
