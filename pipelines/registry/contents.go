package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// contents is everything that an index holds, each thing once.
type contents struct {
	// images are the manifests that refer to blobs.
	images []manifest
	// indexes refer to images and to the indexes before them. The last is the root.
	indexes []manifest
	blobs   []blob
}

// root is the index itself.
func (c *contents) root() manifest { return c.indexes[len(c.indexes)-1] }

// manifests are all of them, what is referred to before what refers to it.
func (c *contents) manifests() []manifest {
	return append(append([]manifest(nil), c.images...), c.indexes...)
}

// manifest is one manifest, byte for byte.
type manifest struct {
	desc v1.Descriptor
	raw  []byte
}

// These are what go-containerregistry wants of something that it puts.
func (m manifest) RawManifest() ([]byte, error)        { return m.raw, nil }
func (m manifest) Digest() (v1.Hash, error)            { return m.desc.Digest, nil }
func (m manifest) Size() (int64, error)                { return m.desc.Size, nil }
func (m manifest) MediaType() (types.MediaType, error) { return m.desc.MediaType, nil }

// blob is a config or a layer.
type blob struct {
	desc  v1.Descriptor
	layer v1.Layer
	// from are the repositories that have it, where the image stands on one that
	// was read from a registry.
	from []name.Repository
}

// walk lists what an index holds. It opens no layer.
func walk(index v1.ImageIndex) (*contents, error) {
	w := walker{manifests: map[v1.Hash]bool{}, blobs: map[v1.Hash]int{}}
	raw, err := index.RawManifest()
	if err != nil {
		return nil, err
	}
	mediaType, err := index.MediaType()
	if err != nil {
		return nil, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	err = w.index(index, v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size})
	return &w.contents, err
}

type walker struct {
	contents
	manifests map[v1.Hash]bool
	blobs     map[v1.Hash]int // where in contents.blobs
}

// check makes a manifest of its bytes, which must be what the descriptor says.
func check(desc v1.Descriptor, raw []byte) (manifest, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err == nil && (digest != desc.Digest || size != desc.Size) {
		err = fmt.Errorf("manifest %s of %d bytes is %s of %d bytes", desc.Digest, desc.Size, digest, size)
	}
	return manifest{desc: desc, raw: raw}, err
}

func (w *walker) index(index v1.ImageIndex, desc v1.Descriptor) error {
	if w.manifests[desc.Digest] {
		return nil
	}
	w.manifests[desc.Digest] = true
	raw, err := index.RawManifest()
	if err != nil {
		return err
	}
	m, err := check(desc, raw)
	if err != nil {
		return err
	}
	parsed, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("index %s: %w", desc.Digest, err)
	}
	for _, child := range parsed.Manifests {
		switch {
		case child.MediaType.IsIndex():
			inner, err := index.ImageIndex(child.Digest)
			if err != nil {
				return err
			}
			if err := w.index(inner, child); err != nil {
				return err
			}
		case child.MediaType.IsImage():
			img, err := index.Image(child.Digest)
			if err != nil {
				return err
			}
			if err := w.image(img, child); err != nil {
				return err
			}
		default:
			return fmt.Errorf("index %s: cannot push %s of media type %q", desc.Digest, child.Digest, child.MediaType)
		}
	}
	w.indexes = append(w.indexes, m)
	return nil
}

func (w *walker) image(img v1.Image, desc v1.Descriptor) error {
	if w.manifests[desc.Digest] {
		return nil
	}
	w.manifests[desc.Digest] = true
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	m, err := check(desc, raw)
	if err != nil {
		return err
	}
	parsed, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	if len(layers) != len(parsed.Layers) {
		return fmt.Errorf("manifest %s names %d layers, the image has %d", desc.Digest, len(parsed.Layers), len(layers))
	}
	config, err := partial.ConfigLayer(img)
	if err != nil {
		return err
	}
	w.blob(parsed.Config, config)
	for i, layer := range layers {
		w.blob(parsed.Layers[i], layer)
	}
	w.images = append(w.images, m)
	return nil
}

func (w *walker) blob(desc v1.Descriptor, layer v1.Layer) {
	if !desc.MediaType.IsDistributable() {
		return // stays where its URLs say
	}
	i, ok := w.blobs[desc.Digest]
	if !ok {
		i = len(w.contents.blobs)
		w.blobs[desc.Digest] = i
		w.contents.blobs = append(w.contents.blobs, blob{desc: desc, layer: layer})
	}
	if m, ok := layer.(*remote.MountableLayer); ok {
		b := &w.contents.blobs[i]
		b.from = append(b.from, m.Reference.Context())
	}
}

// sending is a blob on its way. Digest and size are the manifest's, so that
// nothing is computed again; the source is opened once for each attempt, when the
// first byte is wanted, and never held in memory.
type sending struct {
	blob
	mu     sync.Mutex
	opened bool
}

func (s *sending) Digest() (v1.Hash, error)             { return s.desc.Digest, nil }
func (s *sending) Size() (int64, error)                 { return s.desc.Size, nil }
func (s *sending) MediaType() (types.MediaType, error)  { return s.desc.MediaType, nil }
func (s *sending) DiffID() (v1.Hash, error)             { return s.layer.DiffID() }
func (s *sending) Uncompressed() (io.ReadCloser, error) { return s.layer.Uncompressed() }
func (s *sending) Compressed() (io.ReadCloser, error)   { return &body{s: s}, nil }

// sent tells whether the blob was read, which it is only to be sent.
func (s *sending) sent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

func (s *sending) open() (io.ReadCloser, error) {
	s.mu.Lock()
	s.opened = true
	s.mu.Unlock()
	return s.layer.Compressed()
}

// body is one attempt to send a blob. The transport may close it while it is
// read.
type body struct {
	s      *sending
	mu     sync.Mutex
	rc     io.ReadCloser
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	rc, err := b.source()
	if err != nil {
		return 0, err
	}
	n, err := rc.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}

func (b *body) source() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, os.ErrClosed
	}
	if b.rc == nil {
		rc, err := b.s.open()
		if err != nil {
			return nil, &sourceError{err}
		}
		b.rc = rc
	}
	return b.rc, nil
}

func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.rc == nil {
		return nil
	}
	return b.rc.Close()
}
