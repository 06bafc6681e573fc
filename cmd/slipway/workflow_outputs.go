package main

import (
	"encoding/json"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/report"
)

// output is an output of the step, as action.yml has it.
type output struct{ name, value string }

// setOutputs sets the outputs of the step.
func (w *workflow) setOutputs(doc *report.Result) error {
	all, err := w.outputs(doc)
	if err != nil {
		return err
	}
	for _, o := range all {
		if err := w.runner.SetOutput(o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

// outputs are those of a result. What there is of each image is a line for each,
// in the order of the configuration.
func (w *workflow) outputs(doc *report.Result) ([]output, error) {
	var digests, references, tags, layouts, ids []string
	for _, img := range doc.Images {
		digests, ids = append(digests, img.Digest), append(ids, imageID(img))
		references = append(references, img.ByDigest()...)
		tags = append(tags, img.ByTag()...)
		for _, out := range img.Outputs {
			dir, ok := strings.CutPrefix(out, "oci:")
			// Of the action it is the action's own folder, whatever else is written.
			if ok && (w.event == nil || strings.HasPrefix(dir, w.event.layouts)) {
				layouts = append(layouts, dir)
			}
		}
	}
	version, reference := "", ""
	if len(references) > 0 {
		reference = references[0]
	}
	if w.event != nil {
		version = w.event.version
		if len(references) == 0 {
			tags = w.event.tags
		}
	}
	metadata, err := metadataOf(doc)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := doc.WriteJSON(&text); err != nil {
		return nil, err
	}
	return []output{
		{"digest", lines(digests)},
		{"reference", reference},
		{"references", lines(references)},
		{"tags", lines(tags)},
		{"version", version},
		{"layout", lines(layouts)},
		{"report", text.String()},
		{"metadata", metadata},
		{"imageid", lines(ids)},
	}, nil
}

func lines(all []string) string { return strings.Join(all, "\n") }

// imageID is the digest of the config where there is one platform, and that of
// the index otherwise: what buildx writes to its --iidfile.
func imageID(img report.Image) string {
	if len(img.Platforms) == 1 {
		return img.Platforms[0].Config
	}
	return img.Digest
}

// metadataOf is what buildx writes to its --metadata-file
// (https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file): of
// one image, or of several by their names, as bake has it.
func metadataOf(doc *report.Result) (string, error) {
	all := map[string]any{}
	for _, img := range doc.Images {
		one := map[string]any{
			"containerimage.digest": img.Digest,
			"containerimage.descriptor": map[string]any{
				"mediaType": img.MediaType, "digest": img.Digest, "size": img.Size,
			},
		}
		if len(img.Platforms) == 1 {
			one["containerimage.config.digest"] = img.Platforms[0].Config
		}
		if tags := img.ByTag(); len(tags) > 0 {
			one["image.name"] = strings.Join(tags, ",")
		}
		if len(doc.Images) == 1 {
			all = one
		} else {
			all[img.Name] = one
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	return string(text), err
}
