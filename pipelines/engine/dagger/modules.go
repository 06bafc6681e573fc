package dagger

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// modules downloads the modules and verifies them.
func (b *builder) modules(ctx context.Context, src engine.Source, progress report.Sink) error {
	step := progress.Start("modules", "", "")
	if src.Vendor {
		step.Skip("vendored")
		return nil
	}
	err := b.download(ctx, src)
	step.End("downloaded and verified", err)
	return err
}

func (b *builder) download(ctx context.Context, src engine.Source) error {
	names, err := src.ModuleFiles()
	if err != nil {
		return err
	}
	c := b.at(src, modulesDir)
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(src.Root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		// By content: files of a directory that changed elsewhere would not be found
		// in the engine's cache.
		c = c.WithNewFile(path.Join(modulesDir, name), string(data))
	}
	for _, verb := range []string{"download", "verify"} {
		c, err = c.WithExec([]string{"go", "mod", verb}).Sync(ctx)
		if err != nil {
			err = b.engine.goFailed(ctx, verb, "", err)
			if failed, ok := errors.AsType[*engine.CompileError](err); ok {
				switch {
				case verb == "verify":
					failed.Help = engine.Tampered + " Empty the engine's cache (dagger core engine local-cache prune) and find out who changed it."
				case strings.Contains(failed.Output, "requires go >= "):
					failed.Help = "The builder is " + b.image + ". Name a newer release: --go, or go in slipway.yaml."
				}
			}
			return err
		}
	}
	return nil
}
