package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// The transports of containers-transports(5) that an image can be written to.
const (
	TransportOCI           = "oci"
	TransportOCIArchive    = "oci-archive"
	TransportDockerArchive = "docker-archive"
	// TransportDocker is a registry; package registry writes there.
	TransportDocker = "docker"
)

// Output is a place to write an image to, as containers-transports(5) names it.
type Output struct {
	Transport string
	// Path is the folder or file; for TransportDocker it is empty.
	Path string
	// Reference names the image inside an archive or layout, or in a registry.
	Reference string
}

// String is the output as ParseOutput reads it.
func (o Output) String() string {
	if o.Transport == TransportDocker {
		return "docker://" + o.Reference
	}
	if o.Reference != "" {
		return o.Transport + ":" + o.Path + ":" + o.Reference
	}
	return o.Transport + ":" + o.Path
}

// OutputError says that an output is not understood, or cannot be written or read.
type OutputError struct {
	Output string
	Reason string
	// Reading says that the output is an image that was to be read.
	Reading bool
}

func (e *OutputError) Error() string {
	what := "output"
	if e.Reading {
		what = "image"
	}
	return fmt.Sprintf("%s %q: %s", what, e.Output, e.Reason)
}

// ParseOutput reads oci:DIR[:REFERENCE], oci-archive:FILE[:REFERENCE],
// docker-archive:FILE[:REFERENCE] or docker://REPOSITORY[:TAG].
func ParseOutput(s string) (Output, error) {
	transport, rest, ok := strings.Cut(s, ":")
	known := []string{TransportOCI, TransportOCIArchive, TransportDockerArchive, TransportDocker}
	if !ok || !slices.Contains(known, transport) {
		return Output{}, &OutputError{Output: s, Reason: "want oci:DIR, oci-archive:FILE, docker-archive:FILE or docker://REPOSITORY"}
	}
	if transport == TransportDocker {
		ref, ok := strings.CutPrefix(rest, "//")
		if !ok || ref == "" {
			return Output{}, &OutputError{Output: s, Reason: "want docker://REPOSITORY, with two slashes"}
		}
		return Output{Transport: transport, Reference: ref}, nil
	}
	// A single letter before the colon is a drive of Windows.
	from := 0
	if len(rest) > 2 && rest[1] == ':' && os.PathSeparator == '\\' {
		from = 2
	}
	p, ref, _ := strings.Cut(rest[from:], ":")
	p = rest[:from] + p
	if p == "" {
		return Output{}, &OutputError{Output: s, Reason: "names no path after " + transport + ":"}
	}
	if transport == TransportDockerArchive && ref != "" {
		if _, err := name.NewTag(ref); err != nil {
			return Output{}, &OutputError{Output: s, Reason: fmt.Sprintf("%q is no name and tag for docker", ref)}
		}
	}
	return Output{Transport: transport, Path: p, Reference: ref}, nil
}

// Write writes an index to an output that is a folder or file: whole or not at
// all. host is the platform that a docker-archive, which holds one, prefers.
func Write(ctx context.Context, idx v1.ImageIndex, out Output, host v1.Platform) error {
	given := out.String()
	out.Path = filepath.Clean(out.Path) // "out/" stands in ".", not in "out"
	if !slices.Contains([]string{TransportOCI, TransportOCIArchive, TransportDockerArchive}, out.Transport) {
		return &OutputError{Output: given, Reason: "is not written here"}
	}
	if out.Transport != TransportOCI {
		// The file is moved to its place, which would take a device's or a pipe's.
		if info, err := os.Stat(out.Path); err == nil && !info.Mode().IsRegular() {
			return &OutputError{Output: given, Reason: "is there and is no regular file; name a file"}
		}
	}
	if err := os.MkdirAll(filepath.Dir(out.Path), 0o755); err != nil {
		return err
	}
	switch out.Transport {
	case TransportOCI:
		return writeLayout(ctx, idx, out)
	case TransportOCIArchive:
		return writeWhole(out.Path, func(f *os.File) error { return writeLayoutArchive(ctx, idx, out, f) })
	default:
		return writeWhole(out.Path, func(f *os.File) error { return writeDockerArchive(ctx, idx, out, host, f) })
	}
}

// checkLayoutFolder says whether an OCI layout may be written to a folder: it
// does not exist, is empty, or is an OCI layout already. What a killed Write left
// does not count.
func checkLayoutFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), temporary) })
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	out := Output{Transport: TransportOCI, Path: dir}.String()
	if err != nil {
		return &OutputError{Output: out, Reason: "is no folder: " + err.Error()}
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return &OutputError{Output: out, Reason: "the folder holds something that is no OCI layout; name an empty or new one"}
	}
	return nil
}

