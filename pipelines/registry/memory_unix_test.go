//go:build unix

package registry_test

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// TestMemory pushes a small and a large layer, each in a process of its own, and
// compares how much memory those took at most.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes and pushes 200 MB")
	}
	const (
		large = 200 << 20
		limit = 64 << 20
	)
	small := peak(t, 1<<10)
	big := peak(t, large)
	t.Logf("at most %d MiB with a layer of 1 KiB, %d MiB with one of %d MiB", small>>20, big>>20, large>>20)
	if big-small > limit {
		t.Errorf("a layer of %d MiB took %d MiB more than a small one, want at most %d", large>>20, (big-small)>>20, limit>>20)
	}
}

// peak is the most memory, in bytes, that a process had that pushed a layer.
func peak(t *testing.T, size int64) int64 {
	t.Helper()
	reg := registrytest.Start(t, registrytest.Options{})
	layer := newFileLayer(t, size)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryChild$", "-test.v")
	cmd.Env = append(os.Environ(),
		"MEMORY_CHILD_REPOSITORY="+reg.Repository("app"),
		"MEMORY_CHILD_LAYER="+layer.path,
		"MEMORY_CHILD_DIGEST="+layer.digest.String(),
		"MEMORY_CHILD_SIZE="+strconv.FormatInt(size, 10))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var sent int64
	for _, r := range reg.Requests() {
		if r.Kind == registrytest.BlobData {
			sent += r.Sent
		}
	}
	if sent < size {
		t.Fatalf("the registry got %d bytes, want at least %d", sent, size)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("this system does not tell how much memory a process took")
	}
	unit := int64(1 << 10) // getrusage(2) counts in KiB, on macOS in bytes
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	return int64(usage.Maxrss) * unit
}

// TestMemoryChild is the process that TestMemory measures.
func TestMemoryChild(t *testing.T) {
	repository := os.Getenv("MEMORY_CHILD_REPOSITORY")
	if repository == "" {
		t.Skip("it is a part of TestMemory")
	}
	size, err := strconv.ParseInt(os.Getenv("MEMORY_CHILD_SIZE"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := v1.NewHash(os.Getenv("MEMORY_CHILD_DIGEST"))
	if err != nil {
		t.Fatal(err)
	}
	layer := &fileLayer{path: os.Getenv("MEMORY_CHILD_LAYER"), size: size, digest: hash}
	index := indexOf(t, []string{"linux/amd64"}, map[string]v1.Image{"linux/amd64": image(t, "linux/amd64", layer)})
	got, err := registry.Push(t.Context(), index, repository, []string{"latest"}, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got.BlobsSent != 2 {
		t.Errorf("%d blobs sent, want 2", got.BlobsSent)
	}
}
