package dagger

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
)

// callTimeout bounds what a supervisor does at once, like saying what a
// connection is for.
const callTimeout = 10 * time.Second

// line is the engine's end of what package wire describes: a supervisor's calls.
type line struct {
	listener net.Listener
	control  chan net.Conn // gets the control connection
	work     sync.WaitGroup

	sending sync.Mutex
	to      net.Conn // the control connection, once the task is sent

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	dials  map[uint64]chan dialed
	last   uint64 // number of the last dial
}

// dialed answers a dial.
type dialed struct {
	conn net.Conn
	err  error
}

func newLine(listener net.Listener) *line {
	l := &line{
		listener: listener, control: make(chan net.Conn, 1),
		conns: map[net.Conn]bool{}, dials: map[uint64]chan dialed{},
	}
	l.work.Go(l.accept)
	return l
}

// accept takes the supervisor's calls until the line is closed.
func (l *line) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		if !l.keep(conn) {
			return
		}
		l.work.Go(func() { l.sort(conn) })
	}
}

// keep makes close close a connection.
func (l *line) keep(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return false
	}
	l.conns[conn] = true
	return true
}

// drop closes a connection.
func (l *line) drop(conn net.Conn) {
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
	_ = conn.Close()
}

// sort finds what a call is for.
func (l *line) sort(conn net.Conn) {
	var number [8]byte
	_ = conn.SetDeadline(time.Now().Add(callTimeout))
	if _, err := io.ReadFull(conn, number[:]); err != nil {
		l.drop(conn)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if id := binary.BigEndian.Uint64(number[:]); id != wire.Control {
		l.answer(id, dialed{conn: conn})
		return
	}
	select {
	case l.control <- conn:
	default: // there is one already
		l.drop(conn)
	}
}

var errEnded = errors.New("the program has ended")

// begin sends the task on the control connection, and opens it for requests.
func (l *line) begin(control net.Conn, t wire.Task) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.to = control
	return json.NewEncoder(control).Encode(t)
}

// send sends a request.
func (l *line) send(r wire.Request) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.to == nil {
		return errEnded
	}
	if err := l.to.SetWriteDeadline(time.Now().Add(callTimeout)); err != nil {
		return err
	}
	return json.NewEncoder(l.to).Encode(r)
}

// dial asks the supervisor for a connection.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, net.UnknownNetworkError(network)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := wire.Dial{Network: network, Address: address}
	if deadline, ok := ctx.Deadline(); ok {
		d.Timeout = max(time.Until(deadline), 1)
	}
	answer := make(chan dialed, 1)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errEnded
	}
	l.last++
	d.ID = l.last
	l.dials[d.ID] = answer
	l.mu.Unlock()

	if err := l.send(wire.Request{Dial: &d}); err != nil {
		l.forget(d.ID)
		return nil, errEnded
	}
	select {
	case made := <-answer:
		if made.err != nil {
			return nil, made.err
		}
		return &conn{Conn: made.conn, line: l, id: d.ID, remote: addr{network, address}}, nil
	case <-ctx.Done():
		if !l.forget(d.ID) { // it came at the same moment
			if made := <-answer; made.conn != nil {
				l.drop(made.conn)
			}
		}
		_ = l.send(wire.Request{Close: &wire.Close{ID: d.ID}}) // where it has ended, so has the dial
		return nil, ctx.Err()
	}
}

// forget gives up on a dial, and tells whether its answer is still to come.
func (l *line) forget(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, waiting := l.dials[id]
	delete(l.dials, id)
	return waiting
}

// answer hands a connection, or why there is none, to the dial that waits for it.
func (l *line) answer(id uint64, made dialed) {
	l.mu.Lock()
	waiting, ok := l.dials[id]
	delete(l.dials, id)
	l.mu.Unlock()
	if ok {
		waiting <- made
	} else if made.conn != nil {
		l.drop(made.conn)
	}
}

// notDialed is the error of a dial that failed inside.
func notDialed(r wire.NotDialed) error {
	if err := systemError(r.Errno); err != nil {
		return err
	}
	return errors.New(r.Error)
}

// systemError is one of Linux's errors that callers tell apart, as this system
// has it; nil for others (include/uapi/asm-generic/errno.h).
func systemError(errno int) error {
	switch errno {
	case 2:
		return fs.ErrNotExist
	case 13:
		return fs.ErrPermission
	case 111:
		return syscall.ECONNREFUSED
	}
	return nil
}

// idle tells whether no dialled connection waits for bytes that are on their way.
func (l *line) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns) <= 1 // the control connection
}

// close ends all, and waits for it.
func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	for conn := range l.conns {
		_ = conn.Close()
	}
	clear(l.conns)
	for id, waiting := range l.dials {
		delete(l.dials, id)
		waiting <- dialed{err: errEnded}
	}
	l.mu.Unlock()
	_ = l.listener.Close() // it removes the socket
	l.work.Wait()
}

// conn is a connection to an address inside.
type conn struct {
	net.Conn
	line   *line
	id     uint64
	remote addr

	writing sync.Mutex
	sent    int64
	half    bool
	closed  atomic.Bool
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		c.line.mu.Lock()
		delete(c.line.conns, c.Conn) // nothing is on its way any more
		c.line.mu.Unlock()
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.half {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Write(b)
	c.sent += int64(n)
	return n, err
}

// CloseWrite ends what the program reads.
func (c *conn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.half || c.closed.Load() {
		return net.ErrClosed
	}
	c.half = true
	return c.line.send(wire.Request{Close: &wire.Close{ID: c.id, Sent: c.sent, Half: true}})
}

// Close closes the connection inside as well.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	_ = c.Conn.SetDeadline(time.Unix(1, 0)) // whoever still writes lets go
	c.writing.Lock()
	defer c.writing.Unlock()
	c.half = true
	_ = c.line.send(wire.Request{Close: &wire.Close{ID: c.id, Sent: c.sent}}) // where the program has ended, so has this
	c.line.drop(c.Conn)
	return nil
}

// addr is an address as it was dialled.
type addr struct{ network, address string }

func (a addr) Network() string { return a.network }
func (a addr) String() string  { return a.address }
