package image

import (
	"os"
	"runtime/debug"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestCompressionNamesTheVersion has the build info of programs that chose their
// own version of the compressor.
func TestCompressionNamesTheVersion(t *testing.T) {
	other := &debug.Module{Path: "example.com/other", Version: "v9.9.9"}
	for want, info := range map[string]*debug.BuildInfo{
		"gzip-8-klauspost-1.20.3": nil,
		"gzip-8-klauspost-1.21.0": {Deps: []*debug.Module{other, {Path: compressorModule, Version: "v1.21.0"}}},
		"gzip-8-klauspost-example.com-fork@v1.0.0": {Deps: []*debug.Module{
			{Path: compressorModule, Version: "v1.20.3", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.0"}},
		}},
		"gzip-8-klauspost-..-compress@": {Deps: []*debug.Module{
			{Path: compressorModule, Version: "v1.20.3", Replace: &debug.Module{Path: "../compress"}},
		}},
	} {
		if got := compression(info); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if a, b := compression(&debug.BuildInfo{Deps: []*debug.Module{other}}), compression(nil); a != b {
		t.Errorf("build info without the compressor gives %s, without any %s", a, b)
	}
}

// TestCompressorVersion compares what is taken without build info with go.mod.
func TestCompressorVersion(t *testing.T) {
	data, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Require {
		if r.Mod.Path == compressorModule {
			if r.Mod.Version != compressorVersion {
				t.Errorf("go.mod requires %s, the constant says %s", r.Mod.Version, compressorVersion)
			}
			return
		}
	}
	t.Errorf("go.mod requires no %s", compressorModule)
}
