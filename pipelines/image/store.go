package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// Store keeps compressed layers by what is in them, so that a layer which did
// not change is not compressed again. Several processes may use one at once.
//
//	blobs/sha256/<digest>     compressed layers, as they are pushed
//	layers/<version>/<diffID> which of them holds an uncompressed layer
type Store struct {
	dir         string
	compression string
}

// The compressor. Change the version with go.mod: TestCompressionIsPinned says
// when.
const (
	compressorModule  = "github.com/klauspost/compress"
	compressorVersion = "v1.20.3"
)

// compression names the compressor in the store, so that a layer which another
// one compressed is not taken for its own. Who uses this package as a library may
// have chosen another version of it, which is what the build info tells; it may be
// nil.
func compression(info *debug.BuildInfo) string {
	version := compressorVersion
	if info != nil {
		for _, m := range info.Deps {
			switch {
			case m.Path != compressorModule:
			case m.Replace != nil:
				version = m.Replace.Path + "@" + m.Replace.Version
			default:
				version = m.Version
			}
		}
	}
	// It is a folder's name, which a replacement's path is not.
	version = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:`, r) {
			return '-'
		}
		return r
	}, strings.TrimPrefix(version, "v"))
	return fmt.Sprintf("gzip-%d-klauspost-%s", level, version)
}

// NewStore opens the store in a folder, which it makes.
func NewStore(dir string) (*Store, error) {
	info, _ := debug.ReadBuildInfo() // nil when there is none
	s := &Store{dir: dir, compression: compression(info)}
	for _, sub := range []string{"blobs/sha256", "layers/" + s.compression} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// level is the last one that is worth its time: 9 takes three times as long and
// makes a Go program half a percent smaller.
const level = 8

// Layer is a compressed layer in a Store. It is a v1.Layer.
type Layer struct {
	path string
	desc layerDescriptor
	// Title says in a word what the layer holds, for people.
	Title string
}

// layerDescriptor is what the store remembers of a layer.
type layerDescriptor struct {
	DiffID v1.Hash `json:"diffID"`
	Digest v1.Hash `json:"digest"`
	Size   int64   `json:"size"`
}

var _ v1.Layer = (*Layer)(nil)

// Digest is the hash of the compressed layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.desc.Digest, nil }

// DiffID is the hash of the uncompressed layer.
func (l *Layer) DiffID() (v1.Hash, error) { return l.desc.DiffID, nil }

// Size is the compressed layer's, in bytes.
func (l *Layer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType is OCI's for a layer compressed with gzip.
func (l *Layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed opens the layer as it is pushed.
func (l *Layer) Compressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Uncompressed opens the layer's tar.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// Layer puts files into a layer, every one of them with the same time. The
// order of files does not matter.
func (s *Store) Layer(ctx context.Context, title string, files []File, mtime time.Time) (*Layer, error) {
	files, err := tree(files)
	if err != nil {
		return nil, err
	}
	// Hashing is cheap beside compressing: hash first, and compress only what is
	// not there.
	diff := sha256.New()
	if err := writeTar(ctx, diff, files, mtime); err != nil {
		return nil, err
	}
	diffID := sum(diff)
	if l, ok := s.lookup(diffID); ok {
		l.Title = title
		return l, nil
	}
	l, err := s.compress(ctx, diffID, files, mtime)
	if err != nil {
		return nil, err
	}
	l.Title = title
	return l, nil
}

func (s *Store) lookup(diffID v1.Hash) (*Layer, bool) {
	data, err := os.ReadFile(s.index(diffID))
	if err != nil {
		return nil, false
	}
	var desc layerDescriptor
	if json.Unmarshal(data, &desc) != nil || desc.DiffID != diffID {
		return nil, false
	}
	l := &Layer{path: s.blob(desc.Digest), desc: desc}
	// What was written may not be what is there: a disk can be full or fail, and a
	// blob that is not its digest would go all the way to a registry. Hashing it
	// costs little beside what compressing it would.
	f, err := os.Open(l.path)
	if err != nil {
		return nil, false
	}
	defer func() { _ = f.Close() }()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil || sum(digest) != desc.Digest {
		return nil, false
	}
	return l, true
}

func (s *Store) compress(ctx context.Context, want v1.Hash, files []File, mtime time.Time) (_ *Layer, err error) {
	tmp, err := os.CreateTemp(filepath.Join(s.dir, "blobs"), ".tmp-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	digest, diff := sha256.New(), sha256.New()
	count := &counter{}
	z, err := gzip.NewWriterLevel(io.MultiWriter(tmp, digest, count), level)
	if err != nil {
		return nil, err
	}
	if err := writeTar(ctx, io.MultiWriter(z, diff), files, mtime); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if got := sum(diff); got != want {
		return nil, fmt.Errorf("a file changed while it was put into a layer: %s became %s", want, got)
	}
	if err := tmp.Chmod(0o644); err != nil {
		return nil, err
	}
	if err := tmp.Close(); err != nil {
		return nil, err
	}
	desc := layerDescriptor{DiffID: want, Digest: sum(digest), Size: count.n}
	l := &Layer{path: s.blob(desc.Digest), desc: desc}
	if err := os.Rename(tmp.Name(), l.path); err != nil {
		return nil, err
	}
	data, err := json.Marshal(desc)
	if err != nil {
		return nil, err
	}
	return l, writeWhole(s.index(want), func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func (s *Store) blob(h v1.Hash) string {
	return filepath.Join(s.dir, "blobs", h.Algorithm, h.Hex)
}

func (s *Store) index(diffID v1.Hash) string {
	return filepath.Join(s.dir, "layers", s.compression, diffID.Hex)
}

// writeTar writes files in their order. The headers hold nothing but what a
// File says: no user names, no times but one, no device numbers. Go's writer
// takes USTAR where a path fits and PAX where it does not.
func writeTar(ctx context.Context, w io.Writer, files []File, mtime time.Time) error {
	tw := tar.NewWriter(w)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := &tar.Header{Name: f.Path, Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID, ModTime: mtime}
		if f.Mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		switch {
		case f.Mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, f.Path+"/"
		case f.Mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Link, 0o777
		case f.isHardLink():
			h.Typeflag, h.Linkname = tar.TypeLink, f.Link
		case f.Mode.IsRegular():
			h.Typeflag, h.Size = tar.TypeReg, f.Size
		default:
			return fmt.Errorf("/%s: %s cannot stand in an image", f.Path, f.Mode.Type())
		}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("/%s: %w", f.Path, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := copyContent(ctx, tw, f); err != nil {
			return fmt.Errorf("/%s: %w", f.Path, err)
		}
	}
	return tw.Close()
}

func copyContent(ctx context.Context, w io.Writer, f File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	n, err := io.Copy(w, contextReader{ctx, r})
	if err != nil {
		return err
	}
	if n != f.Size {
		return fmt.Errorf("has %d bytes, %d expected: it changed meanwhile", n, f.Size)
	}
	return nil
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}
