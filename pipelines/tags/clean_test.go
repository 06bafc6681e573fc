package tags

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// grammar is that of the distribution-spec, in small letters.
var grammar = regexp.MustCompile(`^[a-z0-9_][a-z0-9._-]{0,127}$`)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"main":                         "main",
		"feature/My Thing":             "feature-my-thing",
		"dependabot/go_modules/x-1.2":  "dependabot-go_modules-x-1.2",
		"v1.2.3+linux":                 "v1.2.3-linux",
		".hidden":                      "hidden",
		"-.-x":                         "x",
		"_x":                           "_x",
		"/x":                           "x",
		"a//b":                         "a-b",
		"a-/b":                         "a--b",
		"größe":                        "gr-e",
		"\u212Aelvin":                  "elvin", // no k, whatever Unicode says
		"日本":                           "",
		"---":                          "",
		"":                             "",
		"a\nb":                         "a-b",
		strings.Repeat("a", 200):       strings.Repeat("a", 128),
		"-" + strings.Repeat("a", 128): strings.Repeat("a", 128),
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"main", "feature/My Thing", ".-x", "日本", strings.Repeat("/a", 128), "a\xffb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if got != "" && !grammar.MatchString(got) {
			t.Errorf("%q gives %q, which is no tag", s, got)
		}
		if clean(got) != got {
			t.Errorf("%q gives %q, and that %q", s, got, clean(got))
		}
		if grammar.MatchString(s) && got != s {
			t.Errorf("%q is a tag, and gives %q", s, got)
		}
	})
}

// checkNames looks at what has to be right of every result.
func checkNames(t *testing.T, r Result) {
	t.Helper()
	for i, name := range r.Names {
		if !grammar.MatchString(name) {
			t.Errorf("%q is no tag", name)
		}
		if slices.Contains(r.Names[:i], name) {
			t.Errorf("%q is there twice", name)
		}
	}
	switch {
	case len(r.Names) == 0 && r.Version == "":
	case !slices.Contains(r.Names, r.Version):
		t.Errorf("the version %q is none of %q", r.Version, r.Names)
	case r.Version == "latest" && len(r.Names) > 1:
		t.Errorf("the version is latest, and there are %q", r.Names)
	}
}
