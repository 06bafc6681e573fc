package registry_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/internal/registrytest"
)

// build makes an OCI index of one image for each platform. All have one layer in
// common, as slipway's images have their base layer, and one of their own: with n
// platforms there are 2n+1 blobs.
func build(t testing.TB, platforms ...string) v1.ImageIndex {
	t.Helper()
	common := randomLayer(t, 5000)
	images := map[string]v1.Image{}
	for _, p := range platforms {
		images[p] = image(t, p, common, randomLayer(t, 3000))
	}
	return indexOf(t, platforms, images)
}

func randomLayer(t testing.TB, size int64) v1.Layer {
	t.Helper()
	layer, err := random.Layer(size, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

func image(t testing.TB, platform string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	p := parse(t, platform)
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func parse(t testing.TB, platform string) v1.Platform {
	t.Helper()
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

func indexOf(t testing.TB, order []string, images map[string]v1.Image) v1.ImageIndex {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, name := range order {
		p := parse(t, name)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[name], Descriptor: v1.Descriptor{Platform: &p}})
	}
	return index
}

func digest(t testing.TB, x interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := x.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// tags asks a registry which tags a repository has; none where it does not know
// the repository.
func tags(t testing.TB, reg *registrytest.Registry, repository string) []string {
	t.Helper()
	resp, err := http.Get(reg.URL + "/v2/" + repository + "/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		t.Fatalf("tags/list: %s", resp.Status)
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list.Tags
}

// wantNoTags fails the test where a repository has tags.
func wantNoTags(t testing.TB, reg *registrytest.Registry, repository string) {
	t.Helper()
	if got := tags(t, reg, repository); len(got) > 0 {
		t.Errorf("the repository has the tags %q, want none", got)
	}
}

// wantText fails the test where an error does not say something, or says what it
// must not.
func wantText(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	for _, s := range want {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error does not say %q: %v", s, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\n<") {
		t.Errorf("the error is more than a sentence: %v", err)
	}
}

// fileLayer is a layer in a file. What is in it, compression included, is of no
// importance to a push.
type fileLayer struct {
	path   string
	size   int64
	digest v1.Hash
}

// newFileLayer writes a file that does not compress.
func newFileLayer(t testing.TB, size int64) *fileLayer {
	t.Helper()
	l := &fileLayer{path: filepath.Join(t.TempDir(), "layer"), size: size}
	f, err := os.Create(l.path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.Reader, size)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	l.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
	return l
}

func (l *fileLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.path) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.path) }
func (l *fileLayer) Size() (int64, error)                 { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
