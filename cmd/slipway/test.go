package main

import (
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines"
)

func newTest(e *edge) *cobra.Command {
	var (
		src sourceFlags
		rf  runFlags
	)
	cmd := &cobra.Command{
		Use:   "test [flags] [-- ARGUMENTS]",
		Short: "Run go vet and go test as the build compiles",
		Long: `Test runs go vet and go test on the source's module, with the release, tags and
caches of the build, and without cgo unless -race asks for it. What stands after
-- goes to go test. Its output goes to standard error.`,
		Example: `  slipway test --source .
  slipway test -- -race -count=1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return usagef("%q is not taken: arguments for go test stand after --", args[0])
			}
			ctx := cmd.Context()
			s, err := open(ctx, cmd, e, &src, &rf)
			if err != nil {
				return err
			}
			defer s.close()
			return pipelines.Test(ctx, s.plan, args, s.options)
		},
	}
	src.add(cmd.Flags())
	rf.add(cmd.Flags())
	return cmd
}
