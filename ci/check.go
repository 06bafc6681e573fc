package main

import (
	"context"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
)

// go vet and go test pass
//
// +check
func (m *Slipway) Tested(
	ctx context.Context,
	// folder of the program (default the project)
	// +defaultPath="/"
	// +ignore=["**/.git", ".slipway"]
	source *dagger.Directory,
	// the program's folder within the source
	// +optional
	path string,
) error {
	_, err := m.test(ctx, &Program{Source: source, Path: path}, nil)
	return err
}

// The image builds, passes its audit and works
//
// +check
func (m *Slipway) Proved(
	ctx context.Context,
	// folder of the program (default the project)
	// +defaultPath="/"
	// +ignore=["**/.git", ".slipway"]
	source *dagger.Directory,
	// the program's folder within the source
	// +optional
	path string,
) error {
	_, err := m.prove(ctx, &Program{Source: source, Path: path}, "", false)
	return err
}
