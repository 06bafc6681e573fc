package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sdk "dagger.io/dagger"
	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
)

// What tells of a Dagger engine: the first is set inside of a session, the second
// names a runner (https://docs.dagger.io/reference/configuration/custom-runner).
// The third names the command that the SDK takes.
const (
	sessionPort = "DAGGER_SESSION_PORT"
	runnerHost  = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
	daggerCLI   = "_EXPERIMENTAL_DAGGER_CLI_BIN"
)

// daggerFlags say how the Dagger engine's builder works. The embedded engine has
// none: it takes what the go command of this machine has.
type daggerFlags struct {
	builder, netrc, ca string
	ssh, gitignore     bool
	exclude            []string
}

func (f *daggerFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.builder, "builder", "", "Dagger engine: image that compiles, by tag or digest; a repository gets the Go release as its tag (default golang)")
	fs.StringArrayVar(&f.exclude, "exclude", nil, "Dagger engine: pattern of what the builder does not need, beside .git")
	fs.BoolVar(&f.gitignore, "gitignore", false, "Dagger engine: leave out of the builder what git ignores")
	fs.StringVar(&f.netrc, "netrc", "", "Dagger engine: file with credentials for private modules")
	fs.BoolVar(&f.ssh, "ssh", false, "Dagger engine: get the modules of GOPRIVATE over SSH, with the agent of $SSH_AUTH_SOCK")
	fs.StringVar(&f.ca, "builder-ca", "", "Dagger engine: PEM file of certificate authorities that the builder trusts, beside its image's")
}

// used is one of these flags that was set, or empty.
func (f *daggerFlags) used(fs *pflag.FlagSet) (name string) {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&daggerFlags{}).add(own)
	own.VisitAll(func(flag *pflag.Flag) {
		if fs.Changed(flag.Name) {
			name = flag.Name
		}
	})
	return name
}

// connect opens a session with the Dagger engine, or joins the one that runs.
func (f *runFlags) connect(ctx context.Context, e *edge, own string) (*chosen, error) {
	if err := dagger.CheckBuilder(f.dagger.builder); err != nil {
		return nil, usagef("--builder: %w", err)
	}
	o := dagger.Options{
		Builder: f.dagger.builder, Exclude: f.dagger.exclude, Gitignore: f.dagger.gitignore,
		Jobs: f.jobs, Settings: e.goSettings(ctx), TempDir: filepath.Join(own, "dagger"),
	}
	for _, pattern := range o.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, usagef("--exclude %q: %w", pattern, err)
		}
	}
	if err := os.MkdirAll(o.TempDir, 0o755); err != nil {
		return nil, fmt.Errorf("cache folder: %w; choose another one with --cache-dir", err)
	}
	if f.dagger.ca != "" {
		pem, err := os.ReadFile(f.dagger.ca)
		if err != nil {
			return nil, usagef("--builder-ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, usagef("--builder-ca %s: holds no PEM certificate", f.dagger.ca)
		}
		o.CA = pem
	}
	var netrc []byte
	if f.dagger.netrc != "" {
		var err error
		if netrc, err = os.ReadFile(f.dagger.netrc); err != nil {
			return nil, usagef("--netrc: %w", err)
		}
		// MACHINE… login NAME password WORD; see netrc(5).
		for words := strings.Fields(string(netrc)); len(words) > 1; words = words[1:] {
			if words[0] == "password" {
				e.mask(words[1])
			}
		}
	}
	agent := e.env("SSH_AUTH_SOCK")
	if f.dagger.ssh && agent == "" {
		return nil, usagef("--ssh: SSH_AUTH_SOCK is not set; start an agent (ssh-agent) and add a key")
	}
	if err := e.offerCLI(ctx); err != nil {
		return nil, err
	}
	client, end, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	if netrc != nil {
		o.Netrc = client.SetSecret("slipway-netrc", string(netrc))
	}
	if token := e.env("SLIPWAY_GIT_TOKEN"); token != "" {
		o.Token = client.SetSecret("slipway-git-token", token)
	}
	if f.dagger.ssh {
		o.SSH = client.Host().UnixSocket(agent)
	}
	return &chosen{engine: dagger.New(client, o), close: end}, nil
}

