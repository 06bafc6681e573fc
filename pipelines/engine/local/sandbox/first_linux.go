package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/executable"
)

// first is process 1 before it becomes the image's program. It returns only if
// it cannot, or if it was to probe.
func first() int {
	// Capabilities, signal masks and the like belong to a thread, and the thread
	// that calls exec is the one that counts.
	runtime.LockOSThread()
	syscall.CloseOnExec(firstTask)
	syscall.CloseOnExec(firstReport)
	report := json.NewEncoder(os.NewFile(firstReport, "report"))
	var t task
	err := json.NewDecoder(os.NewFile(firstTask, "task")).Decode(&t)
	if err == nil {
		err = t.become(report)
	}
	if err == nil {
		return 0
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = failed("preparing the sandbox", err)
	}
	if err := report.Encode(reply{Failure: f}); err != nil {
		return complain(err)
	}
	return 1
}

// become turns this process into the image's program. It returns nil only after
// a probe.
func (t task) become(report *json.Encoder) error {
	unix.Umask(0) // modes below are exact
	if err := t.mount(func(text string) error { return report.Encode(reply{Note: text}) }); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return failed("setting the host's name", err)
	}
	if err := t.takeUser(); err != nil {
		return err
	}
	if err := cleanSignals(); err != nil {
		return err
	}
	unix.Umask(0o022) // as in every container runtime
	if t.Probe {
		return report.Encode(reply{Started: true})
	}
	if err := os.Chdir(t.Dir); err != nil {
		return imageFailure(executable.ClosedDir(t.Dir, err))
	}
	file, err := t.find()
	if err != nil {
		return err
	}
	if err := report.Encode(reply{Started: true}); err != nil {
		return err
	}
	return t.explain(file, t.exec(file))
}

// exec starts a file in place of this process. It waits while the file is busy:
// a process that some other goroutine of the caller is starting has, until it
// executes, a copy of the descriptor through which the file was unpacked.
func (t task) exec(file string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Exec(file, t.Args, t.Env)
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// allowed are the capabilities of an image that runs as root: Docker's default
// set (moby, oci/caps/defaults.go).
const allowed uint32 = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FSETID |
	1<<unix.CAP_FOWNER | 1<<unix.CAP_MKNOD | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SETGID |
	1<<unix.CAP_SETUID | 1<<unix.CAP_SETFCAP | 1<<unix.CAP_SETPCAP |
	1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_KILL |
	1<<unix.CAP_AUDIT_WRITE

// takeUser becomes the image's user and gives up what that user would not have.
func (t task) takeUser() error {
	if err := t.ownStdio(); err != nil {
		return failed("handing over the standard streams", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return failed("forbidding new privileges", err)
	}
	for c := uintptr(0); ; c++ {
		if c < 32 && allowed>>c&1 != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // past the kernel's last one
		}
		if err != nil {
			return failed("dropping capabilities", err)
		}
	}
	if !t.OneID {
		if err := syscall.Setgroups(t.Groups); err != nil {
			return failed("setting the supplementary groups", err)
		}
		if err := syscall.Setgid(t.GID); err != nil {
			return failed(fmt.Sprintf("becoming group %d", t.GID), err)
		}
		if err := syscall.Setuid(t.UID); err != nil {
			return failed(fmt.Sprintf("becoming user %d", t.UID), err)
		}
	}
	// Ambient capabilities go with the inheritable ones.
	var keep uint32
	if t.UID == 0 {
		keep = allowed
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: keep, Permitted: keep}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return failed("setting the capabilities", err)
	}
	// A change of user takes this away again.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return failed("tying the program to its supervisor", err)
	}
	return nil
}

// ownStdio gives the pipes of the standard streams to the image's user, who could
// not open /dev/stdout otherwise.
func (t task) ownStdio() error {
	if t.OneID {
		return nil
	}
	for fd := range 3 {
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil {
			return err
		}
		if info.Mode&unix.S_IFMT != unix.S_IFIFO {
			continue
		}
		if err := unix.Fchown(fd, t.UID, t.GID); err != nil {
			return err
		}
	}
	return nil
}

// cleanSignals lets the program start with every signal at its default and none
// blocked, whatever the caller ignored: exec resets a signal that has a handler,
// and leaves one that is ignored.
func cleanSignals() error {
	signal.Notify(make(chan os.Signal, 1))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return failed("unblocking signals", err)
	}
	return nil
}
