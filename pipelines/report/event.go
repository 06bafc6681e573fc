// Package report carries what a pipeline has to say while it runs (events) and
// when it is done (the result document), and renders both.
package report

import (
	"context"
	"errors"
	"time"
)

// State tells what happened to a step.
type State string

// The states of a step. Started is followed by exactly one of Done, Failed and
// Skipped; Log and Warning may come at any time.
const (
	Started State = "started"
	Done    State = "done"
	Failed  State = "failed"
	Skipped State = "skipped"
	Log     State = "log"
	Warning State = "warning"
)

// Event is one thing that a pipeline says while it runs.
type Event struct {
	Time time.Time
	// Step names the work: "modules", "compile", "assemble", "audit", "smoke",
	// "push" and so on.
	Step string
	// Image and Platform say whose step it is; either may be empty.
	Image    string
	Platform string
	State    State
	// Text is one line for Done, Skipped and Warning ("1.5 MB"), and may be
	// several for Log and Failed. A pipeline leaves it empty for Failed: the reason
	// is the error that it returns, and is to be said once.
	Text string
	// Elapsed is the step's duration, set for Done and Failed.
	Elapsed time.Duration
}

// Sink receives events. It is called from many goroutines at once. A nil Sink
// drops everything, so a caller that does not care passes nothing.
type Sink func(Event)

// Send passes on an event, stamping its time.
func (s Sink) Send(e Event) {
	if s == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	s(e)
}

// Warn reports something that does not stop the pipeline.
func (s Sink) Warn(step, image, platform, text string) {
	s.Send(Event{Step: step, Image: image, Platform: platform, State: Warning, Text: text})
}

// Step is a piece of work under way.
type Step struct {
	sink                  Sink
	name, image, platform string
	start                 time.Time
}

// Start reports that a step begins, and returns it for its end to be reported.
func (s Sink) Start(step, image, platform string) Step {
	st := Step{sink: s, name: step, image: image, platform: platform, start: time.Now()}
	st.send(Started, "", 0)
	return st
}

// End reports the step's end: done with a line of text, or failed. A step that
// was cancelled, because another one failed or somebody asked for it, counts as
// skipped.
func (s Step) End(text string, err error) {
	switch {
	case errors.Is(err, context.Canceled):
		s.Skip("cancelled")
	case err != nil:
		s.send(Failed, "", time.Since(s.start))
	default:
		s.send(Done, text, time.Since(s.start))
	}
}

// Skip reports that the step was not done, and why.
func (s Step) Skip(why string) { s.send(Skipped, why, time.Since(s.start)) }

func (s Step) send(state State, text string, elapsed time.Duration) {
	s.sink.Send(Event{Step: s.name, Image: s.image, Platform: s.platform, State: state, Text: text, Elapsed: elapsed})
}
