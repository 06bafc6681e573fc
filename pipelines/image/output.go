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

// OutputError says that an output is not understood, or cannot be written.
type OutputError struct {
	Output string
	Reason string
}

func (e *OutputError) Error() string { return fmt.Sprintf("output %q: %s", e.Output, e.Reason) }

// ParseOutput reads oci:DIR[:REFERENCE], oci-archive:FILE[:REFERENCE],
// docker-archive:FILE[:REFERENCE] or docker://REPOSITORY[:TAG].
func ParseOutput(s string) (Output, error) {
	transport, rest, ok := strings.Cut(s, ":")
	known := []string{TransportOCI, TransportOCIArchive, TransportDockerArchive, TransportDocker}
	if !ok || !slices.Contains(known, transport) {
		return Output{}, &OutputError{s, "want oci:DIR, oci-archive:FILE, docker-archive:FILE or docker://REPOSITORY"}
	}
	if transport == TransportDocker {
		ref, ok := strings.CutPrefix(rest, "//")
		if !ok || ref == "" {
			return Output{}, &OutputError{s, "want docker://REPOSITORY, with two slashes"}
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
		return Output{}, &OutputError{s, "names no path after " + transport + ":"}
	}
	if transport == TransportDockerArchive && ref != "" {
		if _, err := name.NewTag(ref); err != nil {
			return Output{}, &OutputError{s, fmt.Sprintf("%q is no name and tag for docker", ref)}
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
		return &OutputError{given, "is not written here"}
	}
	if out.Transport != TransportOCI {
		// The file is moved to its place, which would take a device's or a pipe's.
		if info, err := os.Stat(out.Path); err == nil && !info.Mode().IsRegular() {
			return &OutputError{given, "is there and is no regular file; name a file"}
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

// CheckLayoutFolder says whether an OCI layout may be written to a folder: it
// does not exist, is empty, or is an OCI layout already. What a killed Write left
// does not count.
func CheckLayoutFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), temporary) })
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	out := Output{Transport: TransportOCI, Path: dir}.String()
	if err != nil {
		return &OutputError{out, "is no folder: " + err.Error()}
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return &OutputError{out, "the folder holds something that is no OCI layout; name an empty or new one"}
	}
	return nil
}

// writeLayout makes the layout whole and then moves it to its place, so that
// nobody ever finds half of one. A folder that is there stays, since it may be a
// mount point, or stand where nothing else can be made: the layout is made in
// it, and what was there is replaced.
func writeLayout(ctx context.Context, idx v1.ImageIndex, out Output) error {
	if err := CheckLayoutFolder(out.Path); err != nil {
		return err
	}
	_, err := os.Stat(out.Path)
	isNew := errors.Is(err, fs.ErrNotExist)
	parent := out.Path
	if isNew {
		parent = filepath.Dir(out.Path)
	}
	tmp, err := layoutFolder(ctx, idx, out.Reference, parent)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if isNew {
		return os.Rename(tmp, out.Path)
	}
	return replaceLayout(out.Path, tmp)
}

// replaceLayout puts the layout in tmp into the place of the one in dir. The
// blobs of both stand there until index.json, which is replaced at once, names
// those of the new one.
func replaceLayout(dir, tmp string) error {
	blobs := filepath.Join("blobs", "sha256")
	if err := os.MkdirAll(filepath.Join(dir, blobs), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(tmp, blobs))
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, e := range entries {
		keep[e.Name()] = true
		if err := os.Rename(filepath.Join(tmp, blobs, e.Name()), filepath.Join(dir, blobs, e.Name())); err != nil {
			return err
		}
	}
	for _, name := range []string{"oci-layout", "index.json"} {
		if err := os.Rename(filepath.Join(tmp, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	old, err := os.ReadDir(filepath.Join(dir, blobs))
	if err != nil {
		return err
	}
	for _, e := range old {
		if !keep[e.Name()] {
			if err := os.Remove(filepath.Join(dir, blobs, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// layoutFolder writes a layout to a new folder in parent.
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
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
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
		return &OutputError{out.String(), err.Error()}
	}
	ref := out.Reference
	if ref == "" {
		ref = strings.ToLower(strings.TrimSuffix(filepath.Base(out.Path), filepath.Ext(out.Path))) + ":latest"
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return &OutputError{out.String(), fmt.Sprintf("%q is no name and tag for docker; write docker-archive:FILE:NAME:TAG", ref)}
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
