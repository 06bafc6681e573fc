package pipelines

import (
	"context"
	"errors"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// Previous is an image that was published before.
type Previous struct {
	// Reference is the tag that it was found under, in full.
	Reference string
	Digest    v1.Hash
	// Sizes are those of its platforms, by their names: what a client downloads,
	// manifest, config and compressed layers, in bytes.
	Sizes map[string]int64
}

// FindPrevious looks for what is published already, for a comparison: the image
// at the first of the tags that the repository has. It reads manifests alone. An
// image that was not published before has no Previous, and that is no error.
func (b *Built) FindPrevious(ctx context.Context, to To, tags []string) error {
	all, err := destinations(b.plan, to, b.opts.Registry)
	if err != nil {
		return err
	}
	for i, img := range b.Images {
		d := all[i]
		for _, tag := range tags {
			if img.Previous, err = previous(ctx, d.repository+":"+tag, d.options); err != nil {
				return err
			}
			if img.Previous != nil {
				break
			}
		}
	}
	return nil
}

// previous reads one tag. It is nil where there is no such tag.
func previous(ctx context.Context, ref string, o registry.Options) (*Previous, error) {
	found, err := registry.Fetch(ctx, ref, o)
	if err != nil {
		if fail, ok := errors.AsType[*registry.FetchError](err); ok && fail.Status == http.StatusNotFound {
			return nil, nil
		}
		return nil, err
	}
	p := &Previous{Reference: ref, Digest: found.Descriptor.Digest, Sizes: map[string]int64{}}
	if found.Image != nil {
		config, err := found.Image.ConfigFile()
		if err != nil {
			return nil, err
		}
		p.Sizes[platform.String(*config.Platform())], err = downloadSize(found.Image)
		return p, err
	}
	index, err := found.Index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, desc := range index.Manifests {
		if desc.Platform == nil || !desc.MediaType.IsImage() {
			continue
		}
		img, err := found.Index.Image(desc.Digest)
		if err != nil {
			return nil, err
		}
		if p.Sizes[platform.String(*desc.Platform)], err = downloadSize(img); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// downloadSize is what a client without any of an image downloads, in bytes.
func downloadSize(img v1.Image) (int64, error) {
	size, err := img.Size()
	if err != nil {
		return 0, err
	}
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	size += m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size, nil
}
