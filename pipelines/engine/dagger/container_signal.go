package dagger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// signals are Linux's, by number (signal(7)): an image's are, wherever the client
// runs.
var signals = []string{
	1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
	"SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
	"SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

const (
	sigkill = 9
	sigterm = 15
	// The kernel's first and last real-time signals, minus those that the C library
	// keeps (signal(7)).
	rtMin, rtMax = 34, 64
)

// signalName names a signal; the real-time ones by their distance from the first.
func signalName(n int) string {
	switch {
	case n > 0 && n < len(signals):
		return signals[n]
	case n == rtMin:
		return "SIGRTMIN"
	case n > rtMin && n <= rtMax:
		return fmt.Sprintf("SIGRTMIN+%d", n-rtMin)
	}
	return "signal " + strconv.Itoa(n)
}

// stopSignal returns the signal that asks a program to end.
func stopSignal(config v1.Config) (int, error) {
	name := config.StopSignal
	if name == "" {
		return sigterm, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= rtMax {
		return n, nil
	}
	short := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if n := slices.Index(signals, "SIG"+short); n > 0 {
		return n, nil
	}
	for base, n := range map[string]int{"RTMIN": rtMin, "RTMAX": rtMax} {
		offset, ok := strings.CutPrefix(short, base)
		if !ok {
			continue
		}
		if offset == "" {
			return n, nil
		}
		if d, err := strconv.Atoi(offset); err == nil && n+d >= rtMin && n+d <= rtMax {
			return n + d, nil
		}
	}
	return 0, fmt.Errorf("the image's stop signal %q is no signal of Linux; want one like SIGTERM", name)
}
