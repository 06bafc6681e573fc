package dagger

import (
	"context"
	"fmt"
	"go/version"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/mod/modfile"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine"
)

// Where things stand in the builder.
const (
	sourceDir   = "/slipway/source"
	modulesDir  = "/slipway/modules" // go.mod and its like alone
	outputDir   = "/out"
	moduleCache = "/go/pkg/mod"
	buildCache  = "/root/.cache/go-build"
)

// BuilderError says that a reference cannot be the builder image's.
type BuilderError struct {
	Reference string
	Err       error
}

func (e *BuilderError) Error() string {
	return fmt.Sprintf("builder image %q: %v; want a repository like golang, or a reference like golang:1.26.8 or golang@sha256:…", e.Reference, e.Err)
}

func (e *BuilderError) Unwrap() error { return e.Err }

// CheckBuilder tells whether a reference can be Options.Builder; where it cannot,
// the error is a *BuilderError.
func CheckBuilder(reference string) error {
	_, err := builderReference(reference, "")
	return err
}

// builderReference is the image that compiles with a release: a repository alone
// gets it as its tag.
func builderReference(builder, release string) (string, error) {
	if builder == "" {
		builder = DefaultImage()
	}
	if release == "" {
		release = DefaultRelease()
	}
	if _, err := name.NewRepository(builder); err == nil {
		return builder + ":" + release, nil
	}
	if _, err := name.ParseReference(builder); err != nil {
		return "", &BuilderError{builder, err}
	}
	return builder, nil
}

// builder is a container with one Go release.
type builder struct {
	engine *Engine
	// image is the reference that was asked for, and resolved what it is, by digest.
	image, resolved string
	release         string // "1.26.8"
	goroot          string
	// container has the caches and what the go command needs to get modules.
	container *sdk.Container
}

// newBuilder resolves the builder image and finds that it has the release that
// the source names.
func (e *Engine) newBuilder(ctx context.Context, src engine.Source) (*builder, error) {
	release, err := releaseFor(src)
	if err != nil {
		return nil, err
	}
	image, err := builderReference(e.opts.Builder, release)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) error {
		return &engine.ToolchainError{Want: src.Go, Reason: e.hidden.Replace(fmt.Sprintf(format, args...))}
	}
	resolved, err := e.from(image).ImageRef(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fail("the builder image %s cannot be had: %s; name another one (--builder) or another release (--go)", image, imageProblem(err))
	}
	// By digest from here on, so that a tag that moves meanwhile changes nothing.
	e.resolved.Store(&resolved)
	c := e.toolchain(resolved)
	out, err := c.WithExec([]string{"go", "env", "GOVERSION", "GOROOT"}).Stdout(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fail("the builder image %s has no go command that runs: %s", image, explain(err))
	}
	found, goroot, _ := strings.Cut(strings.TrimSpace(out), "\n")
	// What GOEXPERIMENT adds, after a space, is switched off for the builder.
	found, _, _ = strings.Cut(strings.TrimPrefix(found, "go"), " ")
	if src.Go != "" && found != src.Go {
		return nil, fail("the builder image %s has Go %s; name another image (--builder) or that release (--go)", image, found)
	}
	c, err = e.withAccess(ctx, c)
	if err != nil {
		return nil, err
	}
	return &builder{e, image, resolved, found, goroot, c}, nil
}

// from is a container of an image, logged in at its registry.
func (e *Engine) from(image string) *sdk.Container {
	c := e.client.Container()
	if e.opts.Username != "" && e.opts.Password != nil {
		host := "docker.io"
		if ref, err := name.ParseReference(image); err == nil && ref.Context().RegistryStr() != name.DefaultRegistry {
			host = ref.Context().RegistryStr()
		}
		c = c.WithRegistryAuth(host, e.opts.Username, e.opts.Password)
	}
	return c.From(image)
}

// releaseFor is the release that compiles a source: the one that it names, or
// DefaultRelease(), unless a go line wants a newer one
// (https://go.dev/ref/mod#go-mod-file-go).
func releaseFor(src engine.Source) (string, error) {
	if src.Go != "" {
		return src.Go, nil
	}
	names, err := src.ModuleFiles()
	if err != nil {
		return "", err
	}
	release := DefaultRelease()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(src.Root, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		var line *modfile.Go
		switch path.Ext(name) {
		case ".mod":
			if mod, err := modfile.ParseLax(name, data, nil); err == nil {
				line = mod.Go
			}
		case ".work":
			if work, err := modfile.ParseWork(name, data, nil); err == nil {
				line = work.Go
			}
		}
		if line != nil && version.Compare("go"+line.Version, "go"+release) > 0 {
			release = line.Version
		}
	}
	return release, nil
}

// image is the image that the last source was compiled with; before the first,
// the one for no release in particular.
func (e *Engine) image() (string, error) {
	if resolved := e.resolved.Load(); resolved != nil {
		return *resolved, nil
	}
	return builderReference(e.opts.Builder, "")
}

// toolchain is a builder image with the caches and nothing that could change
// what is built.
func (e *Engine) toolchain(image string) *sdk.Container {
	c := e.from(image).
		WithUser("0:0").
		WithMountedCache(moduleCache, e.client.CacheVolume(e.volumes+"-modules")).
		WithMountedCache(buildCache, e.client.CacheVolume(e.volumes+"-builds"))
	for _, v := range []struct{ name, value string }{
		{"HOME", "/root"}, {"GOMODCACHE", moduleCache}, {"GOCACHE", buildCache},
		{"GOENV", "off"}, {"GOTOOLCHAIN", "local"}, {"GOTELEMETRY", "off"}, {"GOFLAGS", ""}, {"GOWORK", "off"},
		{"GOEXPERIMENT", ""}, {"GOFIPS140", ""}, {"GOOS", ""}, {"GOARCH", ""},
	} {
		c = c.WithEnvVariable(v.name, v.value)
	}
	return c
}

// at is the builder in a folder of a copy of the source.
func (b *builder) at(src engine.Source, root string) *sdk.Container {
	work := "off"
	if src.Workspace != "" {
		work = path.Join(root, src.Workspace)
	}
	return b.container.WithEnvVariable("GOWORK", work).WithWorkdir(path.Join(root, src.Module))
}

// Builder is the container that compiles, with the source in its working
// folder, for a look around.
func (e *Engine) Builder(ctx context.Context, src engine.Source) (*sdk.Container, error) {
	b, err := e.newBuilder(ctx, src)
	if err != nil {
		return nil, fmt.Errorf("builder: %w", err)
	}
	return e.withSource(b, src), nil
}
