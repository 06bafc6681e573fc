package smoke

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// What a case means that does not say otherwise.
const (
	// DefaultTimeout is how long a case may take.
	DefaultTimeout = 30 * time.Second
	// DefaultStopWithin is how long a server may take to end after its stop signal.
	DefaultStopWithin = 10 * time.Second
)

// Case is one smoke test: run the image and look at what it says and how it
// ends, or serve it and look at what it answers.
type Case struct {
	// Name says what the case proves, in a few words. Where it is empty, the
	// verdict is named after the arguments or the port.
	Name string
	// Process is how the image is run.
	Process
	// Timeout is how long the run may take, or, of a server, everything before
	// its stop signal. Zero means DefaultTimeout.
	Timeout time.Duration
	// ExitCode is the expected exit code: of the run, or, of a server, after its
	// stop signal. A program that a signal ended has 128 + the signal's number.
	ExitCode int
	// Stdout and Stderr say what the two streams must be; nil takes anything.
	Stdout, Stderr *Match
	// Serve makes it a server's case; nil runs the program to its end.
	Serve *Serve
}

// Match says what a text must be. Everything given must hold.
type Match struct {
	// Equals is the whole text, but for white space at its ends; nil where it
	// does not matter.
	Equals *string
	// Contains is a part of the text; empty where it does not matter.
	Contains string
	// Matches matches somewhere in the text; nil where it does not matter.
	Matches *regexp.Regexp
}

// Serve says how to prove a server.
type Serve struct {
	// Port is the TCP port to wait for, on the loopback device.
	Port int
	// Requests are sent in this order, up to the first whose answer is wrong.
	// Without any, the open port is the proof.
	Requests []Request
	// StopWithin is how long the program may take to end after its stop signal.
	// Zero means DefaultStopWithin.
	StopWithin time.Duration
}

// Request is an HTTP/1.1 request and what its answer must be.
type Request struct {
	// Method is GET where it is empty.
	Method string
	// Path is path and query, beginning with a slash.
	Path string
	// Headers are sent with it. Host sets the host that is asked for, which
	// otherwise is localhost and the port.
	Headers map[string]string
	// Body is sent with it.
	Body string
	// Expect is what the answer must be. Redirects are answers, and not followed.
	Expect Response
}

// Response says what an HTTP answer must be.
type Response struct {
	// Status is 200 where it is zero.
	Status int
	// Headers must be there, by name. Several values of one name are joined by a
	// comma and a space (RFC 9110, section 5.3).
	Headers map[string]Match
	// Body is what the first MaxOutput bytes of the body must be; nil takes
	// anything.
	Body *Match
}

// Title names the case in its verdict.
func (c Case) Title() string {
	switch {
	case c.Name != "":
		return c.Name
	case c.Serve != nil:
		return fmt.Sprintf("serves on port %d", c.Serve.Port)
	case len(c.Args) > 0:
		return "runs with " + oneLine(strings.Join(c.Args, " "))
	}
	return "runs"
}

func (c Case) timeout() time.Duration { return orDefault(c.Timeout, DefaultTimeout) }

func (s Serve) stopWithin() time.Duration { return orDefault(s.StopWithin, DefaultStopWithin) }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
