package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// execution is an image's program that runs, or has run.
type execution struct {
	task           task
	note           func(string)
	control        channel
	cmd            *exec.Cmd
	stdout, stderr output

	started chan struct{} // closed when the program runs
	done    chan struct{} // closed when it has ended, and everything with it
	// What follows is set before done is closed, and not changed afterwards.
	exit smoke.Exit
	err  error

	mu    sync.Mutex
	cause error // why it was killed, or nil
	dials map[uint64]chan connection
	last  uint64 // id of the last dial
}

// connection answers a dial.
type connection struct {
	file *os.File
	err  error
}

// launch starts a supervisor with a task, and returns before the program runs.
func launch(t task, stdin string, note func(string)) (*execution, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	attr, err := t.supervisorAttr()
	if err != nil {
		return nil, err
	}
	control, controlEnd, err := socketpair()
	if err != nil {
		return nil, err
	}
	input, err := pipeOf(text)
	if err != nil {
		return nil, errors.Join(err, controlEnd.Close(), control.conn.Close())
	}
	p := &execution{
		task: t, note: note, control: control,
		started: make(chan struct{}), done: make(chan struct{}), dials: map[uint64]chan connection{},
	}
	p.cmd = &exec.Cmd{
		Path: self, Args: []string{supervisorName}, Dir: "/",
		// Not nil, which would hand down the caller's environment.
		Env:    []string{},
		Stdout: &p.stdout, Stderr: &p.stderr,
		ExtraFiles:  []*os.File{supervisorControl - 3: controlEnd, supervisorTask - 3: input},
		SysProcAttr: attr,
		// All writers are dead when the supervisor ends, unless a program in the
		// host's network has handed its streams to a process outside.
		WaitDelay: 5 * time.Second,
	}
	if stdin != "" {
		p.cmd.Stdin = strings.NewReader(stdin)
	}
	err = p.cmd.Start()
	_ = controlEnd.Close()
	_ = input.Close()
	if err != nil {
		_ = control.conn.Close()
		return nil, t.refused(failed("creating user and network namespaces", err))
	}
	go p.watch()
	return p, nil
}

// await returns when the program runs, or with the reason why it does not. From
// then on, the program is killed when ctx ends.
func (p *execution) await(ctx context.Context) error {
	release := context.AfterFunc(ctx, func() { p.kill(ctx.Err()) })
	go func() {
		<-p.done
		release()
	}()
	select {
	case <-p.started:
		return nil
	case <-p.done:
	}
	select {
	case <-p.started: // both have happened
		return nil
	default:
		return p.err
	}
}

// kill ends the program and everything that it started. The first cause counts.
func (p *execution) kill(cause error) {
	p.mu.Lock()
	if p.cause == nil {
		p.cause = cause
	}
	p.mu.Unlock()
	// The end of what we have to say tells the supervisor to kill. Where it is gone
	// already, so is the program.
	_ = p.control.conn.CloseWrite()
}

// signal sends a signal to the program. One that has ended needs none.
func (p *execution) signal(s syscall.Signal) {
	_ = p.control.send(request{Signal: s}, nil)
}

// watch serves the supervisor's replies until it has ended.
func (p *execution) watch() {
	var why *failure
	var end *ended
	for {
		var r reply
		file, err := p.control.receive(&r)
		if err != nil {
			break
		}
		switch {
		case r.Note != "":
			if p.note != nil {
				p.note(r.Note)
			}
		case r.Started:
			close(p.started)
		case r.Failure != nil:
			why = r.Failure
		case r.Dialed != nil:
			p.answer(*r.Dialed, file)
		case r.Ended != nil:
			end = r.Ended
		}
	}
	wait := p.cmd.Wait()

	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.control.conn.Close()
	for id, waiting := range p.dials {
		delete(p.dials, id)
		waiting <- connection{err: errEnded}
	}
	p.exit.Stdout, p.exit.Stderr = p.stdout.bytes(), p.stderr.bytes()
	switch {
	case end != nil:
		p.exit.Elapsed = end.Elapsed
		p.exit.Code = end.Status.ExitStatus()
		if end.Status.Signaled() {
			p.exit.Code = 128 + int(end.Status.Signal())
			p.exit.Signal = process.Signal(end.Status.Signal()).String()
		}
		// A program that was quicker than the kill has ended by itself.
		if end.Status.Signaled() && end.Status.Signal() == unix.SIGKILL {
			p.err = p.cause
		} else if p.exit.Code != 0 {
			p.err = p.task.wrongProcessor(p.exit)
		}
	case p.cause != nil:
		p.err = p.cause
	case why != nil:
		p.err = p.task.refused(why)
	default:
		p.err = fmt.Errorf("the sandbox's supervisor ended before the program (%s): %s", fmt.Sprint(wait), p.exit.Stderr)
	}
	close(p.done)
}

