// Package github tells GitHub's runner what a pipeline does: groups in the log,
// annotations, masks, outputs and the summary of a job.
//
// The runner reads commands from what a step prints, and values from files that
// variables name (https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands).
package github

import (
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"
)

// Runner is the runner that a step is run by. It may be used by several
// goroutines at once.
type Runner struct {
	getenv func(string) string
	action *githubactions.Action

	mu      sync.Mutex // keeps what belongs together in the log together
	w       io.Writer
	secrets []string
}

// New returns the runner that reads what is written to w, which may be the
// step's standard output or its standard error, and whose files the variables
// name that getenv looks up.
//
// What w has against being written to is dropped: a log is not what it is about.
func New(w io.Writer, getenv func(string) string) *Runner {
	w = lenient{w}
	return &Runner{
		getenv: getenv, w: w,
		action: githubactions.New(githubactions.WithWriter(w), githubactions.WithGetenv(getenv)),
	}
}

// lenient is a writer that never fails. The library panics where a command
// cannot be written.
type lenient struct{ w io.Writer }

func (l lenient) Write(p []byte) (int, error) {
	_, _ = l.w.Write(p)
	return len(p), nil
}

// Mask makes the runner show *** for each of the secrets, and for each line of
// one that has several, in everything that this step and the later ones of the
// job print.
func (r *Runner) Mask(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range secrets {
		for line := range strings.Lines(secret) {
			// A secret of white space would be found everywhere.
			if line = strings.TrimSpace(line); line == "" || slices.Contains(r.secrets, line) {
				continue
			}
			r.secrets = append(r.secrets, line)
			r.action.AddMask(line)
		}
	}
}

// Masked takes the secrets out of a text that goes past the log. Shorter ones
// than leastMasked are found in too many words, and betray nothing in them.
func (r *Runner) Masked(text string) string {
	const leastMasked = 4
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range r.secrets {
		if len(secret) >= leastMasked {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// Level is how bad an annotation is.
type Level string

// The levels of annotations. The runner keeps ten of each for a step.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Notice  Level = "notice"
)

// Annotation is a message that GitHub shows at a place of the source.
type Annotation struct {
	Level Level
	// File is slash-separated and relative to the workspace; empty where the
	// message is about no file.
	File string
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	Title        string
	Message      string
}

// Annotate makes an annotation.
func (r *Runner) Annotate(a Annotation) {
	fields := map[string]string{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			fields[name] = value
		}
	}
	set("title", a.Title)
	if a.File != "" {
		set("file", a.File)
		set("line", strconv.Itoa(a.Line))
		set("col", strconv.Itoa(a.Column))
	}
	action := r.action.WithFieldsMap(fields)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch a.Level {
	case Warning:
		action.Warningf("%s", a.Message)
	case Notice:
		action.Noticef("%s", a.Message)
	default:
		action.Errorf("%s", a.Message)
	}
}

// Print writes a text to the log in which nothing is a command, whatever stands
// in it: what a program under test says must not steer the runner.
func (r *Runner) Print(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.print(text)
}

func (r *Runner) print(text string) {
	if text == "" {
		return
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	// "::" begins a command after white space, "##[" anywhere in a line.
	harmless := !strings.Contains(text, "::") && !strings.Contains(text, "##[")
	if harmless {
		_, _ = io.WriteString(r.w, text)
		return
	}
	token := rand.Text()
	r.action.IssueCommand(&githubactions.Command{Name: "stop-commands", Message: token})
	_, _ = io.WriteString(r.w, text)
	r.action.IssueCommand(&githubactions.Command{Name: token})
}

// group writes a text that is folded away under its title.
func (r *Runner) group(title, text string) {
	r.action.Group(title)
	r.print(text)
	r.action.EndGroup()
}

// SetOutput sets an output of the step. A runner that gave no file for outputs
// gets none.
func (r *Runner) SetOutput(name, value string) error {
	if r.getenv("GITHUB_OUTPUT") == "" {
		return nil
	}
	// The library's own delimiter is the same each time, so a value could end the
	// output, and set others.
	delimiter := rand.Text()
	if err := r.toFile("output", name+"<<"+delimiter+"\n"+value+"\n"+delimiter); err != nil {
		return fmt.Errorf("output %s: %w", name, err)
	}
	return nil
}

// AddSummary appends to the summary of the step, with secrets taken out of it. A
// runner that gave no file for it gets none.
func (r *Runner) AddSummary(s Summary) error {
	if r.getenv("GITHUB_STEP_SUMMARY") == "" {
		return nil
	}
	if err := r.toFile("step-summary", s.render(r.Masked)); err != nil {
		return fmt.Errorf("job summary: %w", err)
	}
	return nil
}

// toFile appends to one of the runner's files. The library panics where it cannot.
func (r *Runner) toFile(command, text string) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = p
		default:
			panic(p)
		}
	}()
	r.action.IssueFileCommand(&githubactions.Command{Name: command, Message: text})
	return nil
}
