package github

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/pipelines/report"
)

// Sink returns a Sink that shows progress in the runner's log, and a function
// that ends it. Each step is a group that unfolds to what the step had to say,
// written when the step ends, since steps run side by side and groups cannot. A
// step that failed is not folded away. Warnings are annotations.
func (r *Runner) Sink(o report.Options) (report.Sink, func()) {
	s := &sink{runner: r, quiet: o.Quiet, running: map[key]*said{}}
	s.plain = report.Plain(&s.line, report.Options{Images: o.Images})
	return s.update, s.end
}

type key struct{ step, image, platform string }

// said is what a step under way has said.
type said struct {
	began time.Time
	log   string
}

type sink struct {
	runner  *Runner
	quiet   bool
	running map[key]*said

	// plain writes an event as it stands in a log, to line.
	plain report.Sink
	line  bytes.Buffer
}

func (s *sink) text(e report.Event) string {
	s.line.Reset()
	s.plain(e)
	return s.line.String()
}

func (s *sink) update(e report.Event) {
	if e.State == report.Warning {
		title := strings.Join(strings.Fields("slipway "+e.Step+" "+e.Image+" "+e.Platform), " ")
		s.runner.Annotate(Annotation{Level: Warning, Title: title, Message: e.Text})
		return
	}
	s.runner.mu.Lock()
	defer s.runner.mu.Unlock()
	k := key{e.Step, e.Image, e.Platform}
	switch e.State {
	case report.Started:
		s.running[k] = &said{began: e.Time}
	case report.Log:
		text := s.text(e)
		if step := s.running[k]; step != nil {
			step.log += text
		} else if text != "" && !s.quiet {
			s.runner.group(e.Step, text)
		}
	case report.Done, report.Skipped:
		step := s.take(k)
		if !s.quiet {
			s.runner.group(strings.TrimSuffix(s.text(e), "\n"), step.content(e))
		}
	case report.Failed:
		step := s.take(k)
		s.runner.print(s.text(e) + step.log)
	}
}

func (s *sink) take(k key) *said {
	step := s.running[k]
	delete(s.running, k)
	if step == nil {
		step = &said{}
	}
	return step
}

// content is what a step's group unfolds to.
func (s *said) content(e report.Event) string {
	const clock = "15:04:05"
	text := s.log
	if !s.began.IsZero() {
		text += fmt.Sprintf("    from %s to %s UTC\n", s.began.UTC().Format(clock), e.Time.UTC().Format(clock))
	}
	return text
}

// end writes what the steps had said that are still under way.
func (s *sink) end() {
	s.runner.mu.Lock()
	defer s.runner.mu.Unlock()
	for k, step := range s.running {
		delete(s.running, k)
		s.runner.print(step.log)
	}
}