// connectTime is how long an engine that runs may take to answer. One that is to
// be started first (docker-image://, or none is named) may take as long as its
// image does to come.
const connectTime = 15 * time.Second

// dial opens the session, and sees that an engine is behind it. The SDK waits
// for its command line, which tries an engine that does not answer for many
// minutes, is deaf until then, and outlives us: an address where nobody listens
// is found here.
func (e *edge) dial(ctx context.Context) (_ *sdk.Client, end func() error, err error) {
	runner := e.env(runnerHost)
	if e.env(sessionPort) != "" {
		runner = ""
	}
	scheme, address, _ := strings.Cut(runner, "://")
	if scheme == "tcp" || scheme == "unix" {
		conn, err := (&net.Dialer{Timeout: connectTime}).DialContext(ctx, scheme, address)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			return nil, nil, fmt.Errorf("no Dagger engine answers at %s (%s): %w", runner, runnerHost, err)
		}
		_ = conn.Close()
	}
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		client *sdk.Client
		err    error
	}
	connected := make(chan result, 1)
	go func() {
		client, err := sdk.Connect(ctx, e.withoutSecrets()...)
		if err == nil {
			_, err = client.DefaultPlatform(ctx)
		}
		connected <- result{client, err}
	}()
	var late <-chan time.Time
	if runner != "" && !strings.Contains(scheme, "image") {
		late = time.After(connectTime)
	}
	select {
	case r := <-connected:
		if r.err != nil {
			cancel()
			return nil, nil, fmt.Errorf("no Dagger engine answers: %s", connectProblem(r.err))
		}
		return r.client, func() error {
			defer cancel() // the session lives as long as its context
			return r.client.Close()
		}, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, ctx.Err()
	case <-late:
		cancel()
		return nil, nil, fmt.Errorf("no Dagger engine answers at %s (%s) within %s", runner, runnerHost, connectTime)
	}
}

// connectProblem is the line that says why there is no connection: the last of
// what the command line printed, which the SDK appends to its own words.
func connectProblem(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	last, _, _ := strings.Cut(lines[len(lines)-1], " [traceparent:")
	return strings.TrimPrefix(strings.TrimSpace(last), "Error: ")
}

// goSettings are the settings of this machine's go command that say where
// modules come from, go env -w included, and GOFLAGS. A machine without one has
// the variables.
func (e *edge) goSettings(ctx context.Context) []string {
	names := append(dagger.Settings(), "GOFLAGS")
	settings := map[string]string{}
	cmd := exec.CommandContext(ctx, "go", append([]string{"env", "-json"}, names...)...)
	cmd.Env = append(e.childEnviron(), "GOTOOLCHAIN=local")
	cmd.Dir = os.TempDir() // no go.mod decides about this
	if out, err := cmd.Output(); err != nil || json.Unmarshal(out, &settings) != nil {
		for _, name := range names {
			settings[name] = e.env(name)
		}
	}
	var all []string
	for _, name := range names {
		if value := settings[name]; value != "" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// offerCLI lets the SDK take the dagger command that is installed, where it has
// the SDK's version; otherwise it would download that one.
func (e *edge) offerCLI(ctx context.Context) error {
	if e.env(daggerCLI) != "" || e.env(sessionPort) != "" {
		return nil
	}
	file, err := exec.LookPath("dagger")
	if err != nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, file, "version")
	cmd.Env = e.childEnviron()
	out, err := cmd.Output()
	if err != nil || !slices.Contains(strings.Fields(string(out)), "v"+dagger.Version) {
		return nil
	}
	return os.Setenv(daggerCLI, file)
}

// withoutSecrets hides what is meant for slipway from the command that keeps the session.
func (e *edge) withoutSecrets() []sdk.ClientOpt {
	var opts []sdk.ClientOpt
	for _, v := range e.environ {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "SLIPWAY_") {
			opts = append(opts, sdk.WithEnvironmentVariable(name, ""))
		}
	}
	return opts
}