// writeLayout makes the layout whole and then moves it to its place, so that
// nobody ever finds half of one. A folder that is there stays, since it may be a
// mount point, or stand where nothing else can be made: the layout is made in
// it, and then becomes part of what is there.
func writeLayout(ctx context.Context, idx v1.ImageIndex, out Output) (err error) {
	if err := checkLayoutFolder(out.Path); err != nil {
		return err
	}
	parent := out.Path
	if !exists(out.Path) {
		parent = filepath.Dir(out.Path)
	}
	tmp, err := layoutFolder(ctx, idx, out.Reference, parent)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if parent != out.Path {
		// Another writer may have been faster, whose layout then is added to.
		if err := os.Rename(tmp, out.Path); err == nil || !exists(out.Path) {
			return err
		}
	}
	unlock, err := lockFolder(ctx, out.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return addLayout(out.Path, tmp)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// addLayout moves the layout in tmp into the one in dir, as containers-transports(5)
// wants it: an image of the same name is replaced, others stay. The new blobs
// stand beside the old ones until index.json, which is replaced at once, names them.
func addLayout(dir, tmp string) (err error) {
	if err := keepOthers(dir, tmp); err != nil {
		return err
	}
	// This goes first: by it, another writer knows the folder for a layout.
	if err := os.Rename(filepath.Join(tmp, "oci-layout"), filepath.Join(dir, "oci-layout")); err != nil {
		return err
	}
	blobs := filepath.Join("blobs", "sha256")
	for _, sub := range []string{"blobs", blobs} {
		if err := makeFolder(filepath.Join(dir, sub)); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(filepath.Join(tmp, blobs))
	if err != nil {
		return err
	}
	// Moving that fails on the way leaves blobs that nothing names, as does an
	// image that was replaced.
	defer func() { err = errors.Join(err, removeUnnamed(dir)) }()
	for _, e := range entries {
		if err := os.Rename(filepath.Join(tmp, blobs, e.Name()), filepath.Join(dir, blobs, e.Name())); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(tmp, "index.json"), filepath.Join(dir, "index.json"))
}

// keepOthers puts the images of the layout in dir that have other names before
// the one of the layout in tmp.
func keepOthers(dir, tmp string) error {
	there, err := readIndex(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		out := Output{Transport: TransportOCI, Path: dir}.String()
		return &OutputError{Output: out, Reason: "is a layout whose index.json cannot be read, so that nothing can be added to it: " + err.Error()}
	}
	added, err := readIndex(tmp)
	if err != nil {
		return err
	}
	there.Manifests = slices.DeleteFunc(there.Manifests, func(old v1.Descriptor) bool {
		return slices.ContainsFunc(added.Manifests, func(d v1.Descriptor) bool {
			return d.Annotations[annotationRefName] == old.Annotations[annotationRefName]
		})
	})
	there.Manifests = append(there.Manifests, added.Manifests...)
	data, err := json.MarshalIndent(there, "", "   ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(tmp, "index.json"), data, 0o644)
}

func readIndex(dir string) (*v1.IndexManifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	var m v1.IndexManifest
	return &m, json.Unmarshal(data, &m)
}

// removeUnnamed removes the blobs of a layout that no image in it reaches.
func removeUnnamed(dir string) error {
	unnamed, err := layout.Path(dir).GarbageCollect()
	if err != nil {
		// Something in the layout is not understood, as an artifact of another kind:
		// all blobs stay, rather than one too few.
		return nil //nolint:nilerr // the layout is whole, only larger than it could be
	}
	for _, h := range unnamed {
		if err := layout.Path(dir).RemoveBlob(h); err != nil {
			return err
		}
	}
	return nil
}

// makeFolder makes a folder that everybody may read, whatever the umask is. One
// that is there stays as it is.
func makeFolder(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// layoutFolder writes a layout to a new folder in parent. Everybody may read it.
func layoutFolder(ctx context.Context, idx v1.ImageIndex, ref, parent string) (_ string, err error) {
	tmp, err := os.MkdirTemp(parent, temporary+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(tmp)
		}
	}()
	if ref == "" {
		ref = "latest" // umoci finds an image by its name alone, and takes this one where none is given
	}
	p, err := layout.Write(tmp, empty.Index)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := p.AppendIndex(idx, layout.WithAnnotations(map[string]string{annotationRefName: ref})); err != nil {
		return "", err
	}
	err = filepath.WalkDir(tmp, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		return "", err
	}
	return tmp, ctx.Err()
}

// writeLayoutArchive writes a layout as a tar, its entries sorted and without
// times, so that an archive is as reproducible as what it holds.
func writeLayoutArchive(ctx context.Context, idx v1.ImageIndex, out Output, f *os.File) error {
	dir, err := layoutFolder(ctx, idx, out.Reference, filepath.Dir(out.Path))
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	tw := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.ToSlash(rel), ModTime: time.Unix(0, 0)}
		if d.IsDir() {
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, h.Name+"/"
			return tw.WriteHeader(h)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o644, info.Size()
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		r, err := os.Open(p)
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		_, err = io.Copy(tw, contextReader{ctx, r})
		return err
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// writeDockerArchive writes what docker load and podman load read. The format
// holds one image, hence one platform: the host's, or the only one.
func writeDockerArchive(ctx context.Context, idx v1.ImageIndex, out Output, host v1.Platform, f *os.File) error {
	img, err := choose(idx, host)
	if err != nil {
		return &OutputError{Output: out.String(), Reason: err.Error()}
	}
	ref := out.Reference
	if ref == "" {
		ref = strings.ToLower(strings.TrimSuffix(filepath.Base(out.Path), filepath.Ext(out.Path))) + ":latest"
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return &OutputError{Output: out.String(), Reason: fmt.Sprintf("%q is no name and tag for docker; write docker-archive:FILE:NAME:TAG", ref)}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return tarball.Write(tag, img, f)
}

// choose finds the image for a platform, or the only one there is.
func choose(idx v1.ImageIndex, want v1.Platform) (v1.Image, error) {
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	if normal, err := platform.Parse(platform.String(want)); err == nil {
		want = normal // linux/arm is linux/arm/v7
	}
	var have []string
	for _, d := range m.Manifests {
		if d.Platform == nil {
			continue
		}
		if len(m.Manifests) == 1 || d.Platform.Equals(want) {
			return idx.Image(d.Digest)
		}
		have = append(have, platform.String(*d.Platform))
	}
	return nil, fmt.Errorf("a docker-archive holds one platform, and %s is not among %s; build one platform for it (--platform)",
		platform.String(want), strings.Join(have, ", "))
}

// temporary begins the names of what is not whole yet.
const temporary = ".slipway-"

// writeWhole writes a file beside its place and moves it there when it is whole.
func writeWhole(path string, write func(*os.File) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), temporary+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err := write(tmp); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
