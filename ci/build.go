package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Build is what was built: one image, or several, each for all of its platforms.
type Build struct {
	// Digest of the image, a line for each image
	Digest string
	// Platforms that were built for
	Platforms []string
	// Size of the largest platform, compressed, like 1.04 MB
	Size string
	// Report as one JSON document (docs/result.md)
	Report string

	// What was built, and by whom: the images are made again from it where they are
	// needed, which the engine's cache makes cheap, and come out the same.
	// +private
	Slipway *Slipway
	// +private
	Program *Program
}

// Builds the program, assembles its image and audits it
//
// +cache="session"
func (m *Slipway) Build(ctx context.Context, args struct {
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
	// build tags
	// +optional
	Tags []string
	// linker flags beside -s -w
	// +optional
	Ldflags []string
	// image to build on, by digest (default scratch)
	// +optional
	Base string
	// who runs the program: nobody, nonroot, root, UID, UID:GID, NAME:UID:GID
	// +optional
	User string
	// environment variable of the image, KEY=VALUE
	// +optional
	Env []string
	// port that the program listens on, like 8080 or 53/udp
	// +optional
	Port []string
	// label of the image's config, KEY=VALUE
	// +optional
	Label []string
	// annotation of the index and the manifests, KEY=VALUE
	// +optional
	Annotation []string
	// write what changes without the source: revision, version, created
	// +optional
	Stamp []string
	// the time of everything in the image, in seconds since 1970 (default 0)
	// +optional
	Created string
	// the most that one platform may weigh, compressed, like 10MB
	// +optional
	MaxSize string
	// the image's name
	// +optional
	Name string
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
) (*Build, error) {
	p := Program(args)
	return m.build(ctx, &p)
}

func (m *Slipway) build(ctx context.Context, p *Program) (_ *Build, err error) {
	s, err := m.open(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	built, err := s.build(ctx, "")
	if err != nil {
		return nil, err
	}
	doc, err := s.report(p, built)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := doc.WriteJSON(&text); err != nil {
		return nil, err
	}
	// What is made again has to come from the same builder.
	pinned := *m
	if built.Builder != "" {
		pinned.BuilderImage = built.Builder
	}
	b := &Build{Digest: digests(built), Report: text.String(), Slipway: &pinned, Program: p}
	var size int64
	for _, img := range doc.Images {
		for _, pf := range img.Platforms {
			size = max(size, pf.Size)
			if !slices.Contains(b.Platforms, pf.Platform) {
				b.Platforms = append(b.Platforms, pf.Platform)
			}
		}
		// A call that ends here shows no field of its result.
		fmt.Fprintln(os.Stderr, img.Name, img.Digest)
	}
	b.Size = report.Bytes(size) // the command line writes a large number as 1.03e+06
	return b, nil
}

// report makes the document of what was built.
func (s *session) report(p *Program, built *pipelines.Built) (*report.Result, error) {
	doc, err := built.Report()
	if err != nil {
		return nil, err
	}
	doc.Source = p.Path
	if doc.Source == "" {
		doc.Source = "."
	}
	doc.Engine.Reason = "a function of the Dagger module"
	doc.Timings, doc.Warnings = s.recorder.Timings(), s.recorder.Warnings()
	return doc, nil
}

// digests are a line for each image.
func digests(built *pipelines.Built) string {
	lines := make([]string, len(built.Images))
	for i, img := range built.Images {
		lines[i] = img.Digest.String()
	}
	return strings.Join(lines, "\n")
}

// The image as a container, to run, inspect or serve
func (b *Build) Container(
	ctx context.Context,
	// platform to take (default the engine's, or the only one)
	// +optional
	platform dagger.Platform,
	// image to take, where there are several
	// +optional
	image string,
) (*dagger.Container, error) {
	img, err := b.image(image)
	if err != nil {
		return nil, err
	}
	if platform == "" {
		if platform, err = dag.DefaultPlatform(ctx); err != nil {
			return nil, err
		}
		if len(img.Platforms) == 1 {
			platform = dagger.Platform(img.Platforms[0].Platform)
		}
	}
	if !slices.ContainsFunc(img.Platforms, func(p report.Platform) bool { return p.Platform == string(platform) }) {
		return nil, fmt.Errorf("%s was not built for %s, but for %s", img.Name, platform, strings.Join(b.Platforms, ", "))
	}
	archive, err := b.Tarball(ctx, img.Name)
	if err != nil {
		return nil, err
	}
	return variant(archive, platform), nil
}

// variant is the image for one platform out of an archive that has all.
func variant(archive *dagger.File, p dagger.Platform) *dagger.Container {
	return dag.Container(dagger.ContainerOpts{Platform: p}).Import(archive)
}

// The programs of the image, a folder for each platform, like linux-amd64
func (b *Build) Binaries(
	ctx context.Context,
	// image to take, where there are several
	// +optional
	image string,
) (*dagger.Directory, error) {
	img, err := b.image(image)
	if err != nil {
		return nil, err
	}
	archive, err := b.Tarball(ctx, img.Name)
	if err != nil {
		return nil, err
	}
	dir := dag.Directory()
	for _, p := range img.Platforms {
		c := variant(archive, dagger.Platform(p.Platform))
		for _, binary := range p.Binaries {
			at := filepath.Join("/", binary.Path)
			dir = dir.WithFile(strings.ReplaceAll(p.Platform, "/", "-")+"/"+filepath.Base(at), c.File(at))
		}
	}
	return dir, nil
}

// The image as an OCI layout
func (b *Build) Layout(
	ctx context.Context,
	// image to take, where there are several
	// +optional
	image string,
) (*dagger.Directory, error) {
	name, err := b.write(ctx, image, outputLayout)
	if err != nil {
		return nil, err
	}
	return dag.CurrentModule().Workdir(name), nil
}

// The image as an OCI archive: its layout in a tar
func (b *Build) Tarball(
	ctx context.Context,
	// image to take, where there are several
	// +optional
	image string,
) (*dagger.File, error) {
	name, err := b.write(ctx, image, outputArchive)
	if err != nil {
		return nil, err
	}
	return dag.CurrentModule().WorkdirFile(name), nil
}

func outputLayout(name string) image.Output {
	return image.Output{Transport: image.TransportOCI, Path: name}
}

func outputArchive(name string) image.Output {
	return image.Output{Transport: image.TransportOCIArchive, Path: name + ".tar"}
}

// write makes the images again and writes them to the function's working
// folder. It returns where the one that was asked for stands in it.
func (b *Build) write(ctx context.Context, name string, output func(string) image.Output) (_ string, err error) {
	img, err := b.image(name)
	if err != nil {
		return "", err
	}
	s, err := b.Slipway.open(ctx, b.Program)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	built, err := s.build(ctx, b.Digest)
	if err != nil {
		return "", err
	}
	err = built.Write(ctx, func(name string) image.Output {
		out := output(name)
		out.Path = filepath.Join(s.home, out.Path)
		return out
	})
	return output(img.Name).Path, err
}

// build builds, and where want says what the digests are, sees to it that they are
// the same again.
func (s *session) build(ctx context.Context, want string) (*pipelines.Built, error) {
	built, err := pipelines.Build(ctx, s.plan, s.options)
	if err != nil {
		return nil, err
	}
	if got := digests(built); want != "" && got != want {
		return nil, fmt.Errorf("the same source gave %s first and %s now", want, got)
	}
	return built, nil
}

// image finds an image of the report; where there is one, it needs no name.
func (b *Build) image(name string) (report.Image, error) {
	var doc report.Result
	if err := json.Unmarshal([]byte(b.Report), &doc); err != nil {
		return report.Image{}, err
	}
	if name == "" && len(doc.Images) == 1 {
		return doc.Images[0], nil
	}
	var names []string
	for _, img := range doc.Images {
		if img.Name == name {
			return img, nil
		}
		names = append(names, img.Name)
	}
	if name == "" {
		return report.Image{}, fmt.Errorf("there are several images; choose one by --image: %s", strings.Join(names, ", "))
	}
	return report.Image{}, fmt.Errorf("--image %s: want one of %s", name, strings.Join(names, ", "))
}
