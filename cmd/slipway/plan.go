package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines/plan"
)

func newPlan(e *edge) *cobra.Command {
	var (
		src    sourceFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be done, and do nothing",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := src.options(cmd, e)
			if err != nil {
				return err
			}
			p, err := plan.New(cmd.Context(), o)
			if err != nil {
				return err
			}
			d, err := p.Describe()
			if err != nil {
				return err
			}
			if !asJSON {
				return d.WriteText(e.stdout)
			}
			enc := json.NewEncoder(e.stdout)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(d)
		},
	}
	src.add(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}
