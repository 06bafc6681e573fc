package image_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/pipelines/image"
)

func TestReadWhatWasWritten(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	dir := t.TempDir()
	idx := index(t, "linux/amd64", "linux/arm64")
	for _, output := range []string{"oci:" + filepath.Join(dir, "layout"), "oci-archive:" + filepath.Join(dir, "oci.tar") + ":v1"} {
		if err := write(t, idx, output); err != nil {
			t.Fatal(err)
		}
		out, err := image.ParseOutput(output)
		if err != nil {
			t.Fatal(err)
		}
		got, closer, err := image.Read(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := digest(t, idx), digest(t, got); a != b {
			t.Errorf("%s: %s became %s", output, a, b)
		}
		if err := validate.Index(got); err != nil {
			t.Errorf("%s: %v", output, err)
		}
		if err := closer(); err != nil {
			t.Error(err)
		}
	}

	// A docker-archive holds config and layers, and no manifest.
	output := image.Output{Transport: image.TransportDockerArchive, Path: filepath.Join(dir, "docker.tar")}
	if err := image.Write(context.Background(), idx, output, host); err != nil {
		t.Fatal(err)
	}
	got, closer, err := image.Read(context.Background(), output)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closer() }()
	m, err := got.IndexManifest()
	if err != nil || len(m.Manifests) != 1 || !m.Manifests[0].Platform.Equals(host) {
		t.Fatalf("the index is %+v, %v", m, err)
	}
	img, err := got.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	want := manifest(t, hello(t, "linux/arm64"))
	if a, b := want.Config.Digest, manifest(t, img).Config.Digest; a != b {
		t.Errorf("the config %s became %s", a, b)
	}
	if a, b := want.Layers[0].Digest, manifest(t, img).Layers[0].Digest; a != b {
		t.Errorf("the layer %s became %s", a, b)
	}
	if left := ls(t, temporary); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// appended makes a layout with an image under each reference.
func appended(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for ref, img := range images {
		if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": ref})); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadByReference(t *testing.T) {
	dir := appended(t, map[string]v1.Image{"a": hello(t, "linux/amd64"), "b": hello(t, "linux/arm64")})
	for ref, want := range map[string]string{"a": "amd64", "b": "arm64"} {
		idx, _, err := image.Read(context.Background(), image.Output{Transport: "oci", Path: dir, Reference: ref})
		if err != nil {
			t.Fatal(err)
		}
		m, err := idx.IndexManifest()
		if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Platform.Architecture != want {
			t.Errorf("%s is %+v, %v, want %s", ref, m, err, want)
		}
		if err := validate.Index(idx); err != nil {
			t.Error(err)
		}
	}
	for ref, want := range map[string]string{
		"":  "holds several images; name one after another colon",
		"c": "holds no such image",
	} {
		_, _, err := image.Read(context.Background(), image.Output{Transport: "oci", Path: dir, Reference: ref})
		if oe, ok := errors.AsType[*image.OutputError](err); !ok || oe.Reason != want {
			t.Errorf("%q: got %v, want %s", ref, err, want)
		}
	}
}

// TestReadAnArchiveOfTar reads a layout that tar packed, whose names begin with ./
func TestReadAnArchiveOfTar(t *testing.T) {
	tool, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("there is no tar here")
	}
	dir := appended(t, map[string]v1.Image{"a": hello(t, "linux/amd64")})
	archive := filepath.Join(t.TempDir(), "x.tar")
	if out, err := exec.Command(tool, "-C", dir, "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	idx, closer, err := image.Read(context.Background(), image.Output{Transport: "oci-archive", Path: archive})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	if err := closer(); err != nil {
		t.Error(err)
	}
}

// sparse is an archive with files which are one hole each, of a size in bytes.
func sparse(t *testing.T, size int64, files ...string) string {
	t.Helper()
	tool, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("there is no tar here")
	}
	dir := t.TempDir()
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, file), size); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(t.TempDir(), "sparse.tar")
	if out, err := exec.Command(tool, append([]string{"--format=pax", "--sparse", "-C", dir, "-cf", archive}, files...)...).CombinedOutput(); err != nil {
		t.Skipf("this tar packs no sparse files: %v: %s", err, out)
	}
	return archive
}

