package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// Fetched is what a reference points at: an index or an image, and the other one
// is nil. Its parts are read when they are asked for, under the context that it
// was fetched with; their errors then are go-containerregistry's.
type Fetched struct {
	// Reference is it by digest, in the repository as it was written.
	Reference  string
	Descriptor v1.Descriptor
	Index      v1.ImageIndex
	Image      v1.Image
}

// Fetch reads what a reference points at: HOST/REPOSITORY with :TAG or @DIGEST
// (which wins over a tag), or with neither for the tag latest. Errors are
// *ReferenceError, *CAError, *UnreachableError, *AuthError, *FetchError, or wrap
// ctx's.
// Options.MountFrom and Known are of no concern here.
func Fetch(ctx context.Context, ref string, o Options) (*Fetched, error) {
	r, err := split(ref)
	if err != nil {
		return nil, err
	}
	t := &target{given: r.repository()}
	if t.repo, err = r.name(o.PlainHTTP); err != nil {
		return nil, err
	}
	c, err := connect(ctx, t, transport.PullScope, fetchFailure, o)
	if err != nil {
		return nil, err
	}
	var what name.Reference
	switch {
	case r.digest != "":
		what = t.repo.Digest(r.digest)
	case r.tag != "":
		what = t.repo.Tag(r.tag)
	default:
		what = t.repo.Tag(name.DefaultTag)
	}
	doing := "read " + what.Identifier()
	desc, err := c.puller.Get(ctx, what)
	if err != nil {
		c.close()
		return nil, c.explain(ctx, doing, err)
	}
	f := &Fetched{Reference: t.given + "@" + desc.Digest.String(), Descriptor: desc.Descriptor}
	switch {
	case desc.MediaType.IsIndex():
		f.Index, err = desc.ImageIndex()
	case desc.MediaType.IsImage():
		f.Image, err = desc.Image()
	default:
		err = fmt.Errorf("it is neither an image nor an index, but %q", desc.MediaType)
	}
	if err != nil {
		c.close()
		return nil, c.explain(ctx, doing, err)
	}
	return f, nil
}

// PlatformError says that a base image does not come for a platform.
type PlatformError struct {
	Reference string
	Want      string
	// Have are the platforms that it comes for.
	Have []string
}

func (e *PlatformError) Error() string {
	have := "no platform at all"
	if len(e.Have) > 0 {
		have = strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("base image %s does not come for %s; it comes for %s", e.Reference, e.Want, have)
}

// Base reads the image of one platform to build on. The reference must have a
// digest, since what a tag points at changes. Where the platform has a variant,
// the image for the nearest variant below it will do: linux/amd64 runs on
// linux/amd64/v3, and linux/arm/v6 on linux/arm/v7.
//
// The layers can be mounted where the image is pushed to the same registry.
// Errors are Fetch's and *PlatformError.
func Base(ctx context.Context, ref string, p v1.Platform, o Options) (v1.Image, error) {
	r, err := split(ref)
	if err != nil {
		return nil, err
	}
	if r.digest == "" {
		return nil, &ReferenceError{Reference: ref, Reason: fmt.Sprintf("a base image needs a digest, since a tag can move; want %s@sha256:…", r.repository())}
	}
	f, err := Fetch(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (v1.Image, error) {
		return nil, &FetchError{Failure{Repository: r.repository(), Doing: "read base image " + r.digest, Reason: oneLine(err.Error()), Err: err}}
	}
	if f.Image != nil {
		config, err := f.Image.ConfigFile()
		if err != nil {
			return fail(err)
		}
		have := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
		if nearest(p, []v1.Platform{have}) < 0 {
			return nil, &PlatformError{Reference: ref, Want: platform.String(p), Have: []string{platform.String(have)}}
		}
		return f.Image, nil
	}
	index, err := f.Index.IndexManifest()
	if err != nil {
		return fail(err)
	}
	var (
		have  []v1.Platform
		descs []v1.Descriptor
		names []string
	)
	for _, desc := range index.Manifests {
		// Attestations stand beside the images with a platform of unknown/unknown.
		if desc.Platform == nil || desc.Platform.OS == "unknown" || !desc.MediaType.IsImage() {
			continue
		}
		have, descs = append(have, *desc.Platform), append(descs, desc)
		names = append(names, platform.String(*desc.Platform))
	}
	i := nearest(p, have)
	if i < 0 {
		slices.Sort(names)
		return nil, &PlatformError{Reference: ref, Want: platform.String(p), Have: names}
	}
	img, err := f.Index.Image(descs[i].Digest)
	if err != nil {
		return fail(err)
	}
	return img, nil
}

// nearest finds the platform whose programs run on p and whose variant is the
// highest, or -1.
func nearest(p v1.Platform, have []v1.Platform) int {
	best, bestLevel := -1, -1
	for i, h := range have {
		if h.OS != p.OS || h.Architecture != p.Architecture {
			continue
		}
		want, wantOK := level(p)
		got, gotOK := level(h)
		switch {
		case h.Variant == p.Variant:
			return i
		case wantOK && gotOK && got <= want && got > bestLevel:
			best, bestLevel = i, got
		}
	}
	return best
}

// level is the number of a variant, "v7" or what its absence means. The variants
// of amd64, arm and arm64 build on each other.
func level(p v1.Platform) (int, bool) {
	absent := map[string]int{"amd64": 1, "arm": 7, "arm64": 8}
	if p.Variant == "" {
		n, ok := absent[p.Architecture]
		return n, ok
	}
	if _, ok := absent[p.Architecture]; !ok {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(p.Variant, "v"))
	return n, err == nil
}
