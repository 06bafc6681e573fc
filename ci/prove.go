package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Runs go vet and go test as the build compiles; gives what they said
//
// +cache="session"
func (m *Slipway) Test(ctx context.Context, args struct {
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
	// argument for go test, like -race
	// +optional
	Arg []string
},
) (string, error) {
	return m.test(ctx, &Program{
		Source: args.Source, Path: args.Path, Config: args.Config, Package: args.Package, Image: args.Image,
		Platform: args.Platform, Go: args.Go, Set: args.Set, Version: args.Version, Revision: args.Revision,
		Exclude: args.Exclude, Gitignore: args.Gitignore,
	}, args.Arg)
}

func (m *Slipway) test(ctx context.Context, p *Program, args []string) (_ string, err error) {
	s, err := m.open(ctx, p)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var said strings.Builder
	s.options.Progress = report.Tee(s.options.Progress, logs(&said))
	err = pipelines.Test(ctx, s.plan, args, s.options)
	return said.String(), err
}

// logs collects what the steps of a pipeline say, which are one after the other.
func logs(to *strings.Builder) report.Sink {
	return func(e report.Event) {
		if e.State == report.Log {
			fmt.Fprintln(to, strings.TrimRight(e.Text, "\n"))
		}
	}
}

// Builds the image and proves by running it that it works; gives its digest
//
// +cache="session"
func (m *Slipway) Smoke(ctx context.Context, args struct {
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
) (string, error) {
	return m.prove(ctx, selection(args).program(), "", false)
}

// Tests, builds, audits and proves: everything but the push; gives the image's digest
//
// +cache="session"
func (m *Slipway) CI(ctx context.Context, args struct {
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
) (string, error) {
	return m.ci(ctx, selection(args).program())
}

func (m *Slipway) ci(ctx context.Context, p *Program) (string, error) {
	if _, err := m.test(ctx, p, nil); err != nil {
		return "", err
	}
	return m.prove(ctx, p, "", false)
}

// Runs the image on every platform that can run here; gives its digest
//
// +cache="session"
func (b *Build) Smoke(
	ctx context.Context,
	// fail where a platform cannot be run here
	// +optional
	requireSmoke bool,
) (string, error) {
	return b.Slipway.prove(ctx, b.Program, b.Digest, requireSmoke)
}

// prove builds and runs the images. want is what the digests have to be, where
// that is known.
func (m *Slipway) prove(ctx context.Context, p *Program, want string, requireSmoke bool) (_ string, err error) {
	s, err := m.open(ctx, p)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.options.RequireSmoke = requireSmoke
	built, err := s.build(ctx, want)
	if err != nil {
		return "", err
	}
	if err := built.Prove(ctx); err != nil {
		return "", err
	}
	return digests(built), nil
}

// Looks at every file of the image, which no build leaves unaudited; gives what was looked at
func (b *Build) Audit(ctx context.Context) (_ string, err error) {
	s, err := b.Slipway.open(ctx, b.Program)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	built, err := s.build(ctx, b.Digest)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, img := range built.Images {
		for _, v := range img.Variants {
			entries, err := image.List(v.Image)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&text, "%s %s: %d entries, nothing found\n", img.Plan.Name, platform.String(v.Platform), len(entries))
		}
	}
	return text.String(), nil
}
