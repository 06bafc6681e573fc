package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines/plan"
)

func newInit(e *edge) *cobra.Command {
	var (
		source        string
		force, schema bool
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented slipway.yaml for the source",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if schema {
				_, err := e.stdout.Write(plan.Schema())
				return err
			}
			info, err := plan.Survey(source)
			if err != nil {
				return err
			}
			text, err := plan.Starter(info)
			if err != nil {
				return err
			}
			name := filepath.Join(source, plan.ConfigName)
			mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
			if force {
				mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			f, err := os.OpenFile(name, mode, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return usagef("%s is there already; --force writes it anew", name)
			}
			if err != nil {
				return err
			}
			_, err = f.Write(text)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, name)
			return err
		},
	}
	cmd.Flags().StringVarP(&source, "source", "s", ".", "the program's folder")
	cmd.Flags().BoolVar(&force, "force", false, "write it even where there is one")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON schema of slipway.yaml instead")
	return cmd
}
