package dagger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

// withSource is the builder with the source: nothing of it that the build does
// not need, since each change of it is another build.
func (e *Engine) withSource(b *builder, src engine.Source) *sdk.Container {
	exclude := []string{"**/.git", ".slipway"}
	include := needed(src)
	c := b.at(src, sourceDir)
	if e.opts.Tree == nil {
		// Without NoCache a long session would not see edits.
		tree := e.client.Host().Directory(src.Root, sdk.HostDirectoryOpts{Exclude: append(exclude, e.opts.Exclude...), Include: include, Gitignore: e.opts.Gitignore, NoCache: true})
		return c.WithDirectory(sourceDir, tree)
	}
	tree := e.opts.Tree.Directory
	if e.opts.Gitignore || len(e.opts.Exclude) > 0 {
		// Before a folder of it is taken: patterns are those of the whole tree, and the
		// .gitignore may stand above.
		tree = tree.Filter(sdk.DirectoryFilterOpts{Exclude: e.opts.Exclude, Gitignore: e.opts.Gitignore})
	}
	if below, err := filepath.Rel(e.opts.Tree.At, src.Root); err == nil && below != "." {
		tree = tree.Directory(filepath.ToSlash(below))
	}
	return c.WithDirectory(sourceDir, tree, sdk.ContainerWithDirectoryOpts{Exclude: exclude, Include: include})
}

// literal escapes what a pattern would take for more than a name.
var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `!`, `\!`)

// needed are the patterns of what a build takes from the source's root: the
// root may be the common folder of modules far apart. None is everything.
func needed(src engine.Source) []string {
	var include []string
	for _, m := range src.Modules {
		if m == "." {
			return nil
		}
		include = append(include, literal.Replace(m)+"/**")
	}
	if src.Workspace != "" {
		work := literal.Replace(src.Workspace)
		include = append(include, work, work+".sum", path.Join(path.Dir(work), "vendor")+"/**")
	}
	return include
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

// Test runs go vet and go test in the builder, with the caches of Compile. The
// go command decides what it has tested already, and not the engine: -count=1
// runs all.
func (e *Engine) Test(ctx context.Context, src engine.Source, t engine.Test, progress report.Sink) error {
	b, err := e.newBuilder(ctx, src)
	if err != nil {
		return err
	}
	e.warn(progress)
	if err := b.modules(ctx, src, progress); err != nil {
		return err
	}
	c := withEnv(e.withSource(b, src), t.GoEnv()).WithEnvVariable("SLIPWAY_RUN", rand.Text())
	for _, args := range [][]string{t.VetArgs(), t.TestArgs()} {
		step := progress.Start(args[0], "", "")
		said, err := e.check(ctx, c, args)
		if err == nil && said != "" {
			progress.Send(report.Event{Step: args[0], State: report.Log, Text: said})
		}
		step.End("", err)
		if err != nil {
			return err
		}
	}
	return nil
}

// check runs a go command that looks at the source, and returns what it said. A
// failure is asked for like a success: in an error, the engine cuts long output
// in the middle.
func (e *Engine) check(ctx context.Context, c *sdk.Container, args []string) (string, error) {
	done := c.WithExec(append([]string{"go"}, args...), sdk.ContainerWithExecOpts{Expect: sdk.ReturnTypeAny})
	code, err := done.ExitCode(ctx)
	if err != nil {
		return "", e.goFailed(ctx, args[0], "", err)
	}
	var said string
	for _, stream := range []func(context.Context) (string, error){done.Stdout, done.Stderr} {
		text, err := stream(ctx)
		if err != nil {
			return "", plain(ctx, "reading what go "+args[0]+" said", err)
		}
		said += text
	}
	said = e.cleanOutput(said)
	if code != 0 {
		return "", &engine.CompileError{Step: args[0], Output: said}
	}
	return said, nil
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
