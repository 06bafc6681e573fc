package pipelines_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/engine/local"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

// A program is built for two platforms and written as an OCI layout, which any
// client reads.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	p, err := plan.New(ctx, plan.Options{Source: "../examples/hello"})
	if err != nil {
		panic(err)
	}
	store, err := image.NewStore(filepath.Join(dir, "layers"))
	if err != nil {
		panic(err)
	}
	built, err := pipelines.Build(ctx, p, pipelines.Options{
		Engine: local.New(local.Options{Environ: os.Environ(), CacheDir: dir}),
		Store:  store,
	})
	if err != nil {
		panic(err)
	}
	layout := image.Output{Transport: image.TransportOCI, Path: filepath.Join(dir, "hello")}
	if err := built.Write(ctx, func(string) image.Output { return layout }); err != nil {
		panic(err)
	}
	for _, img := range built.Images {
		for _, v := range img.Variants {
			fmt.Println(img.Plan.Name, platform.String(v.Platform), v.Binaries[0].Path)
		}
	}
	// Output:
	// hello linux/amd64 /usr/local/bin/hello
	// hello linux/arm64 /usr/local/bin/hello
}
