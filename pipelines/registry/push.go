package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/pipelines/report"
)

// Result says what a push did.
type Result struct {
	// Reference is the index by digest, "ghcr.io/acme/hello@sha256:…".
	Reference string
	// Digest is the index's.
	Digest v1.Hash
	// Tags are the references that were moved, "ghcr.io/acme/hello:latest".
	Tags []string
	// BlobsSent went over the wire, BlobsMounted came from another repository of the
	// registry, and BlobsPresent were there already.
	BlobsSent, BlobsMounted, BlobsPresent int
	// BytesSent is the size of the blobs that were sent, each counted once.
	BytesSent int64
}

// Push sends an index with everything in it to a repository by digest, reads it
// back, and then moves the tags to it, one after the other.
//
// Whatever fails before the first tag, the end of ctx included, leaves no tag
// moved. Errors are *ReferenceError or *CAError (and then nothing was asked of the
// registry), *UnreachableError, *AuthError, *PushError, *TagError, or wrap ctx's.
//
// Layers are streamed: each is opened when its turn comes, once for each attempt,
// and must give the same bytes every time.
func Push(ctx context.Context, index v1.ImageIndex, repository string, tags []string, o Options) (*Result, error) {
	t, err := newTarget(repository, tags, o)
	if err != nil {
		return nil, err
	}
	all, err := walk(index)
	if err != nil {
		return nil, &PushError{Failure{Repository: t.given, Doing: "read the image", Reason: oneLine(err.Error()), Err: err}}
	}

	step := o.Progress.Start("push", o.Image, "")
	p := &push{target: t, contents: all, o: o}
	p.result.Digest = all.root().desc.Digest
	p.result.Reference = t.given + "@" + p.result.Digest.String()
	p.client, err = connect(ctx, t, transport.PushScope, pushFailure, o)
	if err != nil {
		step.End("", err)
		return nil, err
	}
	defer p.close()

	err = p.send(ctx)
	step.End(p.summary(), err)
	if err != nil {
		return nil, err
	}

	step = o.Progress.Start("verify", o.Image, "")
	err = p.readBack(ctx)
	step.End(fmt.Sprintf("%s read back", p.result.Digest), err)
	if err != nil {
		return nil, err
	}
	p.remember()

	if len(t.tags) > 0 {
		step = o.Progress.Start("tag", o.Image, "")
		err = p.tag(ctx)
		step.End(strings.Join(t.tags, ", "), err)
		if err != nil {
			return nil, err
		}
	}
	return &p.result, nil
}

// Check says, before there is anything to push, whether Push could take these: the
// repository, the tags, MountFrom and CA. It asks nothing of the registry. The
// error is a *ReferenceError or a *CAError.
func Check(repository string, tags []string, o Options) error {
	if _, err := newTarget(repository, tags, o); err != nil {
		return err
	}
	_, err := trust(o.CA)
	return err
}

// push is one push under way.
type push struct {
	*client
	target   *target
	contents *contents
	o        Options

	mu     sync.Mutex
	result Result
}

func (p *push) summary() string {
	r := &p.result
	return fmt.Sprintf("%d blobs sent (%s), %d mounted, %d present", r.BlobsSent, report.Bytes(r.BytesSent), r.BlobsMounted, r.BlobsPresent)
}

// each runs a function for all items, some of them at once, until one fails.
func each[T any](ctx context.Context, jobs int, items []T, f func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, item := range items {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, item)
		})
	}
	return g.Wait()
}

