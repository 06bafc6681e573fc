// Slipway takes a Go program, builds it for every platform, puts it into a
// minimal image, proves that the image works, and publishes it by digest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

func main() {
	environ := os.Environ()
	// Whatever is started by somebody else's package, like docker's credential
	// helpers, sees the environment of the process.
	for _, name := range []string{"SLIPWAY_PASSWORD", "SLIPWAY_GIT_TOKEN", "SLIPWAY_GITHUB_TOKEN"} {
		_ = os.Unsetenv(name) // it fails for names that are none
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, environ))
}

// Exit codes.
const (
	exitFailed      = 1   // the pipeline failed
	exitUsage       = 2   // what was asked for makes no sense
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// run is the whole program: nothing below it looks at the process it is in.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends slipway at once
	e := &edge{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ}
	e.workflow = newWorkflow(e)
	err := e.execute(ctx, args)
	switch {
	case err == nil:
		return 0
	case is[*registry.TagError](err) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "slipway: interrupted:", err)
		return exitInterrupted
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "slipway: interrupted; nothing was left behind")
		return exitInterrupted
	case e.workflow != nil:
		e.workflow.fail(err)
	default:
		fmt.Fprintln(stderr, "slipway:", err)
	}
	return exitCode(err)
}

// execute runs one command.
func (e *edge) execute(ctx context.Context, args []string) error {
	cmd := newRoot(e)
	cmd.SetArgs(args)
	cmd.SetIn(e.stdin)
	cmd.SetOut(e.stdout)
	cmd.SetErr(e.stderr)
	return cmd.ExecuteContext(ctx)
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode tells what was asked wrongly from what went wrong.
func exitCode(err error) int {
	if is[usageError](err) || is[*plan.SourceError](err) || is[*plan.ValueError](err) ||
		is[plan.ConfigErrors](err) || is[*plan.ConfigError](err) || is[*platform.Error](err) ||
		is[*image.OutputError](err) || is[*image.AssetError](err) || is[*registry.ReferenceError](err) || is[*registry.CAError](err) ||
		is[*dagger.BuilderError](err) || is[*dagger.AccessError](err) {
		return exitUsage
	}
	return exitFailed
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
