package github_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/pipelines/report"
	"github.com/slipway-dev/slipway/pipelines/report/github"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

func result() *report.Result {
	return &report.Result{
		Engine: report.Engine{Name: "local"},
		Go:     report.Go{Version: "1.26.8"},
		Images: []report.Image{{
			Name: "hello", Digest: "sha256:1111",
			Platforms: []report.Platform{
				{Platform: "linux/amd64", Digest: "sha256:aaaa", Size: 1_040_000, Layers: make([]report.Layer, 2),
					Smoke: []smoke.Verdict{{Name: "says | hello", Status: smoke.Passed}, {Name: "stops", Status: smoke.Failed, Detail: "exit code 1\nwanted 0"}}},
				{Platform: "linux/arm64", Digest: "sha256:bbbb", Size: 1_000_000, Layers: make([]report.Layer, 2),
					Smoke: []smoke.Verdict{{Name: "says hello", Status: smoke.NotRun, Detail: "no emulator"}}},
				{Platform: "linux/riscv64", Digest: "sha256:0123456789abcdef", Size: 1_000_000, Layers: make([]report.Layer, 3)},
			},
			References: []string{"ghcr.io/acme/hello@sha256:1111", "ghcr.io/acme/hello:1.2.3", "ghcr.io/acme/hello:latest"},
			Previous: &report.Previous{Reference: "ghcr.io/acme/hello:latest", Digest: "sha256:0000",
				Sizes: map[string]int64{"linux/amd64": 1_028_000, "linux/arm64": 1_200_000}},
		}},
	}
}

// contains wants each of the lines in a text, in this order.
func contains(t *testing.T, text string, lines ...string) {
	t.Helper()
	rest := text
	for _, line := range lines {
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Fatalf("no %q at its place in\n%s", line, text)
		}
		rest = after
	}
}

func TestSummaryOfWhatWasPublished(t *testing.T) {
	got := github.Summary{Result: result(), Reproduce: "git clone x &&\n  go run y", ReproduceNote: "A note."}.Markdown()
	contains(t, got,
		"### ✅ hello\n\n",
		"| platform | size | layers | smoke test | digest |\n|---|--:|--:|---|---|\n",
		"| linux/amd64 | 1.04&nbsp;MB (+12&nbsp;kB) | 2 | ✅ says \\| hello<br>❌ stops: exit code 1 wanted 0 | `sha256:aaaa` |\n",
		"| linux/arm64 | 1&nbsp;MB (−200&nbsp;kB) | 2 | ➖ not run | `sha256:bbbb` |\n",
		"| linux/riscv64 | 1&nbsp;MB (new) | 3 | ➖ not run | `sha256:0123456789ab` |\n\n",
		"linux/arm64 was not run: no emulator\n\nDigest of the index: `sha256:1111`\n",
		"The image differs from the one at `ghcr.io/acme/hello:latest`.\n",
		"```sh\ndocker pull ghcr.io/acme/hello@sha256:1111\n```\n",
		"Tags: `ghcr.io/acme/hello:1.2.3`, `ghcr.io/acme/hello:latest`\n",
		"Compiled by Go 1.26.8 on the engine `local`.\n",
		"```sh\ngit clone x &&\n  go run y\n```\n\nA note.\n",
	)
	if !strings.HasSuffix(got, "A note.\n") {
		t.Errorf("the command that makes the same again does not end it:\n%s", got)
	}
}

func TestSummaryOfWhatDidNotChange(t *testing.T) {
	r := result()
	r.Images[0].References = nil
	r.Images[0].Previous.Digest = "sha256:1111"
	r.Images[0].Previous.Sizes["linux/amd64"] = 1_040_000
	got := github.Summary{Result: r, Unpublished: "Not published: a pull request."}.Markdown()
	contains(t, got, "1.04&nbsp;MB (±0)", "Nothing has changed: this is the image that was already at `ghcr.io/acme/hello:latest`.", "Not published: a pull request.")
	for _, no := range []string{"docker pull", "Tags:", "laptop"} {
		if strings.Contains(got, no) {
			t.Errorf("it has %q:\n%s", no, got)
		}
	}
}

func TestSummaryOfAFailure(t *testing.T) {
	f := &github.Failure{
		Title: "Tests failed", Text: "main.go:3:15: undefined\n```\n<b>",
		Places: []github.Place{{Name: "cmd/a.go:3", URL: "https://github.com/acme/hello/blob/abc/cmd/a.go#L3", Message: "undefined: <x>\nmore"}, {Name: "b.go", Message: "m"}},
	}
	got := github.Summary{Failure: f, Result: result(), Reproduce: "git clone"}.Markdown()
	contains(t, got,
		"### ❌ Tests failed\n\n",
		"- [`cmd/a.go:3`](https://github.com/acme/hello/blob/abc/cmd/a.go#L3) undefined: &lt;x&gt;\n- `b.go` m\n\n",
		"````\nmain.go:3:15: undefined\n```\n<b>\n````\n",
		"### ❌ hello", "exit code 1 wanted 0",
	)
	for _, no := range []string{"docker pull", "git clone", "✅ hello"} {
		if strings.Contains(got, no) {
			t.Errorf("it has %q:\n%s", no, got)
		}
	}
	f.Text = strings.Repeat("x", 1<<20)
	for range 400 {
		f.Places = append(f.Places, github.Place{Name: "c.go:1", Message: strings.Repeat("y", 3000)})
	}
	got = github.Summary{Failure: f}.Markdown()
	if len(got) > 200<<10 || !strings.Contains(got, "the log has the rest") || !strings.Contains(got, "- and 302 more\n") {
		t.Errorf("a long failure makes a summary of %d bytes", len(got))
	}
}

func TestSummaryTakesNoMarkup(t *testing.T) {
	r := result()
	r.Images[0].Name = "# <script>a</script> [x](y) @acme *b*"
	r.Warnings = []string{"`code` | ~~gone~~\nsecond"}
	got := github.Summary{Result: r}.Markdown()
	contains(t, got, "### ✅ \\# &lt;script&gt;a&lt;/script&gt; \\[x\\](y) @\u200bacme \\*b\\*\n", "- \\`code\\` \\| \\~\\~gone\\~\\~ second\n")
}

func ExampleSummary_Markdown() {
	fmt.Print(github.Summary{
		Result: &report.Result{
			Engine: report.Engine{Name: "local"}, Go: report.Go{Version: "1.26.8"},
			Images: []report.Image{{
				Name: "hello", Digest: "sha256:f6f1",
				Platforms: []report.Platform{{Platform: "linux/amd64", Digest: "sha256:f82f", Size: 1_039_054, Layers: make([]report.Layer, 2),
					Smoke: []smoke.Verdict{{Name: "starts", Status: smoke.Passed}}}},
			}},
		},
	}.Markdown())
	// Output:
	// ### ✅ hello
	//
	// | platform | size | layers | smoke test | digest |
	// |---|--:|--:|---|---|
	// | linux/amd64 | 1.04&nbsp;MB | 2 | ✅ starts | `sha256:f82f` |
	//
	// Digest of the index: `sha256:f6f1`
	//
	// Compiled by Go 1.26.8 on the engine `local`.
}
