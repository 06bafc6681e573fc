package main

import (
	"context"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dagger.io/dagger"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	engine "github.com/slipway-dev/slipway/pipelines/engine/dagger"
)

// machines are what the programs are for.
var machines = map[dagger.Platform]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}

// TestVariants needs a Dagger engine.
func TestVariants(t *testing.T) {
	pipelinetest.NeedsDagger(t)
	out, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	o := options{builder: os.Getenv("SLIPWAY_TEST_BUILDER"), goproxy: strings.TrimSpace(string(out)), platforms: []dagger.Platform{"linux/amd64", "linux/arm64"}}
	if o.builder == "" {
		o.builder = engine.DefaultImage() + ":" + engine.DefaultRelease()
	}
	// The test's context ends before its cleanups run.
	client, err := dagger.Connect(context.WithoutCancel(t.Context()), dagger.WithLogOutput(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	source := client.Directory().
		WithNewFile("go.mod", "module example.com/program\n\ngo 1.26.0\n").
		WithNewFile("go.sum", "").
		WithNewFile("main.go", "package main\n\nfunc main() { println(\"hello\") }\n")
	for name, variants := range map[string][]*dagger.Container{"sdk": o.sdk(client, source), "dockerfile": o.dockerfile(client, source)} {
		for i, p := range o.platforms {
			got, err := variants[i].Platform(t.Context())
			if err != nil {
				t.Fatalf("%s, %s: %v", name, p, err)
			}
			if got != p {
				t.Errorf("%s: a container for %s, want %s", name, got, p)
			}
			file := filepath.Join(t.TempDir(), "program")
			if _, err := variants[i].File("/program").Export(t.Context(), file); err != nil {
				t.Fatalf("%s, %s: %v", name, p, err)
			}
			program, err := elf.Open(file)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, p, err)
			}
			if program.Machine != machines[p] {
				t.Errorf("%s, %s: a program for %s, want %s", name, p, program.Machine, machines[p])
			}
			if err := program.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
