package report

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// screen is as much of a terminal as the live view needs: lines, and the
// control sequences that go up and clear what is below.
type screen struct {
	t     *testing.T
	mu    sync.Mutex
	lines []string
	rest  []byte // of a line that has no end yet
}

var upAndClear = regexp.MustCompile(`^\x1b\[(\d+)A\x1b\[J`)

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	for {
		if m := upAndClear.FindSubmatch(s.rest); m != nil {
			n, err := strconv.Atoi(string(m[1]))
			if err != nil || n > len(s.lines) {
				s.t.Errorf("cursor goes up %s of %d lines", m[1], len(s.lines))
				n = len(s.lines)
			}
			s.lines = s.lines[:len(s.lines)-n]
			s.rest = s.rest[len(m[0]):]
			continue
		}
		line, rest, whole := bytes.Cut(s.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		s.lines = append(s.lines, string(line))
		s.rest = rest
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append(s.lines, string(s.rest)), "\n")
}

// wait waits until the screen shows a text.
func (s *screen) wait(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(s.String(), text); time.Sleep(refresh / 4) {
		if time.Now().After(deadline) {
			s.t.Fatalf("never shown: %q; the screen is\n%s", text, s)
		}
	}
}

func TestLive(t *testing.T) {
	s := &screen{t: t}
	sink, end := Live(s, Options{})
	sink.Send(Event{Step: "plan", State: Warning, Text: "before anything runs"})
	sink.Send(Event{Step: "modules", State: Started})
	s.wait("modules")
	sink.Send(Event{Step: "modules", State: Done, Text: "14 modules", Elapsed: time.Second})
	s.wait("✓ modules   14 modules  1.0s")
	for _, p := range []string{"linux/arm64", "linux/amd64", "linux/s390x"} {
		sink.Send(Event{Step: "compile", Platform: p, State: Started})
	}
	s.wait(" linux/s390x  compile")
	sink.Send(Event{Step: "compile", Platform: "linux/amd64", State: Log, Text: "a\nb"})
	sink.Send(Event{Step: "compile", Platform: "linux/amd64", State: Failed, Text: "no\nway", Elapsed: time.Second})
	sink.Send(Event{Step: "compile", Platform: "linux/s390x", State: Failed, Elapsed: time.Second})
	sink.Send(Event{Step: "compile", Platform: "linux/arm64", State: Done, Text: "1.5 MB", Elapsed: 2 * time.Second})
	sink.Send(Event{Step: "push", Platform: "linux/arm64", State: Started})
	end()
	end()
	sink.Send(Event{Step: "push", Platform: "linux/arm64", State: Warning, Text: "too late"})
	sink.Send(Event{Step: "push", Platform: "linux/arm64", State: Done})

	want := `
plan                     warning: before anything runs
    a
    b
compile   linux/amd64    failed  1.0s
    no
    way
✓              modules   14 modules  1.0s
✗ linux/amd64  compile   no  1.0s
– linux/arm64  push      stopped
✗ linux/s390x  compile   1.0s
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), s.cleanEnd()); diff != "" {
		t.Error(diff)
	}
}

// cleanEnd returns the screen as it is left. What the view keeps for its next
// drawing is not written.
func (s *screen) cleanEnd() string {
	if strings.Contains(s.String(), "\x1b") {
		s.t.Errorf("control sequences are left: %q", s.String())
	}
	return s.String()
}

func TestLiveWithNothingToShow(t *testing.T) {
	s := &screen{t: t}
	_, end := Live(s, Options{})
	end()
	if diff := cmp.Diff("", s.cleanEnd()); diff != "" {
		t.Error(diff)
	}
}

func TestLiveQuiet(t *testing.T) {
	s := &screen{t: t}
	sink, end := Live(s, Options{Quiet: true})
	sink.Start("compile", "", "linux/amd64").End("1.5 MB", nil)
	sink.Warn("plan", "", "", "careful")
	end()
	if diff := cmp.Diff("plan                     warning: careful\n", s.cleanEnd()); diff != "" {
		t.Error(diff)
	}
}

// TestLiveEndsUnderLoad ends views while events arrive, as an interrupted
// pipeline does.
func TestLiveEndsUnderLoad(t *testing.T) {
	for range 20 {
		s := &screen{t: t}
		sink, end := Live(s, Options{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 20 {
					step := sink.Start("compile", "", fmt.Sprintf("linux/%d", i))
					sink.Warn("compile", "", "", "careful")
					step.End("", nil)
				}
			})
		}
		end()
		wg.Wait()
		s.cleanEnd()
	}
}

// gone is a terminal that has gone away.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestLiveWithoutItsTerminal(t *testing.T) {
	sink, end := Live(gone{}, Options{})
	step := sink.Start("compile", "", "linux/amd64")
	time.Sleep(2 * refresh) // enough for a drawing that fails
	sink.Warn("compile", "", "", "careful")
	step.End("1.5 MB", nil)
	end()
}
