package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
)

// Shows what would be done, and does nothing
func (m *Slipway) Plan(ctx context.Context, args struct {
	// folder of the program, or of a repository that holds it (see path)
	// +ignore=["**/.git", ".slipway"]
	Source *dagger.Directory
	// the program's folder within the source
	// +optional
	Path string
	// the configuration, a file of the source (default slipway.yaml in the program's folder, where there is one)
	// +optional
	Config string
	// main package to build, like ./cmd/hello; each becomes an image
	// +optional
	Package []string
	// image of the configuration to build (default all)
	// +optional
	Image []string
	// platform to build for, like linux/arm64, or all (default linux/amd64 and linux/arm64)
	// +optional
	Platform []string
	// exact Go release to compile with, like 1.26.8
	// +optional
	Go string
	// set any key of the configuration, like image.tmp=true; the value is YAML
	// +optional
	Set []string
	// what {{.Version}} and the version stamp become
	// +optional
	Version string
	// what {{.Commit}} and the revision stamp become
	// +optional
	Revision string
},
) (_ string, err error) {
	p := &Program{
		Source: args.Source, Path: args.Path, Config: args.Config, Package: args.Package, Image: args.Image,
		Platform: args.Platform, Go: args.Go, Set: args.Set, Version: args.Version, Revision: args.Revision,
	}
	s := &session{}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.checkout(ctx, p); err != nil {
		return "", err
	}
	made, err := p.plan(ctx)
	if err != nil {
		return "", err
	}
	d, err := made.Describe()
	if err != nil {
		return "", err
	}
	// The copy's own place says nothing.
	if d.Source, err = filepath.Rel(s.source(), d.Source); err != nil {
		return "", err
	}
	var text strings.Builder
	err = d.WriteText(&text)
	return text.String(), err
}

// The container that compiles, with the source in its working folder, for a look around: builder terminal
func (m *Slipway) Builder(ctx context.Context, args struct {
	// folder of the program, or of a repository that holds it (see path)
	// +ignore=["**/.git", ".slipway"]
	Source *dagger.Directory
	// the program's folder within the source
	// +optional
	Path string
	// the configuration, a file of the source (default slipway.yaml in the program's folder, where there is one)
	// +optional
	Config string
	// main package to build, like ./cmd/hello; each becomes an image
	// +optional
	Package []string
	// image of the configuration to build (default all)
	// +optional
	Image []string
	// platform to build for, like linux/arm64, or all (default linux/amd64 and linux/arm64)
	// +optional
	Platform []string
	// exact Go release to compile with, like 1.26.8
	// +optional
	Go string
	// set any key of the configuration, like image.tmp=true; the value is YAML
	// +optional
	Set []string
	// what {{.Version}} and the version stamp become
	// +optional
	Version string
	// what {{.Commit}} and the revision stamp become
	// +optional
	Revision string
	// files of the source that the builder does not get, like docs/**
	// +optional
	Exclude []string
	// keep from the builder what git ignores
	// +optional
	Gitignore bool
},
) (_ *dagger.Container, err error) {
	s, err := m.open(ctx, selection(args).program())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	c, err := s.engine.Builder(ctx, s.plan.Source)
	if err != nil {
		return nil, err
	}
	id, err := c.ID(ctx)
	if err != nil {
		return nil, err
	}
	return dagger.Ref[*dagger.Container](dag, dagger.ID(id)), nil
}
