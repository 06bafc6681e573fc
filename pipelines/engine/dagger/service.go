package dagger

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

const (
	// killTimeout is how long a supervisor has to end what was asked to end, until
	// the engine is told to.
	killTimeout = 10 * time.Second
	// drainTimeout is how long the answers of a program that has ended may be on
	// their way, where somebody still reads them.
	drainTimeout = 2 * time.Second
)

// execution is an image's program that runs, or has run, under a supervisor.
type execution struct {
	task   wire.Task
	line   *line
	cancel context.CancelFunc // ends the container

	started chan struct{} // closed when the program runs
	host    string        // set before
	done    chan struct{} // closed when the program has ended
	// What follows is set before done is closed, and not changed afterwards.
	exit smoke.Exit
	err  error

	work sync.WaitGroup
	gone chan struct{} // closed when nothing of it is left in the engine and here

	mu        sync.Mutex
	connected bool  // with the supervisor
	cause     error // why it was killed, or nil
	ended     bool
	bye       chan struct{} // closed where the supervisor may end at once
}

// containing runs a container with a supervisor until it ends, which it does when
// ctx ends. It returns the supervisor's exit code, and what it said where that is
// not 0.
type containing func(ctx context.Context) (code int, said string, err error)

// launch runs a container, and returns before the program runs.
func launch(ctx context.Context, container containing, listener net.Listener, t wire.Task) *execution {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &execution{
		task: t, line: newLine(listener), cancel: cancel,
		started: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}), bye: make(chan struct{}),
	}
	over := make(chan struct{})
	p.work.Go(func() {
		select {
		case control := <-p.line.control:
			p.talk(control)
		case <-over:
		}
	})
	go func() {
		defer cancel()
		code, said, err := container(ctx)
		close(over)
		p.line.close()
		p.work.Wait()
		if p.finish() {
			p.err = p.lost(ctx, code, said, err)
			close(p.done)
		}
		close(p.gone)
	}()
	return p
}

// talk gives the supervisor its task and takes its replies until it has ended.
func (p *execution) talk(control net.Conn) {
	p.mu.Lock()
	killed := p.cause != nil
	p.connected = true
	p.mu.Unlock()
	if killed || p.line.begin(control, p.task) != nil {
		p.cancel()
		return
	}
	for replies := json.NewDecoder(control); ; {
		var r wire.Reply
		if err := replies.Decode(&r); err != nil {
			return // the container is about to end
		}
		switch {
		case r.Started != nil:
			p.host = r.Started.Host
			close(p.started)
		case r.NotDialed != nil:
			p.line.answer(r.NotDialed.ID, dialed{err: notDialed(*r.NotDialed)})
		case r.NotStarted != nil:
			if p.finish() {
				p.err = p.notStarted(*r.NotStarted)
				close(p.done)
			}
			p.release()
		case r.Ended != nil:
			if p.finish() {
				p.exit, p.err = p.end(*r.Ended)
				close(p.done)
			}
			p.work.Go(p.release) // replies go on
		}
	}
}

// notStarted is the error of a program that the supervisor could not start.
func (p *execution) notStarted(n wire.NotStarted) error {
	return &process.StartError{Program: p.task.Args[0], Reason: n.Reason, Help: n.Help, Err: systemError(n.Errno)}
}

// finish tells its first caller that it is the one to set how the program ended.
func (p *execution) finish() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.ended
	p.ended = true
	return first
}

// end is how a program ended.
func (p *execution) end(e wire.Ended) (smoke.Exit, error) {
	exit := smoke.Exit{Code: e.Code, Stdout: e.Stdout, Stderr: e.Stderr, Elapsed: e.Elapsed}
	if e.Signal != 0 {
		exit.Signal = process.Signal(e.Signal).String()
	}
	// A program that was quicker than the kill has ended by itself.
	if process.Signal(e.Signal) == process.SIGKILL {
		p.mu.Lock()
		defer p.mu.Unlock()
		return exit, p.cause
	}
	if exit.Code != 0 {
		return exit, p.wrongProcessor(exit)
	}
	return exit, nil
}

func (p *execution) wrongProcessor(exit smoke.Exit) error {
	text := process.WrongProcessor(exit.Stderr)
	if text == "" {
		return nil
	}
	return &smoke.NotRunnableError{
		Reason: fmt.Sprintf("the processor of the Dagger engine's machine does not run %s (%q)", p.task.Platform, text),
		Help:   "run it on a newer one",
	}
}

// lost is the error where a container ended before the program.
func (p *execution) lost(ctx context.Context, code int, said string, err error) error {
	p.mu.Lock()
	cause := p.cause
	p.mu.Unlock()
	if cause != nil {
		return cause
	}
	if err != nil {
		said = explain(err)
	}
	if strings.Contains(said, "exec format error") {
		return &smoke.NotRunnableError{
			Reason: "no emulator is registered for " + p.task.Platform + " on the Dagger engine's machine",
			Help:   "install qemu-user-static there (Debian, Ubuntu), or run docker run --privileged --rm tonistiigi/binfmt --install all",
		}
	}
	if err != nil {
		return plain(ctx, "running the image", err)
	}
	return fmt.Errorf("dagger: the program's container ended before it (exit code %d): %s", code, strings.TrimSpace(said))
}

// release lets the supervisor end when what the program sent has arrived.
func (p *execution) release() {
	limit := time.NewTimer(drainTimeout)
	defer limit.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for wait := true; wait && !p.line.idle(); {
		select {
		case <-p.bye:
			wait = false
		case <-limit.C:
			wait = false
		case <-look.C:
		}
	}
	p.finally(wire.Request{Bye: true})
}

// finally asks the supervisor for what makes it end, and has the engine end the
// container where that does not help.
func (p *execution) finally(r wire.Request) {
	limit := time.AfterFunc(killTimeout, p.cancel)
	go func() {
		<-p.gone
		limit.Stop()
	}()
	if err := p.line.send(r); err != nil {
		p.cancel()
	}
}

// await returns when the program runs, or with the reason why it does not. From
// then on, the program is killed when ctx ends.
func (p *execution) await(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.kill(ctx.Err()) })
	go func() {
		<-p.done
		stop()
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
	if p.ended {
		p.mu.Unlock()
		return
	}
	if p.cause == nil {
		p.cause = cause
	}
	connected := p.connected
	p.mu.Unlock()
	if !connected {
		p.cancel()
		return
	}
	p.finally(wire.Request{Kill: true})
}

// close kills the program, and waits for nobody who still reads from it.
func (p *execution) close() {
	p.mu.Lock()
	select {
	case <-p.bye:
	default:
		close(p.bye)
	}
	p.mu.Unlock()
	p.kill(errClosed)
}

// service is a program that was started to serve.
type service struct {
	*execution
	stop process.Signal
}

// Dial connects to a TCP address as seen from inside.
func (s service) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s inside the container: %w", address, err)}
	}
	select {
	case <-s.done:
		return fail(errEnded)
	default:
	}
	conn, err := s.line.dial(ctx, network, address)
	if err != nil {
		return fail(err)
	}
	return conn, nil
}

// Host is the container's address in the engine's network.
func (s service) Host() string { return s.host }

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
		_ = s.line.send(wire.Request{Signal: int(s.stop)}) // one that has ended needs none
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		s.kill(ctx.Err())
		<-s.done
	}
	return s.exit, s.err
}
