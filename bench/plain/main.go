// Command plain is what bench compares slipway with on a Dagger engine: the
// pipelines that people write by hand, with the care that careful people take.
// Both caches are mounted, modules and builds, and the compiler runs on the
// engine's own architecture.
//
//	plain sdk         builds with the Go SDK and publishes
//	plain dockerfile  has the engine build a Dockerfile and publishes
//	plain compile     compiles alone, and prints how long that took
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dagger.io/dagger"
	"golang.org/x/sync/errgroup"
)

// dockerfile builds a module whose main package is beside go.mod.
//
//go:embed Dockerfile
var dockerfile string

// options are the command line's. The source is the working folder.
type options struct {
	builder   string // image with the go command
	goproxy   string
	platforms []dagger.Platform
	to        string // repository
	out       string // folder for binaries
}

func main() {
	var o options
	flag.StringVar(&o.builder, "builder", "", "image that compiles")
	flag.StringVar(&o.goproxy, "goproxy", "", "GOPROXY of the builder")
	flag.Func("platforms", "platforms to build for, like linux/amd64,linux/arm64", func(list string) error {
		for _, p := range strings.Split(list, ",") {
			o.platforms = append(o.platforms, dagger.Platform(p))
		}
		return nil
	})
	flag.StringVar(&o.to, "to", "", "repository to publish to")
	flag.StringVar(&o.out, "out", "", "folder for the binaries")
	flag.Parse()
	if err := run(context.Background(), flag.Arg(0), o); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verb string, o options) (err error) {
	client, err := dagger.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	source := client.Host().Directory(".")
	switch verb {
	case "sdk":
		return o.publish(ctx, client, o.sdk(client, source))
	case "dockerfile":
		return o.publish(ctx, client, o.dockerfile(client, source))
	case "compile":
		return o.compile(ctx, client, source)
	}
	return fmt.Errorf("%q: want sdk, dockerfile or compile", verb)
}

// compiler is a container with the source and with caches, whose volumes begin
// with a name.
func (o options) compiler(client *dagger.Client, source *dagger.Directory, volumes string) *dagger.Container {
	return client.Container().
		From(o.builder).
		WithMountedCache("/go/pkg/mod", client.CacheVolume(volumes+"-modules")).
		WithMountedCache("/root/.cache/go-build", client.CacheVolume(volumes+"-builds")).
		WithEnvVariable("GOPROXY", o.goproxy).
		WithEnvVariable("CGO_ENABLED", "0").
		WithDirectory("/src", source).
		WithWorkdir("/src")
}

// program is where a builder leaves what it built. In a folder of its own: to
// take a file from the root, the engine reads the whole image.
const program = "/out/program"

// build compiles for a platform.
func build(c *dagger.Container, p dagger.Platform) *dagger.Container {
	system, architecture, _ := strings.Cut(string(p), "/")
	return c.
		WithEnvVariable("GOOS", system).
		WithEnvVariable("GOARCH", architecture).
		WithExec([]string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, "./"})
}

// sdk is the pipeline in Go.
func (o options) sdk(client *dagger.Client, source *dagger.Directory) []*dagger.Container {
	compiler := o.compiler(client, source, "slipway-bench-sdk")
	var variants []*dagger.Container
	for _, p := range o.platforms {
		variants = append(variants, client.Container(dagger.ContainerOpts{Platform: p}).
			WithFile("/program", build(compiler, p).File(program)).
			WithEntrypoint([]string{"/program"}))
	}
	return variants
}

// dockerfile is the same pipeline as a Dockerfile. What the engine v0.21.8 builds
// from scratch for another platform still has the engine's own, so that an index
// would lose a variant: the files are put into containers of the right one.
func (o options) dockerfile(client *dagger.Client, source *dagger.Directory) []*dagger.Container {
	source = source.WithNewFile("Dockerfile", dockerfile)
	var variants []*dagger.Container
	for _, p := range o.platforms {
		built := source.DockerBuild(dagger.DirectoryDockerBuildOpts{
			Platform:  p,
			BuildArgs: []dagger.BuildArg{{Name: "BUILDER", Value: o.builder}, {Name: "GOPROXY", Value: o.goproxy}},
		})
		variants = append(variants, client.Container(dagger.ContainerOpts{Platform: p}).
			WithRootfs(built.Rootfs()).
			WithEntrypoint([]string{"/program"}))
	}
	return variants
}

// publish prints the reference of what it published, by digest.
func (o options) publish(ctx context.Context, client *dagger.Client, variants []*dagger.Container) error {
	reference, err := client.Container().Publish(ctx, o.to, dagger.ContainerPublishOpts{PlatformVariants: variants})
	if err != nil {
		return err
	}
	fmt.Println(reference)
	return nil
}

// compile compiles for all platforms, side by side, and prints how long that
// took: without the session, without sending the source, and without fetching
// the binaries, which come afterwards.
func (o options) compile(ctx context.Context, client *dagger.Client, source *dagger.Directory) error {
	compiler, err := o.compiler(client, source, "slipway-bench-compile").Sync(ctx)
	if err != nil {
		return err
	}
	built := make([]*dagger.Container, len(o.platforms))
	start := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	for i, p := range o.platforms {
		group.Go(func() (err error) {
			built[i], err = build(compiler, p).Sync(groupCtx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(start)
	for i, p := range o.platforms {
		if _, err := built[i].File(program).Export(ctx, filepath.Join(o.out, strings.ReplaceAll(string(p), "/", "-"))); err != nil {
			return err
		}
	}
	fmt.Println(took)
	return nil
}
