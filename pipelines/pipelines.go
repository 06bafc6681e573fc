// Package pipelines ships Go programs: it compiles a plan's binaries in an
// engine, assembles a minimal image of them, audits it, proves by running it that
// it works, and publishes it by digest.
//
// The parts stand below: plan decides what to build, engine compiles and runs,
// image assembles, audit and smoke prove, registry publishes, report tells. This
// package is the whole pipeline on one page:
//
//	p, err := plan.New(ctx, plan.Options{Source: "."})
//	built, err := pipelines.Build(ctx, p, options)
//	err = built.Prove(ctx)
//	err = built.Publish(ctx, pipelines.To{Repository: "ghcr.io/acme/hello"})
//
// The same plan and source give the same digest wherever that runs.
package pipelines

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/report"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// Options say where a pipeline runs. Engine and Store are needed.
type Options struct {
	Engine engine.Engine
	// Store keeps the compressed layers. The images that Build gives are read from
	// it, so it has to stay as long as they are used.
	Store *image.Store
	// Registry is how registries are talked to: for publishing, and for a base image.
	Registry registry.Options
	// Progress is told what happens; nil is fine.
	Progress report.Sink
	// Jobs bounds how much is done at once; 0 is one for each CPU.
	Jobs int
	// RequireSmoke makes a platform that could not be run a failure.
	RequireSmoke bool
	// SkipSmoke publishes without proof. It says so in the report.
	SkipSmoke bool
}

// Built is what a build gave: images that nobody has seen yet.
type Built struct {
	// Go is the exact release that compiled them, like "1.26.8".
	Go string
	// Builder is the image that compiled them, by digest, or empty.
	Builder string
	Images  []*Image

	plan *plan.Plan
	opts Options
}

// Image is one image for all of its platforms.
type Image struct {
	Plan     plan.ImagePlan
	Index    v1.ImageIndex
	Digest   v1.Hash
	Variants []*Variant
	// References are where it was published, by digest first.
	References []string
	// Outputs are where it was written.
	Outputs []string
	// Previous is what FindPrevious found, or nil.
	Previous *Previous

	proved bool
}

// Variant is an image for one platform.
type Variant struct {
	Platform v1.Platform
	Image    v1.Image
	Layers   []*image.Layer // those put onto the base, lowest first
	Binaries []Binary
	// Verdicts are empty until Prove ran.
	Verdicts []smoke.Verdict
}

// Build compiles, assembles and audits. A source that does not build is an
// *engine.CompileError, an image that should not leave the house an
// *audit.Error.
//
// What is built on a base image reads the base's layers under ctx, so ctx has to
// last as long as the result is used.
func Build(ctx context.Context, p *plan.Plan, o Options) (_ *Built, err error) {
	if o.Engine == nil || o.Store == nil {
		return nil, errors.New("pipelines.Build: Options want an Engine and a Store")
	}
	if o.Jobs <= 0 {
		o.Jobs = runtime.NumCPU()
	}
	for _, w := range p.Warnings {
		o.Progress.Warn("plan", "", "", w)
	}
	var targets []engine.Target
	for _, ip := range p.Images {
		targets = append(targets, ip.Targets...)
	}
	compiled, err := o.Engine.Compile(ctx, p.Source, targets, o.Progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, compiled.Close()) }()

	built := &Built{Go: compiled.Go, Builder: compiled.Builder, plan: p, opts: o}
	binaries := compiled.Binaries
	for _, ip := range p.Images {
		img, err := assemble(ctx, p, ip, compiled, binaries[:len(ip.Targets)], o)
		if err != nil {
			return nil, err
		}
		binaries = binaries[len(ip.Targets):]
		built.Images = append(built.Images, img)
	}
	return built, nil
}

// Prove runs every image in the engine, platform beside platform. An image that
// fails is a *SmokeError; the verdicts are with the variants either way.
func (b *Built) Prove(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(b.opts.Jobs)
	for _, img := range b.Images {
		if usesHost(img.Plan.Smoke) {
			group.SetLimit(1) // programs that share the host's network share its ports
		}
	}
	for _, img := range b.Images {
		for _, v := range img.Variants {
			group.Go(func() (err error) {
				v.Verdicts, err = b.proveVariant(groupCtx, img, v)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return b.judge()
}

// To says where to publish.
type To struct {
	// Repository takes the place of the plan's (publish.to). Where there are
	// several images, each goes to REPOSITORY/NAME.
	Repository string
	// Tags are moved beside the plan's.
	Tags []string
}

// Publish pushes every image by digest, reads it back, and then moves the tags.
// Nothing unproved is published: what Prove has not seen is proved first.
func (b *Built) Publish(ctx context.Context, to To) error {
	all, err := destinations(b.plan, to, b.opts.Registry)
	if err != nil {
		return err
	}
	if err := b.ensureProved(ctx); err != nil {
		return err
	}
	// No tag moves before everything is there.
	if len(b.Images) > 1 {
		for i, img := range b.Images {
			if _, err := registry.Push(ctx, img.Index, all[i].repository, nil, b.reporting(img, all[i])); err != nil {
				return err
			}
		}
	}
	for i, img := range b.Images {
		result, err := registry.Push(ctx, img.Index, all[i].repository, all[i].tags, b.reporting(img, all[i]))
		if err != nil {
			return err
		}
		img.References = append(img.References, result.Reference)
		img.References = append(img.References, result.Tags...)
	}
	return nil
}

// Write writes every image to an output that is a folder or a file. Where there
// are several images, the output's path has to be different for each; path
// makes it from an image's name.
func (b *Built) Write(ctx context.Context, output func(name string) image.Output) error {
	host := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	for _, img := range b.Images {
		out := output(img.Plan.Name)
		step := b.opts.Progress.Start("write", label(b.plan, img.Plan), "")
		err := image.Write(ctx, img.Index, out, host)
		step.End(out.String(), err)
		if err != nil {
			return err
		}
		img.Outputs = append(img.Outputs, out.String())
		if out.Transport == image.TransportDockerArchive && len(img.Variants) > 1 {
			b.opts.Progress.Warn("write", label(b.plan, img.Plan), "", out.String()+" holds linux/"+host.Architecture+" alone, since the format has room for one platform")
		}
	}
	return nil
}

// Test runs go vet and go test on the plan's source.
func Test(ctx context.Context, p *plan.Plan, args []string, o Options) error {
	t := engine.Test{Args: args}
	if len(p.Images) > 0 && len(p.Images[0].Targets) > 0 {
		t.Tags, t.Env = p.Images[0].Targets[0].Tags, p.Images[0].Targets[0].Env
	}
	return o.Engine.Test(ctx, p.Source, t, o.Progress)
}

// auditVariant looks at a finished image.
func auditVariant(img v1.Image, ip plan.ImagePlan, own [][]image.File) error {
	found, err := audit.Image(img, audit.Policy{Own: own, MaxSize: ip.MaxSize, Allow: ip.Allow})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if len(found) > 0 {
		return &audit.Error{Findings: found}
	}
	return nil
}
