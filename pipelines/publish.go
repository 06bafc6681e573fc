package pipelines

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// destination is where one image goes.
type destination struct {
	repository string
	tags       []string
	options    registry.Options
}

// CheckTo says before anything is built whether a plan's images can go there,
// as far as that can be said without asking the registry.
func CheckTo(p *plan.Plan, to To, o registry.Options) error {
	_, err := destinations(p, to, o)
	return err
}

// Repositories are where the images of a plan go, one for each in their order.
// The error is CheckTo's.
func Repositories(p *plan.Plan, to To, o registry.Options) ([]string, error) {
	all, err := destinations(p, to, o)
	repositories := make([]string, len(all))
	for i, d := range all {
		repositories[i] = d.repository
	}
	return repositories, err
}

// destinations settles where every image of a plan goes.
func destinations(p *plan.Plan, to To, o registry.Options) ([]destination, error) {
	place := p.Config
	if place == "" {
		place = plan.ConfigName
	}
	var all []destination
	for _, ip := range p.Images {
		d, ca := destination{repository: ip.Publish.To}, []byte(nil)
		switch {
		case to.Repository == "" && ip.Publish.To != "" && sharesTo(p, ip):
			d.repository = ip.Publish.To + "/" + ip.Name
		case to.Repository != "" && len(p.Images) > 1:
			d.repository = to.Repository + "/" + ip.Name
		case to.Repository != "":
			d.repository = to.Repository
		}
		if d.repository == "" {
			return nil, &plan.ValueError{Place: place, Key: "publish.to", Problem: "no repository to publish to; name one, or give --to"}
		}
		d.tags = slices.Concat(ip.Publish.Tags, to.Tags)
		if ip.Publish.CA != "" {
			var err error
			if ca, err = p.ReadFile(ip.Publish.CA); err != nil {
				return nil, &plan.ValueError{Place: place, Key: "publish.ca", Problem: err.Error()}
			}
		}
		d.options = registryOptions(o, ip, ca)
		if err := registry.Check(d.repository, d.tags, d.options); err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.repository == d.repository {
				return nil, &plan.ValueError{Place: place, Key: "publish.to", Problem: fmt.Sprintf("two images would go to %s; give each its own", d.repository)}
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// sharesTo tells whether another image names the same repository, as images do
// that inherit it.
func sharesTo(p *plan.Plan, ip plan.ImagePlan) bool {
	for _, other := range p.Images {
		if other.Name != ip.Name && other.Publish.To == ip.Publish.To {
			return true
		}
	}
	return false
}

// registryOptions are how one image's registry is talked to.
func registryOptions(o registry.Options, ip plan.ImagePlan, ca []byte) registry.Options {
	o.PlainHTTP = o.PlainHTTP || ip.Publish.PlainHTTP
	o.MountFrom = slices.Concat(o.MountFrom, ip.Publish.MountFrom)
	o.CA = slices.Concat(o.CA, ca)
	return o
}

// reporting makes a destination's pushes tell what they do.
func (b *Built) reporting(img *Image, d destination) registry.Options {
	d.options.Image, d.options.Progress = label(b.plan, img.Plan), b.opts.Progress
	return d.options
}

// DryRun does all that Publish does but push: it proves the images, asks the
// registry what it has, and says in the progress what would be sent.
func (b *Built) DryRun(ctx context.Context, to To) error {
	all, err := destinations(b.plan, to, b.opts.Registry)
	if err != nil {
		return err
	}
	if err := b.ensureProved(ctx); err != nil {
		return err
	}
	for i, img := range b.Images {
		d := all[i]
		preview, err := registry.DryRun(ctx, img.Index, d.repository, d.tags, b.reporting(img, d))
		if err != nil {
			return err
		}
		img.References = append(img.References, preview.Reference)
		b.opts.Progress.Send(report.Event{Step: "dry run", Image: label(b.plan, img.Plan), State: report.Log, Text: describe(preview)})
	}
	return nil
}

func describe(p *registry.Preview) string {
	blobs, bytes := p.ToSend()
	lines := []string{fmt.Sprintf("would push %s: %d of %d blobs to send, %s", p.Reference, blobs, len(p.Blobs), report.Bytes(bytes))}
	for _, b := range p.Blobs {
		state := "send"
		switch {
		case b.Present:
			state = "there already"
		case b.MountFrom != "":
			state = "mount from " + b.MountFrom
		}
		lines = append(lines, fmt.Sprintf("  blob      %s  %s  %s", b.Digest, report.Bytes(b.Size), state))
	}
	for _, m := range p.Manifests {
		state := "send"
		if m.Present {
			state = "there already"
		}
		lines = append(lines, fmt.Sprintf("  manifest  %s  %s  %s", m.Digest, report.Bytes(m.Size), state))
	}
	for _, t := range p.Tags {
		now := "new"
		switch {
		case !t.Moves:
			now = "there already"
		case t.Now != v1.Hash{}:
			now = "now " + t.Now.String()
		}
		lines = append(lines, fmt.Sprintf("  tag       %s  %s", t.Reference, now))
	}
	return strings.Join(lines, "\n")
}
