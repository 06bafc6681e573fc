package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Read opens what Write has written. An index that holds nothing but another
// index, as a layout's does, stands for that one. Close frees what reading took.
func Read(ctx context.Context, in Output) (_ v1.ImageIndex, closer func() error, err error) {
	nothing := func() error { return nil }
	if _, err := os.Stat(in.Path); err != nil && in.Transport != TransportDocker {
		return nil, nil, &OutputError{in.String(), "cannot be read: " + errors.Unwrap(err).Error()}
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
			return nil, nil, errors.Join(&OutputError{in.String(), "is no OCI archive: " + err.Error()}, remove())
		}
		idx, err := readLayout(in, dir)
		if err != nil {
			return nil, nil, errors.Join(err, remove())
		}
		return idx, remove, nil
	case TransportDockerArchive:
		img, err := tarball.ImageFromPath(in.Path, nil)
		if err != nil {
			return nil, nil, &OutputError{in.String(), "is no docker archive with one image: " + err.Error()}
		}
		idx, err := Single(img)
		return idx, nothing, err
	}
	return nil, nil, &OutputError{in.String(), "is not read here"}
}

func readLayout(in Output, dir string) (v1.ImageIndex, error) {
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, &OutputError{in.String(), "is no OCI layout: " + err.Error()}
	}
	m, err := root.IndexManifest()
	if err != nil {
		return nil, &OutputError{in.String(), "is no OCI layout: " + err.Error()}
	}
	var found *v1.Descriptor
	for i, d := range m.Manifests {
		if in.Reference != "" && d.Annotations[annotationRefName] != in.Reference {
			continue
		}
		if found != nil {
			return nil, &OutputError{in.String(), "holds several images; name one after another colon"}
		}
		found = &m.Manifests[i]
	}
	switch {
	case found == nil:
		return nil, &OutputError{in.String(), "holds no such image"}
	case found.MediaType.IsIndex():
		return root.ImageIndex(found.Digest)
	}
	img, err := root.Image(found.Digest)
	if err != nil {
		return nil, err
	}
	return Single(img)
}

// Single makes an index of one image.
func Single(img v1.Image) (v1.ImageIndex, error) { return Index([]v1.Image{img}, nil) }

// unpackLayout unpacks an archive of a layout. What would stand outside of the
// folder is an error, as is anything but files and folders.
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
	for tr := tar.NewReader(contextReader{ctx, f}); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
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
