// Package pipelinetest sets up what tests of whole pipelines need.
package pipelinetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/engine/local"
	"github.com/slipway-dev/slipway/pipelines/engine/local/sandbox"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Options returns options with the embedded engine, Go's own caches, and a
// folder of the test's for slipway's. Progress goes to the test's log.
func Options(t testing.TB) pipelines.Options {
	t.Helper()
	cache := t.TempDir()
	store, err := image.NewStore(filepath.Join(cache, "layers"))
	if err != nil {
		t.Fatal(err)
	}
	return pipelines.Options{
		Engine:   local.New(local.Options{Environ: os.Environ(), CacheDir: cache}),
		Store:    store,
		Progress: report.Plain(t.Output(), report.Options{Images: true}),
	}
}

// Build plans and builds.
func Build(t testing.TB, p plan.Options, o pipelines.Options) *pipelines.Built {
	t.Helper()
	pl, err := plan.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	built, err := pipelines.Build(t.Context(), pl, o)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// NeedsSandbox skips a test where images cannot be run.
func NeedsSandbox(t testing.TB) {
	t.Helper()
	if err := sandbox.Probe(context.WithoutCancel(t.Context()), sandbox.Options{}); err != nil {
		t.Skipf("images cannot be run here: %v", err)
	}
}

// NeedsDagger skips a test where no Dagger engine is to be had.
func NeedsDagger(t testing.TB) {
	t.Helper()
	if os.Getenv("DAGGER_SESSION_PORT") == "" && os.Getenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST") == "" { //nolint:forbidigo // tests look for their tools
		t.Skip("no Dagger engine: run the tests below dagger run, or name one in _EXPERIMENTAL_DAGGER_RUNNER_HOST")
	}
}
