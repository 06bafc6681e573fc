package pipelines_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
)

// Variables that tell a child of TestLargeBinaryIsStreamed what to do.
const (
	memorySource     = "SLIPWAY_TEST_SOURCE"
	memoryRepository = "SLIPWAY_TEST_REPOSITORY"
)

// TestLargeBinaryIsStreamed builds, writes and publishes a program of 200 MB in
// a process of its own, and compares the most memory that the process ever had
// with what a small program takes: what is assembled and pushed is never held
// in memory. The compiler and the linker are processes of their own.
func TestLargeBinaryIsStreamed(t *testing.T) {
	if testing.Short() {
		t.Skip("links and compresses 200 MB")
	}
	if os.Getenv(memorySource) != "" {
		publishAndPrintPeak(t)
		return
	}
	reg := registrytest.Start(t, registrytest.Options{})
	peak := func(name string, size int) int {
		t.Helper()
		source := writeSource(t, map[string]string{
			"go.mod": "module example.com/" + name + "\n\ngo 1.26.0\n",
			"main.go": `package main

import _ "embed"

//go:embed data
var data string

func main() { println(len(data)) }
`,
			"data": randomText(size),
		})
		cmd := exec.Command(os.Args[0], "-test.run=^TestLargeBinaryIsStreamed$", "-test.v")
		cmd.Env = append(os.Environ(), memorySource+"="+source, memoryRepository+"="+reg.Repository(name))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			var kB int
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
				return kB >> 10
			}
		}
		t.Fatalf("the child does not say how much memory it had:\n%s", out)
		return 0
	}
	small, large := peak("small", 1000), peak("large", 200_000_000)
	t.Logf("at most %d MB for a small program, %d MB for one of 200 MB", small, large)
	if more := large - small; more > 64 {
		t.Errorf("a program of 200 MB takes %d MB more memory than a small one, want at most 64", more)
	}
}

// publishAndPrintPeak is the child.
func publishAndPrintPeak(t *testing.T) {
	o := pipelinetest.Options(t)
	o.SkipSmoke = true
	built := pipelinetest.Build(t, plan.Options{
		Source: os.Getenv(memorySource), Overrides: []plan.Override{plan.Set("test", []string{"linux/amd64"}, "platforms")},
	}, o)
	out := image.Output{Transport: image.TransportOCI, Path: filepath.Join(t.TempDir(), "layout")}
	if err := built.Write(t.Context(), func(string) image.Output { return out }); err != nil {
		t.Fatal(err)
	}
	if err := built.Publish(t.Context(), pipelines.To{Repository: os.Getenv(memoryRepository), Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	// The peak of this process alone (proc(5)); getrusage counts the linker too.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			fmt.Print(line)
		}
	}
}

// randomText is text that does not compress.
func randomText(size int) string {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.UintN(256))
	}
	return string(data)
}
