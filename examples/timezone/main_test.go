package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestShow(t *testing.T) {
	var out strings.Builder
	if err := show(&out, instant, []string{"Europe/Warsaw", "US/Pacific"}); err != nil {
		t.Fatal(err)
	}
	want := "2026-07-01T14:00:00+02:00  Europe/Warsaw\n" +
		"2026-07-01T05:00:00-07:00  US/Pacific\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}

	err := show(&out, instant, []string{"Europe/Atlantis"})
	if err == nil || !strings.Contains(err.Error(), "unknown time zone Europe/Atlantis") {
		t.Errorf("a zone that does not exist: got error %v", err)
	}
}

// TestNothingEmbedded holds the program to what its documentation says: with
// the database inside the binary it would work in any image.
func TestNothingEmbedded(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "time") {
		t.Fatalf("go list names no package time: %q", deps)
	}
	if slices.Contains(deps, "time/tzdata") {
		t.Error("the program embeds the time zone database (time/tzdata)")
	}
}
