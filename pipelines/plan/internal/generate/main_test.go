package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is generated is committed, and must be what the types say now.
func TestSchemaIsUpToDate(t *testing.T) {
	t.Chdir("../..") // package plan
	want, err := schema("config.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("schema.json is out of date; run go generate ./pipelines/plan\n-want +got:\n%s", diff)
	}
}

func TestRun(t *testing.T) {
	for _, args := range [][]string{nil, {"schema"}, {"table", "x"}, {"reference", "missing.md"}} {
		if err := run(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}

	file := filepath.Join(t.TempDir(), "doc.md")
	for _, text := range []string{"no markers\n", "<!-- keys -->\nno end\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{"reference", file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.WriteFile(file, []byte("before\n<!-- keys -->\nstale\n<!-- /keys -->\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := run([]string{"reference", file}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(got, []byte("before\n<!-- keys -->\n\n| Key |")) || !bytes.HasSuffix(got, []byte(" |\n\n<!-- /keys -->\nafter\n")) ||
			bytes.Contains(got, []byte("stale")) {
			t.Errorf("got\n%s", got)
		}
	}
}
