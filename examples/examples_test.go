// Package examples holds small programs that each need one thing of their
// image. The tests build and run all of them.
package examples

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// sources are the folders that are built.
var sources = []string{"hello", "https", "timezone", "service", "vendored", "multi", "workspace/app"}

// TestExamples builds each example, and runs it here and wherever an emulator is
// registered.
func TestExamples(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	bases := map[string]string{}
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			built := pipelinetest.Build(t, plan.Options{Source: source}, pipelinetest.Options(t))
			if err := built.Prove(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, img := range built.Images {
				for _, v := range img.Variants {
					native := v.Platform.Architecture == runtime.GOARCH
					for _, verdict := range v.Verdicts {
						if native && verdict.Status != smoke.Passed {
							t.Errorf("%s %s: %s: %s: %s", img.Plan.Name, v.Platform, verdict.Name, verdict.Status, verdict.Detail)
						}
					}
					digest, err := v.Layers[0].Digest()
					if err != nil {
						t.Fatal(err)
					}
					if img.Plan.Mozilla && img.Plan.Zones {
						bases[digest.String()] = img.Plan.Name
					}
				}
			}
		})
	}
	if len(bases) != 1 {
		t.Errorf("programs with certificates and zones have %d base layers, want one: %v", len(bases), bases)
	}
}

// TestHelloIsSmall holds the promise of the README.
func TestHelloIsSmall(t *testing.T) {
	built := pipelinetest.Build(t, plan.Options{
		Source: "hello", Overrides: []plan.Override{plan.Set("--platform", []string{"linux/amd64"}, "platforms")},
	}, pipelinetest.Options(t))
	doc, err := built.Report()
	if err != nil {
		t.Fatal(err)
	}
	const limit = 1_050_000
	if size := doc.Images[0].Platforms[0].Size; size > limit {
		t.Errorf("hello for linux/amd64 weighs %d bytes compressed, more than %d", size, limit)
	}
}

// TestPrivateAuthority runs the example https against a server whose root is
// private: one image is given the root, another one is not.
func TestPrivateAuthority(t *testing.T) {
	pipelinetest.NeedsSandbox(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("hello"))
	}))
	t.Cleanup(server.Close)
	source := filepath.Join(t.TempDir(), "https")
	if err := os.CopyFS(source, os.DirFS("https")); err != nil {
		t.Fatal(err)
	}
	writeRoot(t, filepath.Join(source, "root.pem"), server.Certificate())

	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if err := server.Certificate().VerifyHostname("localhost"); err != nil {
		url = server.URL
	}
	run := func(expect map[string]any, certificates map[string]any) []smoke.Verdict {
		t.Helper()
		expect["args"], expect["network"] = []string{url}, "host"
		built := pipelinetest.Build(t, plan.Options{Source: source, Overrides: []plan.Override{
			plan.Set("test", []any{"linux/" + runtime.GOARCH}, "platforms"),
			plan.Set("test", []any{expect}, "smoke"),
			plan.Set("test", certificates, "image", "certificates"),
		}}, pipelinetest.Options(t))
		if err := built.Prove(t.Context()); err != nil {
			t.Fatal(err)
		}
		return built.Images[0].Variants[0].Verdicts
	}
	trusted := map[string]any{"name": "trusts the root", "stdout": map[string]any{"contains": "200 OK"}}
	unknown := map[string]any{"name": "refuses an unknown root", "exitCode": 1, "stderr": map[string]any{"contains": "certificate signed by unknown authority"}}
	for name, c := range map[string]struct{ expect, certificates map[string]any }{
		"added":     {trusted, map[string]any{"add": []string{"root.pem"}}},
		"instead":   {trusted, map[string]any{"bundle": "root.pem"}},
		"not given": {unknown, map[string]any{"bundle": "mozilla"}},
		"none":      {unknown, map[string]any{"bundle": "none"}},
	} {
		for _, v := range run(c.expect, c.certificates) {
			if v.Status != smoke.Passed {
				t.Errorf("%s: %s: %s", name, v.Status, v.Detail)
			}
		}
	}
}

func writeRoot(t *testing.T, path string, cert *x509.Certificate) {
	t.Helper()
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