// send puts blobs and manifests, what is referred to before what refers to it,
// as the specification asks for ("Pushing manifests").
func (p *push) send(ctx context.Context) error {
	if err := each(ctx, p.o.jobs(), p.contents.blobs, func(inner context.Context, b blob) error {
		return p.explain(ctx, "send blob "+b.desc.Digest.String(), p.sendBlob(inner, b))
	}); err != nil {
		return err
	}
	put := func(inner context.Context, m manifest) error {
		err := p.pusher.Put(inner, p.repo.Digest(m.desc.Digest.String()), m)
		return p.explain(ctx, "send manifest "+m.desc.Digest.String(), err)
	}
	if err := each(ctx, p.o.jobs(), p.contents.images, put); err != nil {
		return err
	}
	for _, m := range p.contents.indexes {
		if err := put(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (p *push) sendBlob(ctx context.Context, b blob) error {
	_, err := headBlob(ctx, p.puller, p.repo, b.desc.Digest)
	if err == nil {
		p.count(func(r *Result) { r.BlobsPresent++ })
		return nil
	}
	if !absent(err) {
		return err
	}
	if from, ok := p.source(ctx, b, p.o.Known, p.target.mountFrom); ok {
		s := &sending{blob: b}
		err := p.mounter.Upload(ctx, p.repo, &remote.MountableLayer{Layer: s, Reference: from.Digest(b.desc.Digest.String())})
		if err == nil {
			p.uploaded(s)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		// Whatever kept us from mounting, the blob can still be sent.
	}
	s := &sending{blob: b}
	if err := p.pusher.Upload(ctx, p.repo, s); err != nil {
		return err
	}
	p.uploaded(s)
	return nil
}

// uploaded counts a blob that is there now. The registry may have mounted it, or
// not have wanted to and got it sent.
func (p *push) uploaded(s *sending) {
	p.count(func(r *Result) {
		if s.sent() {
			r.BlobsSent++
			r.BytesSent += s.desc.Size
		} else {
			r.BlobsMounted++
		}
	})
}

func (p *push) count(f func(*Result)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.result)
}

// source finds a repository of the same registry that has a blob: the one its
// image was read from, one that we pushed it to, or one that the caller names.
func (c *client) source(ctx context.Context, b blob, known *Known, named []name.Repository) (name.Repository, bool) {
	remembered := known.repositories(c.repo.Registry, b.desc.Digest)
	tried := []string{c.repo.RepositoryStr()}
	for _, candidate := range slices.Concat(b.from, remembered, named) {
		if candidate.RegistryStr() != c.repo.RegistryStr() || slices.Contains(tried, candidate.RepositoryStr()) {
			continue
		}
		tried = append(tried, candidate.RepositoryStr())
		from := c.repo.Registry.Repo(candidate.RepositoryStr())
		size, err := headBlob(ctx, c.sisters, from, b.desc.Digest)
		switch {
		case err == nil && (size == b.desc.Size || size < 0):
			return from, true
		case err != nil && absent(err) && slices.Contains(remembered, from):
			known.forget(from, b.desc.Digest)
		}
	}
	return name.Repository{}, false
}

// readBack proves that the registry gives what was pushed: every manifest byte
// for byte, every blob by its size. (A registry checks a blob's digest when it
// takes it, which the specification demands.)
func (p *push) readBack(ctx context.Context) error {
	differs := func(doing, format string, args ...any) error {
		return p.failure(Failure{Repository: p.given, Doing: doing, Reason: fmt.Sprintf(format, args...)})
	}
	if err := each(ctx, p.o.jobs(), p.contents.manifests(), func(inner context.Context, m manifest) error {
		doing := "read back manifest " + m.desc.Digest.String()
		got, err := p.puller.Get(inner, p.repo.Digest(m.desc.Digest.String()))
		if err != nil {
			return p.explain(ctx, doing, err)
		}
		if !bytes.Equal(got.Manifest, m.raw) {
			return differs(doing, "the registry gives other bytes than were pushed")
		}
		return nil
	}); err != nil {
		return err
	}
	return each(ctx, p.o.jobs(), p.contents.blobs, func(inner context.Context, b blob) error {
		doing := "read back blob " + b.desc.Digest.String()
		size, err := headBlob(inner, p.puller, p.repo, b.desc.Digest)
		if err != nil {
			return p.explain(ctx, doing, err)
		}
		if size >= 0 && size != b.desc.Size {
			return differs(doing, "the registry has %d bytes, %d were pushed", size, b.desc.Size)
		}
		return nil
	})
}

// remember notes where the blobs are now. A memory that cannot be written costs
// the next push some bytes and nothing else.
func (p *push) remember() {
	for _, b := range p.contents.blobs {
		if err := p.o.Known.add(p.repo, b.desc.Digest); err != nil {
			p.o.Progress.Warn("push", p.o.Image, "", "cannot remember where blobs are: "+err.Error())
			return
		}
	}
}

func (p *push) tag(ctx context.Context) error {
	for _, tag := range p.target.tags {
		if err := p.moveTag(ctx, tag); err != nil {
			return &TagError{Reference: p.result.Reference, Tag: tag, Moved: p.target.tags[:len(p.result.Tags)], Err: err}
		}
		p.result.Tags = append(p.result.Tags, p.given+":"+tag)
	}
	return nil
}

func (p *push) moveTag(ctx context.Context, tag string) error {
	ref := p.repo.Tag(tag)
	if err := ctx.Err(); err != nil {
		return p.explain(ctx, "move tag "+tag, err)
	}
	if err := p.pusher.Put(ctx, ref, p.contents.root()); err != nil {
		return p.explain(ctx, "move tag "+tag, err)
	}
	digest, err := resolveTag(ctx, p.puller, ref)
	if err != nil {
		return p.explain(ctx, "read back tag "+tag, err)
	}
	if digest != p.result.Digest {
		return p.failure(Failure{Repository: p.given, Doing: "read back tag " + tag, Reason: "it points at " + digest.String()})
	}
	return nil
}

// resolveTag asks what a tag points at. HEAD is enough, and counts as no pull
// where pulls are counted; a registry that leaves out the digest is asked for the
// manifest.
func resolveTag(ctx context.Context, p *remote.Puller, tag name.Tag) (v1.Hash, error) {
	desc, err := p.Head(ctx, tag)
	if err == nil {
		return desc.Digest, nil
	}
	var answer *transport.Error
	if errors.As(err, &answer) || ctx.Err() != nil {
		return v1.Hash{}, err
	}
	got, err := p.Get(ctx, tag)
	if err != nil {
		return v1.Hash{}, err
	}
	return got.Digest, nil
}
