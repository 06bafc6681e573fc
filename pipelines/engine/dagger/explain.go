package dagger

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine"
)

var (
	// trace is what the engine appends for its own tools.
	trace = regexp.MustCompile(`\s*\[traceparent:[0-9a-f-]+\]`)
	// resolving is how the engine begins when an image cannot be had.
	resolving = regexp.MustCompile(`^failed to resolve image "[^"]*" \(platform: "[^"]*"\): `)
	request   = regexp.MustCompile(`failed to do request: (?:Head|Get) "[^"]*": `)
)

// explain makes one sentence of an error of the engine.
func explain(err error) string {
	var failed *sdk.ExecError
	if errors.As(err, &failed) {
		said := strings.TrimSpace(failed.Stderr)
		if said == "" {
			said = strings.TrimSpace(failed.Stdout)
		}
		if said == "" {
			said = fmt.Sprintf("exit code %d", failed.ExitCode)
		}
		return said
	}
	return strings.TrimSpace(trace.ReplaceAllString(err.Error(), ""))
}

// imageProblem says why an image cannot be had, without its name.
func imageProblem(err error) string {
	text := resolving.ReplaceAllString(explain(err), "")
	text = request.ReplaceAllString(text, "")
	switch {
	case strings.HasSuffix(text, ": not found"):
		return "its registry has no such tag or digest"
	case strings.Contains(text, "401 Unauthorized"), strings.Contains(text, "authorization failed"):
		return "its registry does not accept the login, or wants one (docker login, or a user and password for the builder)"
	}
	return text
}

// plain is an error of the engine in one sentence; where ctx ended, its cause.
func plain(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("dagger: %s: %s", what, explain(err))
}

// goFailed is the error of a go command that failed in the builder.
func (e *Engine) goFailed(ctx context.Context, step, target string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var failed *sdk.ExecError
	if !errors.As(err, &failed) {
		return plain(ctx, step, err)
	}
	return &engine.CompileError{Step: step, Target: target, Output: e.cleanOutput(failed.Stderr)}
}

// cleanOutput is what the go command said, without the builder's own folders and
// without passwords.
func (e *Engine) cleanOutput(said string) string {
	said = e.hidden.Replace(engine.CleanOutput(said))
	for _, dir := range []string{sourceDir, modulesDir} {
		said = strings.ReplaceAll(strings.ReplaceAll(said, dir+"/", ""), dir, ".")
	}
	return said
}
