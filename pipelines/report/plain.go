package report

import (
	"io"
	"strings"
	"sync"
)

// Options say how progress is shown.
type Options struct {
	// Images shows the image of each event. It is meant for pipelines with more
	// than one.
	Images bool
	// Quiet shows warnings and failures alone, each failure with what its step
	// had logged. A failure without a text, whose reason is the pipeline's error,
	// has no line of its own.
	Quiet bool
}

// Plain returns a Sink that writes a line for each step that is done, failed or
// was skipped and for each warning, and each log as it is, indented. It needs no
// terminal. A failure of several lines stands under its line; where several
// steps fail with the same text, it is written once. Each event is one Write,
// whose errors are dropped: what a pipeline says is not what it does.
func Plain(w io.Writer, o Options) Sink {
	p := &printer{options: o}
	return func(e Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if text := p.text(e); text != "" {
			_, _ = io.WriteString(w, text)
		}
	}
}

// The widths of the columns: the usual steps and platforms fit in.
const (
	stepWidth     = 8  // "assemble"
	platformWidth = 13 // "linux/ppc64le"
	imageWidth    = 12
)

// printer writes events as text.
type printer struct {
	options Options
	mu      sync.Mutex
	// failures are the texts of failures that were written.
	failures map[string]bool
	// logs hold, where they are not shown at once, what the steps under way said.
	logs map[stepKey]string
}

type stepKey struct{ step, image, platform string }

func (e Event) key() stepKey { return stepKey{e.Step, e.Image, e.Platform} }

// text returns what an event adds to the log, which may be nothing.
func (p *printer) text(e Event) string {
	text := strings.TrimRight(clean(e.Text), "\n")
	switch e.State {
	case Done:
		delete(p.logs, e.key())
		if !p.options.Quiet {
			return p.line(e, text, Duration(e.Elapsed))
		}
	case Skipped:
		delete(p.logs, e.key())
		if !p.options.Quiet {
			return p.line(e, about("skipped", firstLine(text)))
		}
	case Warning:
		return p.multiline(e, "warning", text, "")
	case Failed:
		logs := p.logs[e.key()]
		delete(p.logs, e.key())
		if p.options.Quiet && text == "" {
			return logs // the error says why
		}
		if strings.Contains(text, "\n") && p.failures[text] {
			return logs + p.line(e, "failed: as above", Duration(e.Elapsed))
		}
		if p.failures == nil {
			p.failures = map[string]bool{}
		}
		p.failures[text] = true
		return logs + p.multiline(e, "failed", text, Duration(e.Elapsed))
	case Log:
		if text == "" {
			return ""
		}
		if !p.options.Quiet {
			return indent(text)
		}
		if p.logs == nil {
			p.logs = map[stepKey]string{}
		}
		p.logs[e.key()] += indent(text)
	}
	return ""
}

// multiline writes a text of one line beside its step, a longer one under it.
func (p *printer) multiline(e Event, what, text, elapsed string) string {
	if strings.Contains(text, "\n") {
		return p.line(e, what, elapsed) + indent(text)
	}
	return p.line(e, about(what, text), elapsed)
}

func (p *printer) line(e Event, rest ...string) string {
	if p.options.Images {
		return columns([]int{stepWidth, imageWidth, platformWidth}, append([]string{e.Step, e.Image, e.Platform}, rest...)...) + "\n"
	}
	return columns([]int{stepWidth, platformWidth}, append([]string{e.Step, e.Platform}, rest...)...) + "\n"
}

// about says what a text is, where there is one.
func about(what, text string) string {
	if text == "" {
		return what
	}
	return what + ": " + text
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}
