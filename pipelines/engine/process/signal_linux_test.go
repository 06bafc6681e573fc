package process_test

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/process"
)

// TestSignalsAreTheSystems compares the table with the system's own.
func TestSignalsAreTheSystems(t *testing.T) {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		t.Skip("MIPS has numbers of its own")
	}
	for n := 1; n < 32; n++ {
		if got, want := process.Signal(n).String(), unix.SignalName(syscall.Signal(n)); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
