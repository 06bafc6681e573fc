package main

import (
	"github.com/spf13/cobra"
)

func newRoot(e *edge) *cobra.Command {
	root := &cobra.Command{
		Use:   "slipway",
		Short: "Ship a Go program in a minimal, proved image",
		Long: `Slipway builds a Go program for every platform, puts it into a scratch image with
certificates and time zones, proves by running it that the image works, and
publishes it by digest. The same source gives the same digest on every machine.

The result alone goes to standard output; progress and errors go to standard error.
Exit codes: 0 done, 1 the pipeline failed, 2 bad input, 130 interrupted.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; see slipway --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newBuild(e), newSmoke(e), newPublish(e), newTest(e), newInspect(e), newPlan(e), newCache(e), newInit(e), newTags(e), newAction(e), newVersion(e),
	)
	return root
}

// noArgs refuses arguments with a sentence that helps.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is not taken: %s has flags alone; the source is named by --source", args[0], cmd.CommandPath())
	}
	return nil
}
