package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// platforms are what everybody builds for.
var platforms = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}

// contender is a way from the source to a result. All contenders compile with
// the same flags.
type contender struct {
	Name  string
	makes product
	// steps are run one after the other, the commands of a step side by side.
	steps func(room) [][]command
	// remote tells that a daemon does the work: Go's build cache here is not used,
	// and what the daemon used of the CPU cannot be told.
	remote bool
	// timed tells that it prints how long it took what is measured, since that is
	// a part of what it does.
	timed bool
}

// product is what a contender makes.
type product int

const (
	// binaries are files, one for each platform.
	binaries product = iota
	// images are in an OCI layout, where the contender writes one. It prints their
	// digest either way.
	images
	// published are images in a registry. The contender prints their reference, by
	// digest.
	published
	// nothing is the same text whatever the source is.
	nothing
)

// part is contenders that are compared with one another.
type part struct {
	contenders []contender
	scenarios  []scenario
	// baselines are what the tables call the first contenders, which the ratios
	// are to.
	baselines []string
}

// command is a program that runs in the folder of the source.
type command struct {
	args  []string
	env   []string // added to the room's
	stdin string
}

// assemble builds the programs that are compared and says how each is used.
func assemble(ctx context.Context, o options, t toolchain, work string, progress io.Writer) ([]part, error) {
	slipway, err := t.build(ctx, t.root, "./cmd/slipway", filepath.Join(work, "bin"), progress)
	if err != nil {
		return nil, err
	}
	all := []contender{
		{Name: "go build, one platform after the other", steps: goBuild(t, false)},
		{Name: "go build, side by side", steps: goBuild(t, true)},
		{Name: "slipway build", makes: images, steps: func(r room) [][]command {
			return one(slipway, "build", "--quiet", "--platform", platformList(), "--output", "oci:"+r.out())
		}},
		{Name: "slipway smoke", makes: images, steps: func(room) [][]command {
			return one(slipway, "smoke", "--quiet", "--platform", platformList())
		}},
	}
	event := filepath.Join(work, "event.json")
	if err := os.WriteFile(event, []byte(`{"repository": {"default_branch": "main"}}`), 0o600); err != nil {
		return nil, err
	}
	all = append(all,
		contender{Name: "action, without tests", makes: images, steps: action(slipway, event, false)},
		contender{Name: "action", makes: images, steps: action(slipway, event, true)})
	local := func() []part {
		return []part{{contenders: all, scenarios: scenarios(o.cold), baselines: []string{"one after the other", "side by side"}}}
	}
	if !o.ko {
		return local(), nil
	}
	ko, err := t.build(ctx, filepath.Join(t.root, "bench", "ko"), "github.com/google/ko", filepath.Join(work, "bin"), progress)
	if err != nil {
		return nil, fmt.Errorf("%w\n(-ko=false measures without it)", err)
	}
	base, err := serveBase(ctx, t, filepath.Join(work, "base"))
	if err != nil {
		return nil, fmt.Errorf("base image for ko: %w", err)
	}
	for _, cached := range []bool{false, true} {
		c := contender{Name: "ko build", makes: images, steps: func(r room) [][]command {
			steps := one(ko, "build", "--push=false", "--oci-layout-path="+r.out(), "--platform="+platformList(),
				"--sbom=none", "--ldflags=-s", "--ldflags=-w", "./")
			steps[0][0].env = []string{"KO_DOCKER_REPO=localhost", "KO_DEFAULTBASEIMAGE=" + base}
			if cached {
				steps[0][0].env = append(steps[0][0].env, "KOCACHE="+r.cache())
			}
			return steps
		}}
		if cached {
			c.Name += " with KOCACHE"
		}
		all = append(all, c)
	}
	return local(), nil
}

// goBuild is what a person would do without any of the others.
func goBuild(t toolchain, sideBySide bool) func(room) [][]command {
	return func(r room) [][]command {
		var steps [][]command
		for i, p := range platforms {
			c := command{
				args: []string{t.command, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", r.binary(p), "./"},
				env:  append([]string{"CGO_ENABLED=0"}, platform.Env(p)...),
			}
			if sideBySide && i > 0 {
				steps[0] = append(steps[0], c)
			} else {
				steps = append(steps, []command{c})
			}
		}
		return steps
	}
}

// action is the step of action.yml that does the work, for a push that publishes
// nothing. What is before it, Go, the caches and slipway, is the runner's.
func action(slipway, event string, test bool) func(room) [][]command {
	return func(r room) [][]command {
		return [][]command{{{
			args:  []string{slipway, "action"},
			stdin: fmt.Sprintf(`{"platforms": %q, "push": "false", "test": "%t", "cache": "false"}`, platformList(), test),
			env: []string{
				"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/hello", "GITHUB_EVENT_NAME=push", "GITHUB_EVENT_PATH=" + event,
				"GITHUB_REF=refs/heads/main", "GITHUB_SHA=" + strings.Repeat("0", 40), "GITHUB_WORKSPACE=" + r.source(),
				"GITHUB_OUTPUT=" + filepath.Join(r.dir, "outputs"), "GITHUB_STEP_SUMMARY=" + filepath.Join(r.dir, "summary.md"), "RUNNER_TEMP=" + r.dir,
			},
		}}}
	}
}

func one(args ...string) [][]command { return [][]command{{{args: args}}} }

func platformList() string {
	names := make([]string, len(platforms))
	for i, p := range platforms {
		names[i] = platform.String(p)
	}
	return strings.Join(names, ",")
}

// sample is one measurement.
type sample struct {
	Wall time.Duration
	// CPU is what the commands and everything that they waited for used, in user
	// and in system mode; 0 where it cannot be told.
	CPU time.Duration
}

// run runs the contender once. It returns what was written to standard output.
func (c contender) run(ctx context.Context, r room) (string, sample, error) {
	steps := c.steps(r)
	var stdout bytes.Buffer
	var total sample
	start := time.Now()
	for _, step := range steps {
		used := make([]time.Duration, len(step))
		group, ctx := errgroup.WithContext(ctx)
		for i, one := range step {
			group.Go(func() error {
				cmd := exec.CommandContext(ctx, one.args[0], one.args[1:]...)
				cmd.Dir, cmd.Env = r.source(), append(r.env(), one.env...)
				// Told to end and not killed, a go command takes its compilers along.
				cmd.Cancel = func() error { return interrupt(cmd.Process) }
				cmd.WaitDelay = 5 * time.Second
				if one.stdin != "" {
					cmd.Stdin = strings.NewReader(one.stdin)
				}
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				if len(step) == 1 {
					cmd.Stdout = &stdout
				}
				if err := cmd.Run(); err != nil {
					return fmt.Errorf("%s: %s: %w\n%s", c.Name, strings.Join(one.args, " "), err, stderr.Bytes())
				}
				if c.remote {
					return nil
				}
				used[i] = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return "", sample{}, err
		}
		for _, d := range used {
			total.CPU += d
		}
	}
	total.Wall = time.Since(start)
	if c.timed {
		var err error
		if total.Wall, err = time.ParseDuration(strings.TrimSpace(stdout.String())); err != nil {
			return "", sample{}, fmt.Errorf("%s: it should print how long it took: %w", c.Name, err)
		}
	}
	return stdout.String(), total, nil
}
