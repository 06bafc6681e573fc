// Package wire is what an engine and the supervisor that it puts into a
// container say to each other, over a Unix socket that the engine forwards.
//
// The supervisor opens every connection, and sends the number of what it is for
// first: 8 bytes, big-endian. Number Control is the control connection, which
// carries JSON: a Task and then Requests one way, Replies the other. Every other
// number is that of a Dial, and such a connection carries what the dialled one
// does, as it is.
//
// The supervisor is compiled from this source in the engine, so the package
// needs nothing beside the standard library.
package wire

import "time"

// Control is the number of the control connection.
const Control = 0

// Task says what to run.
type Task struct {
	// Args is the whole command line, Env the whole environment but for HOSTNAME
	// and HOME, which the supervisor sets where they are not in it.
	Args, Env []string
	// Dir is the working directory.
	Dir string
	// User is who the program runs as, as the image's config names it. The
	// supervisor runs as that user already, and only looks up its home.
	User string
	// Platform is the image's.
	Platform string
	// Stdin is what the program reads.
	Stdin []byte
	// MaxOutput is how much of each output stream is kept, in bytes.
	MaxOutput int
}

// Request is what the engine tells the supervisor; exactly one part is set.
type Request struct {
	// Signal goes to the program; it is a number of Linux.
	Signal int `json:",omitempty"`
	// Kill ends the program and all that it started.
	Kill  bool   `json:",omitempty"`
	Dial  *Dial  `json:",omitempty"`
	Close *Close `json:",omitempty"`
	// Bye lets the supervisor end. What is not sent by then is lost.
	Bye bool `json:",omitempty"`
}

// Dial asks for a connection made inside.
type Dial struct {
	ID               uint64 // not Control
	Network, Address string
	// Timeout bounds the attempt; zero means no bound.
	Timeout time.Duration `json:",omitempty"`
}

// Close says that the engine's side of a connection has ended, or that nobody
// waits for the dial any more. It has to be said: an end on the engine's side of a
// forwarded socket never arrives at the other (seen with Dagger v0.21.8), one on
// the supervisor's does.
type Close struct {
	ID uint64
	// Sent is how many bytes the engine wrote before, which may come later than this.
	Sent int64
	// Half leaves the way from the program to the engine open.
	Half bool `json:",omitempty"`
}

// Reply is what the supervisor tells the engine; exactly one part is set.
type Reply struct {
	Started    *Started    `json:",omitempty"`
	NotStarted *NotStarted `json:",omitempty"`
	NotDialed  *NotDialed  `json:",omitempty"`
	Ended      *Ended      `json:",omitempty"`
}

// Started says that the program runs.
type Started struct {
	// Host is an address of the container that is not its loopback device's.
	Host string
}

// NotStarted says why the program does not run.
type NotStarted struct {
	Reason string // "the image has no such file"
	Help   string `json:",omitempty"` // what would do
	Errno  int    `json:",omitempty"` // Linux's, see errno(3)
}

// NotDialed answers a Dial that failed. One that did not is answered by a
// connection with its number.
type NotDialed struct {
	ID    uint64
	Error string
	Errno int `json:",omitempty"`
}

// Ended tells how the program ended. All that it started is dead by then.
type Ended struct {
	// Code is the exit code; Signal the number of the signal that ended it, or 0.
	Code, Signal   int
	Stdout, Stderr []byte
	Elapsed        time.Duration
}
