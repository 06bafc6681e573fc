package workflows

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
)

//go:generate go test . -run=TestOneVersion -update

var update = flag.Bool("update", false, "write the versions of Go and Dagger everywhere")

// TestOneVersion: what Dependabot raises in one place is the same in all others,
// where -update writes it. Go's comes from the image that compiles by default,
// Dagger's from go.mod.
func TestOneVersion(t *testing.T) {
	mod, err := modfile.Parse("go.mod", []byte(read(t, "go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var daggerVersion string
	for _, r := range mod.Require {
		if r.Mod.Path == "dagger.io/dagger" {
			daggerVersion = strings.TrimPrefix(r.Mod.Version, "v")
		}
	}
	const number = `[0-9]+\.[0-9]+\.[0-9]+`
	for _, place := range []struct {
		want string
		// before and after stand around the version, as regular expressions.
		before, after string
		files         []string
	}{
		{dagger.DefaultRelease(), `go-version: `, `\b`, append(workflows(t), "action.yml")},
		{dagger.DefaultRelease(), "`go.mod`\\), or ", `, unless`, []string{"docs/dagger.md"}},
		{daggerVersion, `(?s:uses: dagger/dagger-for-github@[^\n]*\n\s*with:\n\s*)version: `, `\b`, append(workflows(t), "action.yml")},
		{daggerVersion, `registry\.dagger\.io/engine:v`, `\b`, workflows(t)},
		{daggerVersion, `"engineVersion": "v`, `"`, []string{"dagger.json", "bench/testdata/nothing/dagger.json"}},
		{daggerVersion, `dagger\.io/dagger v`, `\b`, []string{"ci/go.mod"}},
		{daggerVersion, `const Version = "`, `"`, []string{"pipelines/engine/dagger/dagger.go"}},
		{daggerVersion, `\(v`, `\), with the same digest`, []string{"README.md"}},
		{daggerVersion, `on a Dagger engine, v`, `\b`, []string{"docs/dagger.md"}},
		{daggerVersion, "installed `dagger` of\\sv", `\b`, []string{"docs/dagger.md"}},
		{daggerVersion, `needs a Dagger engine of v`, `\b`, []string{"Taskfile.yml"}},
	} {
		pattern := regexp.MustCompile(`(` + place.before + `)(` + number + `)(` + place.after + `)`)
		found := 0
		for _, name := range place.files {
			text := read(t, name)
			replaced := pattern.ReplaceAllStringFunc(text, func(match string) string {
				found++
				part := pattern.FindStringSubmatch(match)
				if part[2] != place.want && !*update {
					t.Errorf("%s: %q has %s and not %s; go generate ./internal/workflows writes it", name, match, part[2], place.want)
				}
				return part[1] + place.want + part[3]
			})
			if *update && replaced != text {
				if err := os.WriteFile(filepath.Join(root, name), []byte(replaced), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: nothing like %s", strings.Join(place.files, ", "), pattern)
		}
	}
}

// TestOneTask: a release is built again by the program that built it.
func TestOneTask(t *testing.T) {
	pattern := regexp.MustCompile(`task/v3/cmd/task@\S+`)
	built, again := pattern.FindString(read(t, ".github/workflows/release.yml")), pattern.FindString(read(t, ".github/workflows/rebuild.yml"))
	if built == "" || built != again {
		t.Errorf("release.yml builds with %q, and rebuild.yml with %q", built, again)
	}
}
