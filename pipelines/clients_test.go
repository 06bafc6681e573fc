package pipelines_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
)

// eight are the platforms of the index that other clients look at.
var eight = []string{
	"linux/386", "linux/amd64", "linux/amd64/v3", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/riscv64", "linux/s390x",
}

// TestOtherClients publishes an index of eight platforms and lets clients that
// are not ours pull and check it. Those that are not installed are skipped;
// .ci/run installs all of them.
func TestOtherClients(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the standard library for eight platforms")
	}
	pipelinetest.NeedsSandbox(t)
	source := writeSource(t, map[string]string{
		"go.mod":  "module example.com/prog\n\ngo 1.26.0\n",
		"main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
	})
	reg := registrytest.Start(t, registrytest.Options{})
	built := pipelinetest.Build(t, plan.Options{
		Source: source, Overrides: []plan.Override{plan.Set("test", eight, "platforms")},
	}, pipelinetest.Options(t))
	if err := built.Publish(t.Context(), pipelines.To{Repository: reg.Repository("prog"), Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	img := built.Images[0]
	byDigest, byTag := img.References[0], img.References[1]
	layout := filepath.Join(t.TempDir(), "layout")
	archive := filepath.Join(t.TempDir(), "docker.tar")
	for _, out := range []image.Output{
		{Transport: image.TransportOCI, Path: layout},
		{Transport: image.TransportDockerArchive, Path: archive, Reference: "localhost/slipway-test:v1"},
	} {
		if err := built.Write(t.Context(), func(string) image.Output { return out }); err != nil {
			t.Fatal(err)
		}
	}

	// What crane validate does, in the library that it is made of.
	t.Run("go-containerregistry", func(t *testing.T) {
		ref, err := name.NewDigest(byDigest)
		if err != nil {
			t.Fatal(err)
		}
		idx, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(idx); err != nil {
			t.Error(err)
		}
	})
	t.Run("crane", func(t *testing.T) {
		needs(t, "crane")
		client(t, "crane", "validate", "--remote", byDigest)
		if got := strings.TrimSpace(client(t, "crane", "digest", byTag)); got != img.Digest.String() {
			t.Errorf("crane sees the digest %s, want %s", got, img.Digest)
		}
	})
	t.Run("oras", func(t *testing.T) {
		needs(t, "oras")
		var m struct {
			Manifests []struct{ Digest string }
		}
		decode(t, client(t, "oras", "manifest", "fetch", "--plain-http", byDigest), &m)
		if len(m.Manifests) != len(eight) {
			t.Errorf("oras sees %d platforms, want %d", len(m.Manifests), len(eight))
		}
		client(t, "oras", "copy", "--from-plain-http", "--to-oci-layout", byTag, filepath.Join(t.TempDir(), "copy")+":v1")
	})
	t.Run("skopeo", func(t *testing.T) {
		needs(t, "skopeo")
		// --preserve-digests fails where skopeo would have to change anything.
		copied := filepath.Join(t.TempDir(), "copy")
		client(t, "skopeo", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "docker://"+byDigest, "oci:"+copied+":v1")
		client(t, "skopeo", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "oci:"+layout, "docker://"+reg.Repository("copied")+":v1")
		raw := client(t, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+reg.Repository("copied")+":v1")
		want, err := img.Index.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		if raw != string(want) {
			t.Errorf("skopeo copied the layout as\n%s\nwant\n%s", raw, want)
		}
	})
	t.Run("umoci", func(t *testing.T) {
		needs(t, "umoci")
		needs(t, "skopeo")
		// umoci takes one image, and not an index of several.
		one := filepath.Join(t.TempDir(), "one")
		client(t, "skopeo", "copy", "--override-arch=amd64", "--src-tls-verify=false", "docker://"+byDigest, "oci:"+one+":v1")
		bundle := filepath.Join(t.TempDir(), "bundle")
		args := []string{"unpack", "--image", one + ":v1", bundle}
		if os.Geteuid() != 0 {
			args = append(args[:1], append([]string{"--rootless"}, args[1:]...)...)
		}
		client(t, "umoci", args...)
		if runtime.GOARCH == "amd64" {
			// The binary of the unpacked image runs.
			if out := client(t, filepath.Join(bundle, "rootfs", "usr/local/bin/prog")); out != "hello\n" {
				t.Errorf("the unpacked program says %q", out)
			}
		}
		for _, path := range []string{"etc/passwd", "etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Warsaw"} {
			if _, err := os.Stat(filepath.Join(bundle, "rootfs", path)); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("podman", func(t *testing.T) {
		needs(t, "podman")
		if os.Geteuid() != 0 {
			t.Skip("podman's storage is set up for root in CI")
		}
		root := t.TempDir()
		podman := func(args ...string) string {
			t.Helper()
			return client(t, "podman", append([]string{"--root", filepath.Join(root, "root"), "--runroot", filepath.Join(root, "run"), "--storage-driver=vfs"}, args...)...)
		}
		podman("load", "--input", archive)
		var images []struct {
			Config struct{ User string }
		}
		decode(t, podman("image", "inspect", "localhost/slipway-test:v1"), &images)
		if images[0].Config.User != "65534:65534" {
			t.Errorf("podman sees the user %q", images[0].Config.User)
		}
	})
}

// needs skips a test where a program is not installed.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
}

// client runs somebody else's program and returns what it says.
func client(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Credentials of whoever runs the test are none of the test's business, and may
	// stand where an ordinary user cannot read.
	auth := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(auth, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "REGISTRY_AUTH_FILE="+auth)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	if program == filepath.Base(program) {
		return stdout.String()
	}
	return stdout.String() + stderr.String()
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// writeSource makes a folder with files.
func writeSource(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
