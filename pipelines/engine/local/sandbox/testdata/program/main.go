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
)

// Seen is what "report" prints as JSON.
type Seen struct {
	UID, GID, PID int
	Groups        []int
	Args, Env     []string
	Dir, Host     string
	Stdin         string
	Descriptors   []string
	Umask         int
	Status        map[string]string
	Files         []string
}

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
	case "hang":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("hanging")
		for {
			time.Sleep(time.Hour)
		}
	case "parent": // leaves a grandchild behind that holds standard output
		child := exec.Command("/proc/self/exe", "hang", args[0])
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Println("started", child.Process.Pid)
		if len(args) > 1 {
			return run(args[1], args[2:])
		}
		return nil
	case "serve":
		return serve(args[0])
	}
	return fmt.Errorf("no such verb: %s", verb)
}

func report() error {
	s := Seen{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), Args: os.Args, Env: os.Environ(), Umask: syscall.Umask(0)}
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
		// The runtime's own: the listing, and what it polls with.
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") {
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

func serve(address string) error {
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s", r.URL.Path)
	})}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		s := <-stop
		fmt.Println("stopping on", s)
		server.Shutdown(context.Background())
	}()
	err := server.ListenAndServe()
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	os.Exit(7)
	return nil
}
