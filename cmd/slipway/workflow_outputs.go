package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/report"
)

// setOutputs sets the outputs of the step. What there is of each image is a line
// for each, in the order of the configuration.
func (w *workflow) setOutputs(doc *report.Result) error {
	var digests, references, tags, layouts, ids []string
	for _, img := range doc.Images {
		digests, ids = append(digests, img.Digest), append(ids, imageID(img))
		for i, ref := range img.References {
			if i == 0 {
				references = append(references, ref)
			} else {
				tags = append(tags, ref)
			}
		}
		for _, out := range img.Outputs {
			if dir, ok := strings.CutPrefix(out, "oci:"); ok {
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
		return err
	}
	var text strings.Builder
	if err := doc.WriteJSON(&text); err != nil {
		return err
	}
	var failed error
	for _, o := range []struct{ name, value string }{
		{"digest", lines(digests)}, {"reference", reference}, {"references", lines(references)}, {"tags", lines(tags)},
		{"version", version}, {"layout", lines(layouts)}, {"report", text.String()}, {"metadata", metadata}, {"imageid", lines(ids)},
	} {
		failed = errors.Join(failed, w.runner.SetOutput(o.name, o.value))
	}
	return failed
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
		if len(img.References) > 1 {
			one["image.name"] = strings.Join(img.References[1:], ",")
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
