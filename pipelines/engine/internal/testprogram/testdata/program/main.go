// Command program is what the tests put into images: it does what its first
// argument says, and tells what it sees.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testprogram"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(verb string, args []string) error {
	switch verb {
	case "report":
		return report()
	case "list": // every path below a directory, with its mode
		return filepath.WalkDir(args[0], func(name string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil {
				fmt.Println(info.Mode(), name)
			}
			return err
		})
	case "read":
		content, err := os.ReadFile(args[0])
		fmt.Printf("%s", content)
		return err
	case "write":
		return os.WriteFile(args[0], []byte("written"), 0o644)
	case "write+read":
		if err := os.WriteFile(args[0], []byte("written"), 0o644); err != nil {
			return err
		}
		return run("read", args)
	case "print":
		_, err := fmt.Print(args[0])
		return err
	case "complain": // prints to standard error and fails
		return errors.New(args[0])
	case "exit":
		var code int
		fmt.Sscan(args[0], &code)
		os.Exit(code)
	case "die": // of a signal
		var number int
		fmt.Sscan(args[0], &number)
		signal.Reset()
		if err := syscall.Kill(os.Getpid(), syscall.Signal(number)); err != nil {
			return err
		}
		time.Sleep(time.Hour)
	case "abort":
		p, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return p.Signal(syscall.SIGKILL) // without effect on process 1
	case "flood":
		block := bytes.Repeat([]byte("x"), 1<<16)
		for range 64 { // 4 MiB on each
			os.Stdout.Write(block)
			os.Stderr.Write(block)
		}
		return nil
	case "connect":
		c, err := net.DialTimeout("tcp", args[0], 5*time.Second)
		if err == nil {
			c.Close()
		}
		return err
	case "hang", "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("hanging")
		if verb == "deaf" { // and listens, so that one can see that it is so far
			if _, err := net.Listen("tcp", args[0]); err != nil {
				return err
			}
		}
		for {
			time.Sleep(time.Hour)
		}
	case "parent": // leaves a grandchild behind that holds the streams
		child := exec.Command("/proc/self/exe", "hang", args[0])
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		fmt.Println("started") // before anyone can see the child, and end both
		if err := child.Start(); err != nil {
			return err
		}
		if len(args) > 1 {
			return run(args[1], args[2:])
		}
		return nil
	case "serve":
		return serve(args[0])
	case "serve once": // answers one connection with all that it read, and ends
		return serveOnce(args[0])
	}
	return fmt.Errorf("no such verb: %s", verb)
}

func report() error {
	s := testprogram.Seen{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), Args: os.Args, Env: os.Environ(), Umask: syscall.Umask(0)}
	s.Groups, _ = os.Getgroups()
	s.Dir, _ = os.Getwd()
	s.Host, _ = os.Hostname()
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	s.Stdin = string(in)
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		// The runtime's own: the listing, what it polls with, and the CPU limits of its
		// cgroup.
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
			s.Descriptors = append(s.Descriptors, fd.Name())
		}
	}
	s.Status = map[string]string{}
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			s.Status[name] = strings.TrimSpace(value)
		}
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		s.Files = append(s.Files, entry.Name())
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// serve ends with 7 on a signal, when its last connection has ended: also one
// that sent nothing yet, which Shutdown itself would only wait for some seconds.
func serve(address string) error {
	open := make(chan int, 1)
	open <- 0
	count := func(d int) { open <- <-open + d }
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello from %s", r.URL.Path)
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				count(1)
			case http.StateClosed, http.StateHijacked:
				count(-1)
			}
		},
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		fmt.Println("stopping on", <-stop)
		listener.Close()
		for {
			n := <-open
			open <- n
			if n == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		server.Shutdown(context.Background())
		close(ended)
	}()
	err = server.Serve(listener)
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		<-ended
		os.Exit(7)
	}
	return err
}

func serveOnce(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	said, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	fmt.Printf("read %d bytes\n", len(said))
	// Where nobody reads any more, that is no failure of this program.
	conn.Write(said)
	return nil
}
