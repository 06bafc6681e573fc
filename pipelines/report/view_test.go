package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
)

// begin is when the views of these tests begin.
var begin = time.Unix(1_800_000_000, 0)

func drawn(v *view, width, height int) string {
	return strings.Join(v.draw(width, height, begin.Add(2300*time.Millisecond)), "\n")
}

func started(step, image, platform string, after time.Duration) Event {
	return Event{Time: begin.Add(after), Step: step, Image: image, Platform: platform, State: Started}
}

func TestView(t *testing.T) {
	events := []Event{
		started("modules", "", "", 0),
		{Step: "modules", State: Done, Text: "14 modules verified", Elapsed: 1200 * time.Millisecond},
		started("compile", "hello", "linux/s390x", 0),
		started("compile", "hello", "linux/arm64", 0),
		started("compile", "service", "linux/arm64", 500*time.Millisecond), // beside the other
		started("compile", "hello", "linux/arm/v7", 0),
		started("compile", "hello", "linux/amd64", 0),
		{Step: "compile", Image: "hello", Platform: "linux/amd64", State: Done, Text: "1.5 MB", Elapsed: time.Second},
		{Step: "compile", Image: "hello", Platform: "linux/arm/v7", State: Failed, Text: "a syntax error\nin main.go", Elapsed: time.Second},
		{Step: "compile", Image: "hello", Platform: "linux/arm64", State: Done, Text: "1.4 MB", Elapsed: time.Second},
		{Step: "compile", Image: "hello", Platform: "linux/s390x", State: Skipped, Text: "cancelled"},
		{Step: "compile", Image: "hello", Platform: "linux/s390x", State: Log, Text: "nothing for the view"},
		started("smoke", "hello", "linux/amd64", 2*time.Second),
		started("push", "hello", "linux/arm/v7", 0), // a failure stays
	}
	for _, tt := range []struct {
		name   string
		images bool
		ended  bool
		width  int
		want   string
	}{
		{"wide", false, false, 80, `
✓               modules   14 modules verified  1.2s
⠸ linux/amd64   smoke
✗ linux/arm/v7  compile   a syntax error  1.0s
⠇ linux/arm64   compile   1.8s
– linux/s390x   compile   cancelled
`},
		{"narrow", false, false, 40, `
✓               modules   14 mod…  1.2s
⠸ linux/amd64   smoke
✗ linux/arm/v7  compile   a synt…  1.0s
⠇ linux/arm64   compile   1.8s
– linux/s390x   compile   cancelled
`},
		{"very narrow", false, false, 24, `
✓               module…
⠸ linux/amd64   smoke
✗ linux/arm/v7  compil…
⠇ linux/arm64   compil…
– linux/s390x   compile
`},
		{"ended", false, true, 80, `
✓               modules   14 modules verified  1.2s
– linux/amd64   smoke     stopped
✗ linux/arm/v7  compile   a syntax error  1.0s
– linux/arm64   compile   stopped
– linux/s390x   compile   cancelled
`},
		{"images", true, false, 80, `
✓                      modules   14 modules verified  1.2s
⠸ hello linux/amd64    smoke
✗ hello linux/arm/v7   compile   a syntax error  1.0s
✓ hello linux/arm64    compile   1.4 MB  1.0s
– hello linux/s390x    compile   cancelled
⠇ service linux/arm64  compile   1.8s
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &view{images: tt.images}
			for _, e := range events {
				v.update(e)
			}
			v.ended = tt.ended
			got := drawn(v, tt.width, 24)
			if diff := cmp.Diff(strings.Trim(tt.want, "\n"), got); diff != "" {
				t.Error(diff)
			}
			for line := range strings.Lines(got) {
				if w := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); w >= tt.width {
					t.Errorf("%d columns of %d: %s", w, tt.width, line)
				}
			}
		})
	}
}

func TestViewWithoutPlatforms(t *testing.T) {
	v := &view{}
	if diff := cmp.Diff("", drawn(v, 80, 24)); diff != "" {
		t.Error(diff)
	}
	v.update(started("dry run", "", "", 2*time.Second))
	if diff := cmp.Diff("⠸ dry run", drawn(v, 80, 24)); diff != "" {
		t.Error(diff)
	}
	v.update(Event{Step: "dry run", State: Done, Text: "\x1b[2Jfine\tthing"})
	if diff := cmp.Diff("✓ dry run   fine thing  0ms", drawn(v, 80, 24)); diff != "" {
		t.Error(diff)
	}
	for width := range 12 { // no terminal is too narrow
		v.draw(width, width, begin)
	}
}

// TestLowView has more rows than the terminal has lines.
func TestLowView(t *testing.T) {
	v := &view{}
	for i := range 10 {
		p := fmt.Sprintf("linux/%d", i)
		v.update(started("compile", "", p, 2*time.Second))
		switch i {
		case 1, 3, 7:
			v.update(Event{Step: "compile", Platform: p, State: Done, Elapsed: time.Second})
		case 8:
			v.update(Event{Step: "compile", Platform: p, State: Failed, Elapsed: time.Second})
		}
	}
	for height, want := range map[int]string{
		12: `
⠸ linux/0  compile
✓ linux/1  compile   1.0s
⠸ linux/2  compile
✓ linux/3  compile   1.0s
⠸ linux/4  compile
⠸ linux/5  compile
⠸ linux/6  compile
✓ linux/7  compile   1.0s
✗ linux/8  compile   1.0s
⠸ linux/9  compile`,
		10: `
⠸ linux/0  compile
⠸ linux/2  compile
⠸ linux/4  compile
⠸ linux/5  compile
⠸ linux/6  compile
✗ linux/8  compile   1.0s
⠸ linux/9  compile
  and 3 more`,
		6: `
⠸ linux/0  compile
⠸ linux/2  compile
✗ linux/8  compile   1.0s
  and 7 more`,
		1: `
✗ linux/8  compile   1.0s
  and 9 more`,
	} {
		if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), drawn(v, 80, height)); diff != "" {
			t.Errorf("height %d: %s", height, diff)
		}
	}
}
