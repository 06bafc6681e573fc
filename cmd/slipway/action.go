package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/tags"
)

func newAction(e *edge) *cobra.Command {
	return &cobra.Command{
		Use:   "action",
		Short: "Do what the GitHub action does: test, build, prove, and publish where the event asks for it",
		Long: `Action is what action.yml runs, in a workflow of GitHub's. It reads the inputs of the
action (JSON, on standard input) and the event, runs go vet and go test, builds the
image and proves it, and publishes it with the tags that the event gives; a pull
request is built and proved alone. Everywhere else use slipway test, smoke and publish.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if e.workflow == nil {
				return usagef("GITHUB_ACTIONS is not true: this command is what the action runs in a workflow (action.yml); use slipway publish instead")
			}
			text, err := io.ReadAll(io.LimitReader(e.stdin, 1<<20))
			if err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			in, err := readInputs(string(text))
			if err != nil {
				return err
			}
			return in.explain(e.runAction(cmd.Context(), in))
		},
	}
}

// runAction is the action: it settles what the inputs and the event ask for,
// before anything is run, and then runs the commands that do it.
func (e *edge) runAction(ctx context.Context, in inputs) error {
	e.mask(in["password"], in["token"])
	// What is meant for slipway is hidden from the programs that it starts.
	e.environ = append(e.environ, "SLIPWAY_GITHUB_TOKEN="+in["token"])
	if in["password"] != "" {
		e.environ = append(e.environ, "SLIPWAY_PASSWORD="+in["password"])
	}
	summary, err := in.truth("summary", true)
	if err != nil {
		return err
	}
	e.workflow.noSummary = !summary
	source := cmp.Or(in["source"], ".")
	e.workflow.look(ctx, e, source)
	event, err := (&eventFlags{}).read(e)
	if err != nil {
		return err
	}
	a := &action{edge: e, in: in, event: event}
	if err := a.settle(ctx, source); err != nil {
		return err
	}
	for _, command := range a.commands {
		if err := e.execute(ctx, command); err != nil {
			return errors.Join(err, os.RemoveAll(e.workflow.event.layouts))
		}
	}
	return nil
}

// action is what the action is to do.
type action struct {
	*edge
	in    inputs
	event tags.Event

	publishes bool
	// to is the repository, where the configuration does not name it.
	to string
	// commands are the arguments of the commands to run, in their order.
	commands [][]string
}

// settle finds out what the inputs and the event ask for, notes for the workflow
// what it shows, and reads the inputs as far as they can be read before anything
// is run.
func (a *action) settle(ctx context.Context, source string) error {
	result := &eventResult{}
	var err error
	if result.unpublished, err = a.push(); err != nil {
		return err
	}
	if err := a.checkLogin(); err != nil {
		return err
	}
	repositories, options, err := a.destinations(ctx)
	if err != nil {
		return err
	}
	made, err := a.tags(ctx, source, repositories, options)
	if err != nil {
		return err
	}
	result.to, result.version = a.to, made.Version
	for _, repository := range repositories {
		for _, name := range made.Names {
			result.tags = append(result.tags, repository+":"+name)
		}
	}
	// A release is compared with the one before it, and what is no release with the
	// default branch.
	result.compare = append(slices.Clone(made.Names), "edge")
	if a.event.DefaultBranch != "" {
		result.compare = append(result.compare, a.event.DefaultBranch)
	}
	if result.layouts, err = os.MkdirTemp(a.env("RUNNER_TEMP"), "slipway-layout-"); err != nil {
		return err
	}
	a.workflow.event = result
	if err := a.plan(made.Names, result.layouts); err != nil {
		return errors.Join(err, os.RemoveAll(result.layouts))
	}
	return nil
}

// push decides whether to publish, and says why not.
func (a *action) push() (unpublished string, err error) {
	switch push := a.in["push"]; push {
	case "true":
		a.publishes = true
	case "false":
		return "Not published, as the input push says.", nil
	case "auto", "":
		if a.publishes = a.event.Publishes(); !a.publishes {
			return "Not published: an event " + a.event.Name + " does not publish, unless the input push is true.", nil
		}
	default:
		return "", usagef("input push: found %q; want true, false or auto", push)
	}
	return "", nil
}

// checkLogin wants a user and a password, or neither. A pull request from a fork
// has no secrets, and needs none.
func (a *action) checkLogin() error {
	hasPassword := a.env("SLIPWAY_PASSWORD") != ""
	switch {
	case a.in["username"] == "" && a.in["password"] != "":
		return usagef("input password: want the input username as well")
	case a.in["username"] != "" && !hasPassword && a.publishes:
		return usagef("input username: found %q and no password; want the input password as well, from a secret that this event has", a.in["username"])
	case !hasPassword:
		delete(a.in, "username")
	}
	return nil
}

// destinations are where the images go, one for each, and how those registries are
// talked to. Where neither an input nor the configuration says it, they go to the
// registry that belongs to the workflow's own repository.
func (a *action) destinations(ctx context.Context) ([]string, registry.Options, error) {
	var (
		src sourceFlags
		reg registryFlags
		o   registry.Options
	)
	cmd := &cobra.Command{Use: "action"}
	src.add(cmd.Flags())
	reg.add(cmd.Flags())
	if _, err := a.parse(cmd); err != nil {
		return nil, o, err
	}
	if err := reg.apply(a.edge, &o); err != nil {
		return nil, o, err
	}
	po, err := src.options(cmd, a.edge)
	if err != nil {
		return nil, o, err
	}
	p, err := plan.New(ctx, po)
	if err != nil {
		return nil, o, err
	}
	a.workflow.plan = p
	a.to = a.in["to"]
	if a.to == "" && !slices.ContainsFunc(p.Images, func(ip plan.ImagePlan) bool { return ip.Publish.To != "" }) {
		a.to = packagesHost(a.workflow.server) + "/" + a.workflow.repository
	}
	// GitHub's names may have capital letters, and a registry's have none.
	a.to = strings.ToLower(a.to)
	to := pipelines.To{Repository: a.to}
	o.Keychain, o.Secret, o.Host = a.keychain(), func(secret string) { a.mask(secret) }, loginHost(p, []pipelines.To{to})
	repositories, err := pipelines.Repositories(p, to, o)
	if err != nil {
		if is[*registry.ReferenceError](err) && a.in["to"] != "" {
			err = usagef("input to: %w", err)
		}
		return nil, o, err
	}
	return repositories, o, maskLogin(ctx, repositories, o)
}

// tags are what the images will be called.
func (a *action) tags(ctx context.Context, source string, repositories []string, o registry.Options) (tags.Result, error) {
	rules, err := parseRules("input tags", strings.Split(a.in["tags"], "\n"))
	if err != nil {
		return tags.Result{}, err
	}
	var existing []string
	if tags.NeedsExisting(a.event, rules) {
		existing = a.gitTags(ctx, source, a.event.Ref)
		for _, repository := range repositories {
			published, err := registry.Tags(ctx, repository, o)
			// A registry that does not show them has none yet, as far as we may see; but
			// where it does not answer, a version could take what belongs to a higher one.
			if err != nil && !is[*registry.AuthError](err) {
				return tags.Result{}, err
			}
			existing = append(existing, published...)
		}
	}
	made, err := tags.Make(a.event, rules, existing)
	if err != nil {
		return made, usagef("input tags: %w", err)
	}
	return made, nil
}

// plan makes the commands, and reads what they will be given.
func (a *action) plan(names []string, layouts string) error {
	test, err := a.in.truth("test", true)
	if err != nil {
		return err
	}
	cache, err := a.in.truth("cache", true)
	if err != nil {
		return err
	}
	var common []string
	if temp := a.env("RUNNER_TEMP"); cache && temp != "" {
		common = append(common, "--cache-dir="+filepath.Join(temp, "slipway", "cache"))
	}
	if test {
		args, err := a.arguments(newTest(a.edge))
		if err != nil {
			return err
		}
		a.commands = append(a.commands, slices.Concat([]string{"test"}, args, common, []string{"--"}, a.in.values("test-args", "\n")))
	}
	common = append(common, "--output=oci:"+filepath.Join(layouts, "{name}"))
	if !a.publishes {
		args, err := a.arguments(newSmoke(a.edge))
		if err != nil {
			return err
		}
		// What goes to a registry does not, either.
		args = slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--output=docker://") })
		a.commands = append(a.commands, slices.Concat([]string{"smoke"}, args, common))
		return nil
	}
	args, err := a.arguments(newPublish(a.edge))
	if err != nil {
		return err
	}
	if a.to != "" {
		args = append(args, "--to="+a.to)
	}
	for _, name := range names {
		args = append(args, "--tag="+name)
	}
	a.commands = append(a.commands, slices.Concat([]string{"publish"}, args, common))
	return nil
}

// parse reads the inputs that are flags of a command, and returns them as its
// arguments.
func (a *action) parse(cmd *cobra.Command) ([]string, error) {
	args, err := a.in.arguments(cmd.Flags())
	if err != nil {
		return nil, err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return nil, usageError{err}
	}
	return args, nil
}

// arguments are the inputs as a command's flags, looked at as far as possible
// before it is run.
func (a *action) arguments(cmd *cobra.Command) ([]string, error) {
	args, err := a.parse(cmd)
	if err != nil {
		return nil, err
	}
	for _, output := range a.in.values("output", "\n") {
		if _, err := image.ParseOutput(output); err != nil {
			return nil, usagef("input output: %w", err)
		}
	}
	if a.in["no-smoke"] == "true" && a.in["require-smoke"] == "true" {
		return nil, usagef("inputs no-smoke and require-smoke: want one of them at most")
	}
	return args, nil
}
