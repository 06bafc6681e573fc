//go:build linux

package main

import (
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
	"github.com/slipway-dev/slipway/pipelines/engine/internal/executable"
)

// program is the image's program. Nil is one that was not started.
type program struct {
	pid            int
	begin          time.Time
	stdout, stderr *output

	mu     sync.Mutex
	reaped bool // its number may be another's
}

// prSetNoNewPrivs is PR_SET_NO_NEW_PRIVS of linux/prctl.h.
const prSetNoNewPrivs = 38

// start starts the program of a task.
func start(t wire.Task) (*program, *executable.Failure) {
	if err := os.Chdir(t.Dir); err != nil {
		return nil, executable.ClosedDir(t.Dir, err)
	}
	t.Env = surroundings(t)
	file, failure := find(t)
	if failure != nil {
		return nil, failure
	}
	p, err := launch(t, file)
	if err != nil {
		// This process is of the image's architecture, and runs: it is the image's fault.
		return nil, executable.Explain(file, t.Platform, err)
	}
	return p, nil
}

// launch starts a file.
func launch(t wire.Task, file string) (_ *program, err error) {
	var ours, theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			for _, f := range ours {
				_ = f.Close()
			}
		}
	}()
	pipe := func(write bool) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if write {
			r, w = w, r
		}
		ours, theirs = append(ours, r), append(theirs, w)
		return nil
	}
	for _, write := range []bool{true, false, false} {
		if err := pipe(write); err != nil {
			return nil, err
		}
	}

	// Like signal masks, this is a thread's, and its children have it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0) // an emulator may not know it
	syscall.Umask(0o022)                                                             // as in every container runtime
	begin := time.Now()
	process, err := os.StartProcess(file, t.Args, &os.ProcAttr{
		Env: t.Env, Files: theirs, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	p := &program{pid: process.Pid, begin: begin, stdout: keep(ours[1], t.MaxOutput), stderr: keep(ours[2], t.MaxOutput)}
	_ = process.Release() // wait reaps it
	go func() {
		// A program that does not read misses nothing that it wants.
		_, _ = ours[0].Write(t.Stdin)
		_ = ours[0].Close()
	}()
	return p, nil
}

// signal sends a signal to the program, if it still runs.
func (p *program) signal(number int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(p.pid, syscall.Signal(number)) // one that has just ended needs none
	}
}

// kill ends the program and all that it started.
func (p *program) kill() {
	if p == nil {
		return
	}
	if os.Getpid() == 1 {
		_ = syscall.Kill(-1, syscall.SIGKILL) // all but this process
		return
	}
	// Not in a container, so -1 would be everybody's. It leads a group of its own.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
}

// drain is how long the outputs may stay open after all that could write to them
// was killed. It is a bound for what must not happen.
const drain = 5 * time.Second

// wait waits until the program has ended, and ends what it left running.
func (p *program) wait() wire.Ended {
	var status syscall.WaitStatus
	for {
		// As process 1 it is the parent of all whose own parent went.
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid == p.pid || err != nil {
			break
		}
	}
	elapsed := time.Since(p.begin)
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	p.kill()
	limit := time.After(drain)
	ended := wire.Ended{Code: status.ExitStatus(), Elapsed: elapsed, Stdout: p.stdout.all(limit), Stderr: p.stderr.all(limit)}
	if status.Signaled() {
		ended.Signal = int(status.Signal())
		ended.Code = 128 + ended.Signal
	}
	return ended
}

// output keeps the beginning of what comes out of a pipe, and reads the rest.
type output struct {
	max int
	end chan struct{} // closed at the pipe's end

	mu   sync.Mutex
	kept []byte
}

func keep(f *os.File, max int) *output {
	o := &output{max: max, end: make(chan struct{})}
	go func() {
		defer close(o.end)
		_, _ = io.Copy(o, f)
		_ = f.Close()
	}()
	return o
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := o.max - len(o.kept); room < len(b) {
		o.kept = append(o.kept, b[:room]...)
	} else {
		o.kept = append(o.kept, b...)
	}
	return len(b), nil
}

// all waits for the pipe's end, and returns what was kept.
func (o *output) all(limit <-chan time.Time) []byte {
	select {
	case <-o.end:
	case <-limit:
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]byte(nil), o.kept...)
}