func TestReadDockerArchiveByReference(t *testing.T) {
	two := filepath.Join(t.TempDir(), "two.tar")
	if err := tarball.MultiWriteToFile(two, map[name.Tag]v1.Image{
		name.MustParseReference("a:1").(name.Tag): hello(t, "linux/amd64"), name.MustParseReference("b").(name.Tag): hello(t, "linux/arm64"),
	}); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"a:1": "amd64", "b": "arm64", "docker.io/library/b:latest": "arm64"} {
		idx, closer, err := image.Read(context.Background(), image.Output{Transport: "docker-archive", Path: two, Reference: ref})
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		m, err := idx.IndexManifest()
		if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Platform.Architecture != want {
			t.Errorf("%s is %+v, %v, want %s", ref, m, err, want)
		}
		if err := closer(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadThatFails(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	dir := t.TempDir()
	archive := func(name string, headers ...tar.Header) string {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(f)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("garbage", 200)), 0o644); err != nil {
		t.Fatal(err)
	}
	two := filepath.Join(dir, "two.tar")
	if err := tarball.MultiWriteToFile(two, map[name.Tag]v1.Image{
		name.MustParseReference("a:1").(name.Tag): hello(t, "linux/amd64"), name.MustParseReference("b:1").(name.Tag): hello(t, "linux/arm64"),
	}); err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]string{
		"oci:" + dir + "/missing":           "cannot be read: no such file or directory",
		"oci-archive:" + dir + "/missing":   "cannot be read: no such file or directory",
		"oci:" + dir:                        "is no OCI layout: ",
		"oci:" + garbage:                    "is no OCI layout: ",
		"oci:" + appended(t, nil):           "holds no such image",
		"oci-archive:" + garbage:            "is no OCI archive: ",
		"oci-archive:" + archive("nothing"): "is no OCI layout: ",
		"oci-archive:" + archive("up", tar.Header{Name: "../up", Typeflag: tar.TypeReg}):                         "is no OCI archive: ",
		"oci-archive:" + archive("link", tar.Header{Name: "blobs", Linkname: "/etc", Typeflag: tar.TypeSymlink}): "is no OCI archive: blobs is neither file nor folder",
		"docker-archive:" + garbage:                      "is no docker archive: ",
		"docker-archive:" + two:                          "holds several images; name one after another colon",
		"docker-archive:" + two + ":a:2":                 "holds no such image",
		"docker://example.com/hello":                     "is not read here",
		"oci-archive:" + sparse(t, 3_000_000_000, "one"): "is no OCI archive: one has 3000000000 bytes, more than the archive has room for",
		"oci-archive:" + sparse(t, 8000, "a", "b"):       "is no OCI archive: b has 8000 bytes, more than the archive has room for",
	} {
		out, err := image.ParseOutput(output)
		if err != nil {
			t.Fatal(err)
		}
		idx, _, err := image.Read(context.Background(), out)
		if oe, ok := errors.AsType[*image.OutputError](err); !ok || oe.Output != output || !strings.HasPrefix(oe.Reason, want) {
			t.Errorf("%s: got %v, %v, want %s", output, idx, err, want)
		}
		if text := err.Error(); !strings.HasPrefix(text, fmt.Sprintf("image %q: ", output)) || strings.Contains(text, temporary) {
			t.Errorf("%s: the error is %s", output, text)
		}
	}
	good := image.Output{Transport: image.TransportOCIArchive, Path: filepath.Join(dir, "good.tar")}
	if err := image.Write(context.Background(), index(t, "linux/amd64"), good, host); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := image.Read(ctx, good); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read gave %v", err)
	}
	if diff := cmp.Diff([]string(nil), ls(t, temporary)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}

func TestReadLayoutWithADamagedBlob(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	idx := index(t, "linux/amd64")
	if err := write(t, idx, "oci:"+dir); err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := idx.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blobs", "sha256", manifest(t, img).Layers[0].Digest.Hex)
	if err := os.Truncate(blob, 10); err != nil {
		t.Fatal(err)
	}
	got, _, err := image.Read(context.Background(), image.Output{Transport: "oci", Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if img, err = got.Image(m.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	if entries, err := image.List(img); err == nil {
		t.Errorf("a layer that was cut off has %v", entries)
	}
}
