// Package smoke proves that an image works: it runs cases against a Runner and
// gives a verdict on each.
package smoke

import (
	"context"
	"net"
	"time"
)

// Runner runs one image: its own root file system, user, environment, working
// directory and entrypoint, read-only except /tmp and the declared volumes.
type Runner interface {
	// Run runs the image's entrypoint until it ends. A program that fails is no
	// error: its Exit says how it ended. When ctx ends first, the whole process
	// tree is killed, and Run returns what there is with ctx's error.
	Run(ctx context.Context, p Process) (Exit, error)
	// Serve starts the image's entrypoint and returns while it runs.
	Serve(ctx context.Context, p Process) (Service, error)
}

// Process says how to run an image, beyond what its config says.
type Process struct {
	// Args follow the image's entrypoint instead of its Cmd; nil keeps the Cmd.
	Args []string
	// Env is added to the image's environment, NAME=value.
	Env []string
	// Stdin is what the program reads; empty means end of file at once.
	Stdin string
	// HostNetwork lets the program use the host's network; by default it has a
	// loopback device of its own and nothing else.
	HostNetwork bool
}

// Exit tells how a process ended.
type Exit struct {
	// Code is the exit code, or 128 + the signal's number where a signal ended it.
	Code int
	// Signal is the name of the signal that ended it ("SIGKILL"), or empty.
	Signal string
	// Stdout and Stderr are what it wrote, the first MaxOutput bytes of each.
	Stdout, Stderr []byte
	Elapsed        time.Duration
}

// MaxOutput is how much of each output stream a Runner keeps, in bytes. A
// program may write more; the rest is dropped.
const MaxOutput = 1 << 20

// Service is an image that runs.
type Service interface {
	// Host is the name or address under which others reach the program: not that
	// of a loopback device, unless the program shares the host's network.
	Host() string
	// Dial connects to an address as seen from inside ("tcp", "127.0.0.1:8080").
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Done is closed when the process has ended by itself or was stopped.
	Done() <-chan struct{}
	// Stop sends the image's stop signal and waits for the end; when ctx ends
	// first, the process tree is killed and ctx's error returned with the Exit.
	// After the process has ended it returns its Exit at once, each time.
	Stop(ctx context.Context) (Exit, error)
}

// NotRunnableError says that an image cannot be run here, which is no verdict
// on the image: another architecture without an emulator, or a machine that
// refuses namespaces.
type NotRunnableError struct {
	Reason string // "no emulator is registered for linux/arm64"
	Help   string // what would help: "install qemu-user-static"
}

func (e *NotRunnableError) Error() string {
	if e.Help == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Help
}
