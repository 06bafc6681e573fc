// Package local is the embedded engine: it compiles with the Go toolchain of
// this machine and runs images in namespaces, with nothing else installed.
package local

import (
	"context"
	"fmt"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/engine/local/sandbox"
)

// Options say where the engine works.
type Options struct {
	// Environ is the environment that the go command gets, as os.Environ gives
	// it, less the variables that could change what it builds: GOFLAGS,
	// GOEXPERIMENT and the like are the plan's, not the machine's.
	Environ []string
	// CacheDir is the folder that the engine keeps its own in: the binaries of
	// the last builds, so that one that is up to date is not linked again.
	CacheDir string
	// GoCaches is the folder for the module and build caches; empty takes the
	// go command's own.
	GoCaches string
	// Jobs bounds how many targets are compiled at once; 0 is one for each CPU.
	Jobs int
}

// Engine is the embedded engine.
type Engine struct{ opts Options }

var _ engine.Engine = (*Engine)(nil)

// New returns an engine. It looks for nothing yet: a machine without a Go
// toolchain is told so by Compile.
func New(opts Options) *Engine {
	if opts.Jobs <= 0 {
		opts.Jobs = runtime.NumCPU()
	}
	return &Engine{opts: opts}
}

// Name is "local".
func (*Engine) Name() string { return "local" }

// Load unpacks an image for the namespace sandbox.
func (e *Engine) Load(ctx context.Context, img v1.Image) (engine.Container, error) {
	if err := os.MkdirAll(e.opts.CacheDir, 0o755); err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	return sandbox.New(ctx, img, sandbox.Options{TempDir: e.opts.CacheDir})
}

// tempRoot is where short-lived files go: the cache's file system has room for
// binaries, and may be executed from, more often than /tmp does.
func (e *Engine) tempRoot() (string, error) {
	if err := os.MkdirAll(e.opts.CacheDir, 0o755); err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	return os.MkdirTemp(e.opts.CacheDir, "run-*")
}