// refused makes a failure the error that callers see.
func (t task) refused(f *failure) error {
	switch f.Blame {
	case blameImage:
		e := &process.StartError{Program: t.Args[0], Reason: f.Text, Help: f.Help}
		if f.Errno != 0 {
			e.Err = f.Errno
		}
		return e
	case blamePlatform:
		return &smoke.NotRunnableError{Reason: f.Text, Help: f.Help}
	}
	return diagnose(os.DirFS("/"), f)
}

func (t task) wrongProcessor(exit smoke.Exit) error {
	text := process.WrongProcessor(exit.Stderr)
	if text == "" {
		return nil
	}
	return &smoke.NotRunnableError{
		Reason: fmt.Sprintf("this machine's processor does not run %s (%q)", t.Platform, text),
		Help:   "run it on a newer one",
	}
}

var errEnded = errors.New("the program has ended")

// dial connects to an address as seen by the program.
func (p *execution) dial(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s inside the sandbox: %w", address, err)}
	}
	if !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return fail(net.UnknownNetworkError(network))
	}
	d := dial{Network: network, Address: address}
	if deadline, ok := ctx.Deadline(); ok {
		d.Timeout = max(time.Until(deadline), 1)
	}
	answer := make(chan connection, 1)
	p.mu.Lock()
	select {
	case <-p.done:
		p.mu.Unlock()
		return fail(errEnded)
	default:
	}
	p.last++
	d.ID = p.last
	p.dials[d.ID] = answer
	p.mu.Unlock()

	if err := p.control.send(request{Dial: &d}, nil); err != nil {
		p.forget(d.ID)
		return fail(errEnded)
	}
	select {
	case c := <-answer:
		if c.err != nil {
			return fail(c.err)
		}
		conn, err := net.FileConn(c.file)
		if e := c.file.Close(); err == nil {
			err = e
		}
		if err != nil {
			return fail(err)
		}
		return conn, nil
	case <-ctx.Done():
		if !p.forget(d.ID) { // it came at the same moment
			if c := <-answer; c.file != nil {
				_ = c.file.Close()
			}
		}
		return fail(ctx.Err())
	}
}

// forget gives up on a dial, and tells whether its answer is still to come.
func (p *execution) forget(id uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waiting := p.dials[id]
	delete(p.dials, id)
	return waiting
}

// answer hands a connection to the dial that waits for it, if one still does.
func (p *execution) answer(d dialed, file *os.File) {
	c := connection{file: file}
	switch {
	case d.Errno != 0:
		c.err = os.NewSyscallError("connect", d.Errno)
	case d.Error != "":
		c.err = errors.New(d.Error)
	case file == nil:
		c.err = errors.New("the connection was lost on its way")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, ok := p.dials[d.ID]
	delete(p.dials, d.ID)
	if ok {
		waiting <- c
	} else if file != nil {
		_ = file.Close()
	}
}

// output keeps the first smoke.MaxOutput bytes that are written to it, and takes
// the rest without keeping it.
type output struct {
	mu   sync.Mutex
	kept []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, b[:min(len(b), smoke.MaxOutput-len(o.kept))]...)
	return len(b), nil
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept
}

// service is a program that was started to serve.
type service struct {
	*execution
	stop process.Signal
}

// Dial connects to an address as seen from inside, over tcp or udp.
func (s service) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.dial(ctx, network, address)
}

// Host is the address that is not the loopback device's, see raiseLoopback.
func (s service) Host() string {
	if s.task.HostNetwork {
		return "127.0.0.1"
	}
	return outside.String()
}

// Done is closed when the program has ended.
func (s service) Done() <-chan struct{} { return s.done }

// Stop sends the image's stop signal and waits for the end.
func (s service) Stop(ctx context.Context) (smoke.Exit, error) {
	select {
	case <-s.done:
		return s.exit, s.err
	default:
	}
	if ctx.Err() == nil {
		s.signal(syscall.Signal(s.stop))
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		s.kill(ctx.Err())
		<-s.done
	}
	return s.exit, s.err
}
