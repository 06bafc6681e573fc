package main

import (
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines"
)

func newSmoke(e *edge) *cobra.Command {
	f := &buildFlags{}
	cmd := &cobra.Command{
		Use:   "smoke",
		Short: "Build the image and prove by running it that it works",
		Long: `Smoke builds the image as slipway build does, runs it on every platform that can
run here, and looks at what it says and how it ends. The cases stand in slipway.yaml
(smoke); without any, it proves that the program starts. It prints the image's
digest and writes the image only where an output is named.`,
		Example: `  slipway smoke --source examples/service
  slipway smoke --require-smoke --platform linux/amd64`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.smoke(cmd, e) },
	}
	f.add(cmd.Flags())
	f.addSmoke(cmd.Flags())
	return cmd
}

func (f *buildFlags) smoke(cmd *cobra.Command, e *edge) error {
	ctx := cmd.Context()
	s, files, registries, err := f.prepare(cmd, e)
	if err != nil {
		return err
	}
	defer s.close()
	if len(registries) > 0 {
		return usagef("--output %s: smoke does not publish; use slipway publish --to", registries[0])
	}
	// The login is for where the image will be published. A base image's registry
	// is none of its business.
	to := pipelines.To{}
	if e.workflow != nil && e.workflow.event != nil {
		to.Repository = e.workflow.event.to
	}
	s.options.Registry.Host = loginHost(s.plan, []pipelines.To{to})
	built, err := pipelines.Build(ctx, s.plan, s.options)
	if err != nil {
		return err
	}
	if err := built.Prove(ctx); err != nil {
		return s.withVerdicts(e.stdout, built, f.json, err)
	}
	if err := write(ctx, built, files); err != nil {
		return err
	}
	if e.workflow != nil && e.workflow.event != nil {
		e.workflow.compare(ctx, built, to)
	}
	s.finish()
	return s.printResult(e, built, f.json, digestLine)
}
