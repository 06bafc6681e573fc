package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/pipelines/image"
)

func newStore(t *testing.T) *image.Store {
	t.Helper()
	s, err := image.NewStore(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func layer(t *testing.T, s *image.Store, files ...image.File) *image.Layer {
	t.Helper()
	l, err := s.Layer(context.Background(), "test", files, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sample is 200 KB that compress as a program does: words that repeat, in an
// order that does not, records of like numbers, and bytes that are noise.
func sample() []byte {
	state := uint32(1)
	next := func(n uint32) uint32 { // a generator of its own, which no release changes
		state = state*1664525 + 1013904223
		return (state >> 8) % n
	}
	words := make([][]byte, 600)
	for i := range words {
		for range 2 + next(10) {
			words[i] = append(words[i], byte('a'+next(26)))
		}
	}
	var b []byte
	for len(b) < 200_000 {
		switch next(8) {
		case 0:
			for range 8 + next(32) {
				b = binary.LittleEndian.AppendUint32(b, 0x400000+next(1<<12))
			}
		case 1:
			for range next(64) {
				b = append(b, byte(next(256)))
			}
		default:
			for range 4 + next(12) {
				// The lower words come more often, as in a language.
				b = append(append(b, words[next(1+next(600))]...), ' ')
			}
			b = append(b, '\n')
		}
	}
	return b
}

// TestCompressionIsPinned fails when the compressor gives other bytes than it
// did: every digest changes then, and the store's name for it has to.
func TestCompressionIsPinned(t *testing.T) {
	l := layer(t, newStore(t), image.Bytes("a/b", 0o644, sample()), image.Bytes("c", 0o755, nil))
	digest, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:5dc06d90a3ec8dd79e4f68edf740bd734f6bc41cc715ea39dc61b98d5e1dd08d"
	if digest.String() != want {
		t.Errorf("the layer is %s, want %s: the compressor changed; change compressorVersion as well", digest, want)
	}
}

func TestLayerDoesNotDependOnWhatItShouldNot(t *testing.T) {
	files := []image.File{
		image.Bytes("z", 0o644, []byte("z")), image.Bytes("a/b/c", 0o600, []byte("c")),
		{Path: "a/link", Mode: fs.ModeSymlink | 0o777, Link: "b/c"}, {Path: "hard", Mode: 0o644, Link: "z"},
	}
	first, err := layer(t, newStore(t), files...).Digest()
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(files)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	t.Setenv("TZ", "Asia/Kathmandu")
	second, err := layer(t, newStore(t), files...).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("another order, umask and time zone gave %s, not %s", second, first)
	}
}

func TestLayerEntries(t *testing.T) {
	l := layer(t, newStore(t),
		image.Bytes("etc/x", 0o640, []byte("x")), image.Tmp(),
		image.File{Path: "a", Mode: 0o644, Link: "etc/x"}, // a hard link before its target by name
	)
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var got []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s has time %v and owner %q %q", h.Name, h.ModTime, h.Uname, h.Gname)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
	}
	want := []string{"drwxr-xr-x etc/", "-rw-r----- etc/x", "dtrwxrwxrwx tmp/", "-rw-r--r-- a"}
	if !slices.Equal(got, want) {
		t.Errorf("entries are %q, want %q", got, want)
	}
}

func TestLayerConflicts(t *testing.T) {
	for name, files := range map[string][]image.File{
		"twice":             {image.Bytes("a", 0o644, nil), image.Bytes("a", 0o644, nil)},
		"file as folder":    {image.Bytes("a", 0o644, nil), image.Bytes("a/b", 0o644, nil)},
		"folder twice else": {{Path: "a", Mode: fs.ModeDir | 0o755}, {Path: "a", Mode: fs.ModeDir | 0o700}},
	} {
		_, err := newStore(t).Layer(context.Background(), "test", files, time.Unix(0, 0))
		if _, ok := errors.AsType[*image.ConflictError](err); !ok {
			t.Errorf("%s: got %v, want a ConflictError", name, err)
		}
	}
	for _, path := range []string{"", "/a", "../a", "a/../b", "a/", ".", ".."} {
		if _, err := newStore(t).Layer(context.Background(), "test", []image.File{image.Bytes(path, 0o644, nil)}, time.Unix(0, 0)); err == nil {
			t.Errorf("the path %q was taken", path)
		}
	}
}

// TestStoreRecovers damages what the store keeps in the ways that a crash or a
// full disk does.
func TestStoreRecovers(t *testing.T) {
	dir := t.TempDir()
	s, err := image.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := image.Bytes("a", 0o644, bytes.Repeat([]byte("a"), 1<<16))
	want, err := layer(t, s, file).Digest()
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blobs", "sha256", want.Hex)
	for name, damage := range map[string]func() error{
		"blob removed": func() error { return os.Remove(blob) },
		"blob changed": func() error {
			data, err := os.ReadFile(blob)
			if err != nil {
				return err
			}
			data[len(data)/2]++
			return os.WriteFile(blob, data, 0o644)
		},
		"blob truncated": func() error { return os.Truncate(blob, 3) },
		"index damaged": func() error {
			matches, err := filepath.Glob(filepath.Join(dir, "layers", "*", "*"))
			if err != nil || len(matches) != 1 {
				t.Fatalf("the index is %v, %v", matches, err)
			}
			return os.WriteFile(matches[0], []byte("{"), 0o644)
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		l := layer(t, s, file)
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("%s: the layer is not whole: %v", name, err)
		}
		_ = r.Close()
		if got, _ := l.Digest(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestLayerOfAFileThatChanges(t *testing.T) {
	n := 0
	f := image.File{Path: "a", Mode: 0o644, Size: 1, Open: func() (io.ReadCloser, error) {
		n++
		return io.NopCloser(bytes.NewReader([]byte{byte(n)})), nil
	}}
	if _, err := newStore(t).Layer(context.Background(), "test", []image.File{f}, time.Unix(0, 0)); err == nil {
		t.Error("a file that changed between two reads was taken")
	}
	f.Size = 2
	f.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte("x"))), nil }
	if _, err := newStore(t).Layer(context.Background(), "test", []image.File{f}, time.Unix(0, 0)); err == nil {
		t.Error("a file shorter than it was said to be was taken")
	}
}

func TestLayerIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	s, err := image.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Layer(ctx, "test", []image.File{image.Bytes("a", 0o644, nil)}, time.Unix(0, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "blobs", ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
