package local

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// toolchain is one exact Go release on this machine.
type toolchain struct {
	goroot  string
	version string // "1.26.8"
	// env is the environment of every go command.
	env []string
}

// goEnv are the settings of the go command that say where things come from and
// are kept. They cannot change what a build gives: go.sum has the last word.
var goEnv = []string{
	"GOAUTH", "GOCACHE", "GOCACHEPROG", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPATH",
	"GOPRIVATE", "GOPROXY", "GOSUMDB", "GOTMPDIR", "GOVCS",
}

// goChoices are the variables that decide which go command runs, and GOFLAGS,
// which is looked at.
var goChoices = []string{"GOENV", "GOFLAGS", "GOROOT", "GOTOOLCHAIN"}

// goVariable tells whether a variable is the go command's.
func goVariable(name string) bool {
	return strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "CGO_")
}

// toolchain finds the go command and makes it be the release that the source
// names, or the one that it takes for this source by itself.
func (e *Engine) toolchain(ctx context.Context, src engine.Source, progress report.Sink) (*toolchain, error) {
	goCommand, err := lookPath("go", e.opts.Environ)
	if err != nil {
		return nil, &engine.ToolchainError{Want: src.Go, Err: err,
			Reason: "the embedded engine compiles with the go command, and there is none in PATH; install Go from https://go.dev/dl/"}
	}
	var env []string
	for _, v := range e.opts.Environ {
		if name, _, _ := strings.Cut(v, "="); !goVariable(name) || slices.Contains(goEnv, name) || slices.Contains(goChoices, name) {
			env = append(env, v)
		}
	}
	// Whatever the machine cross-compiles for by default, its own go command runs.
	env = append(env, "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if src.Go != "" {
		// An exact release that is not at hand comes through the module proxy
		// (https://go.dev/doc/toolchain).
		env = append(env, "GOTOOLCHAIN=go"+src.Go)
	}
	if e.opts.GoCaches != "" {
		env = append(env, "GOMODCACHE="+filepath.Join(e.opts.GoCaches, "mod"), "GOCACHE="+filepath.Join(e.opts.GoCaches, "build"))
	}
	cmd := command(ctx, goCommand, "env", "-json")
	cmd.Dir, cmd.Env = filepath.Join(src.Root, filepath.FromSlash(src.Module)), append(env, workspaceEnv(src)...)
	out, err := run(cmd)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &engine.ToolchainError{Want: src.Go, Err: err, Reason: "cannot be had here: " + reason(out.stderr, err)}
	}
	var settings map[string]string
	if err := json.Unmarshal(out.stdout, &settings); err != nil {
		return nil, &engine.ToolchainError{Want: src.Go, Err: err, Reason: "go env gave no JSON"}
	}
	tc := &toolchain{goroot: settings["GOROOT"], version: strings.TrimPrefix(settings["GOVERSION"], "go")}
	if src.Go != "" && tc.version != src.Go {
		return nil, &engine.ToolchainError{Want: src.Go, Reason: "the go command is " + tc.version + " all the same"}
	}
	for _, w := range engine.FlagWarnings(settings["GOFLAGS"]) {
		progress.Warn("compile", "", "", w)
	}
	for _, v := range e.opts.Environ {
		if name, _, _ := strings.Cut(v, "="); !goVariable(name) {
			tc.env = append(tc.env, v)
		}
	}
	for _, name := range goEnv {
		if settings[name] != "" {
			tc.env = append(tc.env, name+"="+settings[name])
		}
	}
	tc.env = append(tc.env, "GOENV=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off", "GOROOT="+tc.goroot)
	tc.env = append(tc.env, workspaceEnv(src)...)
	if strings.Contains(settings["GOFLAGS"], "-modcacherw") {
		tc.env = append(tc.env, "GOFLAGS=-modcacherw")
	}
	return tc, nil
}

func workspaceEnv(src engine.Source) []string {
	if src.Workspace != "" {
		return []string{"GOWORK=" + filepath.Join(src.Root, filepath.FromSlash(src.Workspace))}
	}
	return []string{"GOWORK=off"}
}

// command runs the toolchain's go command in a folder.
func (t *toolchain) command(ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	cmd := command(ctx, filepath.Join(t.goroot, "bin", "go"), args...)
	cmd.Dir = dir
	cmd.Env = append(append(slices.Clone(t.env), "PWD="+dir), env...)
	return cmd
}

// useTemp gives the go command a folder for its temporary files, which whoever
// made it removes: a go command that is killed leaves them behind.
func (t *toolchain) useTemp(dir string) error {
	t.env = append(t.env, "GOTMPDIR="+dir)
	return os.MkdirAll(dir, 0o755)
}

func (t *toolchain) zoneinfo() string { return filepath.Join(t.goroot, "lib", "time", "zoneinfo.zip") }

// lookPath is exec.LookPath in the PATH of a given environment.
func lookPath(name string, environ []string) (string, error) {
	for _, v := range slices.Backward(environ) {
		list, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(path) {
				return path, nil
			}
		}
		break
	}
	return "", exec.ErrNotFound
}

// reason is what the go command said, in one line.
func reason(stderr []byte, err error) string {
	text := engine.CleanOutput(string(stderr))
	if text == "" {
		return err.Error()
	}
	return strings.ReplaceAll(strings.TrimPrefix(text, "go: "), "\n", "; ")
}
