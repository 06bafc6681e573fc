package pipelines

import (
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Report makes the result document of what was built so far, without what only
// its caller knows: timings, warnings, and why the engine was taken.
func (b *Built) Report() (*report.Result, error) {
	doc := &report.Result{
		SchemaVersion: report.SchemaVersion,
		Engine:        report.Engine{Name: b.opts.Engine.Name()},
		Go:            report.Go{Version: b.Go, NamedBy: b.plan.GoFrom, Builder: b.Builder},
		Source:        b.plan.Dir,
	}
	if doc.Go.NamedBy == "" {
		doc.Go.NamedBy = "the engine"
	}
	for _, img := range b.Images {
		one, err := img.report()
		if err != nil {
			return nil, err
		}
		doc.Images = append(doc.Images, one)
	}
	return doc, nil
}

func (img *Image) report() (report.Image, error) {
	size, err := img.Index.Size()
	if err != nil {
		return report.Image{}, err
	}
	mediaType, err := img.Index.MediaType()
	if err != nil {
		return report.Image{}, err
	}
	out := report.Image{
		Name: img.Plan.Name, Digest: img.Digest.String(), MediaType: string(mediaType), Size: size,
		References: img.References, Outputs: img.Outputs,
	}
	if p := img.Previous; p != nil {
		out.Previous = &report.Previous{Reference: p.Reference, Digest: p.Digest.String(), Sizes: p.Sizes}
	}
	for _, v := range img.Variants {
		p, err := v.report()
		if err != nil {
			return report.Image{}, err
		}
		out.Platforms = append(out.Platforms, p)
	}
	return out, nil
}

func (v *Variant) report() (report.Platform, error) {
	digest, err := v.Image.Digest()
	if err != nil {
		return report.Platform{}, err
	}
	size, err := downloadSize(v.Image)
	if err != nil {
		return report.Platform{}, err
	}
	m, err := v.Image.Manifest()
	if err != nil {
		return report.Platform{}, err
	}
	config, err := v.Image.ConfigFile()
	if err != nil {
		return report.Platform{}, err
	}
	out := report.Platform{Platform: platform.String(v.Platform), Digest: digest.String(), Config: m.Config.Digest.String(), Size: size, Smoke: v.Verdicts}
	below := len(m.Layers) - len(v.Layers)
	for i, l := range m.Layers {
		layer := report.Layer{Digest: l.Digest.String(), DiffID: config.RootFS.DiffIDs[i].String(), Size: l.Size, Title: "base image"}
		if i >= below {
			layer.Title = v.Layers[i-below].Title
		}
		out.Layers = append(out.Layers, layer)
	}
	for _, b := range v.Binaries {
		out.Binaries = append(out.Binaries, report.Binary{Path: b.Path, Size: b.Size, SHA256: b.SHA256})
	}
	return out, nil
}
