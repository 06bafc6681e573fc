package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// session is one run of a pipeline from the command line: a plan, where it
// runs, and what shows its progress.
type session struct {
	plan     *plan.Plan
	options  pipelines.Options
	recorder *report.Recorder
	// reason says why this engine was taken.
	reason string
	// finish ends the progress view; it must run before anything else is printed.
	finish func()
	// close ends the session with the engine, and the view.
	close func()

	workflow *workflow
	// pushesNothing tells that publishing is only looked at.
	pushesNothing bool
	// flags are those of the command, for what makes the same again.
	flags *pflag.FlagSet
}

// open plans and makes ready to run. Bad input is found here, before anything runs.
func open(ctx context.Context, cmd *cobra.Command, e *edge, src *sourceFlags, rf *runFlags) (*session, error) {
	if err := rf.check(); err != nil {
		return nil, err
	}
	if e.workflow != nil {
		e.workflow.look(ctx, e, src.source)
	}
	o, err := src.options(cmd, e)
	if err != nil {
		return nil, err
	}
	p, err := plan.New(ctx, o)
	if err != nil {
		return nil, err
	}
	own, goCaches, err := rf.caches(e)
	if err != nil {
		return nil, err
	}
	store, err := image.NewStore(filepath.Join(own, "layers"))
	if err != nil {
		return nil, fmt.Errorf("cache folder: %w; choose another one with --cache-dir", err)
	}
	s := &session{plan: p, recorder: &report.Recorder{}, workflow: e.workflow, flags: cmd.Flags()}
	if e.workflow != nil {
		e.workflow.plan = p
	}
	sink, finish := rf.view(e, len(p.Images) > 1)
	progress := report.Tee(s.recorder.Sink(), sink)
	chosen, err := rf.chooseEngine(ctx, e, cmd.Flags(), own, goCaches, progress)
	if err != nil {
		finish()
		return nil, err
	}
	s.reason, s.finish = chosen.reason, finish
	s.close = func() {
		finish()
		// Everything is done; what a session says when it ends changes nothing.
		_ = chosen.close()
	}
	s.options = pipelines.Options{
		Engine: chosen.engine,
		Store:  store,
		Jobs:   rf.jobs,
		Registry: registry.Options{
			Keychain: e.keychain(), Secret: func(secret string) { e.mask(secret) }, Known: registry.OpenKnown(filepath.Join(own, "known")), UserAgent: "slipway/" + version(),
		},
		Progress: progress,
	}
	return s, nil
}

// view chooses how progress is shown.
func (f *runFlags) view(e *edge, severalImages bool) (report.Sink, func()) {
	o := report.Options{Images: severalImages, Quiet: f.quiet}
	if f.progress == "auto" && e.workflow != nil {
		return e.workflow.runner.Sink(o)
	}
	if f.progress == "live" || f.progress == "auto" && e.hasLiveTerminal() {
		return report.Live(e.stderr, o)
	}
	return report.Plain(e.stderr, o), func() {}
}

// hasLiveTerminal tells whether standard error is a terminal that lines can be
// drawn on again: one that has a size and is not dumb.
func (e *edge) hasLiveTerminal() bool {
	file, ok := e.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || e.env("TERM") == "dumb" {
		return false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	return err == nil && width > 0 && height > 0
}
