package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
)

// outputDir is where build writes when no output is named: a folder for each
// image, in the working folder.
const outputDir = ".slipway"

// buildFlags are those of the commands that build.
type buildFlags struct {
	sourceFlags
	runFlags
	outputs      []string
	json         bool
	noSummary    bool
	requireSmoke bool
	registry     registryFlags
}

func (f *buildFlags) add(fs *pflag.FlagSet) {
	f.sourceFlags.add(fs)
	f.runFlags.add(fs)
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "where to write: oci:DIR, oci-archive:FILE, docker-archive:FILE; {name} is the image's name")
	fs.BoolVar(&f.json, "json", false, "print one JSON document as the result (docs/result.md)")
	fs.BoolVar(&f.noSummary, "no-summary", false, "GitHub Actions: write no summary of the job")
	f.registry.add(fs)
}

func (f *buildFlags) addSmoke(fs *pflag.FlagSet) {
	fs.BoolVar(&f.requireSmoke, "require-smoke", false, "fail where a platform cannot be run here")
}

// parseOutputs reads --output. Those of a registry are kept apart.
func (f *buildFlags) parseOutputs(images int) (files, registries []image.Output, err error) {
	for _, s := range f.outputs {
		out, err := image.ParseOutput(s)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case out.Transport == image.TransportDocker:
			registries = append(registries, out)
		case images > 1 && !strings.Contains(out.Path, "{name}"):
			return nil, nil, &image.OutputError{Output: s, Reason: "there are several images; put {name} into the path"}
		default:
			files = append(files, out)
		}
	}
	return files, registries, nil
}

// prepare plans, and reads everything that the flags name, so that bad input is
// found before anything runs. Whoever called it finishes the session.
func (f *buildFlags) prepare(cmd *cobra.Command, e *edge) (s *session, files, registries []image.Output, err error) {
	if e.workflow != nil && f.noSummary {
		e.workflow.noSummary = true
	}
	if s, err = open(cmd.Context(), cmd, e, &f.sourceFlags, &f.runFlags); err != nil {
		return nil, nil, nil, err
	}
	s.options.RequireSmoke = f.requireSmoke
	files, registries, err = f.parseOutputs(len(s.plan.Images))
	if err == nil {
		err = f.registry.apply(e, &s.options.Registry)
	}
	if err != nil {
		s.close()
	}
	return s, files, registries, err
}

// write writes every image to every output.
func write(ctx context.Context, built *pipelines.Built, outputs []image.Output) error {
	for _, out := range outputs {
		err := built.Write(ctx, func(name string) image.Output {
			named := out
			named.Path = strings.ReplaceAll(out.Path, "{name}", name)
			return named
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// defaultOutput is .slipway/NAME. The folder hides itself from git, as other
// tools' folders do.
func defaultOutput() (image.Output, error) {
	if err := os.MkdirAll(outputDir, 0o755); err != nil {
		return image.Output{}, err
	}
	ignore := filepath.Join(outputDir, ".gitignore")
	if _, err := os.Stat(ignore); err != nil {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o644); err != nil {
			return image.Output{}, err
		}
	}
	return image.Output{Transport: image.TransportOCI, Path: filepath.Join(outputDir, "{name}")}, nil
}

func newBuild(e *edge) *cobra.Command {
	f := &buildFlags{}
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build, assemble and audit the image",
		Long: `Build compiles the program for every platform, puts it into an image, audits the
image, and writes it: by default as an OCI layout to .slipway/NAME. It prints the
image's digest, a line for each image. An output docker://REPOSITORY[:TAG] is
published as slipway publish does it, smoke test included.`,
		Example: `  slipway build --source examples/hello
  slipway build --platform linux/amd64,linux/arm64 --output oci-archive:hello.tar
  slipway build --output docker-archive:hello.tar:hello:dev && docker load -i hello.tar`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.build(cmd, e) },
	}
	f.add(cmd.Flags())
	f.addSmoke(cmd.Flags())
	return cmd
}

func (f *buildFlags) build(cmd *cobra.Command, e *edge) error {
	ctx := cmd.Context()
	s, files, registries, err := f.prepare(cmd, e)
	if err != nil {
		return err
	}
	defer s.close()
	destinations, err := toRegistries(registries, nil)
	if err != nil {
		return err
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
	if len(f.outputs) == 0 {
		out, err := defaultOutput()
		if err != nil {
			return err
		}
		files = append(files, out)
	}
	if err := write(ctx, built, files); err != nil {
		return err
	}
	for _, to := range destinations {
		if err := built.Publish(ctx, to); err != nil {
			return err
		}
	}
	s.finish()
	return s.printResult(e, built, f.json, digestLine)
}
