//go:build linux

package sandbox

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
)

// BenchmarkContainer makes and closes containers of an image that looks like most
// of ours: a program, and some hundreds of small files of time zones. TMPDIR
// chooses the file system.
func BenchmarkContainer(b *testing.B) {
	var zones []testimage.Entry
	for region := range 20 {
		for zone := range 30 {
			name := fmt.Sprintf("usr/share/zoneinfo/Region%d/Zone%d", region, zone)
			zones = append(zones, testimage.File(name, strings.Repeat("zone", 50+10*zone), 0o644))
		}
	}
	program := testimage.File("app", strings.Repeat("program ", 1<<18), 0o755)
	img := image(b, v1.Config{User: "65534:65534"}, runtime.GOARCH, testimage.Layer(b, zones...), testimage.Layer(b, program))
	temp := b.TempDir()
	for b.Loop() {
		c, err := New(b.Context(), img, Options{TempDir: temp})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
