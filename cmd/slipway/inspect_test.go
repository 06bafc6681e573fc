package main

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/pipelines/image"
)

// hostile is an index of one image whose names try to fake a listing. opened
// counts how often its layer was read.
func hostile(t *testing.T) (idx v1.ImageIndex, opened *int) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "plain näme", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "line\n  audit: nothing found", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "\x1b[2J", Typeflag: tar.TypeReg, Mode: 0o4755},
		{Name: "link", Linkname: "to\rfrom", Typeflag: tar.TypeSymlink},
		{Name: "hard", Linkname: "raw\xff", Typeflag: tar.TypeLink},
		{Name: "turned\u202eround", Typeflag: tar.TypeReg, Mode: 0o644},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	opened = new(int)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		*opened++
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: rootFS(t, img), Config: v1.Config{
		User: "1:1", Env: []string{"A=plain", "B=\x1b[8m"}, Labels: map[string]string{"a": "b\nc"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if idx, err = image.Single(img); err != nil {
		t.Fatal(err)
	}
	if _, err := idx.Digest(); err != nil {
		t.Fatal(err)
	}
	*opened = 0
	return idx, opened
}

func rootFS(t *testing.T, img v1.Image) v1.RootFS {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.RootFS
}

func TestInspectQuotesWhatDoesNotPrint(t *testing.T) {
	idx, opened := hostile(t)
	in, err := inspect(idx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *opened != 1 {
		t.Errorf("the layer was read %d times", *opened)
	}
	var out bytes.Buffer
	if err := in.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"/plain näme\n", `"/line\n  audit: nothing found"`, `"/\x1b[2J"`, `/link -> "to\rfrom"`, `/hard = "/raw\xff"`, `"/turned\u202eround"`,
		"  env  A=plain \"B=\\x1b[8m\"\n", "  label  \"a=b\\nc\"\n", `audit: setuid: "/\x1b[2J" has`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%q", want, out.String())
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\r\u202e") {
		t.Errorf("something that does not print was printed: %q", out.String())
	}
}

func TestInspectWithoutPlatforms(t *testing.T) {
	for _, platforms := range [][]string{nil, {"linux/amd64"}} {
		_, err := inspect(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), platforms)
		if want := "the image has no platform: none of the 0 entries of its index is an image for one"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	idx, _ := hostile(t)
	_, err := inspect(idx, []string{"linux/arm64"})
	if want := "--platform linux/arm64: the image has linux/amd64"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
