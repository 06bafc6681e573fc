package dagger

import (
	"context"
	"crypto/rand"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Test runs go vet and go test in the builder, with the caches of Compile. The
// go command decides what it has tested already, and not the engine: -count=1
// runs all.
func (e *Engine) Test(ctx context.Context, src engine.Source, t engine.Test, progress report.Sink) error {
	b, err := e.newBuilder(ctx, src)
	if err != nil {
		return err
	}
	e.warn(progress)
	if err := b.modules(ctx, src, progress); err != nil {
		return err
	}
	c := withEnv(e.withSource(b, src), t.GoEnv()).WithEnvVariable("SLIPWAY_RUN", rand.Text())
	for _, args := range [][]string{t.VetArgs(), t.TestArgs()} {
		step := progress.Start(args[0], "", "")
		said, err := e.check(ctx, c, args)
		if err == nil && said != "" {
			progress.Send(report.Event{Step: args[0], State: report.Log, Text: said})
		}
		step.End("", err)
		if err != nil {
			return err
		}
	}
	return nil
}

// check runs a go command that looks at the source, and returns what it said. A
// failure is asked for like a success: in an error, the engine cuts long output
// in the middle.
func (e *Engine) check(ctx context.Context, c *sdk.Container, args []string) (string, error) {
	done := c.WithExec(append([]string{"go"}, args...), sdk.ContainerWithExecOpts{Expect: sdk.ReturnTypeAny})
	code, err := done.ExitCode(ctx)
	if err != nil {
		return "", e.goFailed(ctx, args[0], "", err)
	}
	var said string
	for _, stream := range []func(context.Context) (string, error){done.Stdout, done.Stderr} {
		text, err := stream(ctx)
		if err != nil {
			return "", plain(ctx, "reading what go "+args[0]+" said", err)
		}
		said += text
	}
	said = e.cleanOutput(said)
	if code != 0 {
		return "", &engine.CompileError{Step: args[0], Output: said}
	}
	return said, nil
}
