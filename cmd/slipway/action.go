package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/tags"
)

func newAction(e *edge) *cobra.Command {
	return &cobra.Command{
		Use:   "action",
		Short: "Do what the GitHub action does: test, build, prove, and publish where the event asks for it",
		Long: `Action is what action.yml runs, in a workflow of GitHub's. It reads the inputs of the
action and the event, runs go vet and go test, builds the image and proves it, and
publishes it with the tags that the event gives; a pull request is built and proved
alone. Everywhere else use slipway test, smoke and publish.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if e.workflow == nil {
				return usagef("GITHUB_ACTIONS is not true: this command is what the action runs in a workflow (action.yml); use slipway publish instead")
			}
			in, err := readInputs(e.env("SLIPWAY_INPUTS"))
			if err != nil {
				return err
			}
			return in.explain(newActionRun(e, in).run(cmd.Context()))
		},
	}
}

// actionRun is one run of the action.
type actionRun struct {
	e  *edge
	in inputs
	// common are flags for each of the commands.
	common []string
}

func newActionRun(e *edge, in inputs) *actionRun {
	e.mask(in["password"], in["token"])
	if in["password"] != "" {
		e.environ = append(e.environ, "SLIPWAY_PASSWORD="+in["password"])
	}
	if in["token"] != "" {
		e.environ = append(e.environ, "SLIPWAY_GITHUB_TOKEN="+in["token"])
	}
	return &actionRun{e: e, in: in}
}

// run is the action.
func (a *actionRun) run(ctx context.Context) error {
	test, err := a.in.truth("test", true)
	if err != nil {
		return err
	}
	summary, err := a.in.truth("summary", true)
	if err != nil {
		return err
	}
	a.e.workflow.noSummary = !summary
	cache, err := a.in.truth("cache", true)
	if err != nil {
		return err
	}
	if temp := a.e.env("RUNNER_TEMP"); cache && temp != "" {
		a.common = append(a.common, "--cache-dir="+filepath.Join(temp, "slipway", "cache"))
	}
	publishes, names, err := a.settle(ctx)
	if err != nil {
		return err
	}
	if test {
		if err := a.test(ctx); err != nil {
			return err
		}
	}
	return a.build(ctx, publishes, names)
}

// settle finds out what the event asks for, and notes it for the workflow.
func (a *actionRun) settle(ctx context.Context) (publishes bool, names []string, err error) {
	event, err := (&eventFlags{}).read(a.e)
	if err != nil {
		return false, nil, err
	}
	result := &eventResult{}
	switch push := a.in["push"]; push {
	case "true":
		publishes = true
	case "false":
		result.unpublished = "Not published, as the input push says."
	case "auto", "":
		if publishes = event.Publishes(); !publishes {
			result.unpublished = "Not published: an event " + event.Name + " does not publish, unless the input push is true."
		}
	default:
		return false, nil, usagef("input push: found %q; want true, false or auto", push)
	}
	repositories, o, err := a.repositories(ctx, publishes)
	if err != nil {
		return false, nil, err
	}
	rules, err := parseRules("input tags", a.in.values("tags", "\n"))
	if err != nil {
		return false, nil, err
	}
	var existing []string
	if tags.NeedsExisting(event, rules) {
		if existing, err = a.existing(ctx, repositories, o); err != nil {
			return false, nil, err
		}
	}
	made, err := tags.Make(event, rules, existing)
	if err != nil {
		return false, nil, usagef("input tags: %w", err)
	}
	result.to, result.version = a.in["to"], made.Version
	for _, repository := range repositories {
		for _, name := range made.Names {
			result.tags = append(result.tags, repository+":"+name)
		}
	}
	// A release is compared with the one before it, and what is no release with the
	// default branch.
	result.compare = append(slices.Clone(made.Names), "edge")
	if event.DefaultBranch != "" {
		result.compare = append(result.compare, event.DefaultBranch)
	}
	a.e.workflow.event = result
	return publishes, made.Names, nil
}

// repositories are where the images go, one for each, and how they are talked
// to. Where neither an input nor the configuration says it, they go to the
// registry that belongs to the workflow's own repository.
func (a *actionRun) repositories(ctx context.Context, publishes bool) ([]string, registry.Options, error) {
	var (
		src sourceFlags
		reg registryFlags
		o   registry.Options
	)
	cmd := &cobra.Command{Use: "action"}
	src.add(cmd.Flags())
	reg.add(cmd.Flags())
	// A pull request from a fork has no secrets, and needs none.
	if a.in["password"] == "" && a.e.env("SLIPWAY_PASSWORD") == "" && !publishes {
		a.in["username"] = ""
	}
	args, err := a.in.arguments(cmd.Flags())
	if err != nil {
		return nil, o, err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return nil, o, usageError{err}
	}
	if err := reg.apply(a.e, &o); err != nil {
		return nil, o, err
	}
	po, err := src.options(cmd, a.e)
	if err != nil {
		return nil, o, err
	}
	p, err := plan.New(ctx, po)
	if err != nil {
		return nil, o, err
	}
	a.e.workflow.plan = p
	if a.in["to"] == "" && !slices.ContainsFunc(p.Images, func(ip plan.ImagePlan) bool { return ip.Publish.To != "" }) {
		a.in["to"] = packagesHost(a.e.workflow.server) + "/" + a.e.workflow.repository
	}
	// GitHub's names may have capital letters, and a registry's have none.
	a.in["to"] = strings.ToLower(a.in["to"])
	o.Keychain, o.Secret = a.e.keychain(), func(secret string) { a.e.mask(secret) }
	to := pipelines.To{Repository: a.in["to"]}
	o.Host = loginHost(p, []pipelines.To{to})
	repositories, err := pipelines.Repositories(p, to, o)
	if err != nil {
		return nil, o, err
	}
	return repositories, o, maskLogin(ctx, p, to, o)
}

// existing are the tags that git and the registry know. A registry that does not
// show them has none yet, as far as we may see; one that does not answer is an
// error, since a version could take a tag that belongs to a higher one.
func (a *actionRun) existing(ctx context.Context, repositories []string, o registry.Options) ([]string, error) {
	all := a.e.gitTags(ctx, a.in["source"])
	for _, repository := range repositories {
		published, err := registry.Tags(ctx, repository, o)
		if is[*registry.AuthError](err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, published...)
	}
	return all, nil
}

func (a *actionRun) test(ctx context.Context) error {
	args, err := a.arguments("test")
	if err != nil {
		return err
	}
	return a.e.execute(ctx, slices.Concat(args, []string{"--"}, a.in.values("test-args", "\n")))
}

// build builds and proves, and publishes where the event asks for it.
func (a *actionRun) build(ctx context.Context, publishes bool, names []string) error {
	verb := "smoke"
	if publishes {
		verb = "publish"
	}
	args, err := a.arguments(verb)
	if err != nil {
		return err
	}
	for _, name := range names {
		if publishes {
			args = append(args, "--tag="+name)
		}
	}
	layouts, err := os.MkdirTemp(a.e.env("RUNNER_TEMP"), "slipway-layout-")
	if err != nil {
		return err
	}
	err = a.e.execute(ctx, append(args, "--output=oci:"+filepath.Join(layouts, "{name}")))
	if err != nil {
		return errors.Join(err, os.RemoveAll(layouts))
	}
	return nil
}

// arguments are a command and its flags.
func (a *actionRun) arguments(verb string) ([]string, error) {
	cmd, _, err := newRoot(a.e).Find([]string{verb})
	if err != nil {
		return nil, err
	}
	args, err := a.in.arguments(cmd.Flags())
	return slices.Concat([]string{verb}, args, a.common), err
}
