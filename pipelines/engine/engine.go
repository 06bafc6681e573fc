// Package engine defines the only things that differ by place: compiling for
// the targets of a plan, and running the image that was assembled. Everything
// else of the pipeline is the same wherever it runs, and so is the digest.
package engine

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// Engine compiles Go programs and runs images.
type Engine interface {
	// Name is "local" or "dagger".
	Name() string
	// Compile downloads and verifies the modules of a source and builds every
	// target, side by side. Failures of the source are a *CompileError.
	Compile(ctx context.Context, src Source, targets []Target, progress report.Sink) (*Compiled, error)
	// Test runs go vet and go test on the source, with the caches of Compile.
	Test(ctx context.Context, src Source, t Test, progress report.Sink) error
	// Load makes an image ready to be run.
	Load(ctx context.Context, img v1.Image) (Container, error)
}

// Container is an image that can be run, any number of times. Close ends what
// still runs and frees what it took.
type Container interface {
	smoke.Runner
	Close() error
}

// Source is a tree of Go source on this machine.
type Source struct {
	// Root is the folder that holds everything the build needs: the module's, or
	// the workspace's. Absolute.
	Root string
	// Module is the main module's folder, relative to Root, slash-separated.
	Module string
	// Modules are the folders of all the modules that the build uses from Root,
	// relative to it: Module, what a workspace adds, and what go.mod replaces by a
	// folder.
	Modules []string
	// Workspace is the go.work in use, relative to Root; empty where there is none.
	Workspace string
	// Vendor tells that the build uses the vendor folder.
	Vendor bool
	// Go is the exact release to compile with, like "1.26.8"; empty leaves it to
	// the engine.
	Go string
}

// Target is one binary to build.
type Target struct {
	// Image names the image that the binary is for.
	Image string
	// Package is the main package, relative to the module: "./cmd/hello".
	Package string
	// Name is the binary's file name.
	Name     string
	Platform v1.Platform
	Tags     []string
	// Ldflags is the linker's whole command line.
	Ldflags string
	// Env holds further variables for the go command, NAME=value.
	Env []string
}

// GoEnv returns the variables that make the go command compile the target, each
// one that could change its output among them.
func (t Target) GoEnv() []string {
	env := append([]string{"CGO_ENABLED=0"}, platform.Env(t.Platform)...)
	return append(env, t.Env...)
}

// Compiled is what a builder gave.
type Compiled struct {
	// Go is the exact release that compiled, like "1.26.8".
	Go string
	// Builder is the image that compiled, by digest, like
	// "docker.io/library/golang:1.26.8@sha256:…"; empty for a toolchain at hand.
	Builder string
	// Binaries are the files that were built, absolute, one for each target in
	// their order.
	Binaries []string
	// Zoneinfo is the toolchain's lib/time/zoneinfo.zip, absolute.
	Zoneinfo string
	// Close removes what must not outlive the build; never nil.
	Close func() error
}

// Test says what to test.
type Test struct {
	Tags []string
	Env  []string
	// Packages default to "./...".
	Packages []string
	// Args are passed to go test, "-race" for one.
	Args []string
}

// CompileError says that the source does not build.
type CompileError struct {
	// Step is "download", "verify", "compile", "vet" or "test".
	Step string
	// Target is empty where the failure is not one target's.
	Target string
	// Output is what the go command said, without the parts that say nothing.
	Output string
	// Help says what would do, where we know better than the output.
	Help string
}

func (e *CompileError) Error() string {
	var b strings.Builder
	b.WriteString(e.Step)
	if e.Target != "" {
		fmt.Fprintf(&b, " %s", e.Target)
	}
	b.WriteString(" failed")
	if e.Output != "" {
		fmt.Fprintf(&b, ":\n%s", e.Output)
	}
	if e.Help != "" {
		fmt.Fprintf(&b, "\n%s", e.Help)
	}
	return b.String()
}

// ToolchainError says that an engine has no Go toolchain, or not the release
// that the plan names.
type ToolchainError struct {
	Want   string // the release asked for, or empty
	Reason string
	Err    error
}

func (e *ToolchainError) Error() string {
	if e.Want == "" {
		return "no Go toolchain: " + e.Reason
	}
	return "Go " + e.Want + ": " + e.Reason
}

func (e *ToolchainError) Unwrap() error { return e.Err }
