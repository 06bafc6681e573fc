package github_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/pipelines/report/github"
)

// step is a step of a job as the runner sees it.
type step struct {
	log             bytes.Buffer
	output, summary string // files
}

func start(t *testing.T) (*step, *github.Runner) {
	t.Helper()
	s := &step{output: filepath.Join(t.TempDir(), "output"), summary: filepath.Join(t.TempDir(), "summary")}
	files := map[string]string{"GITHUB_OUTPUT": s.output, "GITHUB_STEP_SUMMARY": s.summary}
	return s, github.New(&s.log, func(name string) string { return files[name] })
}

// outputs reads the file as the runner does: NAME<<DELIMITER, lines, DELIMITER.
func (s *step) outputs(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(s.output)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok {
			t.Fatalf("line %d is no output: %q", i, lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		all[name] = strings.Join(value, "\n")
	}
	return all
}

func TestOutputsComeThroughUnharmed(t *testing.T) {
	s, r := start(t)
	want := map[string]string{
		"empty":     "",
		"lines":     "one\ntwo\n\nfour",
		"percent":   "100%25 %0A %",
		"delimiter": "_GitHubActionsFileCommandDelimeter_\ninjected<<_GitHubActionsFileCommandDelimeter_\nx\n_GitHubActionsFileCommandDelimeter_",
		"equals":    "a=b<<EOF\nEOF",
		"command":   "::error::no",
		"carriage":  "a\r",
		"json":      `{"a": "ü"}`,
	}
	for name, value := range want {
		if err := r.SetOutput(name, value); err != nil {
			t.Fatal(err)
		}
	}
	got := s.outputs(t)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are %d outputs, want %d: %q", len(got), len(want), got)
	}
	if s.log.Len() > 0 {
		t.Errorf("the log has %q", s.log.String())
	}
}

func TestFilesThatCannotBeWritten(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no", "such", "folder")
	r := github.New(&bytes.Buffer{}, func(string) string { return missing })
	if err := r.SetOutput("digest", "x"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "output digest") {
		t.Errorf("SetOutput: %v", err)
	}
	if err := r.AddSummary(github.Summary{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "job summary") {
		t.Errorf("AddSummary: %v", err)
	}
	r = github.New(&bytes.Buffer{}, func(string) string { return "" })
	if err := errors.Join(r.SetOutput("digest", "x"), r.AddSummary(github.Summary{})); err != nil {
		t.Errorf("without files: %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestALogThatIsGoneStopsNothing(t *testing.T) {
	r := github.New(brokenPipe{}, func(string) string { return "" })
	r.Mask("secret")
	r.Annotate(github.Annotation{Message: "x"})
	r.Print("::error::x")
}

func TestMask(t *testing.T) {
	s, r := start(t)
	r.Mask("hunter22", "", "  ", "hunter22", "line one\nline 100%\n", "ab")
	const want = "::add-mask::hunter22\n::add-mask::line one\n::add-mask::line 100%25\n::add-mask::ab\n"
	if s.log.String() != want {
		t.Errorf("the log has %q, want %q", s.log.String(), want)
	}
}

// TestSummaryIsMasked looks for secrets with characters that Markdown and HTML
// write in another way.
func TestSummaryIsMasked(t *testing.T) {
	const secret = "ghs_a*b&c'd|e`f<g"
	s, r := start(t)
	r.Mask(secret, "ab")
	doc := result()
	doc.Warnings = []string{"warned of " + secret}
	doc.Images[0].Name = secret
	doc.Images[0].References = append(doc.Images[0].References, "ghcr.io/acme/"+secret+":v1")
	doc.Images[0].Platforms[0].Smoke[1].Detail = "found " + secret
	err := r.AddSummary(github.Summary{
		Result: doc, Unpublished: secret, Reproduce: "go run x " + secret, ReproduceNote: secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = r.AddSummary(github.Summary{Failure: &github.Failure{
		Title: secret, Text: "about " + secret, Places: []github.Place{{Name: secret, Message: secret}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.summary)
	if err != nil {
		t.Fatal(err)
	}
	got := string(data)
	if n := strings.Count(got, "*"); n == 0 || !strings.Contains(got, "about ***") {
		t.Errorf("nothing is masked:\n%s", got)
	}
	// Any part of it betrays the rest.
	for _, part := range []string{"ghs", "&amp;c", "f&lt;g"} {
		if strings.Contains(got, part) {
			t.Errorf("the summary has %q of the secret:\n%s", part, got)
		}
	}
}

func TestAnnotate(t *testing.T) {
	s, r := start(t)
	r.Annotate(github.Annotation{File: "sub/a, b.go", Line: 3, Column: 7, Title: "go: vet", Message: "100% of\nit"})
	r.Annotate(github.Annotation{Level: github.Warning, Line: 4, Message: "no file, no line"})
	r.Annotate(github.Annotation{Level: github.Notice, File: "go.mod", Message: "all of it"})
	const want = "::error col=7,file=sub/a%2C b.go,line=3,title=go%3A vet::100%25 of%0Ait\n" +
		"::warning::no file, no line\n" +
		"::notice file=go.mod::all of it\n"
	if s.log.String() != want {
		t.Errorf("the log has\n%swant\n%s", s.log.String(), want)
	}
}

func TestPrintedTextIsNoCommand(t *testing.T) {
	s, r := start(t)
	r.Print("hello\n")
	r.Print("    ::add-mask::x\n##[error]y")
	stopped := regexp.MustCompile(`(?m)\Ahello\n::stop-commands::(\S+)\n    ::add-mask::x\n##\[error\]y\n::(\S+)::\n\z`)
	m := stopped.FindStringSubmatch(s.log.String())
	if m == nil || m[1] != m[2] {
		t.Errorf("the log has %q", s.log.String())
	}
}
