//go:build linux

// Command supervise is process 1 of a container in which an engine runs an
// image's program. It starts the program, does for the engine what can only be
// done inside, and tells how the program ended:
//
//	supervise SOCKET [WORD]...
//
// SOCKET is the engine's; package wire says what is spoken there. Words are for
// the engine, which needs two runs of the same to differ. The engine compiles
// this source in a container, so it needs the standard library alone, and a Go
// release that may be older than the rest of the module's.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
)

// patience is how long the supervisor waits for an engine that should be quick.
const patience = time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
		os.Exit(1)
	}
}

// run serves the engine until it says bye.
func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want the path of the engine's socket")
	}
	s := supervisor{socket: args[0], links: map[uint64]*link{}, bye: make(chan struct{}), lost: make(chan error, 1)}
	var err error
	if s.control, err = s.open(wire.Control); err != nil {
		return fmt.Errorf("the engine's socket: %w", err)
	}
	requests := json.NewDecoder(s.control)
	if err := s.control.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var task wire.Task
	if err := requests.Decode(&task); err != nil {
		return fmt.Errorf("reading what to run: %w", err)
	}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}

	p, failure := start(task)
	if failure != nil {
		err = s.send(wire.Reply{NotStarted: &wire.NotStarted{
			Reason: failure.Reason, Help: failure.Help, Errno: int(failure.Errno),
		}})
	} else {
		err = s.send(wire.Reply{Started: &wire.Started{Host: address()}})
	}
	go s.serve(requests, p)
	if err == nil && p != nil {
		ended := make(chan wire.Ended, 1)
		go func() { ended <- p.wait() }()
		select {
		case e := <-ended:
			err = s.send(wire.Reply{Ended: &e})
		case err = <-s.lost:
		}
	}
	if err != nil {
		p.kill()
		return err
	}
	select {
	case <-s.bye:
	case err := <-s.lost:
		return err
	case <-time.After(patience):
		return errors.New("the engine does not answer")
	}
	return nil
}

// supervisor is the side of the engine that is inside.
type supervisor struct {
	socket  string
	control *net.UnixConn
	bye     chan struct{}
	lost    chan error

	sending sync.Mutex

	mu    sync.Mutex
	links map[uint64]*link
}

// open opens a connection to the engine for a number.
func (s *supervisor) open(number uint64) (*net.UnixConn, error) {
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, number)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

func (s *supervisor) send(r wire.Reply) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return json.NewEncoder(s.control).Encode(r)
}

// serve does what the engine asks. An engine that has gone is the end of all.
func (s *supervisor) serve(requests *json.Decoder, p *program) {
	for {
		var r wire.Request
		if err := requests.Decode(&r); err != nil {
			s.lost <- fmt.Errorf("lost the engine: %w", err)
			return
		}
		switch {
		case r.Bye:
			close(s.bye)
			return
		case r.Kill:
			p.kill()
		case r.Signal != 0:
			p.signal(r.Signal)
		case r.Dial != nil:
			s.dial(*r.Dial)
		case r.Close != nil:
			s.mu.Lock()
			l := s.links[r.Close.ID]
			s.mu.Unlock()
			if l != nil {
				l.end(*r.Close)
			}
		}
	}
}

// address is where others reach this container; empty where it has no network.
func address() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var found string
	for _, a := range all {
		ip, ok := a.(*net.IPNet)
		if !ok || !ip.IP.IsGlobalUnicast() {
			continue
		}
		if ip.IP.To4() != nil {
			return ip.IP.String()
		}
		if found == "" {
			found = ip.IP.String()
		}
	}
	return found
}
