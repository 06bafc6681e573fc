package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// module is slipway's own.
const module = "github.com/slipway-dev/slipway"

// toolchain is the go command at hand, and where slipway's source is.
type toolchain struct {
	command string // the go command
	goroot  string
	version string // "1.26.8"
	proxy   string // GOPROXY
	root    string // slipway's module
}

func findToolchain(ctx context.Context) (toolchain, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return toolchain{}, err
	}
	out, err := exec.CommandContext(ctx, command, "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return toolchain{}, fmt.Errorf("run it in slipway's source, as go run ./bench: %w", err)
	}
	t := toolchain{command: command, root: strings.TrimSpace(string(out))}
	if out, err = exec.CommandContext(ctx, command, "env", "-json", "GOROOT", "GOVERSION", "GOPROXY").Output(); err != nil {
		return toolchain{}, err
	}
	var env struct{ GOROOT, GOVERSION, GOPROXY string }
	if err := json.Unmarshal(out, &env); err != nil {
		return toolchain{}, err
	}
	t.goroot, t.version, t.proxy = env.GOROOT, strings.TrimPrefix(env.GOVERSION, "go"), env.GOPROXY
	return t, nil
}

// build builds a program of the module in a folder and returns its path.
func (t toolchain) build(ctx context.Context, dir, pkg, bin string, progress io.Writer) (string, error) {
	fmt.Fprintf(progress, "build %s\n", pkg)
	program := filepath.Join(bin, filepath.Base(pkg))
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(ctx, t.command, "build", "-C", dir, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// interrupt asks a process to end, where the system knows how to.
func interrupt(p *os.Process) error {
	if runtime.GOOS == "windows" {
		return p.Kill()
	}
	return p.Signal(os.Interrupt)
}
