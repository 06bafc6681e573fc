package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
)

// daggerCLI is the dagger command at hand, and the engine that answers it.
type daggerCLI struct {
	command string
	version string // of the engine, like "v0.21.8"
}

// findDagger starts the engine, where it does not run yet.
func findDagger(ctx context.Context) (daggerCLI, error) {
	command, err := exec.LookPath("dagger")
	if err != nil {
		return daggerCLI{}, fmt.Errorf("-dagger: %w; get it from https://docs.dagger.io/install", err)
	}
	cmd := exec.CommandContext(ctx, command, "core", "version")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return daggerCLI{}, fmt.Errorf("-dagger: no engine answers: %w\n%s", err, stderr.Bytes())
	}
	return daggerCLI{command, strings.TrimSpace(string(out))}, nil
}

// assembleDagger builds the programs that are compared on a Dagger engine. Those
// that people write by hand publish, so slipway's are measured with publishing,
// and without beside it.
func assembleDagger(ctx context.Context, o options, t toolchain, d daggerCLI, work string, progress io.Writer) ([]part, error) {
	slipway, err := t.build(ctx, t.root, "./cmd/slipway", filepath.Join(work, "bin"), progress)
	if err != nil {
		return nil, err
	}
	plain, err := t.build(ctx, t.root, "./bench/plain", filepath.Join(work, "bin"), progress)
	if err != nil {
		return nil, err
	}
	if strings.Contains(t.proxy, "@") {
		return nil, errors.New("-dagger: GOPROXY seems to hold a password, which the contenders' arguments would show")
	}
	registry := o.registry
	if registry == "" {
		if registry, err = serveRegistry(ctx); err != nil {
			return nil, err
		}
	}

	// All talk to the engine through the same command.
	client := func(makes product, name string, args func(r room) []string) contender {
		return contender{Name: name, makes: makes, remote: true, steps: func(r room) [][]command {
			return [][]command{{{args: args(r), env: []string{"_EXPERIMENTAL_DAGGER_CLI_BIN=" + d.command}}}}
		}}
	}
	byHand := func(verb string) func(room) []string {
		return func(r room) []string {
			return []string{plain, "-builder", o.builder, "-goproxy", t.proxy, "-platforms", platformList(), "-to", registry + "/" + verb, "-out", r.out(), verb}
		}
	}
	commandLine := func(verb string, args ...string) []string {
		return append([]string{slipway, verb, "--quiet", "--engine", "dagger", "--builder", o.builder, "--platform", platformList()}, args...)
	}
	module := func(verb string, args ...string) []string {
		return append([]string{d.command, "call", "-m", t.root, "--builder", o.builder, "--goproxy", t.proxy,
			verb, "--source", ".", "--platform", platformList()}, args...)
	}
	compile := client(binaries, "go build alone, in the engine", byHand("compile"))
	compile.timed = true
	return []part{
		{
			baselines: []string{"Go SDK by hand"},
			contenders: []contender{
				client(published, "Go SDK by hand", byHand("sdk")),
				client(published, "Dockerfile by hand", byHand("dockerfile")),
				client(published, "slipway publish", func(room) []string {
					return commandLine("publish", "--no-smoke", "--to", registry+"/slipway")
				}),
				client(published, "dagger call publish", func(room) []string {
					return module("publish", append(throughSession(registry), "--no-smoke", "--to", registry+"/module")...)
				}),
				client(images, "slipway build", func(r room) []string {
					return commandLine("build", "--output", "oci:"+r.out())
				}),
				client(images, "dagger call build digest", func(room) []string {
					return module("build", "digest")
				}),
				compile,
			},
			scenarios: []scenario{
				{
					name: "Nothing changed", about: "The same command again, in a new session.",
					prepare: func(room, string) error { return nil },
				},
				{
					// What another contender compiled would be in the engine's cache.
					name: "One line edited", about: "A line of main.go, another one in each round and for each contender.",
					prepare: func(r room, edit string) error { return r.edit(edit + ", " + r.Name) }, changes: true,
				},
			},
		},
		{
			contenders: []contender{
				client(nothing, "dagger core version", func(room) []string { return []string{d.command, "core", "version"} }),
				client(nothing, "dagger call, a function that does nothing", func(room) []string {
					return []string{d.command, "call", "-m", filepath.Join(t.root, "bench", "testdata", "nothing"), "nothing"}
				}),
			},
			scenarios: []scenario{{
				name: "Nothing to do", about: "What a session costs, and a function in one, before there is any work.",
				prepare: func(room, string) error { return nil },
			}},
		},
	}, nil
}

// throughSession are the arguments that let a function reach a registry on this
// machine's loopback, which is not the function's.
func throughSession(registry string) []string {
	host, _, _ := strings.Cut(registry, "/")
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(name); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	return []string{"--registry", "tcp://" + net.JoinHostPort(name, port)}
}
