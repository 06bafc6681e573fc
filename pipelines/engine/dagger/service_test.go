package dagger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// serve starts the program's server.
func serve(t testing.TB, c engine.Container, args ...string) smoke.Service {
	t.Helper()
	s, err := c.Serve(t.Context(), smoke.Process{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// patient dials until the program listens.
func patient(s smoke.Service) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		for {
			conn, err := s.Dial(ctx, network, address)
			if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
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

// get asks a server, and closes the connection.
func get(t testing.TB, s smoke.Service, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: patient(s), DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if e := response.Body.Close(); err != nil || e != nil {
		t.Fatal(err, e)
	}
	return string(body)
}

func TestServe(t *testing.T) {
	c := native(t, v1.Config{User: "65534:65534", StopSignal: "SIGINT"})
	s := serve(t, c, "serve", ":8080")
	if ip := net.ParseIP(s.Host()); ip == nil || ip.IsLoopback() {
		t.Errorf("its host is %q", s.Host())
	}
	for _, host := range []string{"127.0.0.1", "localhost", s.Host()} {
		if got := get(t, s, "http://"+host+":8080/healthz"); got != "hello from /healthz" {
			t.Errorf("%s: got %q", host, got)
		}
	}
	exit, err := s.Stop(t.Context())
	if err != nil || exit.Code != 7 || string(exit.Stdout) != "stopping on interrupt\n" || exit.Elapsed <= 0 {
		t.Errorf("stopped with %s, %v", brief(exit), err)
	}
	<-s.Done()
	if again, err := s.Stop(t.Context()); err != nil || again.Code != 7 {
		t.Errorf("a second stop gives %s, %v", brief(again), err)
	}
	if conn, err := s.Dial(t.Context(), "tcp", "127.0.0.1:8080"); err == nil {
		_ = conn.Close()
		t.Error("dialed a program that has ended")
	}
}

func TestDialFailures(t *testing.T) {
	s := serve(t, native(t, nobody), "deaf", ":8080")
	conn, err := patient(s)(t.Context(), "tcp", "127.0.0.1:8080") // it has begun
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for network, address := range map[string]string{
		"tcp":  "127.0.0.1:1",
		"tcp6": "not-an-address",
		"udp":  "127.0.0.1:1",
		"unix": "/run/socket",
	} {
		if conn, err := s.Dial(t.Context(), network, address); err == nil {
			_ = conn.Close()
			t.Errorf("%s %s: dialed", network, address)
		} else if network == "tcp" && !errors.Is(err, syscall.ECONNREFUSED) {
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
	if !errors.Is(err, context.Canceled) || exit.Signal != "SIGKILL" || exit.Code != 137 || string(exit.Stdout) != "hanging\n" {
		t.Errorf("got %s, %v", brief(exit), err)
	}
}

// TestLoopbackOnly lets smoke find a server that nobody outside could reach.
func TestLoopbackOnly(t *testing.T) {
	c := native(t, nobody)
	for address, want := range map[string]string{
		"127.0.0.1:8080": "listens on port 8080 of 127.0.0.1 alone",
		":8080":          "",
	} {
		verdicts, err := smoke.Run(t.Context(), c, []smoke.Case{{
			Process: smoke.Process{Args: []string{"serve", address}}, ExitCode: 7, Serve: &smoke.Serve{Port: 8080},
		}}, smoke.Options{})
		if err != nil || len(verdicts) != 1 {
			t.Fatal(verdicts, err)
		}
		if got := fmt.Sprintf("%+v", verdicts[0]); (want == "") != (verdicts[0].Status == smoke.Passed) || !strings.Contains(got, want) {
			t.Errorf("%s: got %s", address, got)
		}
	}
}

// TestStopWithIdleConnections checks that what is closed here is closed inside: the
// server waits for it.
func TestStopWithIdleConnections(t *testing.T) {
	s := serve(t, native(t, nobody), "serve", ":8080")
	transport := &http.Transport{DialContext: patient(s)}
	response, err := (&http.Client{Transport: transport}).Get("http://127.0.0.1:8080/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // the connection stays, for another request
	silent, err := s.Dial(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	stopped := make(chan error, 1)
	go func() {
		exit, err := s.Stop(t.Context())
		if err == nil && exit.Code != 7 {
			err = fmt.Errorf("exit %s", brief(exit))
		}
		stopped <- err
	}()
	select {
	case err := <-stopped:
		t.Fatalf("ended with connections that are open: %v", err)
	case <-short.Done():
	}
	transport.CloseIdleConnections()
	if err := silent.Close(); err != nil {
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestProgramThatEndsByItself(t *testing.T) {
	s := serve(t, native(t, nobody), "exit", "5")
	<-s.Done()
	if exit, err := s.Stop(t.Context()); err != nil || exit.Code != 5 {
		t.Errorf("got %s, %v", brief(exit), err)
	}
	if _, err := s.Dial(t.Context(), "tcp", "127.0.0.1:1"); err == nil {
		t.Error("dialed")
	}
}

func TestStopTimeout(t *testing.T) {
	s := serve(t, native(t, nobody), "deaf", ":8080")
	conn, err := patient(s)(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	dialed := make(chan error, 1)
	go func() { // it is killed while somebody dials
		_, err := patient(s)(t.Context(), "tcp", "127.0.0.1:1")
		dialed <- err
	}()
	limit, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	exit, err := s.Stop(limit)
	if !errors.Is(err, context.DeadlineExceeded) || exit.Signal != "SIGKILL" {
		t.Errorf("got %s, %v", brief(exit), err)
	}
	if err := <-dialed; err == nil {
		t.Error("dialed a program that was killed")
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("read from a program that was killed")
	}
}

func TestContextKillsEverything(t *testing.T) {
	c := native(t, nobody)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.Serve(ctx, smoke.Process{Args: []string{"parent", "token", "serve", ":8080"}})
	if err != nil {
		t.Fatal(err)
	}
	get(t, s, "http://127.0.0.1:8080/")
	cancel()
	<-s.Done()
	exit, err := s.Stop(t.Context())
	if !errors.Is(err, context.Canceled) || exit.Signal != "SIGKILL" {
		t.Errorf("got %s, %v", brief(exit), err)
	}
	if !strings.Contains(string(exit.Stdout), "started") {
		t.Errorf("what it wrote is lost: %q", exit.Stdout)
	}

	limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if exit, err := c.Run(limited, smoke.Process{Args: []string{"hang"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %s, %v", brief(exit), err)
	}
	if _, err := c.Run(limited, smoke.Process{Args: []string{"hang"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that has ended starts a program: %v", err)
	}
	// At moments before the container is there, and after.
	for delay := time.Millisecond; delay < time.Second; delay *= 3 {
		soon, cancel := context.WithTimeout(t.Context(), delay)
		if exit, err := c.Run(soon, smoke.Process{Args: []string{"hang"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %s: %s, %v", delay, brief(exit), err)
		}
		cancel()
	}
}

func TestGrandchildrenEndWithTheProgram(t *testing.T) {
	// The grandchild holds the streams, so that this would not return.
	if got := succeed(t, native(t, nobody), "parent", "token"); !strings.Contains(got, "started") {
		t.Errorf("got %q", got)
	}
}

func TestCloseKills(t *testing.T) {
	c := native(t, nobody)
	s := serve(t, c, "hang")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Stop(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Run(t.Context(), smoke.Process{Args: []string{"exit", "0"}}); !errors.Is(err, errClosed) {
		t.Errorf("a closed container runs: %v", err)
	}
}

// TestAlike checks that two of the same are two, which the engine's cache would
// make one.
func TestAlike(t *testing.T) {
	c := native(t, nobody)
	a, b := serve(t, c, "serve", ":8080"), serve(t, c, "serve", ":8080")
	if a.Host() == b.Host() {
		t.Errorf("both are at %s", a.Host())
	}
	if exit, err := a.Stop(t.Context()); err != nil || exit.Code != 7 {
		t.Errorf("got %s, %v", brief(exit), err)
	}
	if got := get(t, b, "http://"+b.Host()+":8080/still"); got != "hello from /still" {
		t.Errorf("got %q", got)
	}
	if exit, err := b.Stop(t.Context()); err != nil || exit.Code != 7 {
		t.Errorf("got %s, %v", brief(exit), err)
	}
}

func TestManyAtTheSameTime(t *testing.T) {
	c := native(t, nobody)
	s := serve(t, c, "serve", ":8080")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			path := fmt.Sprint("/", i)
			client := http.Client{Transport: &http.Transport{DialContext: patient(s), DisableKeepAlives: true}}
			response, err := client.Get("http://127.0.0.1:8080" + path)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			if body, err := io.ReadAll(response.Body); err != nil || string(body) != "hello from "+path {
				t.Errorf("got %q, %v", body, err)
			}
		})
	}
	for i := range 4 {
		all.Go(func() {
			text := fmt.Sprint("run ", i)
			exit, err := c.Run(t.Context(), smoke.Process{Args: []string{"print", text}})
			if err != nil || string(exit.Stdout) != text {
				t.Errorf("got %s, %v", brief(exit), err)
			}
		})
	}
	all.Wait()
	if exit, err := s.Stop(t.Context()); err != nil || exit.Code != 7 {
		t.Errorf("got %s, %v", brief(exit), err)
	}
}

// TestHalfClose checks that a program sees the end of what is sent, and that its
// answer arrives although it ends right after it.
func TestHalfClose(t *testing.T) {
	c := native(t, nobody)
	for _, size := range []int{0, 5, 3 << 20} {
		s := serve(t, c, "serve once", ":8080")
		conn, err := patient(s)(t.Context(), "tcp", "127.0.0.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("x"), size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("more")); err == nil {
			t.Error("wrote to what was closed")
		}
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("of %d bytes %d came back: %v", size, len(got), err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		<-s.Done()
		if exit, err := s.Stop(t.Context()); err != nil || string(exit.Stdout) != fmt.Sprintf("read %d bytes\n", size) {
			t.Errorf("got %s, %v", brief(exit), err)
		}
	}
}

// TestCloseAfterWrite checks that what was sent before a close arrives.
func TestCloseAfterWrite(t *testing.T) {
	c := native(t, nobody)
	s := serve(t, c, "serve once", ":8080")
	conn, err := patient(s)(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if exit, err := s.Stop(t.Context()); err != nil || string(exit.Stdout) != "read 1048576 bytes\n" {
		t.Errorf("got %s, %v", brief(exit), err)
	}
}

// TestDeadlines checks that a connection can be used again after one.
func TestDeadlines(t *testing.T) {
	s := serve(t, native(t, nobody), "serve", ":8080")
	conn, err := patient(s)(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /late HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(got), "hello from /late") {
		t.Errorf("got %q, %v", got, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if exit, err := s.Stop(t.Context()); err != nil || exit.Code != 7 {
		t.Errorf("got %s, %v", brief(exit), err)
	}
}

// BenchmarkRun is what a trivial program costs.
func BenchmarkRun(b *testing.B) {
	c := native(b, nobody)
	for b.Loop() {
		run(b, c, "exit", "0")
	}
}

// BenchmarkLoad is what it costs to load an image that the engine has.
func BenchmarkLoad(b *testing.B) {
	p := enginePlatform(b)
	img := testImage(b, p, v1.Config{Entrypoint: []string{"/app"}, User: "65534:65534"}, testProgram(b, p.Architecture))
	e := New(engineClient(b), Options{Builder: os.Getenv("SLIPWAY_TEST_BUILDER"), TempDir: b.TempDir()})
	for b.Loop() {
		c, err := e.Load(b.Context(), img)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe is what it costs to start a server, ask it once, and stop it.
func BenchmarkServe(b *testing.B) {
	c := native(b, nobody)
	for b.Loop() {
		s := serve(b, c, "serve", ":8080")
		get(b, s, "http://127.0.0.1:8080/")
		if _, err := s.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
