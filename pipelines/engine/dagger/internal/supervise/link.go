//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
)

// link is a connection that was dialled for the engine, or is being dialled.
type link struct {
	cancel context.CancelFunc // ends the attempt

	mu      sync.Mutex
	inside  *net.TCPConn  // nil until it is made
	engine  *net.UnixConn // with inside
	passed  int64         // bytes from the engine that inside got
	closing *wire.Close   // what the engine said last
}

// dial connects to an address, and the engine with it.
func (s *supervisor) dial(d wire.Dial) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{cancel: cancel}
	s.mu.Lock()
	s.links[d.ID] = l
	s.mu.Unlock()
	go func() {
		defer cancel()
		err := s.connect(ctx, l, d)
		s.mu.Lock()
		delete(s.links, d.ID)
		s.mu.Unlock()
		if err == nil {
			return
		}
		answer := wire.NotDialed{ID: d.ID, Error: err.Error()}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			answer.Errno = int(errno)
		}
		_ = s.send(wire.Reply{NotDialed: &answer}) // an engine that has gone is seen by serve
	}()
}

// connect makes both connections and copies between them until both have ended.
func (s *supervisor) connect(ctx context.Context, l *link, d wire.Dial) error {
	conn, err := (&net.Dialer{Timeout: d.Timeout}).DialContext(ctx, d.Network, d.Address)
	if err != nil {
		return err
	}
	inside, ok := conn.(*net.TCPConn)
	if !ok {
		_ = conn.Close()
		return net.UnknownNetworkError(d.Network)
	}
	engine, err := s.open(d.ID)
	if err != nil {
		_ = inside.Close()
		return err
	}
	l.mu.Lock()
	l.inside, l.engine = inside, engine
	l.mu.Unlock()
	l.settle() // it may have been closed meanwhile

	var out sync.WaitGroup
	out.Add(1)
	go func() {
		defer out.Done()
		_, _ = io.Copy(engine, inside)
		_ = engine.CloseWrite() // what the program said ends here, however it did
	}()
	if _, err := io.Copy(onto{l}, engine); err != nil {
		// The program takes no more, or the engine closed both.
		_ = inside.Close()
		_ = engine.Close()
	}
	out.Wait()
	_ = inside.Close()
	_ = engine.Close()
	return nil
}

// onto writes what the engine sends to the connection inside.
type onto struct{ l *link }

func (o onto) Write(b []byte) (int, error) {
	n, err := o.l.inside.Write(b)
	o.l.mu.Lock()
	o.l.passed += int64(n)
	o.l.mu.Unlock()
	o.l.settle()
	return n, err
}

// end says that the engine's side has ended.
func (l *link) end(c wire.Close) {
	l.mu.Lock()
	l.closing = &c
	l.mu.Unlock()
	if !c.Half && c.Sent == 0 {
		l.cancel()
	}
	l.settle()
}

// settle closes what the engine closed, once all that it sent has passed.
func (l *link) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inside == nil || l.closing == nil || l.passed < l.closing.Sent {
		return
	}
	if l.closing.Half {
		_ = l.inside.CloseWrite()
		return
	}
	// Both ways of copying end by this. A program that still sends gets a reset, as
	// from any client that goes.
	_ = l.inside.Close()
	_ = l.engine.SetDeadline(time.Unix(1, 0))
}
