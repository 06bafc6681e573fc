package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-dev/slipway/pipelines/report"
)

//go:generate go test . -run=TestActionDocumentsEveryInput -update

// actionFile is the part of action.yml that the tests look at.
type actionFile struct {
	Inputs  map[string]actionInput `yaml:"inputs"`
	Outputs map[string]struct {
		Value string `yaml:"value"`
	} `yaml:"outputs"`
	order []string
}

type actionInput struct {
	Description string `yaml:"description"`
	Default     string `yaml:"default"`
}

func readAction(t *testing.T) actionFile {
	t.Helper()
	data, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var (
		a    actionFile
		root struct {
			Inputs yaml.Node `yaml:"inputs"`
		}
	)
	if err := yaml.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(root.Inputs.Content); i += 2 {
		a.order = append(a.order, root.Inputs.Content[i].Value)
	}
	return a
}

// TestActionHasEveryInput compares action.yml with what the command line reads.
func TestActionHasEveryInput(t *testing.T) {
	a := readAction(t)
	var known []string
	for _, f := range inputFlags {
		known = append(known, f.input)
	}
	if !slices.Equal(a.order, known) {
		t.Errorf("action.yml has the inputs\n%v\nand the command line\n%v", a.order, known)
	}
	for name, in := range a.Inputs {
		if in.Description == "" {
			t.Errorf("input %s has no description", name)
		}
	}
}

// TestActionHasEveryFlag wants an input for each flag of the commands that the
// action runs.
func TestActionHasEveryFlag(t *testing.T) {
	// Without one: how progress is shown is the workflow's affair, its log has the
	// document, and a password in standard input is for people.
	without := []string{"progress", "quiet", "json", "password-stdin"}
	covered := map[string]bool{}
	for _, f := range inputFlags {
		covered[f.flag] = true
	}
	for _, cmd := range newRoot(&edge{}).Commands() {
		if cmd.Name() != "test" && cmd.Name() != "smoke" && cmd.Name() != "publish" {
			continue
		}
		flags(cmd, func(f *pflag.Flag) {
			if !covered[f.Name] && !slices.Contains(without, f.Name) {
				t.Errorf("slipway %s has the flag --%s, and the action no input for it", cmd.Name(), f.Name)
			}
			delete(covered, "")
		})
	}
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, cmd := range newRoot(&edge{}).Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if all.Lookup(f.Name) == nil {
				all.AddFlag(f)
			}
		})
	}
	for _, f := range inputFlags {
		if f.flag != "" && all.Lookup(f.flag) == nil {
			t.Errorf("input %s stands for the flag --%s, which there is none of", f.input, f.flag)
		}
	}
}

// TestActionHasEveryOutput compares action.yml with what is set.
func TestActionHasEveryOutput(t *testing.T) {
	a := readAction(t)
	set, err := (&workflow{}).outputs(&report.Result{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, o := range set {
		want = append(want, o.name)
	}
	slices.Sort(want)
	var got []string
	for name, out := range a.Outputs {
		got = append(got, name)
		if want := "${{ steps.slipway.outputs." + name + " }}"; out.Value != want {
			t.Errorf("output %s is %s, want %s", name, out.Value, want)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("action.yml has the outputs %v, want %v", got, want)
	}
}

// TestActionDocumentsEveryInput compares the table in the documentation.
func TestActionDocumentsEveryInput(t *testing.T) {
	const file, begin, end = "../../docs/github-actions.md", "<!-- inputs -->\n", "<!-- /inputs -->\n"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %q and %q", file, begin, end)
	}
	a := readAction(t)
	var want strings.Builder
	want.WriteString("| input | what it is | default |\n|---|---|---|\n")
	for _, name := range a.order {
		in := a.Inputs[name]
		value := ""
		if in.Default != "" {
			value = "`" + in.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", name, strings.ReplaceAll(in.Description, "|", `\|`), value)
	}
	if table == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the table of inputs in %s is not up to date; go generate ./cmd/slipway writes it", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestInputs(t *testing.T) {
	in, err := readInputs(`{"package":" ./a\n\n ./b ","platforms":"linux/amd64, linux/arm64\nlinux/riscv64","ldflags":"-X main.a=b,c -s\n-w","plain-http":"true","ssh":"false","tags":"v1,v2"}`)
	if err != nil {
		t.Fatal(err)
	}
	cmd := newPublish(&edge{})
	got, err := in.arguments(cmd.Flags())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"--package=./a", "--package=./b",
		"--platform=linux/amd64", "--platform=linux/arm64", "--platform=linux/riscv64",
		"--ldflags=-X main.a=b,c -s", "--ldflags=-w", "--plain-http",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{"", "[]", `{"a": 1}`, `{"unknown": ""}`} {
		if _, err := readInputs(bad); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if in, err := readInputs(`{"Build-Tags": "x"}`); err != nil || in["build-tags"] != "x" {
		t.Errorf("capital letters: %v, %v", in, err)
	}
	if _, err := (inputs{"plain-http": "yes"}).arguments(cmd.Flags()); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), `input plain-http: found "yes"; want true or false`) {
		t.Errorf("plain-http=yes: %v", err)
	}
}

func TestPackagesHost(t *testing.T) {
	for server, want := range map[string]string{
		"https://github.com": "ghcr.io", "": "ghcr.io", "://": "ghcr.io",
		"https://github.example.com": "containers.github.example.com", "https://acme.ghe.com": "containers.acme.ghe.com",
	} {
		if got := packagesHost(server); got != want {
			t.Errorf("%q: %s, want %s", server, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	got := words("go", "run", "a@b", "--set", "image.env={A: 'x y'}", "", "$HOME")
	const want = `go run a@b --set 'image.env={A: '\''x y'\''}' '' '$HOME'`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
