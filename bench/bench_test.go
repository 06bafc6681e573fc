package main

import (
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		given := append([]float64(nil), tt.values...)
		if got := median(given); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
		if diff := cmp.Diff(tt.values, given); diff != "" {
			t.Errorf("the values were changed (-want +got):\n%s", diff)
		}
	}
}

func TestMarkdown(t *testing.T) {
	m := measured{Name: "Nothing changed", About: "Again.", Contenders: []result{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	for i, walls := range [][]int{{200, 240, 190}, {100, 900, 90}, {300, 310, 250}} {
		for _, ms := range walls {
			m.Contenders[i].add(sample{Wall: time.Duration(ms) * time.Millisecond, CPU: time.Duration(ms) * 2 * time.Millisecond})
		}
	}
	m.summarize([]string{"one after the other", "side by side"})
	r := report{
		Date: "2026-01-02T03:04:05Z", Go: "1.26.8", OS: "linux", Arch: "amd64", CPUs: 2, Source: "hello", Platforms: "linux/amd64", Rounds: 3,
		Images: []size{{"c", "linux/amd64", 1_034_567}}, Scenarios: []measured{m},
	}
	want := `hello for linux/amd64; rounds: 3; Go 1.26.8, linux/amd64 with 2 CPUs; 2026-01-02T03:04:05Z

**Nothing changed.** Again.

| | median | min | CPU | ÷ one after the other | ÷ side by side |
|---|--:|--:|--:|--:|--:|
| a | 0.20 s | 0.19 s | 0.40 s | 1.00 | 2.00 |
| b | 0.10 s | 0.09 s | 0.20 s | 0.50 | 1.00 |
| c | 0.30 s | 0.25 s | 0.60 s | 1.50 | 3.00 |

**What comes out.** Compressed layers.

| | image |
|---|--:|
| c, linux/amd64 | 1.035 MB |
`
	if diff := cmp.Diff(want, r.Markdown()); diff != "" {
		t.Errorf("Markdown (-want +got):\n%s", diff)
	}
}

// standing is a room whose contender does nothing, and has a result all the same.
func standing(t *testing.T) room {
	t.Helper()
	r := room{contender: contender{Name: "nothing", steps: func(room) [][]command { return nil }}, dir: t.TempDir()}
	if err := os.CopyFS(r.source(), os.DirFS(filepath.Join("..", "examples", "hello"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(r.out(), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range platforms {
		if err := os.WriteFile(r.binary(p), []byte("program"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestMeasureRefusesWhatWasNotBuilt(t *testing.T) {
	all := scenarios(false)
	rooms := []room{standing(t), standing(t)}
	unchanged, err := all[0].measure(t.Context(), rooms, 3, io.Discard)
	if err != nil {
		t.Errorf("%s: %v", all[0].name, err)
	}
	for _, c := range unchanged.Contenders {
		if len(c.Wall) != 3 {
			t.Errorf("%s: %d measurements, want 3", c.Name, len(c.Wall))
		}
	}
	_, err = all[1].measure(t.Context(), rooms, 2, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "measures something else") {
		t.Errorf("%s: got %v, want an error since nothing new was built", all[1].name, err)
	}
	_, err = all[2].measure(t.Context(), rooms, 1, io.Discard)
	if err == nil {
		t.Errorf("%s: no error, though the output is gone", all[2].name)
	}
}

func TestEditIsGo(t *testing.T) {
	r := standing(t)
	for _, text := range []string{"round 1", `a "quoted" \ line`} {
		if err := r.edit(text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(r.source(), "main.go"), nil, parser.AllErrors); err != nil {
		t.Error(err)
	}
}
