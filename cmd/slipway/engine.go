package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/engine/local"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// chosen is the engine of one run.
type chosen struct {
	engine engine.Engine
	// reason says why it was taken.
	reason string
	// close ends its session.
	close func() error
}

// chooseEngine takes the engine that the flags and the environment ask for.
// A Dagger engine that nobody asked for on the command line is an offer: where it
// does not answer, the embedded engine does the work.
func (f *runFlags) chooseEngine(ctx context.Context, e *edge, fs *pflag.FlagSet, own, goCaches string, progress report.Sink) (*chosen, error) {
	embedded := func(reason string) (*chosen, error) {
		if name := f.dagger.used(fs); name != "" {
			return nil, usagef("--%s: the embedded engine has no builder image; give --engine dagger as well", name)
		}
		return &chosen{
			engine: local.New(local.Options{Environ: e.childEnviron(), CacheDir: own, GoCaches: goCaches, Jobs: f.jobs}),
			reason: "the embedded engine, with the Go toolchain of this machine" + reason,
			close:  func() error { return nil },
		}, nil
	}
	reason := ""
	switch {
	case f.engine == "local":
		return embedded(": --engine local")
	case e.env(sessionPort) != "":
		reason = "a Dagger session is running (" + sessionPort + ")"
	case e.env(runnerHost) != "":
		reason = "a Dagger runner is named (" + runnerHost + ")"
	case f.engine == "dagger":
		reason = "--engine dagger"
	default:
		return embedded(": there is no Dagger session, and no runner is named")
	}
	step := progress.Start("engine", "", "")
	c, err := f.connect(ctx, e, own)
	if err == nil {
		c.reason = "the Dagger engine: " + reason
		step.End("dagger: "+reason, nil)
		return c, nil
	}
	if f.engine == "dagger" || f.dagger.used(fs) != "" || ctx.Err() != nil || is[usageError](err) {
		step.End("", err)
		return nil, err
	}
	step.Skip("the embedded one")
	progress.Warn("engine", "", "", err.Error()+"; the embedded engine does the work (--engine dagger insists)")
	return embedded(": " + reason + ", but it does not answer")
}
