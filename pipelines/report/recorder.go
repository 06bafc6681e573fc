package report

import (
	"slices"
	"strings"
	"sync"
)

// Tee returns a Sink that passes each event on to all of the given ones, in
// their order; nil ones are left out.
func Tee(sinks ...Sink) Sink {
	return func(e Event) {
		for _, s := range sinks {
			s.Send(e)
		}
	}
}

// Recorder collects what the result document has of events. The zero Recorder is
// ready for use.
type Recorder struct {
	mu       sync.Mutex
	timings  []Timing
	warnings []string
}

// Sink returns the Sink that collects.
func (r *Recorder) Sink() Sink {
	return func(e Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch e.State {
		case Done, Failed:
			r.timings = append(r.timings, Timing{e.Step, e.Image, e.Platform, e.Elapsed.Milliseconds()})
		case Warning:
			if w := warning(e); !slices.Contains(r.warnings, w) {
				r.warnings = append(r.warnings, w)
			}
		}
	}
}

// Timings returns the steps that ended so far, in the order in which they did.
func (r *Recorder) Timings() []Timing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.timings)
}

// Warnings returns the warnings so far, each once, with the image and the
// platform that they are about.
func (r *Recorder) Warnings() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.warnings)
}

func warning(e Event) string {
	about := strings.TrimSpace(e.Image + " " + e.Platform)
	if about == "" {
		return e.Text
	}
	return about + ": " + e.Text
}
