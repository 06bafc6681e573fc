package registry

import (
	"context"
	"errors"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Preview is what a push would do.
type Preview struct {
	// Reference is the index by digest.
	Reference string
	Blobs     []PreviewBlob
	// Manifests are the images and then the index.
	Manifests []PreviewManifest
	Tags      []PreviewTag
}

// PreviewBlob is a config or a layer.
type PreviewBlob struct {
	Digest    v1.Hash
	Size      int64
	MediaType types.MediaType
	// Present tells that the repository has it.
	Present bool
	// MountFrom is the repository, without its registry, that it would be mounted
	// from; empty where it would be sent.
	MountFrom string
}

// PreviewManifest is an image's manifest or an index.
type PreviewManifest struct {
	Digest    v1.Hash
	Size      int64
	MediaType types.MediaType
	// Platform is nil where the index names none, as for the index itself.
	Platform *v1.Platform
	Present  bool
}

// PreviewTag is a tag that would be moved.
type PreviewTag struct {
	// Reference is the tag in full.
	Reference string
	// Now is what it points at; the zero hash where there is no such tag.
	Now v1.Hash
	// Moves is false where it points at the image already.
	Moves bool
}

// ToSend tells how many blobs would be sent and their size in bytes.
func (p *Preview) ToSend() (blobs int, bytes int64) {
	for _, b := range p.Blobs {
		if !b.Present && b.MountFrom == "" {
			blobs++
			bytes += b.Size
		}
	}
	return blobs, bytes
}

// DryRun says what Push would do with the same arguments. It writes nothing, and
// the right to read the repository is enough. Its errors are Push's.
func DryRun(ctx context.Context, index v1.ImageIndex, repository string, tags []string, o Options) (*Preview, error) {
	t, err := newTarget(repository, tags, o)
	if err != nil {
		return nil, err
	}
	all, err := walk(index)
	if err != nil {
		return nil, &PushError{Failure{Repository: t.given, Doing: "read the image", Reason: oneLine(err.Error()), Err: err}}
	}
	c, err := connect(ctx, t, transport.PullScope, pushFailure, o)
	if err != nil {
		return nil, err
	}
	defer c.close()

	digest := all.root().desc.Digest
	p := &Preview{Reference: t.given + "@" + digest.String()}

	p.Blobs = make([]PreviewBlob, len(all.blobs))
	err = each(ctx, o.jobs(), numbers(len(all.blobs)), func(inner context.Context, i int) error {
		b := all.blobs[i]
		_, err := headBlob(inner, c.puller, c.repo, b.desc.Digest)
		found := PreviewBlob{Digest: b.desc.Digest, Size: b.desc.Size, MediaType: b.desc.MediaType, Present: err == nil}
		if err != nil && !notFound(err) {
			return c.explain(ctx, "look for blob "+b.desc.Digest.String(), err)
		}
		if !found.Present {
			if from, ok := c.source(inner, b, o.Known, t.mountFrom); ok {
				found.MountFrom = from.RepositoryStr()
			}
		}
		p.Blobs[i] = found
		return nil
	})
	if err != nil {
		return nil, err
	}

	manifests := all.manifests()
	p.Manifests = make([]PreviewManifest, len(manifests))
	err = each(ctx, o.jobs(), numbers(len(manifests)), func(inner context.Context, i int) error {
		desc := manifests[i].desc
		_, err := c.puller.Head(inner, c.repo.Digest(desc.Digest.String()))
		if err != nil && !notFound(err) {
			return c.explain(ctx, "look for manifest "+desc.Digest.String(), err)
		}
		p.Manifests[i] = PreviewManifest{Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType, Platform: desc.Platform, Present: err == nil}
		return nil
	})
	if err != nil {
		return nil, err
	}

	for _, tag := range t.tags {
		now, err := resolveTag(ctx, c.puller, c.repo.Tag(tag))
		if err != nil && !notFound(err) {
			return nil, c.explain(ctx, "look for tag "+tag, err)
		}
		p.Tags = append(p.Tags, PreviewTag{Reference: t.given + ":" + tag, Now: now, Moves: now != digest})
	}
	return p, nil
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// notFound tells whether the registry said 404, which is also its answer for a
// repository that does not exist yet.
func notFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
