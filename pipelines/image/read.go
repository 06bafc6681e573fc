package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Read opens what Write has written. An index that holds nothing but another
// index, as a layout's does, stands for that one. Where there are several images,
// the reference says which. Close frees what reading took. What cannot be read is
// an *OutputError.
func Read(ctx context.Context, in Output) (_ v1.ImageIndex, closer func() error, err error) {
	nothing := func() error { return nil }
	if _, err := os.Stat(in.Path); err != nil && in.Transport != TransportDocker {
		return nil, nil, unreadable(in, "cannot be read: %v", errors.Unwrap(err))
	}
	switch in.Transport {
	case TransportOCI:
		idx, err := readLayout(in, in.Path)
		return idx, nothing, err
	case TransportOCIArchive:
		dir, err := os.MkdirTemp("", "slipway-*")
		if err != nil {
			return nil, nil, err
		}
		remove := func() error { return os.RemoveAll(dir) }
		if err := unpackLayout(ctx, in.Path, dir); err != nil {
			if ctx.Err() == nil {
				err = unreadable(in, "is no OCI archive: %v", err)
			}
			return nil, nil, errors.Join(err, remove())
		}
		idx, err := readLayout(in, dir)
		if err != nil {
			return nil, nil, errors.Join(err, remove())
		}
		return idx, remove, nil
	case TransportDockerArchive:
		idx, err := readDockerArchive(in)
		return idx, nothing, err
	}
	return nil, nil, unreadable(in, "is not read here")
}

func unreadable(in Output, reason string, args ...any) error {
	return &OutputError{Output: in.String(), Reason: fmt.Sprintf(reason, args...), Reading: true}
}

const (
	severalImages = "holds several images; name one after another colon"
	noSuchImage   = "holds no such image"
)

func readLayout(in Output, dir string) (v1.ImageIndex, error) {
	// Where the layout was unpacked to is nobody's business.
	bad := func(err error) error {
		if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
			if rel, relErr := filepath.Rel(dir, pathErr.Path); relErr == nil {
				err = fmt.Errorf("%s: %w", filepath.ToSlash(rel), pathErr.Err)
			}
		}
		return unreadable(in, "is no OCI layout: %v", err)
	}
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, bad(err)
	}
	m, err := root.IndexManifest()
	if err != nil {
		return nil, bad(err)
	}
	var found *v1.Descriptor
	for i, d := range m.Manifests {
		if in.Reference != "" && d.Annotations[annotationRefName] != in.Reference {
			continue
		}
		if found != nil {
			return nil, unreadable(in, severalImages)
		}
		found = &m.Manifests[i]
	}
	switch {
	case found == nil:
		return nil, unreadable(in, noSuchImage)
	case found.MediaType.IsIndex():
		idx, err := root.ImageIndex(found.Digest)
		if err != nil {
			return nil, bad(err)
		}
		return idx, nil
	}
	img, err := root.Image(found.Digest)
	if err != nil {
		return nil, bad(err)
	}
	idx, err := Single(img)
	if err != nil {
		return nil, bad(err)
	}
	return idx, nil
}

// readDockerArchive reads what docker save or Write wrote.
func readDockerArchive(in Output) (v1.ImageIndex, error) {
	const bad = "is no docker archive: %v"
	opener := func() (io.ReadCloser, error) { return os.Open(in.Path) }
	m, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, unreadable(in, bad, err)
	}
	var tag *name.Tag
	switch {
	case in.Reference != "":
		t, err := name.NewTag(in.Reference)
		if err != nil {
			return nil, unreadable(in, "%q is no name and tag for docker", in.Reference)
		}
		if !slices.ContainsFunc(m, func(d tarball.Descriptor) bool { return slices.ContainsFunc(d.RepoTags, names(t)) }) {
			return nil, unreadable(in, noSuchImage)
		}
		tag = &t
	case len(m) == 0:
		return nil, unreadable(in, noSuchImage)
	case len(m) > 1:
		return nil, unreadable(in, severalImages)
	}
	img, err := tarball.Image(opener, tag)
	if err != nil {
		return nil, unreadable(in, bad, err)
	}
	idx, err := Single(img)
	if err != nil {
		return nil, unreadable(in, bad, err)
	}
	return idx, nil
}

// names tells whether a text names the same as a tag: there are several ways to
// write one.
func names(tag name.Tag) func(string) bool {
	return func(text string) bool {
		t, err := name.NewTag(text)
		return err == nil && t.Name() == tag.Name()
	}
}

// Single makes an index of one image.
func Single(img v1.Image) (v1.ImageIndex, error) { return Index([]v1.Image{img}, nil) }

// unpackLayout unpacks an archive of a layout. What would stand outside of the
// folder is an error, as is anything but files and folders, and a file that is
// larger than the archive has room for: a sparse one, which would fill the disk.
func unpackLayout(ctx context.Context, file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	room := info.Size()
	for tr := tar.NewReader(contextReader{ctx, f}); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Size > room {
			return fmt.Errorf("%s has %d bytes, more than the archive has room for", h.Name, h.Size)
		}
		room -= h.Size
		name := filepath.FromSlash(filepath.Clean(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = unpackFile(root, name, tr)
		default:
			err = fmt.Errorf("%s is neither file nor folder", h.Name)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
