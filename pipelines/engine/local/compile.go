package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Compile downloads and verifies the modules and builds the targets side by
// side. The modules are verified while the compiler works; what it made of a
// module that turns out to be tampered with goes nowhere.
func (e *Engine) Compile(ctx context.Context, src engine.Source, targets []engine.Target, progress report.Sink) (_ *engine.Compiled, err error) {
	tc, err := e.toolchain(ctx, src, progress)
	if err != nil {
		return nil, err
	}
	dir, err := e.tempRoot()
	if err != nil {
		return nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	if err := tc.useTemp(filepath.Join(dir, "tmp")); err != nil {
		return nil, err
	}
	verify, err := e.modules(ctx, tc, src, filepath.Join(dir, "modules"), progress)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	verified := make(chan error, 1)
	go func() {
		err := verify(ctx)
		if err != nil {
			cancel(err)
		}
		verified <- err
	}()
	compiled := &engine.Compiled{Go: tc.version, Zoneinfo: tc.zoneinfo(), Binaries: make([]string, len(targets)), Close: remove}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(e.opts.Jobs)
	for i, t := range targets {
		group.Go(func() error {
			var err error
			compiled.Binaries[i], err = e.build(groupCtx, tc, src, t, filepath.Join(dir, fmt.Sprint(i)), progress)
			return err
		})
	}
	err = group.Wait()
	// A tampered module explains a failed build, not the other way round.
	if verr := <-verified; verr != nil && !errors.Is(verr, context.Canceled) {
		return nil, verr
	}
	if err != nil {
		return nil, err
	}
	return compiled, nil
}

// modules downloads the modules and returns what verifies them. Both see a
// copy of go.mod, go.sum and go.work alone: see engine.Source.ModuleFiles.
func (e *Engine) modules(ctx context.Context, tc *toolchain, src engine.Source, dir string, progress report.Sink) (func(context.Context) error, error) {
	step := progress.Start("modules", "", "")
	if src.Vendor {
		step.Skip("vendored")
		return func(context.Context) error { return nil }, nil
	}
	copied := src
	copied.Root = dir
	err := copyModuleFiles(src, dir)
	if err == nil {
		_, err = tc.modCommand(ctx, copied, "download")
	}
	if err != nil {
		step.End("", err)
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := tc.modCommand(ctx, copied, "verify")
		step.End("downloaded and verified", err)
		return err
	}, nil
}

func (t *toolchain) modCommand(ctx context.Context, src engine.Source, verb string) (output, error) {
	module := filepath.Join(src.Root, filepath.FromSlash(src.Module))
	out, err := run(t.command(ctx, module, workspaceEnv(src), "mod", verb))
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	ce := &engine.CompileError{Step: verb, Output: strings.ReplaceAll(engine.CleanOutput(string(out.stderr)), src.Root+string(filepath.Separator), "")}
	if verb == "verify" {
		ce.Help = engine.Tampered + " Empty the cache (go clean -modcache) and find out who changed it."
	}
	return out, ce
}

func copyModuleFiles(src engine.Source, dir string) error {
	names, err := src.ModuleFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(src.Root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// build compiles one target and returns its binary, in the folder dir.
func (e *Engine) build(ctx context.Context, tc *toolchain, src engine.Source, t engine.Target, dir string, progress report.Sink) (_ string, err error) {
	name := platform.String(t.Platform)
	step := progress.Start("compile", t.Image, name)
	var size int64
	defer func() { step.End(report.Bytes(size), err) }()
	kept, err := e.keptBinary(src, t)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Another slipway may build the same: the go command replaces its output, and
	// a lock keeps the two apart until ours is out of the way.
	unlock, err := lock(ctx, filepath.Join(filepath.Dir(kept), "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := dropDamaged(kept); err != nil {
		return "", err
	}
	module := filepath.Join(src.Root, filepath.FromSlash(src.Module))
	out, err := run(tc.command(ctx, module, t.GoEnv(), src.BuildArgs(t, kept)...))
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", tc.explain(ctx, src, t, engine.CleanOutput(string(out.stderr)))
	}
	if err := engine.CheckStatic(kept, t.Platform); err != nil {
		return "", err
	}
	if err := noteHash(kept); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, t.Name)
	if err := link(kept, binary); err != nil {
		return "", err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return "", err
	}
	size = info.Size()
	return binary, nil
}

// explain makes an error of what the compiler said, and adds what it does not
// say: that a package is written with cgo.
func (t *toolchain) explain(ctx context.Context, src engine.Source, target engine.Target, said string) error {
	ce := &engine.CompileError{Step: "compile", Target: platform.String(target.Platform), Output: said}
	module := filepath.Join(src.Root, filepath.FromSlash(src.Module))
	env := append(target.GoEnv(), "CGO_ENABLED=1")
	if out, err := run(t.command(ctx, module, env, target.CgoArgs()...)); err == nil {
		ce.ExplainCgo(string(out.stdout))
	}
	return ce
}

// Test runs go vet and go test with the toolchain and caches of Compile.
func (e *Engine) Test(ctx context.Context, src engine.Source, t engine.Test, progress report.Sink) (err error) {
	tc, err := e.toolchain(ctx, src, progress)
	if err != nil {
		return err
	}
	dir, err := e.tempRoot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := tc.useTemp(dir); err != nil {
		return err
	}
	if err := tc.check(ctx, src, "vet", t.VetArgs(), t, progress); err != nil {
		return err
	}
	return tc.check(ctx, src, "test", t.TestArgs(), t, progress)
}

func (t *toolchain) check(ctx context.Context, src engine.Source, verb string, args []string, test engine.Test, progress report.Sink) error {
	step := progress.Start(verb, "", "")
	module := filepath.Join(src.Root, filepath.FromSlash(src.Module))
	out, err := run(t.command(ctx, module, test.GoEnv(), args...))
	said := engine.CleanOutput(string(out.stdout) + string(out.stderr))
	// What was said before somebody lost patience tells what took so long.
	if said != "" && (err == nil || ctx.Err() != nil) {
		progress.Send(report.Event{Step: verb, State: report.Log, Text: said})
	}
	if err == nil {
		step.End("", nil)
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	} else if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = &engine.CompileError{Step: verb, Output: said}
	}
	step.End("", err)
	return err
}
