//go:build !linux

package sandbox

import (
	"context"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// Container is an unpacked image; there is none on this system.
type Container struct{}

// New returns a *smoke.NotRunnableError: namespaces are Linux's.
func New(context.Context, v1.Image, Options) (*Container, error) { return nil, needsLinux() }

// Probe returns a *smoke.NotRunnableError: namespaces are Linux's.
func Probe(context.Context, Options) error { return needsLinux() }

// Run returns a *smoke.NotRunnableError.
func (*Container) Run(context.Context, smoke.Process) (smoke.Exit, error) {
	return smoke.Exit{}, needsLinux()
}

// Serve returns a *smoke.NotRunnableError.
func (*Container) Serve(context.Context, smoke.Process) (smoke.Service, error) {
	return nil, needsLinux()
}

// Close does nothing.
func (*Container) Close() error { return nil }

func needsLinux() error {
	return &smoke.NotRunnableError{
		Reason: "the local engine runs images on Linux only, and this is " + runtime.GOOS,
		Help:   "--engine dagger runs them here",
	}
}
