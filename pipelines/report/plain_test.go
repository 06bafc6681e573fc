package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// story is what a pipeline with two images could say.
var story = []Event{
	{Step: "modules", State: Started},
	{Step: "modules", State: Done, Text: "14 modules", Elapsed: 1200 * time.Millisecond},
	{Step: "plan", State: Warning, Text: "port 80 is below 1024"},
	{Step: "compile", Image: "hello", Platform: "linux/amd64", State: Started},
	{Step: "compile", Image: "hello", Platform: "linux/arm64", State: Started},
	{Step: "compile", Image: "service", Platform: "linux/arm/v7", State: Started},
	{Step: "compile", Image: "hello", Platform: "linux/arm64", State: Done, Text: "1.5 MB", Elapsed: 2100 * time.Millisecond},
	{Step: "compile", Image: "hello", Platform: "linux/amd64", State: Log, Text: "# example.com/hello\n\x1b[31m./main.go:3:1\x1b[0m: syntax error\n"},
	{Step: "compile", Image: "hello", Platform: "linux/amd64", State: Log, Text: "\n"},
	{Step: "compile", Image: "hello", Platform: "linux/amd64", State: Failed, Text: "two lines:\n\nof failure\n", Elapsed: 90 * time.Second},
	{Step: "compile", Image: "service", Platform: "linux/arm/v7", State: Failed, Text: "two lines:\n\nof failure", Elapsed: time.Second},
	{Step: "smoke", Image: "hello", Platform: "linux/mips64le/softfloat", State: Started},
	{Step: "smoke", Image: "hello", Platform: "linux/mips64le/softfloat", State: Warning, Text: "no emulator\nis registered"},
	{Step: "smoke", Image: "hello", Platform: "linux/mips64le/softfloat", State: Skipped, Text: "no emulator", Elapsed: time.Millisecond},
	{Step: "test", State: Started},
	{Step: "test", State: Log, Text: "ok  	example.com/hello"},
	{Step: "test", State: Done, Elapsed: 300 * time.Millisecond},
	{Step: "push", Image: "hello", State: Started},
	{Step: "push", Image: "hello", State: Failed, Elapsed: 12 * time.Millisecond},
	{Step: "tag", Image: "hello", State: Failed, Text: "refused", Elapsed: 12 * time.Millisecond},
}

func TestPlain(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"one image", Options{}, `
modules                  14 modules  1.2s
plan                     warning: port 80 is below 1024
compile   linux/arm64    1.5 MB  2.1s
    # example.com/hello
    ./main.go:3:1: syntax error
compile   linux/amd64    failed  1m30s
    two lines:

    of failure
compile   linux/arm/v7   failed: as above  1.0s
smoke     linux/mips64le/softfloat  warning
    no emulator
    is registered
smoke     linux/mips64le/softfloat  skipped: no emulator
    ok  	example.com/hello
test                     300ms
push                     failed  12ms
tag                      failed: refused  12ms
`},
		{"images", Options{Images: true}, `
modules                                14 modules  1.2s
plan                                   warning: port 80 is below 1024
compile   hello         linux/arm64    1.5 MB  2.1s
    # example.com/hello
    ./main.go:3:1: syntax error
compile   hello         linux/amd64    failed  1m30s
    two lines:

    of failure
compile   service       linux/arm/v7   failed: as above  1.0s
smoke     hello         linux/mips64le/softfloat  warning
    no emulator
    is registered
smoke     hello         linux/mips64le/softfloat  skipped: no emulator
    ok  	example.com/hello
test                                   300ms
push      hello                        failed  12ms
tag       hello                        failed: refused  12ms
`},
		{"quiet", Options{Quiet: true}, `
plan                     warning: port 80 is below 1024
    # example.com/hello
    ./main.go:3:1: syntax error
compile   linux/amd64    failed  1m30s
    two lines:

    of failure
compile   linux/arm/v7   failed: as above  1.0s
smoke     linux/mips64le/softfloat  warning
    no emulator
    is registered
tag                      failed: refused  12ms
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			sink := Plain(&b, tt.o)
			for _, e := range story {
				sink.Send(e)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// lines counts whole lines: a Write is one event.
type lines struct {
	t *testing.T
	n int
}

func (l *lines) Write(p []byte) (int, error) {
	if got := string(p); got != "push                     done  0ms\n" {
		l.t.Errorf("written: %q", got)
	}
	l.n++
	return len(p), nil
}

func TestPlainFromManyGoroutines(t *testing.T) {
	l := &lines{t: t}
	sink := Plain(l, Options{})
	done := make(chan bool)
	const writers, events = 8, 100
	for range writers {
		go func() {
			for range events {
				sink.Send(Event{Step: "push", State: Done, Text: "done"})
			}
			done <- true
		}()
	}
	for range writers {
		<-done
	}
	if l.n != writers*events {
		t.Errorf("%d lines, want %d", l.n, writers*events)
	}
}
