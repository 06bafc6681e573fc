package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// task is what a sandbox has to do. The parent hands it to the supervisor, which
// hands it to the new namespaces' first process.
type task struct {
	Rootfs string
	Args   []string
	Env    []string
	Dir    string
	UID    int
	GID    int
	Groups []int
	// OneID tells that a single id can be mapped, the caller's.
	OneID bool
	// Writable are the directories that get a file system of their own, parents
	// first, filled with what the image has there. Real paths inside.
	Writable []string
	// HostNetwork leaves the program in the host's network.
	HostNetwork bool
	// Platform and Architecture are the image's.
	Platform     string
	Architecture string
	// Probe ends before any program is started.
	Probe bool
}

// request is what the parent tells the supervisor. The end of the connection
// tells it to end everything.
type request struct {
	Signal syscall.Signal `json:",omitempty"`
	Dial   *dial          `json:",omitempty"`
}

// dial asks for a connection made inside.
type dial struct {
	ID               uint64
	Network, Address string
	// Timeout bounds the attempt; zero means no bound.
	Timeout time.Duration
}

// reply is what the supervisor tells the parent; exactly one part is set.
type reply struct {
	// Note is something that the sandbox has to do without.
	Note string `json:",omitempty"`
	// Started tells that the image's program runs.
	Started bool     `json:",omitempty"`
	Failure *failure `json:",omitempty"`
	Dialed  *dialed  `json:",omitempty"`
	Ended   *ended   `json:",omitempty"`
}

// failure says why a program was not started.
type failure struct {
	// Blame says whose fault it is: the machine's ("machine", where Text names the
	// step), the image's ("image"), or nobody's ("platform": an image that is not
	// for this machine).
	Blame string
	Text  string
	Help  string        `json:",omitempty"`
	Errno syscall.Errno `json:",omitempty"`
}

const (
	blameMachine  = "machine"
	blameImage    = "image"
	blamePlatform = "platform"
)

func (f *failure) Error() string {
	if f.Errno != 0 {
		return f.Text + ": " + f.Errno.Error()
	}
	return f.Text
}

// failed makes a failure of the machine.
func failed(step string, err error) *failure {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return &failure{Blame: blameMachine, Text: step, Errno: errno}
	}
	return &failure{Blame: blameMachine, Text: fmt.Sprintf("%s: %v", step, err)}
}

// dialed answers a dial. The connection comes with it as a descriptor, unless it
// failed.
type dialed struct {
	ID    uint64
	Error string        `json:",omitempty"`
	Errno syscall.Errno `json:",omitempty"`
}

// ended tells how process 1 ended, and with it all the others.
type ended struct {
	Status  syscall.WaitStatus
	Elapsed time.Duration
}

// maxMessage is more than any message has, in bytes: long errors are cut.
const maxMessage = 64 << 10

// channel carries messages over a socket that keeps their bounds.
type channel struct{ conn *net.UnixConn }

// socketpair makes both ends of a channel: one for here, one for a child.
func socketpair() (channel, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return channel{}, nil, os.NewSyscallError("socketpair", err)
	}
	child := os.NewFile(uintptr(fds[1]), "control")
	c, err := openChannel(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		return channel{}, nil, errors.Join(err, child.Close())
	}
	return c, child, nil
}

// openChannel takes over a descriptor.
func openChannel(f *os.File) (channel, error) {
	conn, err := net.FileConn(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return channel{}, err
	}
	return channel{conn.(*net.UnixConn)}, nil
}

// send sends a message, and a descriptor with it unless that is nil. It may be
// called from many goroutines.
func (c channel) send(message any, with *os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("message of %d bytes is too long", len(text))
	}
	var rights []byte
	if with != nil {
		rights = unix.UnixRights(int(with.Fd()))
	}
	_, _, err = c.conn.WriteMsgUnix(text, rights, nil)
	return err
}

// receive waits for a message. The file is nil where no descriptor came with it.
func (c channel) receive(message any) (*os.File, error) {
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := c.conn.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	var file *os.File
	if m > 0 {
		messages, err := unix.ParseSocketControlMessage(rights[:m])
		if err != nil {
			return nil, err
		}
		for _, message := range messages {
			fds, err := unix.ParseUnixRights(&message)
			if err != nil {
				return nil, err
			}
			for _, fd := range fds {
				file = os.NewFile(uintptr(fd), "connection")
			}
		}
	}
	return file, json.Unmarshal(text[:n], message)
}

// pipeOf returns the reading end of a pipe that gives some content, and then its
// end.
func pipeOf(content []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		// A reader that goes away misses nothing that it wants.
		_, _ = w.Write(content)
		_ = w.Close()
	}()
	return r, nil
}
