package image_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

func parse(t *testing.T, s string) v1.Platform {
	t.Helper()
	p, err := platform.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func assemble(t *testing.T, s image.Spec) v1.Image {
	t.Helper()
	img, err := image.Assemble(s)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// hello is an image of one file.
func hello(t *testing.T, p string) v1.Image {
	t.Helper()
	return assemble(t, image.Spec{
		Platform: parse(t, p), Created: time.Unix(0, 0),
		Layers: []*image.Layer{layer(t, newStore(t), image.Bytes("hello", 0o755, []byte("hello "+p)))},
		Config: v1.Config{User: "65534:65534", Entrypoint: []string{"/hello"}},
	})
}

func configFile(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func manifest(t *testing.T, img v1.Image) *v1.Manifest {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func digest(t *testing.T, d interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func TestAssembleOnScratch(t *testing.T) {
	store := newStore(t)
	created := time.Date(2001, 2, 3, 4, 5, 6, 0, time.FixedZone("elsewhere", 3600))
	lower, upper := layer(t, store, image.Base()...), layer(t, store, image.Bytes("hello", 0o755, []byte("hello")))
	lower.Title, upper.Title = "base", "program"
	img := assemble(t, image.Spec{
		Platform: parse(t, "linux/arm/v6"), Layers: []*image.Layer{lower, upper}, Created: created,
		Config:      v1.Config{User: "1:2", Entrypoint: []string{"/hello"}, Labels: map[string]string{"a": "b"}},
		Annotations: map[string]string{image.AnnotationTitle: "hello"},
	})
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	m := manifest(t, img)
	if m.MediaType != types.OCIManifestSchema1 || m.Config.MediaType != types.OCIConfigJSON || len(m.Layers) != 2 {
		t.Errorf("the manifest is of type %s, its config of %s, with %d layers", m.MediaType, m.Config.MediaType, len(m.Layers))
	}
	for _, l := range m.Layers {
		if l.MediaType != types.OCILayer {
			t.Errorf("a layer is of type %s", l.MediaType)
		}
	}
	if diff := cmp.Diff(map[string]string{image.AnnotationTitle: "hello"}, m.Annotations); diff != "" {
		t.Error(diff)
	}
	lowerID, _ := lower.DiffID()
	upperID, _ := upper.DiffID()
	utc := v1.Time{Time: time.Date(2001, 2, 3, 3, 5, 6, 0, time.UTC)}
	want := &v1.ConfigFile{
		OS: "linux", Architecture: "arm", Variant: "v6", Created: utc,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{lowerID, upperID}},
		History: []v1.History{
			{Created: utc, CreatedBy: "slipway", Comment: "base"}, {Created: utc, CreatedBy: "slipway", Comment: "program"},
		},
		Config: v1.Config{User: "1:2", Entrypoint: []string{"/hello"}, Labels: map[string]string{"a": "b"}},
	}
	if diff := cmp.Diff(want, configFile(t, img)); diff != "" {
		t.Error(diff)
	}
}

// dockerBase is a base image as Docker's builder writes it.
func dockerBase(t *testing.T) v1.Image {
	t.Helper()
	stamp := v1.Time{Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	img, err := mutate.Append(empty.Image,
		mutate.Addendum{Layer: layerOf(t, types.DockerLayer, "etc/a"), History: v1.History{Created: stamp, CreatedBy: "COPY a"}},
		mutate.Addendum{History: v1.History{Created: stamp, CreatedBy: "ENV A=base", EmptyLayer: true}},
		mutate.Addendum{Layer: layerOf(t, types.DockerLayer, "etc/b"), History: v1.History{Created: stamp, CreatedBy: "COPY b"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	c := configFile(t, img).DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", "amd64", stamp
	c.Author, c.Container = "somebody", "0123"
	c.Config = v1.Config{
		User: "root", Env: []string{"PATH=/bin", "A=base", "AB=base"}, Labels: map[string]string{"base": "1", "both": "base"},
		Entrypoint: []string{"/bin/sh"}, Cmd: []string{"-c", "true"}, WorkingDir: "/work", StopSignal: "SIGINT",
		ExposedPorts: map[string]struct{}{"80/tcp": {}}, Volumes: map[string]struct{}{"/old": {}}, Hostname: "builder",
		OnBuild: []string{"RUN x"}, Shell: []string{"/bin/sh"},
	}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return mutate.Annotations(img, map[string]string{image.AnnotationVersion: "the base's", image.AnnotationTitle: "base"}).(v1.Image)
}

// layerOf is a layer of one empty file, of any media type.
func layerOf(t *testing.T, mediaType types.MediaType, name string) v1.Layer {
	t.Helper()
	return typed{layer(t, newStore(t), image.Bytes(name, 0o644, nil)), mediaType}
}

type typed struct {
	v1.Layer
	mediaType types.MediaType
}

func (l typed) MediaType() (types.MediaType, error) { return l.mediaType, nil }

func TestAssembleOverABase(t *testing.T) {
	base := dockerBase(t)
	own := layer(t, newStore(t), image.Bytes("hello", 0o755, []byte("hello")))
	spec := image.Spec{
		Platform: parse(t, "linux/amd64/v3"), Base: base, Layers: []*image.Layer{own}, Created: time.Unix(7, 0),
		Config: v1.Config{
			User: "65534:65534", Entrypoint: []string{"/hello"}, Env: []string{"A=ours", "C=ours"},
			Labels: map[string]string{"both": "ours"}, ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Volumes: map[string]struct{}{"/new": {}},
		},
		Annotations: map[string]string{image.AnnotationTitle: "hello"},
	}
	img := assemble(t, spec)
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	m := manifest(t, img)
	kinds := []types.MediaType{m.MediaType, m.Config.MediaType}
	for _, l := range m.Layers {
		kinds = append(kinds, l.MediaType)
	}
	if want := []types.MediaType{types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer, types.OCILayer, types.OCILayer}; !slices.Equal(kinds, want) {
		t.Errorf("the media types are %v, want OCI's alone", kinds)
	}
	if diff := cmp.Diff(map[string]string{image.AnnotationTitle: "hello"}, m.Annotations); diff != "" {
		t.Errorf("the annotations are not ours alone: %s", diff)
	}
	for i, l := range manifest(t, base).Layers {
		if m.Layers[i].Digest != l.Digest {
			t.Errorf("the base's layer %d is %s, not %s", i, m.Layers[i].Digest, l.Digest)
		}
	}
	got := configFile(t, img)
	if diff := cmp.Diff(v1.Config{
		User: "65534:65534", Entrypoint: []string{"/hello"}, Env: []string{"PATH=/bin", "AB=base", "A=ours", "C=ours"},
		Labels:       map[string]string{"base": "1", "both": "ours"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "8080/tcp": {}}, Volumes: map[string]struct{}{"/old": {}, "/new": {}},
		WorkingDir: "/work", StopSignal: "SIGINT",
	}, got.Config); diff != "" {
		t.Error(diff)
	}
	if got.Author+got.Container != "" || got.Variant != "v3" || got.Created.Unix() != 7 {
		t.Errorf("the config says %q %q, variant %q, created %v", got.Author, got.Container, got.Variant, got.Created)
	}
	var history []string
	for _, h := range got.History {
		history = append(history, fmt.Sprint(h.Created.Unix(), h.CreatedBy, h.EmptyLayer))
	}
	if want := []string{"1577836800COPY afalse", "1577836800ENV A=basetrue", "1577836800COPY bfalse", "7slipwayfalse"}; !slices.Equal(history, want) {
		t.Errorf("the history is %q, want %q", history, want)
	}

	spec.Config.WorkingDir, spec.Config.StopSignal = "/srv", "SIGTERM"
	if c := configFile(t, assemble(t, spec)).Config; c.WorkingDir != "/srv" || c.StopSignal != "SIGTERM" {
		t.Errorf("working directory %s and stop signal %s are not ours", c.WorkingDir, c.StopSignal)
	}
	if c := configFile(t, base); c.Config.WorkingDir != "/work" || len(c.History) != 3 || len(c.Config.Labels) != 2 {
		t.Errorf("the base itself changed: %+v", c)
	}

	spec.Platform = parse(t, "linux/arm64")
	if _, err := image.Assemble(spec); err == nil || err.Error() != "base image is for linux/amd64, not for linux/arm64" {
		t.Errorf("another architecture's base: got %v", err)
	}
}

// TestAssembleKeepsOCILayers takes kinds of layers that need no other name.
func TestAssembleKeepsOCILayers(t *testing.T) {
	zstd := static.NewLayer([]byte("as good as zstd"), types.OCILayerZStd)
	base, err := mutate.Append(empty.Image, mutate.Addendum{Layer: zstd, MediaType: types.OCILayerZStd, Annotations: map[string]string{"toc": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	c := configFile(t, base).DeepCopy()
	c.OS, c.Architecture, c.History = "linux", "amd64", nil
	if base, err = mutate.ConfigFile(base, c); err != nil {
		t.Fatal(err)
	}
	img := assemble(t, image.Spec{Platform: parse(t, "linux/amd64"), Base: base, Layers: []*image.Layer{layer(t, newStore(t), image.Tmp())}})
	got := manifest(t, img).Layers[0]
	if got.MediaType != types.OCILayerZStd || got.Annotations["toc"] != "x" {
		t.Errorf("the layer became %+v", got)
	}
	if n := len(configFile(t, img).History); n != 1 {
		t.Errorf("a base without history has %d entries of it, want ours alone", n)
	}
}

func TestIndex(t *testing.T) {
	names := []string{"linux/amd64", "linux/amd64/v3", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/s390x"}
	var images []v1.Image
	for _, p := range names {
		images = append(images, hello(t, p))
	}
	index := func() v1.ImageIndex {
		idx, err := image.Index(images, map[string]string{image.AnnotationTitle: "hello"})
		if err != nil {
			t.Fatal(err)
		}
		return idx
	}
	first := index()
	if err := validate.Index(first); err != nil {
		t.Error(err)
	}
	slices.Reverse(images)
	if a, b := digest(t, first), digest(t, index()); a != b {
		t.Errorf("another order gives %s, not %s", b, a)
	}
	m, err := first.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if m.MediaType != types.OCIImageIndex || m.SchemaVersion != 2 || !maps.Equal(m.Annotations, map[string]string{image.AnnotationTitle: "hello"}) {
		t.Errorf("the index is %s, version %d, with %v", m.MediaType, m.SchemaVersion, m.Annotations)
	}
	var got []string
	for _, d := range m.Manifests {
		got = append(got, platform.String(*d.Platform))
		if d.MediaType != types.OCIManifestSchema1 || d.ArtifactType != "" {
			t.Errorf("%s is of type %s, artifact %q", platform.String(*d.Platform), d.MediaType, d.ArtifactType)
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("the platforms are %v, want %v", got, names)
	}
}

func TestListReadsEveryLayer(t *testing.T) {
	img := assemble(t, image.Spec{Platform: parse(t, "linux/amd64"), Base: dockerBase(t), Layers: []*image.Layer{
		layer(t, newStore(t), image.Bytes("a/big", 0o600, []byte(strings.Repeat("x", 100_000))), image.Tmp(), image.File{Path: "z", Mode: 0o600, Link: "a/big"}),
	}})
	entries, err := image.List(img)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(e.Layer, " ", e.Mode, " ", e.Path, " ", e.Size, " ", e.PrivateKey, " ", e.Link))
	}
	want := []string{
		"0 drwxr-xr-x /etc 0 false ", "0 -rw-r--r-- /etc/a 0 false ", "1 drwxr-xr-x /etc 0 false ", "1 -rw-r--r-- /etc/b 0 false ",
		"2 drwxr-xr-x /a 0 false ", "2 -rw------- /a/big 100000 false ", "2 dtrwxrwxrwx /tmp 0 false ", "2 -rw------- /z 0 false a/big",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestListKeepsNoContent lists 16 MiB of files: what is kept of them has to be
// far less, or an image of many files would not fit into memory.
func TestListKeepsNoContent(t *testing.T) {
	var files []image.File
	for i := range 256 {
		content := make([]byte, 64<<10)
		files = append(files, image.Bytes(fmt.Sprint(i), 0o644, content))
	}
	img := assemble(t, image.Spec{Platform: parse(t, "linux/amd64"), Layers: []*image.Layer{layer(t, newStore(t), files...)}})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	entries, err := image.List(img)
	if err != nil {
		t.Fatal(err)
	}
	after := heap()
	if after > before+4<<20 {
		t.Errorf("%d entries keep %d bytes", len(entries), after-before)
	}
	runtime.KeepAlive(files)
	runtime.KeepAlive(entries)
}

// A tiny image of one file has the same digest on every machine.
func ExampleAssemble() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store, err := image.NewStore(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}
	files := []image.File{image.Bytes("hello.txt", 0o644, []byte("Hello!\n"))}
	layer, err := store.Layer(context.Background(), "files", files, time.Unix(0, 0))
	if err != nil {
		log.Fatal(err)
	}
	img, err := image.Assemble(image.Spec{
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Layers:   []*image.Layer{layer},
		Config:   v1.Config{User: image.Nobody.String()},
		Created:  time.Unix(0, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(digest)
	// Output: sha256:348e489f73b79648a3d877692bf8e9ae45ba0e3dc363ff33c1af06daafa964b6
}
