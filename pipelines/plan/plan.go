// Package plan decides what to build, from slipway.yaml, flags and the source,
// and runs nothing but git, and that only where a revision is asked for.
package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// ConfigName is the configuration's file name in a source.
const ConfigName = "slipway.yaml"

// DefaultPlatforms are built where nothing else is said: they do not depend on
// the machine, since the digest must not.
func DefaultPlatforms() []string { return []string{"linux/amd64", "linux/arm64"} }

// Options say what to plan for.
type Options struct {
	// Source is the folder of the program. Empty is the working folder.
	Source string
	// Config is the configuration file; empty takes slipway.yaml in Source where
	// there is one. Whichever it is, what it names is relative to Source.
	Config string
	// Packages are the main packages to build, an image each; they come before
	// what the configuration says.
	Packages []string
	// Images chooses among the images of the configuration by name; empty takes all.
	Images []string
	// Overrides come before the configuration.
	Overrides []Override
	// Revision is what templates and stamps get. What is empty in it is asked for
	// from Git, where it is needed.
	Revision Revision
	// NoWorkspace builds the module by itself, whatever go.work stands above it, as
	// GOWORK=off does for the go command.
	NoWorkspace bool
	// Git tells the revision of a folder; nil is GitRevision.
	Git func(ctx context.Context, dir string) (Revision, error)
}

// Plan is all that is needed to build, prove and publish.
type Plan struct {
	// Dir is the source's folder, absolute: what assets and certificates are
	// relative to.
	Dir string
	// Config is the configuration file that was read, or empty.
	Config string
	Source engine.Source
	// GoFrom says who named the Go release: "go.mod", "go.work", "slipway.yaml", a
	// flag; empty where nobody did.
	GoFrom string
	Images []ImagePlan
	// Revision is what git was asked for templates and stamps; zero where nothing
	// wanted to know, or where it was given.
	Revision Revision
	// Warnings are what the user should know and may ignore.
	Warnings []string
}

// ImagePlan is one image.
type ImagePlan struct {
	Name string
	// Index is the image's place in the configuration, which Locate asks for.
	Index     int
	Platforms []v1.Platform
	// Packages are the main packages, relative to the module. The first one's
	// binary is the entrypoint.
	Packages []string
	// Binaries are the names of their binaries.
	Binaries []string
	// Targets are the binaries to compile: for each platform, in the order of
	// Platforms, those of Packages, in their order.
	Targets []engine.Target
	// Base is the image to build on, by digest; empty is scratch.
	Base string
	User image.User
	// Config is what the image says of how to run it, the same on each platform.
	Config      v1.Config
	Annotations map[string]string
	Created     time.Time
	// Mozilla tells whether Mozilla's root certificates are in.
	Mozilla bool
	// Certificates are PEM files of the source that are in as well, or instead.
	Certificates []string
	Zones        bool
	Tmp          bool
	Assets       []image.Asset
	MaxSize      int64 // bytes; 0 is no bound
	Allow        []audit.Rule
	Smoke        []smoke.Case
	Publish      Publish
}

// ReadFile reads a file of the source, by its path relative to Dir, and none
// outside of it.
func (p *Plan) ReadFile(name string) ([]byte, error) { return readInside(p.Dir, name) }

func readInside(dir, name string) (_ []byte, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	info, err := root.Stat(filepath.FromSlash(name))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %s", name, cause(err))
	case !info.Mode().IsRegular() || info.Size() > maxRead:
		return nil, fmt.Errorf("%s: is no file of at most %d MB", name, maxRead>>20)
	}
	data, err := root.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, cause(err))
	}
	return data, nil
}

// maxRead bounds what is read into memory of a file of the source, in bytes.
const maxRead = 16 << 20

// BinaryPath is where a binary stands in the image: in the path of every
// container runtime, and in the way of no base image.
func BinaryPath(name string) string { return "usr/local/bin/" + name }
