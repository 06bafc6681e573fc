//go:build unix

package smoke

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hostRunner runs one of the programs as a process of the host: no image and no
// isolation, which belong to another package, but real processes, real signals
// and real connections.
type hostRunner struct {
	program string
	port    int
	// starts counts the processes.
	starts int
}

func (h *hostRunner) start(ctx context.Context, p Process) (*hostService, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h.starts++
	s := &hostService{cmd: exec.CommandContext(ctx, exe, p.Args...), done: make(chan struct{})}
	// The race detector would wait a second at each exit.
	s.cmd.Env = append([]string{subject + "=" + h.program, fmt.Sprintf("PORT=%d", h.port), "GORACE=atexit_sleep_ms=0"}, p.Env...)
	s.cmd.Stdin = strings.NewReader(p.Stdin)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		s.err = s.cmd.Wait()
		s.exit = Exit{Code: s.cmd.ProcessState.ExitCode(), Stdout: s.stdout.kept, Stderr: s.stderr.kept, Elapsed: time.Since(begin)}
		if ws := s.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
			s.exit.Code = 128 + int(ws.Signal())
			s.exit.Signal = unix.SignalName(ws.Signal())
		}
	}()
	return s, nil
}

func (h *hostRunner) Run(ctx context.Context, p Process) (Exit, error) {
	s, err := h.start(ctx, p)
	if err != nil {
		return Exit{}, err
	}
	<-s.done
	if ctx.Err() != nil {
		return s.exit, ctx.Err()
	}
	if _, failed := errors.AsType[*exec.ExitError](s.err); s.err != nil && !failed {
		return s.exit, s.err
	}
	return s.exit, nil
}

func (h *hostRunner) Serve(ctx context.Context, p Process) (Service, error) { return h.start(ctx, p) }

type hostService struct {
	cmd            *exec.Cmd
	stdout, stderr keeper
	done           chan struct{}
	// Written before done is closed.
	exit Exit
	err  error
}

func (s *hostService) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (s *hostService) Host() string { return "127.0.0.1" }

func (s *hostService) Done() <-chan struct{} { return s.done }

func (s *hostService) Stop(ctx context.Context) (Exit, error) {
	select {
	case <-s.done:
		return s.exit, nil
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return Exit{}, err
	}
	select {
	case <-s.done:
		return s.exit, nil
	case <-ctx.Done():
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return Exit{}, err
	}
	<-s.done
	return s.exit, ctx.Err()
}

// keeper keeps the first MaxOutput bytes.
type keeper struct{ kept []byte }

func (k *keeper) Write(p []byte) (int, error) {
	k.kept = append(k.kept, p[:min(len(p), MaxOutput-len(k.kept))]...)
	return len(p), nil
}

// freePort returns a port that nothing listens on, and that the kernel gives to
// nobody who asks for any port (ip_local_port_range of ip(7)).
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}
