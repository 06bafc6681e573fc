package pipelines_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

var prog = map[string]string{
	"go.mod":  "module example.com/prog\n\ngo 1.26.0\n",
	"main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"hello\\n\") }\n",
}

func native() plan.Override {
	return plan.Set("test", []string{"linux/" + runtime.GOARCH}, "platforms")
}

// TestPulledImageRuns publishes an image to a registry that asks for a password
// over TLS, pulls it back by digest, and runs what was pulled.
func TestPulledImageRuns(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	reg := registrytest.Start(t, registrytest.Options{Auth: true, TLS: true})
	o := pipelinetest.Options(t)
	o.Registry = registry.Options{Username: registrytest.Username, Password: registrytest.Password, CA: reg.CA}
	built := pipelinetest.Build(t, plan.Options{Source: writeSource(t, prog), Overrides: []plan.Override{native()}}, o)
	if err := built.Publish(t.Context(), pipelines.To{Repository: reg.Repository("prog"), Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	fetched, err := registry.Fetch(t.Context(), built.Images[0].References[0], o.Registry)
	if err != nil {
		t.Fatal(err)
	}
	m, err := fetched.Index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := fetched.Index.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	container, err := o.Engine.Load(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := container.Close(); err != nil {
			t.Error(err)
		}
	}()
	exit, err := container.Run(t.Context(), smoke.Process{})
	if err != nil {
		t.Fatal(err)
	}
	if exit.Code != 0 || string(exit.Stdout) != "hello\n" {
		t.Errorf("the pulled image ends with %d and says %q %q", exit.Code, exit.Stdout, exit.Stderr)
	}
}

// TestBaseImage builds on an image from the registry that it publishes to: the
// base's layers are mounted, its config is built upon, and nothing of ours
// covers what it brings.
func TestBaseImage(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	reg := registrytest.Start(t, registrytest.Options{})
	o := pipelinetest.Options(t)
	source := writeSource(t, prog)
	other := writeSource(t, map[string]string{"go.mod": prog["go.mod"], "main.go": "package main\n\nfunc main() {}\n"})
	base := pipelinetest.Build(t, plan.Options{Source: other, Overrides: []plan.Override{
		native(), plan.Set("test", "base", "name"), plan.Set("test", "1", "image", "env", "FROM_BASE"), plan.Set("test", "1", "image", "env", "BOTH"),
	}}, o)
	if err := base.Publish(t.Context(), pipelines.To{Repository: reg.Repository("base")}); err != nil {
		t.Fatal(err)
	}
	reg.Forget()
	built := pipelinetest.Build(t, plan.Options{Source: source, Overrides: []plan.Override{
		native(), plan.Set("test", base.Images[0].References[0], "image", "base"), plan.Set("test", "2", "image", "env", "BOTH"),
	}}, o)
	if err := built.Publish(t.Context(), pipelines.To{Repository: reg.Repository("prog"), Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	img := built.Images[0].Variants[0].Image
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Config.Env, " "); got != "FROM_BASE=1 BOTH=2" {
		t.Errorf("the environment is %s", got)
	}
	if got := len(config.RootFS.DiffIDs); got != 3 {
		t.Errorf("there are %d layers, want the base's two and the program's", got)
	}
	if got := config.Config.Labels["org.opencontainers.image.base.digest"]; !strings.HasSuffix(base.Images[0].References[0], got) || got == "" {
		t.Errorf("the base's digest is %q", got)
	}
	if sent := reg.Count(registrytest.BlobCommit); sent != 2 {
		t.Errorf("%d blobs were sent, want the config and the program; the base's layers are to be mounted", sent)
	}
	ref, err := name.NewTag(reg.Repository("prog") + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	desc, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	if desc.Digest != built.Images[0].Digest {
		t.Errorf("the tag is at %s, want %s", desc.Digest, built.Images[0].Digest)
	}

	// A base that does not come for the platform.
	_, err = buildOnly(t, plan.Options{Source: source, Overrides: []plan.Override{
		plan.Set("test", []string{"linux/mips"}, "platforms"), plan.Set("test", base.Images[0].References[0], "image", "base"),
	}}, o)
	if _, ok := errors.AsType[*registry.PlatformError](err); !ok {
		t.Errorf("got %v, want a PlatformError", err)
	}
}

func buildOnly(t *testing.T, po plan.Options, o pipelines.Options) (*pipelines.Built, error) {
	t.Helper()
	p, err := plan.New(t.Context(), po)
	if err != nil {
		t.Fatal(err)
	}
	return pipelines.Build(t.Context(), p, o)
}

// TestErrorKinds holds the kinds that a caller can tell apart.
func TestErrorKinds(t *testing.T) {
	o := pipelinetest.Options(t)
	_, err := buildOnly(t, plan.Options{Source: writeSource(t, map[string]string{
		"go.mod": prog["go.mod"], "main.go": "package main\n\nfunc main() { undefined() }\n",
	})}, o)
	if ce, ok := errors.AsType[*engine.CompileError](err); !ok || ce.Step != "compile" || !strings.Contains(ce.Output, "main.go:3") {
		t.Errorf("got %v, want a CompileError", err)
	}
	_, err = buildOnly(t, plan.Options{Source: writeSource(t, prog), Overrides: []plan.Override{native(), plan.Set("test", "root", "image", "user")}}, o)
	if ae, ok := errors.AsType[*audit.Error](err); !ok || ae.Findings[0].Rule != audit.RuleRoot {
		t.Errorf("got %v, want an audit.Error about root", err)
	}
	_, err = buildOnly(t, plan.Options{Source: writeSource(t, prog), Overrides: []plan.Override{plan.Set("test", "1.21.999", "go")}}, o)
	if _, ok := errors.AsType[*engine.ToolchainError](err); !ok {
		t.Errorf("got %v, want a ToolchainError", err)
	}
}

// TestSourceIsNotWrittenTo compares what stands in a source before and after a
// build that the go command would like to add to go.sum for.
func TestSourceIsNotWrittenTo(t *testing.T) {
	source := writeSource(t, map[string]string{
		"go.mod":  "module example.com/prog\n\ngo 1.26.0\n\nrequire github.com/google/uuid v1.6.0\n",
		"main.go": "package main\n\nimport \"github.com/google/uuid\"\n\nfunc main() { println(uuid.NewString()) }\n",
	})
	look := func() map[string]string {
		t.Helper()
		found := map[string]string{}
		entries, err := os.ReadDir(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(source, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			found[e.Name()] = string(data)
		}
		return found
	}
	before := look()
	_, err := buildOnly(t, plan.Options{Source: source, Overrides: []plan.Override{native()}}, pipelinetest.Options(t))
	if ce, ok := errors.AsType[*engine.CompileError](err); !ok || !strings.Contains(ce.Output, "missing go.sum entry") {
		t.Errorf("got %v, want a missing go.sum entry", err)
	}
	if diff := cmp.Diff(before, look()); diff != "" {
		t.Error(diff)
	}
}

// TestPublishAfterAFailedProof wants nothing to be published, whoever asks.
func TestPublishAfterAFailedProof(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	reg := registrytest.Start(t, registrytest.Options{})
	built := pipelinetest.Build(t, plan.Options{Source: writeSource(t, prog), Overrides: []plan.Override{
		native(), plan.Set("test", []any{map[string]any{"name": "fine"}, map[string]any{"name": "fails", "exitCode": 1}}, "smoke"),
	}}, pipelinetest.Options(t))
	if _, ok := errors.AsType[*pipelines.SmokeError](built.Prove(t.Context())); !ok {
		t.Fatal("the proof did not fail")
	}
	err := built.Publish(t.Context(), pipelines.To{Repository: reg.Repository("prog"), Tags: []string{"v1"}})
	if _, ok := errors.AsType[*pipelines.SmokeError](err); !ok {
		t.Errorf("got %v, want a SmokeError", err)
	}
	if n := reg.Count(registrytest.BlobCommit, registrytest.ManifestPut, registrytest.TagPut); n > 0 {
		t.Errorf("%d blobs, manifests and tags were pushed", n)
	}
}

// TestSeveralImages publishes images that inherit one repository, each below it,
// and moves no tag before all of them are there.
func TestSeveralImages(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	reg := registrytest.Start(t, registrytest.Options{})
	source := writeSource(t, map[string]string{
		"go.mod": prog["go.mod"], "a/main.go": prog["main.go"], "b/main.go": prog["main.go"],
		"slipway.yaml": "publish: {to: " + reg.Repository("team") + ", tags: [v1]}\nimages: [{packages: [./a]}, {packages: [./b]}]\n",
	})
	built := pipelinetest.Build(t, plan.Options{Source: source, Overrides: []plan.Override{native()}}, pipelinetest.Options(t))
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == registrytest.ManifestPut && strings.Contains(r.URL.Path, "/team/b/") {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	if err := built.Publish(t.Context(), pipelines.To{}); err == nil {
		t.Fatal("a push that was refused went well")
	}
	if n := reg.Count(registrytest.TagPut); n > 0 {
		t.Errorf("%d tags were moved", n)
	}
	if built.Images[0].References != nil {
		t.Errorf("it says that it published %v", built.Images[0].References)
	}
}

// TestBaseFoldersStayAsTheyAre puts files into folders of a base image.
func TestBaseFoldersStayAsTheyAre(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	reg := registrytest.Start(t, registrytest.Options{})
	o := pipelinetest.Options(t)
	files := map[string]string{"go.mod": prog["go.mod"], "main.go": prog["main.go"], "seed.txt": "seed"}
	base := pipelinetest.Build(t, plan.Options{Source: writeSource(t, files), Overrides: []plan.Override{
		native(), plan.Set("test", true, "image", "tmp"), plan.Set("test", []string{"/home/app"}, "image", "volumes"),
		plan.Set("test", "app:1001:1001", "image", "user"),
	}}, o)
	if err := base.Publish(t.Context(), pipelines.To{Repository: reg.Repository("base")}); err != nil {
		t.Fatal(err)
	}
	built := pipelinetest.Build(t, plan.Options{Source: writeSource(t, files), Overrides: []plan.Override{
		native(), plan.Set("test", base.Images[0].References[0], "image", "base"), plan.Set("test", "/home/app", "image", "workdir"),
		plan.Set("test", []any{map[string]any{"from": "seed.txt", "to": "/tmp/seed.txt"}, map[string]any{"from": "seed.txt", "to": "/home/app/seed.txt"}}, "image", "assets"),
	}}, o)
	entries, err := image.List(built.Images[0].Variants[0].Image)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	for _, e := range entries {
		last[e.Path] = fmt.Sprint(e.Mode, " ", e.UID, ":", e.GID)
	}
	for path, want := range map[string]string{"/tmp": "dtrwxrwxrwx 0:0", "/home/app": "drwxr-xr-x 1001:1001", "/tmp/seed.txt": "-rw-r--r-- 0:0"} {
		if last[path] != want {
			t.Errorf("%s is %s, want %s", path, last[path], want)
		}
	}
}

// TestPasswordIsForOneRegistry builds on an image of a registry that the
// password is not for.
func TestPasswordIsForOneRegistry(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	reg := registrytest.Start(t, registrytest.Options{})
	source := writeSource(t, prog)
	base := pipelinetest.Build(t, plan.Options{Source: source, Overrides: []plan.Override{native()}}, pipelinetest.Options(t))
	if err := base.Publish(t.Context(), pipelines.To{Repository: reg.Repository("base")}); err != nil {
		t.Fatal(err)
	}
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the password went to another registry")
		}
		if _, _, ok := r.BasicAuth(); !ok && r.URL.Path == "/v2/" {
			w.Header().Set("WWW-Authenticate", `Basic realm="base"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	o := pipelinetest.Options(t)
	o.Registry = registry.Options{Username: "me", Password: "secret", Host: "registry.example.com"}
	if _, err := buildOnly(t, plan.Options{Source: source, Overrides: []plan.Override{
		native(), plan.Set("test", base.Images[0].References[0], "image", "base"),
	}}, o); err != nil {
		t.Fatal(err)
	}
}
