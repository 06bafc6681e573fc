package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The names under which the executable starts itself again.
const (
	supervisorName = "slipway-sandbox-supervisor"
	firstName      = "slipway-sandbox-init"
)

// self is the running executable, whatever has become of its file.
const self = "/proc/self/exe"

// The descriptors that the children find beside the program's own three.
const (
	supervisorControl = 3 + iota
	supervisorTask
)
const (
	firstTask = 3 + iota
	firstReport
)

// init is where a process that start or supervise made turns off from the
// program's usual way. It has to be an init function: such a process is the
// importing program itself, whose main would otherwise have to call this package
// before anything else, and a test binary's main is not ours to write. It leaves
// by syscall.Exit, without what os.Exit does at the end of a program: coverage
// profiles, and the race detector's pause of a second.
func init() {
	if len(os.Args) == 0 { // in a library that a program in another language loads
		return
	}
	switch os.Args[0] {
	case supervisorName:
		syscall.Exit(supervise())
	case firstName:
		syscall.Exit(first())
	}
}

// supervise is the first child: it starts process 1 and serves the parent until
// that has ended. It returns its exit code; the parent learns everything else
// over the channel.
func supervise() int {
	if err := closeOnExec(); err != nil {
		return complain(err)
	}
	control, err := openChannel(os.NewFile(supervisorControl, "control"))
	if err != nil {
		return complain(err)
	}
	f := os.NewFile(supervisorTask, "task")
	text, err := io.ReadAll(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return complain(err)
	}
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		return complain(err)
	}
	// The parent may have gone; then nobody waits for a reply.
	if err := (supervisor{control}).run(t, text); err != nil {
		if f, ok := errors.AsType[*failure](err); ok {
			_ = control.send(reply{Failure: f}, nil)
			return 1
		}
		return complain(err)
	}
	return 0
}

// complain reports what no protocol foresees. Standard error is the program's.
func complain(err error) int {
	fmt.Fprintln(os.Stderr, path.Base(os.Args[0])+":", err)
	return 1
}

type supervisor struct{ control channel }

// run starts process 1 with a task and waits for its end.
func (s supervisor) run(t task, text []byte) error {
	if !t.HostNetwork {
		if err := raiseLoopback(); err != nil {
			return failed("switching on the loopback device", err)
		}
	}
	input, err := pipeOf(text)
	if err != nil {
		return err
	}
	report, reportEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path: self, Args: []string{firstName}, Env: []string{},
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		ExtraFiles:  []*os.File{firstTask - 3: input, firstReport - 3: reportEnd},
		SysProcAttr: t.firstAttr(),
	}
	err = cmd.Start()
	_ = input.Close()
	_ = reportEnd.Close()
	if err != nil {
		return failed("creating process, mount, IPC and host name namespaces", err)
	}
	go s.serve(cmd.Process)

	ready, err := s.await(report)
	if err == nil {
		err = dropStdio()
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	start := time.Now()
	if ready {
		// A parent that has gone is seen by serve, which then kills process 1.
		_ = s.control.send(reply{Started: true}, nil)
	}
	// The kernel kills all the others of the namespace before it lets us see the
	// end of process 1.
	err = cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return err
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ready {
		return fmt.Errorf("process 1 ended before it started the program: wait status %#x", status)
	}
	return s.control.send(reply{Ended: &ended{Status: status, Elapsed: time.Since(start)}}, nil)
}

// firstAttr says in which namespaces process 1 lives. With a single id, that id
// is the supervisor's 0, and a user namespace within gives it the image's number.
func (t task) firstAttr() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		// This runs in init, on the process's first thread, which outlives all.
		Pdeathsig: syscall.SIGKILL,
		Setsid:    true,
	}
	if t.OneID && (t.UID != 0 || t.GID != 0) {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: t.UID, HostID: 0, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: t.GID, HostID: 0, Size: 1}}
		// An id other than 0 loses its capabilities in exec, unless they are ambient.
		a.AmbientCaps = []uintptr{
			unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_CHOWN,
			unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER,
		}
	}
	return a
}

// await reads what process 1 reports until it has become the program, which
// closes the pipe, or has failed.
func (s supervisor) await(report *os.File) (ready bool, err error) {
	defer func() { _ = report.Close() }()
	for decoder := json.NewDecoder(report); ; {
		var r reply
		switch err := decoder.Decode(&r); {
		case errors.Is(err, io.EOF):
			return ready, nil
		case err != nil:
			return false, err
		case r.Failure != nil:
			return false, r.Failure
		case r.Started:
			ready = true
		default:
			if err := s.control.send(r, nil); err != nil {
				return false, err
			}
		}
	}
}

// serve does what the parent asks. When the parent closes the connection, or is
// no more, it kills process 1.
func (s supervisor) serve(p *os.Process) {
	for {
		var r request
		if _, err := s.control.receive(&r); err != nil {
			_ = p.Kill()
			return
		}
		if r.Signal != 0 {
			// A process that has just ended needs no signal.
			_ = p.Signal(r.Signal)
		}
		if r.Dial != nil {
			go s.dial(*r.Dial)
		}
	}
}

// dial connects from inside the network namespace and sends the connection.
func (s supervisor) dial(d dial) {
	answer := reply{Dialed: &dialed{ID: d.ID}}
	f, err := d.connect()
	if err != nil {
		answer.Dialed.Error = err.Error()
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			answer.Dialed.Errno = errno
		}
	}
	_ = s.control.send(answer, f)
	if f != nil {
		_ = f.Close()
	}
}

func (d dial) connect() (*os.File, error) {
	dialer := net.Dialer{Timeout: d.Timeout, Resolver: &net.Resolver{PreferGo: true}}
	conn, err := dialer.DialContext(context.Background(), d.Network, d.Address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(interface{ File() (*os.File, error) }).File()
}

// outside is a second address of a sandbox's only device, from the block that is
// for documentation (RFC 5737). What listens on it, or on every address, would be
// reached from outside in a container; what listens on 127.0.0.1 would not.
var outside = netip.AddrFrom4([4]byte{192, 0, 2, 2})

// raiseLoopback switches on the only device that a new network namespace has,
// and gives it the address outside.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr(outside.AsSlice()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias); err != nil {
		return err
	}
	// Only the one address is here; the rest of its block is unreachable.
	if err := alias.SetInet4Addr([]byte{255, 255, 255, 255}); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFNETMASK, alias)
}

// dropStdio lets go of the program's standard streams, so that whoever reads
// them sees their end when the program ends.
func dropStdio() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return nil
}

// closeOnExec keeps descriptors that the caller inherited away from the program.
func closeOnExec() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			// The listing's own descriptor is closed by now.
			_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
		}
	}
	return nil
}
