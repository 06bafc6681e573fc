package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// registryFlags say how to talk to a registry.
type registryFlags struct {
	username, ca  string
	passwordStdin bool
	plainHTTP     bool
	mountFrom     []string
}

func (f *registryFlags) add(fs *pflag.FlagSet) {
	fs.StringVarP(&f.username, "username", "u", "", "user at the registry; the password comes from $SLIPWAY_PASSWORD or standard input (default what docker or podman stored)")
	fs.BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	fs.StringVar(&f.ca, "ca", "", "PEM file of certificate authorities for the registry, beside the system's")
	fs.BoolVar(&f.plainHTTP, "plain-http", false, "allow plain HTTP to a registry that is not on this machine")
	fs.StringArrayVar(&f.mountFrom, "mount-from", nil, "repository of the same registry whose blobs may be mounted instead of sent")
}

// apply reads what the flags name: files, standard input, the environment.
func (f *registryFlags) apply(e *edge, o *registry.Options) error {
	o.PlainHTTP, o.MountFrom, o.Username = f.plainHTTP, f.mountFrom, f.username
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return usagef("--ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return usagef("--ca %s: holds no PEM certificate", f.ca)
		}
		o.CA = pem
	}
	switch {
	case f.username == "" && f.passwordStdin:
		return usagef("--password-stdin: want --username as well")
	case f.passwordStdin:
		data, err := io.ReadAll(io.LimitReader(e.stdin, 1<<20))
		if err != nil {
			return fmt.Errorf("--password-stdin: %w", err)
		}
		o.Password = strings.TrimRight(string(data), "\r\n")
	case f.username != "":
		o.Password = e.env("SLIPWAY_PASSWORD")
	}
	e.mask(o.Password)
	if f.username != "" && o.Password == "" {
		return usagef("--username %s: no password; put it into $SLIPWAY_PASSWORD, or pipe it in with --password-stdin", f.username)
	}
	return nil
}

// toRegistries makes destinations of outputs docker://REPOSITORY[:TAG], each with
// the tags that all of them get.
func toRegistries(outputs []image.Output, tags []string) ([]pipelines.To, error) {
	var all []pipelines.To
	for _, out := range outputs {
		repository, tag := out.Reference, ""
		if i := strings.LastIndex(repository, ":"); i > strings.LastIndex(repository, "/") {
			repository, tag = repository[:i], repository[i+1:]
		}
		if err := registry.CheckRepository(repository); err != nil {
			return nil, err
		}
		to := pipelines.To{Repository: repository, Tags: slices.Clone(tags)}
		if tag != "" {
			to.Tags = append(to.Tags, tag)
		}
		all = append(all, to)
	}
	return all, nil
}

// loginHost is the registry that --username is for: the first that is published
// to. A base image's registry is none of its business.
func loginHost(p *plan.Plan, destinations []pipelines.To) string {
	for _, to := range destinations {
		repository := to.Repository
		if repository == "" && len(p.Images) > 0 {
			repository = p.Images[0].Publish.To
		}
		if host, _, ok := strings.Cut(repository, "/"); ok {
			return host
		}
	}
	return ""
}

type publishFlags struct {
	buildFlags
	to      string
	tags    []string
	dryRun  bool
	noSmoke bool
}

func newPublish(e *edge) *cobra.Command {
	f := &publishFlags{}
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Build, audit, prove and push the image by digest",
		Long: `Publish builds the image, audits it, runs it, pushes it by digest, reads it back,
and only then moves the tags. It prints REPOSITORY@DIGEST, a line for each image.
What fails before leaves no tag behind.`,
		Example: `  slipway publish --source . --to ghcr.io/acme/hello --tag latest
  echo "$TOKEN" | slipway publish --to registry.example.com/hello --username me --password-stdin
  slipway publish --to localhost:5000/hello --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.publish(cmd, e) },
	}
	fs := cmd.Flags()
	f.add(fs)
	f.addSmoke(fs)
	fs.StringVarP(&f.to, "to", "t", "", "repository to publish to, like ghcr.io/acme/hello (default publish.to of the configuration)")
	fs.StringSliceVar(&f.tags, "tag", nil, "tag to move when the image is there")
	fs.BoolVar(&f.dryRun, "dry-run", false, "build and prove, then say what would be pushed, and push nothing")
	fs.BoolVar(&f.noSmoke, "no-smoke", false, "publish without running the image")
	return cmd
}

func (f *publishFlags) publish(cmd *cobra.Command, e *edge) error {
	ctx := cmd.Context()
	if f.noSmoke && f.requireSmoke {
		return usagef("--no-smoke and --require-smoke: want one of them at most")
	}
	s, files, registries, err := f.prepare(cmd, e)
	if err != nil {
		return err
	}
	defer s.close()
	destinations, err := toRegistries(registries, f.tags)
	if err != nil {
		return err
	}
	s.options.SkipSmoke, s.pushesNothing = f.noSmoke, f.dryRun
	if f.to != "" || len(destinations) == 0 {
		destinations = append([]pipelines.To{{Repository: f.to, Tags: f.tags}}, destinations...)
	}
	s.options.Registry.Host = loginHost(s.plan, destinations)
	for _, to := range destinations {
		if err := pipelines.CheckTo(s.plan, to, s.options.Registry); err != nil {
			return err
		}
	}
	if err := s.maskLogins(ctx, destinations); err != nil {
		return err
	}
	built, err := pipelines.Build(ctx, s.plan, s.options)
	if err != nil {
		return err
	}
	if !f.noSmoke {
		if err := built.Prove(ctx); err != nil {
			return s.withVerdicts(e.stdout, built, f.json, err)
		}
	}
	if err := write(ctx, built, files); err != nil {
		return err
	}
	if e.workflow != nil {
		e.workflow.compare(ctx, built, destinations[0])
	}
	for _, to := range destinations {
		if f.dryRun {
			err = built.DryRun(ctx, to)
		} else {
			err = built.Publish(ctx, to)
		}
		if err != nil {
			return err
		}
	}
	s.finish()
	return s.printResult(e, built, f.json, func(img *pipelines.Image) string { return img.References[0] })
}
