package report

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// refresh is how often the live view is drawn.
const refresh = 100 * time.Millisecond

// Live returns a Sink that shows progress on a terminal, and a function that
// ends the view. There is a line for each platform, and one for the steps that
// have none, which says what is done now, or was done last. Warnings, logs and
// what a failure has to say are written above, as Plain does. Quiet has no view:
// it is Plain's.
//
// The view ends with its last state on the terminal and the cursor below it;
// steps that are still under way then are shown as stopped. It is to be ended
// before anything else is written to the terminal; ending it again does nothing,
// and events that come afterwards are dropped. A terminal that goes away ends
// the view, and not the pipeline.
func Live(w io.Writer, o Options) (Sink, func()) {
	if o.Quiet {
		return Plain(w, o), func() {}
	}
	l := &live{
		progress: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(refresh)),
		height:   heightOf(w),
		view:     view{images: o.Images},
		printer:  printer{options: o},
	}
	show := sync.OnceFunc(l.show)
	return func(e Event) {
		l.update(e)
		l.print(e)
		if e.State == Started {
			show()
		}
	}, sync.OnceFunc(l.close)
}

// live draws a view again and again. All the lines of the view are one bar of
// mpb's, so that they are drawn at the same moment and in the view's own order.
type live struct {
	progress *mpb.Progress
	height   func() int

	viewMu sync.Mutex // never held while mpb is called, which calls draw
	view   view

	printMu sync.Mutex // keeps what is written above in its order
	printer printer
}

func (l *live) update(e Event) {
	l.viewMu.Lock()
	defer l.viewMu.Unlock()
	l.view.update(e)
}

// print writes an event above the view where it is not part of the view.
func (l *live) print(e Event) {
	if e.State != Warning && e.State != Log && (e.State != Failed || e.Text == "") {
		return
	}
	l.printMu.Lock()
	defer l.printMu.Unlock()
	if text := l.printer.text(e); text != "" {
		// It fails where the view has ended or the terminal is gone.
		_, _ = io.WriteString(l.progress, text)
	}
}

// show begins to draw. Before the first step there is nothing to be drawn.
func (l *live) show() {
	var rest []string // the lines below the first
	first := mpb.BarFillerFunc(func(w io.Writer, st decor.Statistics) error {
		l.viewMu.Lock()
		lines := l.view.draw(st.AvailableWidth, l.height(), time.Now())
		l.viewMu.Unlock()
		rest = lines[1:]
		_, err := io.WriteString(w, lines[0])
		return err
	})
	others := mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
		for _, line := range rest {
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
	// It fails where the view has ended already.
	_, _ = l.progress.Add(0, first, mpb.BarFillerTrim(), mpb.BarExtender(others, false))
}

// close draws the view for the last time.
func (l *live) close() {
	l.viewMu.Lock()
	l.view.ended = true
	l.viewMu.Unlock()
	l.progress.Shutdown()
}

// heightOf returns a function that tells a terminal's height, which changes
// with its window.
func heightOf(w io.Writer) func() int {
	const plenty = 50
	f, ok := w.(*os.File)
	if !ok {
		return func() int { return plenty }
	}
	return func() int {
		_, height, err := term.GetSize(int(f.Fd()))
		if err != nil || height <= 0 {
			return plenty
		}
		return height
	}
}
