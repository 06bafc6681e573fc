package runnertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// entry is a line of act's log, as far as it matters here. Only the message is
// masked by act.
type entry struct {
	Level     string `json:"level"`
	Message   string `json:"msg"`
	RawOutput bool   `json:"raw_output"`
	JobResult string `json:"jobResult"`
	// Command is what a workflow command or a file of commands asks for, and Raw is
	// the line of output, where it was one.
	Command string `json:"command"`
	Raw     string `json:"raw"`
	Name    string `json:"name"`
	Arg     string `json:"arg"`
	Content string `json:"content"`
}

// output keeps what act prints, and tells a step that waits for it that its mark
// was read.
type output struct {
	text  bytes.Buffer
	marks string
	// seen is how much of the text was looked through.
	seen int
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.text.Write(p)
	for {
		line, _, ok := bytes.Cut(o.text.Bytes()[o.seen:], []byte{'\n'})
		if !ok {
			return n, err
		}
		o.seen += len(line) + 1
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		if _, mark, ok := strings.Cut(e.Message, readUpTo); ok {
			// Only a name, for it is a program that prints it.
			_ = os.Remove(filepath.Join(o.marks, filepath.Base(strings.TrimSpace(mark))))
		}
	}
}

// reader turns act's log into what GitHub would show.
type reader struct {
	result *Result
	log    strings.Builder
	// said is everything that act had to say, for a test that fails.
	said strings.Builder
	// ended tells that a job came to its end, well or not.
	ended bool
	masks []string
	// token ends stop-commands.
	token     string
	lastError string
}

// read reads the whole log.
func (r *reader) read(stdout []byte) error {
	for line := range bytes.Lines(stdout) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			r.said.Write(line)
			continue
		}
		fmt.Fprintln(&r.said, strings.TrimRight(r.mask(e.Message), "\n"))
		if err := r.entry(e); err != nil {
			return err
		}
	}
	r.result.Log = r.log.String()
	return nil
}

func (r *reader) entry(e entry) error {
	switch {
	case e.RawOutput:
		r.line(e.Message)
	case e.Raw != "":
		r.line(e.Raw)
	case e.Command == "summary":
		r.result.Summary += r.mask(e.Content)
	case e.Command == "set-env":
		r.result.Env[e.Name] = e.Arg
	case e.Command == "add-path":
		r.result.Path = append(r.result.Path, e.Arg)
	case e.JobResult != "":
		r.ended = true
		r.result.Failed = r.result.Failed || e.JobResult == "failure"
	case strings.HasPrefix(e.Message, "Unable to interpolate expression"):
		// act goes on with an empty string.
		return errors.New("GitHub would fail here: " + e.Message)
	case e.Level == "error":
		r.fault(e.Message)
	}
	return nil
}

// line takes a line of a step's output.
func (r *reader) line(text string) {
	text = strings.TrimRight(text, "\r\n")
	if before, _, ok := strings.Cut(text, readUpTo); ok {
		if text = before; text == "" {
			return
		}
	}
	c, ok := parseCommand(text, r.token)
	switch {
	case !ok:
	case r.token != "":
		if c.Name == strings.ToLower(r.token) {
			r.token = ""
		}
	case c.Name == "add-mask":
		r.addMask(c.Data)
		r.result.Commands = append(r.result.Commands, c)
		return // GitHub shows nothing of it
	default:
		if c.Name == stopCommands {
			r.token = c.Data
		}
		c.Data = r.mask(c.Data)
		for key, value := range c.Properties {
			c.Properties[key] = r.mask(value)
		}
		r.result.Commands = append(r.result.Commands, c)
	}
	fmt.Fprintln(&r.log, r.mask(text))
}

// fault takes an error of the runner itself. act repeats it for every action
// around the step.
func (r *reader) fault(message string) {
	if message == r.lastError {
		return
	}
	r.lastError = message
	if code, ok := strings.CutPrefix(message, "exit status "); ok {
		message = "Process completed with exit code " + code + "."
	}
	fmt.Fprintln(&r.log, "##[error]"+r.mask(message))
}

// addMask hides a secret from now on, and each of its lines, as the runner does;
// act hides only the whole.
func (r *reader) addMask(secret string) {
	for _, s := range append([]string{secret}, strings.FieldsFunc(secret, func(c rune) bool { return c == '\r' || c == '\n' })...) {
		if s = strings.TrimSpace(s); s != "" {
			r.masks = append(r.masks, s)
		}
	}
}

func (r *reader) mask(s string) string {
	for _, secret := range r.masks {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return s
}
