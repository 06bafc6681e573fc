package process

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Signal is a signal of Linux, by its number: an image's are, wherever the caller
// runs. The numbers are those of every architecture of Go but MIPS, which counts
// some of them in another way (signal(7)).
type Signal int

// The signals that engines themselves deal with.
const (
	SIGKILL Signal = 9
	SIGTERM Signal = 15
)

// names are those of the signals, by number.
var names = []string{
	1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
	"SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
	"SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// The kernel's first and last real-time signals, minus those that the C library
// keeps (signal(7)).
const rtMin, rtMax = 34, 64

// String names a signal like "SIGTERM"; the real-time ones by their distance from
// the first, like "SIGRTMIN+3".
func (s Signal) String() string {
	switch {
	case s > 0 && int(s) < len(names):
		return names[s]
	case s == rtMin:
		return "SIGRTMIN"
	case s > rtMin && s <= rtMax:
		return fmt.Sprintf("SIGRTMIN+%d", s-rtMin)
	}
	return "signal " + strconv.Itoa(int(s))
}

// StopSignal returns the signal that asks a program to end.
func StopSignal(config v1.Config) (Signal, error) {
	name := config.StopSignal
	if name == "" {
		return SIGTERM, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= rtMax {
		return Signal(n), nil
	}
	short := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if n := slices.Index(names, "SIG"+short); n > 0 {
		return Signal(n), nil
	}
	for base, n := range map[string]int{"RTMIN": rtMin, "RTMAX": rtMax} {
		offset, ok := strings.CutPrefix(short, base)
		if !ok {
			continue
		}
		if offset == "" {
			return Signal(n), nil
		}
		if d, err := strconv.Atoi(offset); err == nil && n+d >= rtMin && n+d <= rtMax {
			return Signal(n + d), nil
		}
	}
	return 0, fmt.Errorf("the image's stop signal %q is no signal of Linux; want one like SIGTERM", name)
}
