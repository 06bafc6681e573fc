package dagger

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	sdk "dagger.io/dagger"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Compile downloads and verifies the modules on their own files, which an edit
// of the source leaves cached, and builds the targets side by side on the
// builder's own architecture.
func (e *Engine) Compile(ctx context.Context, src engine.Source, targets []engine.Target, progress report.Sink) (_ *engine.Compiled, err error) {
	b, err := e.newBuilder(ctx, src)
	if err != nil {
		return nil, err
	}
	e.warn(progress)
	if err := b.modules(ctx, src, progress); err != nil {
		return nil, err
	}
	c := e.withSource(b, src)
	group, groupCtx := errgroup.WithContext(ctx)
	if e.opts.Jobs > 0 {
		group.SetLimit(e.opts.Jobs)
	}
	binaries := make([]*sdk.File, len(targets))
	for i, t := range targets {
		group.Go(func() (err error) {
			binaries[i], err = e.compile(groupCtx, c, src, t, progress)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}

	dir, err := os.MkdirTemp(e.opts.TempDir, "slipway-compiled-")
	if err != nil {
		return nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	const zones = "zoneinfo.zip"
	out := e.client.Directory().WithFile(zones, b.container.File(path.Join(b.goroot, "lib/time/zoneinfo.zip")))
	compiled := &engine.Compiled{Go: b.release, Builder: b.resolved, Zoneinfo: filepath.Join(dir, zones), Close: remove}
	for i, t := range targets {
		name := path.Join(strconv.Itoa(i), t.Name)
		out = out.WithFile(name, binaries[i])
		compiled.Binaries = append(compiled.Binaries, filepath.Join(dir, filepath.FromSlash(name)))
	}
	if _, err := out.Export(ctx, dir); err != nil {
		return nil, plain(ctx, "fetching the binaries", err)
	}
	for i, t := range targets {
		if err := engine.CheckStatic(compiled.Binaries[i], t.Platform); err != nil {
			return nil, err
		}
	}
	return compiled, nil
}

// warn says what of GOFLAGS is not used.
func (e *Engine) warn(progress report.Sink) {
	for _, s := range e.opts.Settings {
		if flags, ok := strings.CutPrefix(s, "GOFLAGS="); ok {
			for _, w := range engine.FlagWarnings(flags) {
				progress.Warn("compile", "", "", w)
			}
		}
	}
}

// compile builds one target.
func (e *Engine) compile(ctx context.Context, c *sdk.Container, src engine.Source, t engine.Target, progress report.Sink) (_ *sdk.File, err error) {
	name := platform.String(t.Platform)
	step := progress.Start("compile", t.Image, name)
	size := 0
	defer func() { step.End(report.Bytes(int64(size)), err) }()
	c = withEnv(c, t.GoEnv())
	output := path.Join(outputDir, t.Name)
	binary := c.WithExec(append([]string{"go"}, src.BuildArgs(t, output)...)).File(output)
	if size, err = binary.Size(ctx); err != nil {
		err = e.goFailed(ctx, "compile", name, err)
		if failed, ok := errors.AsType[*engine.CompileError](err); ok {
			list, listErr := c.WithEnvVariable("CGO_ENABLED", "1").WithExec(append([]string{"go"}, t.CgoArgs()...)).Stdout(ctx)
			if listErr == nil {
				failed.ExplainCgo(e.cleanOutput(list))
			}
		}
		return nil, err
	}
	return binary, nil
}

func withEnv(c *sdk.Container, env []string) *sdk.Container {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		c = c.WithEnvVariable(name, value)
	}
	return c
}
