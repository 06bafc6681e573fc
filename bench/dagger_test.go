package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestThroughSession(t *testing.T) {
	for _, tt := range []struct{ registry, want string }{
		{"127.0.0.1:5000", "--registry tcp://127.0.0.1:5000"},
		{"localhost:5000/bench", "--registry tcp://localhost:5000"},
		{"[::1]:5000/bench", "--registry tcp://[::1]:5000"},
		{"192.0.2.1:5000/bench", ""},
		{"registry.example.com/bench", ""},
	} {
		if got := strings.Join(throughSession(tt.registry), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.registry, got, tt.want)
		}
	}
}

// push pushes an index for platforms and returns its reference, by digest.
func push(t *testing.T, registry string, all []v1.Platform) string {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, p := range all {
		img, err := random.Image(100, 2)
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(registry + "/program@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

func TestCheckLooksIntoTheRegistry(t *testing.T) {
	registry, err := serveRegistry(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := room{contender: contender{Name: "publishes", makes: published}, dir: t.TempDir()}
	size, err := r.check(t.Context(), push(t, registry, platforms)+"\n")
	if err != nil || size < 200 {
		t.Errorf("an image for each platform: %d bytes, %v", size, err)
	}
	_, err = r.check(t.Context(), push(t, registry, platforms[:1])+"\n")
	if err == nil || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("an image is missing: got %v, want an error that names linux/arm64", err)
	}
}

func TestTimedTakesWhatIsPrinted(t *testing.T) {
	printing := func(text string) contender {
		return contender{Name: "says", remote: true, timed: true, steps: func(room) [][]command {
			return [][]command{{{args: []string{"go", "env", "GOPROXY"}, env: []string{"GOPROXY=" + text}}}}
		}}
	}
	r := standing(t)
	if _, s, err := printing("25h1.5s").run(t.Context(), r); err != nil || s.Wall != 25*time.Hour+1500*time.Millisecond || s.CPU != 0 {
		t.Errorf("got %+v, %v, want the time that was printed, and no CPU time", s, err)
	}
	if _, _, err := printing("direct").run(t.Context(), r); err == nil {
		t.Error("no error, though no time was printed")
	}
}

func TestMarkdownWithoutCPU(t *testing.T) {
	m := measured{Name: "Nothing to do", About: "At all.", Contenders: []result{{Name: "a"}}}
	m.Contenders[0].add(sample{Wall: time.Second})
	m.summarize(nil)
	r := report{
		Date: "2026-01-02T03:04:05Z", Dagger: "v1.2.3", Go: "1.26.8", OS: "linux", Arch: "amd64", CPUs: 2, Source: "hello", Platforms: "linux/amd64", Rounds: 1,
		Scenarios: []measured{m},
	}
	want := `hello for linux/amd64; rounds: 1; Dagger v1.2.3; Go 1.26.8, linux/amd64 with 2 CPUs; 2026-01-02T03:04:05Z

**Nothing to do.** At all.

| | median | min |
|---|--:|--:|
| a | 1.00 s | 1.00 s |
`
	if diff := cmp.Diff(want, r.Markdown()); diff != "" {
		t.Errorf("Markdown (-want +got):\n%s", diff)
	}
}
