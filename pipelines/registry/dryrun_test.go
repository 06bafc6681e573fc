package registry_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

func TestDryRun(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	old := build(t, "linux/amd64")
	index := build(t, "linux/amd64", "linux/arm64")
	if _, err := registry.Push(t.Context(), old, reg.Repository("app"), []string{"latest"}, registry.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Push(t.Context(), index, reg.Repository("sister"), nil, registry.Options{}); err != nil {
		t.Fatal(err)
	}
	readOnly(reg)

	// seen is a preview without what differs from run to run.
	type seen struct {
		Reference                string
		Blobs, ToSend, Mountable int
		Missing, Platforms       []bool
		Tags                     []registry.PreviewTag
	}
	look := func(repository string, tags []string, o registry.Options) seen {
		t.Helper()
		p, err := registry.DryRun(t.Context(), index, reg.Repository(repository), tags, o)
		if err != nil {
			t.Fatal(err)
		}
		s := seen{Reference: p.Reference, Blobs: len(p.Blobs), Tags: p.Tags}
		blobs, bytes := p.ToSend()
		s.ToSend = blobs
		for _, b := range p.Blobs {
			if b.MountFrom != "" {
				s.Mountable++
			}
			if !b.Present && b.MountFrom == "" {
				bytes -= b.Size
			}
		}
		if bytes != 0 {
			t.Errorf("the sizes of the blobs to send differ from their sum by %d", bytes)
		}
		for _, m := range p.Manifests {
			s.Missing = append(s.Missing, !m.Present)
			s.Platforms = append(s.Platforms, m.Platform != nil)
		}
		return s
	}
	want := digest(t, index)

	if diff := cmp.Diff(seen{
		Reference: reg.Repository("app@") + want.String(), Blobs: 5, ToSend: 5,
		Missing: []bool{true, true, true}, Platforms: []bool{true, true, false},
		Tags: []registry.PreviewTag{
			{Reference: reg.Repository("app:latest"), Now: digest(t, old), Moves: true},
			{Reference: reg.Repository("app:v1"), Moves: true},
		},
	}, look("app", []string{"latest", "v1"}, registry.Options{})); diff != "" {
		t.Errorf("another image is there (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(seen{
		Reference: reg.Repository("new@") + want.String(), Blobs: 5, Mountable: 5,
		Missing: []bool{true, true, true}, Platforms: []bool{true, true, false},
		Tags: []registry.PreviewTag{{Reference: reg.Repository("new:v1"), Moves: true}},
	}, look("new", []string{"v1"}, registry.Options{MountFrom: []string{reg.Repository("sister")}})); diff != "" {
		t.Errorf("a sister has it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(seen{
		Reference: reg.Repository("sister@") + want.String(), Blobs: 5,
		Missing: []bool{false, false, false}, Platforms: []bool{true, true, false},
	}, look("sister", nil, registry.Options{})); diff != "" {
		t.Errorf("it is there (-want +got):\n%s", diff)
	}
}

// readOnly refuses whatever writes, and fails no test by itself: a dry run that
// writes fails.
func readOnly(reg *registrytest.Registry) {
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "read only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	index := build(t, "linux/amd64")
	if _, err := registry.DryRun(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range reg.Requests() {
		if r.Writes() {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
	wantNoTags(t, reg, "app")

	// The tag that points at the image already stays.
	if _, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{}); err != nil {
		t.Fatal(err)
	}
	p, err := registry.DryRun(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []registry.PreviewTag{{Reference: reg.Repository("app:latest"), Now: digest(t, index)}}
	if diff := cmp.Diff(want, p.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	index := build(t, "linux/amd64", "linux/arm64")
	pushed, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one := reg.Repository("app@") + firstChild(t, index).String()
	for ref, want := range map[string]string{
		reg.Repository("app"): pushed.Reference,
		reg.Repository("app:latest@") + pushed.Digest.String(): pushed.Reference,
		one: one,
	} {
		got, err := registry.Fetch(t.Context(), ref, registry.Options{})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if got.Reference != want || (got.Image != nil) != (ref == one) || (got.Index != nil) == (ref == one) {
			t.Errorf("%s: got %s, index %v, image %v", ref, got.Reference, got.Index, got.Image)
		}
	}
	// What is read later has go-containerregistry's errors, and still no page of HTML.
	back, err := registry.Fetch(t.Context(), one, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg.Fail(registrytest.BlobGet, http.StatusNotFound, -1)
	_, err = back.Image.ConfigFile()
	wantText(t, err, "404 Not Found")

	_, err = registry.Fetch(t.Context(), reg.Repository("app:v9"), registry.Options{})
	var failed *registry.FetchError
	if !errors.As(err, &failed) || failed.Status != http.StatusNotFound {
		t.Fatalf("got %T, want *FetchError: %v", err, err)
	}
	wantText(t, err, reg.Repository("app"), "read v9", "404 Not Found")
}

func TestBase(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	index := build(t, "linux/amd64", "linux/amd64/v2", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "linux/s390x")
	pushed, err := registry.Push(t.Context(), index, reg.Repository("base"), []string{"latest"}, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for want, got := range map[string]string{
		"linux/amd64":    "linux/amd64",
		"linux/amd64/v2": "linux/amd64/v2",
		"linux/amd64/v3": "linux/amd64/v2",
		"linux/arm64":    "linux/arm64",
		"linux/arm64/v9": "linux/arm64",
		"linux/arm/v6":   "linux/arm/v6",
		"linux/arm/v7":   "linux/arm/v7",
		"linux/s390x":    "linux/s390x",
		"linux/arm/v5":   "",
		"linux/riscv64":  "",
	} {
		img, err := registry.Base(t.Context(), pushed.Reference, parse(t, want), registry.Options{})
		if got == "" {
			var missing *registry.PlatformError
			if !errors.As(err, &missing) {
				t.Errorf("%s: got %T, want *PlatformError: %v", want, err, err)
				continue
			}
			wantText(t, err, want, "linux/amd64, linux/amd64/v2, linux/arm/v6")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parse(t, got), v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want, diff)
		}
	}

	one := reg.Repository("base@") + firstChild(t, index).String()
	if _, err := registry.Base(t.Context(), one, parse(t, "linux/amd64/v3"), registry.Options{}); err != nil {
		t.Errorf("an image without an index: %v", err)
	}
	_, err = registry.Base(t.Context(), one, parse(t, "linux/arm64"), registry.Options{})
	var missing *registry.PlatformError
	if !errors.As(err, &missing) {
		t.Fatalf("got %T, want *PlatformError: %v", err, err)
	}
	wantText(t, err, "does not come for linux/arm64; it comes for linux/amd64")

	_, err = registry.Base(t.Context(), pushed.Tags[0], parse(t, "linux/amd64"), registry.Options{})
	var bad *registry.ReferenceError
	if !errors.As(err, &bad) {
		t.Fatalf("got %T, want *ReferenceError: %v", err, err)
	}
	wantText(t, err, "needs a digest", reg.Repository("base@sha256:…"))
}
