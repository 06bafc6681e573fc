package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// counts are a result's numbers.
func counts(r *registry.Result) [3]int {
	return [3]int{r.BlobsSent, r.BlobsMounted, r.BlobsPresent}
}

func TestPush(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	index := build(t, "linux/amd64", "linux/arm64", "linux/arm/v7")
	repository := reg.Repository("acme/hello")

	var mu sync.Mutex
	var states []string
	progress := func(e report.Event) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, e.Image+" "+e.Step+" "+string(e.State))
	}
	got, err := registry.Push(t.Context(), index, repository, []string{"latest", "v1", "latest"}, registry.Options{Progress: progress, Image: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Reference != repository+"@"+digest(t, index).String() || got.Digest != digest(t, index) {
		t.Errorf("got reference %s", got.Reference)
	}
	if diff := cmp.Diff([]string{repository + ":latest", repository + ":v1"}, got.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([3]int{7, 0, 0}, counts(got)); diff != "" {
		t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
	}
	var sent int64
	for _, r := range reg.Requests() {
		if r.Kind == registrytest.BlobData {
			sent += r.Sent
		}
	}
	if got.BytesSent != sent || sent == 0 {
		t.Errorf("the result says %d bytes, the registry read %d", got.BytesSent, sent)
	}
	want := []string{"hello push started", "hello push done", "hello verify started", "hello verify done", "hello tag started", "hello tag done"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}

	// Everything is there under its digest before the first tag moves.
	tagged := false
	for _, r := range reg.Requests() {
		switch {
		case r.Kind == registrytest.TagPut:
			tagged = true
		case tagged && r.Kind != registrytest.TagHead:
			t.Errorf("%s %s came after the first tag", r.Method, r.Path)
		}
	}
	if diff := cmp.Diff([]string{"latest", "v1"}, tags(t, reg, "acme/hello")); diff != "" {
		t.Errorf("the registry's tags (-want +got):\n%s", diff)
	}

	for _, ref := range append(got.Tags, got.Reference) {
		back, err := registry.Fetch(t.Context(), ref, registry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if back.Reference != got.Reference || back.Image != nil {
			t.Fatalf("%s: fetched %s, image %v", ref, back.Reference, back.Image)
		}
		if err := validate.Index(back.Index); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}

	t.Run("again", func(t *testing.T) {
		reg.Forget()
		again, err := registry.Push(t.Context(), index, repository, nil, registry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([3]int{0, 0, 7}, counts(again)); diff != "" || again.BytesSent != 0 {
			t.Errorf("sent, mounted, present (-want +got), and %d bytes:\n%s", again.BytesSent, diff)
		}
		if n := reg.Count(registrytest.BlobStart, registrytest.BlobMount, registrytest.BlobData, registrytest.BlobCommit, registrytest.TagPut); n != 0 {
			t.Errorf("%d requests that send blobs or tags", n)
		}
	})
	t.Run("one layer differs", func(t *testing.T) {
		img, err := index.Image(firstChild(t, index))
		if err != nil {
			t.Fatal(err)
		}
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		edited := image(t, "linux/amd64", layers[0], randomLayer(t, 100))
		next := indexOf(t, []string{"linux/amd64"}, map[string]v1.Image{"linux/amd64": edited})
		got, err := registry.Push(t.Context(), next, repository, nil, registry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([3]int{2, 0, 1}, counts(got)); diff != "" {
			t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
		}
	})
}

func firstChild(t *testing.T, index v1.ImageIndex) v1.Hash {
	t.Helper()
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Manifests[0].Digest
}

// nested is an index that refers to an index, which the specification allows.
func TestPushNestedIndex(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	inner := build(t, "linux/amd64")
	outer := mutate.AppendManifests(build(t, "linux/arm64"), mutate.IndexAddendum{Add: inner}, mutate.IndexAddendum{Add: inner})
	got, err := registry.Push(t.Context(), outer, reg.Repository("nested"), nil, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([3]int{6, 0, 0}, counts(got)); diff != "" {
		t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
	}
	if n := reg.Count(registrytest.ManifestPut); n != 4 {
		t.Errorf("%d manifests were put, want 4", n)
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	index := build(t, "linux/amd64", "linux/arm64")

	// Each case pushes to "first", then to "second".
	for _, tc := range []struct {
		name   string
		second func(reg *registrytest.Registry, o registry.Options) registry.Options
		want   [3]int
	}{
		{"nothing tells where", func(_ *registrytest.Registry, o registry.Options) registry.Options {
			o.Known = nil
			return o
		}, [3]int{5, 0, 0}},
		{"a sister is named", func(reg *registrytest.Registry, o registry.Options) registry.Options {
			o.Known, o.MountFrom = nil, []string{reg.Repository("stranger"), reg.Repository("first")}
			return o
		}, [3]int{0, 5, 0}},
		{"it is known", func(_ *registrytest.Registry, o registry.Options) registry.Options { return o }, [3]int{0, 5, 0}},
		{"a named sister has nothing", func(reg *registrytest.Registry, o registry.Options) registry.Options {
			o.Known, o.MountFrom = nil, []string{reg.Repository("stranger")}
			return o
		}, [3]int{5, 0, 0}},
		{"the registry will not mount", func(reg *registrytest.Registry, o registry.Options) registry.Options {
			reg.Fail(registrytest.BlobMount, http.StatusMethodNotAllowed, -1)
			return o
		}, [3]int{5, 0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t, registrytest.Options{})
			o := registry.Options{Known: registry.OpenKnown(filepath.Join(t.TempDir(), "known"))}
			if _, err := registry.Push(t.Context(), index, reg.Repository("first"), nil, o); err != nil {
				t.Fatal(err)
			}
			reg.Forget()
			got, err := registry.Push(t.Context(), index, reg.Repository("second"), nil, tc.second(reg, o))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, counts(got)); diff != "" {
				t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
			}
			if n := reg.Count(registrytest.BlobData); n != tc.want[0] {
				t.Errorf("the registry got the data of %d blobs, want %d", n, tc.want[0])
			}
		})
	}
}

// TestMountStale pushes with a memory of blobs that are gone.
func TestMountStale(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{Delete: true})
	index := build(t, "linux/amd64")
	dir := filepath.Join(t.TempDir(), "known")
	o := registry.Options{Known: registry.OpenKnown(dir)}
	first, err := registry.Push(t.Context(), index, reg.Repository("first"), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	deleteBlobs(t, reg, "first", index)
	got, err := registry.Push(t.Context(), index, reg.Repository("second"), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([3]int{first.BlobsSent, 0, 0}, counts(got)); diff != "" {
		t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
	}
	remembered := map[string]int{}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			remembered[filepath.Base(path)]++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"second": 3}, remembered); diff != "" {
		t.Errorf("remembered blobs by repository (-want +got):\n%s", diff)
	}
}

func deleteBlobs(t *testing.T, reg *registrytest.Registry, repository string, index v1.ImageIndex) {
	t.Helper()
	img, err := index.Image(firstChild(t, index))
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(m.Layers, m.Config) {
		req, err := http.NewRequest(http.MethodDelete, reg.URL+"/v2/"+repository+"/blobs/"+d.Digest.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("delete: %s, %v", resp.Status, err)
		}
	}
}

// TestMountMemoryUnwritable shows that a memory that cannot be kept only warns.
func TestMountMemoryUnwritable(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	progress := func(e report.Event) {
		if e.State == report.Warning {
			warnings = append(warnings, e.Text)
		}
	}
	o := registry.Options{Known: registry.OpenKnown(file), Progress: progress}
	if _, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("a"), nil, o); err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 {
		t.Errorf("got the warnings %q, want one", warnings)
	}
}

// TestPushOnBase mounts the layers of a base image that was read from the same
// registry.
func TestPushOnBase(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	base, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("base"), nil, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img, err := registry.Base(t.Context(), base.Reference, parse(t, "linux/amd64"), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, randomLayer(t, 100)); err != nil {
		t.Fatal(err)
	}
	index := indexOf(t, []string{"linux/amd64"}, map[string]v1.Image{"linux/amd64": img})
	got, err := registry.Push(t.Context(), index, reg.Repository("app"), nil, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([3]int{2, 2, 0}, counts(got)); diff != "" {
		t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
	}
	if n := reg.Count(registrytest.BlobGet); n != 1 { // the config
		t.Errorf("%d blobs were read from the registry, want 1", n)
	}

	t.Run("another registry", func(t *testing.T) {
		other := registrytest.Start(t, registrytest.Options{})
		got, err := registry.Push(t.Context(), index, other.Repository("app"), []string{"latest"}, registry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([3]int{4, 0, 0}, counts(got)); diff != "" {
			t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
		}
		if n := other.Count(registrytest.BlobMount); n != 0 {
			t.Errorf("%d attempts to mount from a registry that is another", n)
		}
	})
}

// TestPushFaults makes the registry stumble where it is put on trial.
func TestPushFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault func(reg *registrytest.Registry)
		// doing is empty where the push gets over it.
		doing  string
		reason string
	}{
		{"blob data fails once", func(reg *registrytest.Registry) { reg.Fail(registrytest.BlobData, 500, 1) }, "", ""},
		{"blob data is cut once", func(reg *registrytest.Registry) { reg.Cut(registrytest.BlobData, 1) }, "", ""},
		{"blob commit fails once", func(reg *registrytest.Registry) { reg.Fail(registrytest.BlobCommit, 503, 1) }, "", ""},
		{"blob check fails once", func(reg *registrytest.Registry) { reg.Fail(registrytest.BlobHead, 502, 1) }, "", ""},
		{"manifest fails once", func(reg *registrytest.Registry) { reg.Fail(registrytest.ManifestPut, 500, 1) }, "", ""},
		{"manifest is cut once", func(reg *registrytest.Registry) { reg.Cut(registrytest.ManifestPut, 1) }, "", ""},
		{"blob data always fails", func(reg *registrytest.Registry) { reg.Fail(registrytest.BlobData, 500, -1) },
			"send blob sha256:", "500 Internal Server Error"},
		{"blob data is always cut", func(reg *registrytest.Registry) { reg.Cut(registrytest.BlobData, -1) },
			"send blob sha256:", ""},
		{"the index always fails", func(reg *registrytest.Registry) { failLastManifest(reg) },
			"send manifest sha256:", "500 Internal Server Error"},
		{"a quota", func(reg *registrytest.Registry) {
			reg.Fail(registrytest.BlobStart, http.StatusRequestEntityTooLarge, -1)
		},
			"send blob sha256:", "413 Request Entity Too Large"},
		{"manifests come back changed", func(reg *registrytest.Registry) { change(reg, registrytest.ManifestGet) },
			"read back manifest sha256:", "does not match"},
		{"manifests do not come back", func(reg *registrytest.Registry) { reg.Fail(registrytest.ManifestGet, 404, -1) },
			"read back manifest sha256:", "404 Not Found"},
		{"blobs come back shorter", shorten, "read back blob sha256:", "were pushed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t, registrytest.Options{})
			tc.fault(reg)
			index := build(t, "linux/amd64", "linux/arm64")
			got, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{})
			if tc.doing == "" {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([3]int{5, 0, 0}, counts(got)); diff != "" {
					t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
				}
				back, err := registry.Fetch(t.Context(), got.Tags[0], registry.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := validate.Index(back.Index); err != nil {
					t.Error(err)
				}
				return
			}
			var failed *registry.PushError
			if !errors.As(err, &failed) {
				t.Fatalf("got %T, want *PushError: %v", err, err)
			}
			wantText(t, err, reg.Repository("app"), tc.doing, tc.reason)
			wantNoSecret(t, err, "_state=") // of an upload's address
			wantNoTags(t, reg, "app")
		})
	}
}

// failLastManifest lets the images' manifests through and not the index.
func failLastManifest(reg *registrytest.Registry) {
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == registrytest.ManifestPut && strings.Contains(r.Header.Get("Content-Type"), "index") {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// change adds a byte to the answers to a kind of requests.
func change(reg *registrytest.Registry, kind registrytest.Kind) {
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == kind {
			w = &longer{ResponseWriter: w}
		}
		next.ServeHTTP(w, r)
	})
}

type longer struct {
	http.ResponseWriter
	done bool
}

func (l *longer) WriteHeader(status int) {
	l.Header().Del("Content-Length")
	l.ResponseWriter.WriteHeader(status)
}

func (l *longer) Write(p []byte) (int, error) {
	if !l.done {
		l.done = true
		if _, err := l.ResponseWriter.Write([]byte(" ")); err != nil {
			return 0, err
		}
	}
	return l.ResponseWriter.Write(p)
}

// shorten makes every blob that is there a byte shorter than it is.
func shorten(reg *registrytest.Registry) {
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == registrytest.BlobHead {
			w = shorter{w}
		}
		next.ServeHTTP(w, r)
	})
}

