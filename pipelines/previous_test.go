package pipelines_test

import (
	"errors"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// TestFindPrevious publishes an image, and compares a smaller one with it.
func TestFindPrevious(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	o := pipelinetest.Options(t)
	o.SkipSmoke = true
	to := pipelines.To{Repository: reg.Repository("prog")}
	build := func(source map[string]string) *pipelines.Built {
		return pipelinetest.Build(t, plan.Options{Source: writeSource(t, source), Overrides: []plan.Override{plan.Set("test", []string{"linux/amd64", "linux/arm/v7"}, "platforms")}}, o)
	}
	larger := build(prog)
	if err := larger.FindPrevious(t.Context(), to, []string{"latest"}); err != nil || larger.Images[0].Previous != nil {
		t.Fatalf("before anything is there: %v, %v", larger.Images[0].Previous, err)
	}
	to.Tags = []string{"v1"}
	if err := larger.Publish(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	smaller := build(map[string]string{"go.mod": prog["go.mod"], "main.go": "package main\n\nfunc main() {}\n"})
	if err := smaller.FindPrevious(t.Context(), to, []string{"latest", "v1"}); err != nil {
		t.Fatal(err)
	}
	doc, err := smaller.Report()
	if err != nil {
		t.Fatal(err)
	}
	before, err := larger.Report()
	if err != nil {
		t.Fatal(err)
	}
	previous := doc.Images[0].Previous
	if previous == nil || previous.Reference != reg.Repository("prog")+":v1" || previous.Digest != before.Images[0].Digest {
		t.Fatalf("previous: %+v", previous)
	}
	for i, p := range before.Images[0].Platforms {
		if got := previous.Sizes[p.Platform]; got != p.Size || got <= doc.Images[0].Platforms[i].Size {
			t.Errorf("%s: %d bytes before, want %d, and more than %d", p.Platform, got, p.Size, doc.Images[0].Platforms[i].Size)
		}
	}

	// What somebody else's tool left there: an image without an index.
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(reg.Repository("prog") + ":plain")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	if err := smaller.FindPrevious(t.Context(), to, []string{"plain"}); err != nil || smaller.Images[0].Previous.Sizes["linux/amd64"] == 0 {
		t.Errorf("an image without an index: %+v, %v", smaller.Images[0].Previous, err)
	}

	// A registry that is not there is an error.
	err = smaller.FindPrevious(t.Context(), pipelines.To{Repository: "localhost:1/prog"}, []string{"v1"})
	if _, ok := errors.AsType[*registry.UnreachableError](err); !ok {
		t.Errorf("nobody listens: %v", err)
	}
}
