package dagger

import (
	"context"
	"embed"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/executable"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

// supervisorSource is the supervisor's own source, beside that of package
// executable.
//
//go:embed internal/supervise/*.go internal/supervise/wire/*.go
var supervisorSource embed.FS

const (
	supervisorDir     = "/slipway"
	supervisorPackage = "pipelines/engine/dagger/internal/supervise"
	// supervisorModule makes a module of its own of the source. The release is the
	// oldest that compiles it.
	supervisorModule = "module github.com/slipway-dev/slipway\n\ngo 1.22\n"
)

// supervisor compiles the supervisor for a platform. The engine answers from its
// cache once it has done so.
func (e *Engine) supervisor(ctx context.Context, p v1.Platform) (*sdk.File, error) {
	files, err := supervisorFiles()
	if err != nil {
		return nil, err
	}
	image, err := e.image()
	if err != nil {
		return nil, err
	}
	c := e.toolchain(image).WithWorkdir(supervisorDir)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// By content, so that the engine's cache knows it wherever it comes from.
		c = c.WithNewFile(path.Join(supervisorDir, name), files[name])
	}
	const output = "/out/supervise"
	c = withEnv(c, append(baseline(p), "CGO_ENABLED=0")).WithExec([]string{
		"go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, "./" + supervisorPackage,
	})
	file, err := c.File(output).Sync(ctx)
	if err != nil {
		return nil, plain(ctx, "compiling the supervisor", err)
	}
	return file, nil
}

// supervisorFiles are the files of the supervisor's module, by path.
func supervisorFiles() (map[string]string, error) {
	files := map[string]string{"go.mod": supervisorModule}
	for dir, source := range map[string]embed.FS{
		"pipelines/engine/dagger":              supervisorSource,
		"pipelines/engine/internal/executable": executable.Source,
	} {
		err := fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := source.ReadFile(name)
			files[path.Join(dir, name)] = string(text)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// baseline compiles for every processor of an architecture: one that is too old
// for the image is for the image's program to find.
func baseline(p v1.Platform) []string {
	p.Variant = ""
	switch p.Architecture {
	case "arm":
		p.Variant = "v5"
	case "386", "mips", "mipsle", "mips64", "mips64le":
		p.Variant = "softfloat"
	}
	return platform.Env(p)
}