type shorter struct{ http.ResponseWriter }

func (s shorter) WriteHeader(status int) {
	if status == http.StatusOK {
		s.Header().Set("Content-Length", "1")
	}
	s.ResponseWriter.WriteHeader(status)
}

func TestPushCancelled(t *testing.T) {
	t.Parallel()
	for _, kind := range []registrytest.Kind{registrytest.Ping, registrytest.BlobData, registrytest.ManifestPut, registrytest.ManifestGet} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t, registrytest.Options{})
			ctx, cancel := context.WithCancelCause(t.Context())
			reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if registrytest.KindOf(r) == kind {
					cancel(errors.New("interrupt"))
				}
				next.ServeHTTP(w, r)
			})
			_, err := registry.Push(ctx, build(t, "linux/amd64", "linux/arm64"), reg.Repository("app"), []string{"latest"}, registry.Options{Jobs: 1})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want it cancelled", err)
			}
			wantNoTags(t, reg, "app")
		})
	}
}

func TestPushTagFails(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == registrytest.TagPut && strings.HasSuffix(r.URL.Path, "/v2") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"errors":[{"code":"TAG_INVALID","message":"tags cannot be\noverwritten","detail":{"a":"b"}}]}`)
			return
		}
		next.ServeHTTP(w, r)
	})
	index := build(t, "linux/amd64")
	_, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"v1", "v2", "v3"}, registry.Options{})
	var failed *registry.TagError
	if !errors.As(err, &failed) {
		t.Fatalf("got %T, want *TagError: %v", err, err)
	}
	if diff := cmp.Diff([]string{"v1"}, failed.Moved); diff != "" || failed.Tag != "v2" {
		t.Errorf("tag %s failed; moved (-want +got):\n%s", failed.Tag, diff)
	}
	wantText(t, err, reg.Repository("app")+"@"+digest(t, index).String(), "tag v2 failed", "moved before: v1", "400 Bad Request (tags cannot be)")
	if diff := cmp.Diff([]string{"v1"}, tags(t, reg, "app")); diff != "" {
		t.Errorf("the registry's tags (-want +got):\n%s", diff)
	}
}

// TestPushTagNotMoved meets a registry that takes a tag and does not move it.
func TestPushTagNotMoved(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	if _, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), []string{"latest"}, registry.Options{}); err != nil {
		t.Fatal(err)
	}
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == registrytest.TagPut {
			w.WriteHeader(http.StatusCreated)
			return
		}
		next.ServeHTTP(w, r)
	})
	_, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), []string{"latest"}, registry.Options{})
	var failed *registry.TagError
	if !errors.As(err, &failed) {
		t.Fatalf("got %T, want *TagError: %v", err, err)
	}
	wantText(t, err, "no tag was moved before", "it points at sha256:")
}

// brokenLayer cannot be read to its end.
type brokenLayer struct {
	v1.Layer
	opened atomic.Int32
}

func (l *brokenLayer) Compressed() (io.ReadCloser, error) {
	l.opened.Add(1)
	return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 10)), errReader{})), nil
}

type errReader struct{}

// errDisk looks like a connection that broke off, which would be tried again.
var errDisk = fmt.Errorf("the disk is gone: %w", io.ErrUnexpectedEOF)

func (errReader) Read([]byte) (int, error) { return 0, errDisk }

func TestPushUnreadableLayer(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	broken := &brokenLayer{Layer: randomLayer(t, 1000)}
	img := image(t, "linux/amd64", broken)
	index := indexOf(t, []string{"linux/amd64"}, map[string]v1.Image{"linux/amd64": img})
	_, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{})
	var failed *registry.PushError
	if !errors.As(err, &failed) || !errors.Is(err, errDisk) {
		t.Fatalf("got %T, want a *PushError with the cause: %v", err, err)
	}
	wantText(t, err, "send blob sha256:", "the disk is gone")
	wantNoTags(t, reg, "app")
	if n := broken.opened.Load(); n != 1 {
		t.Errorf("it was opened %d times, want once", n)
	}
}
