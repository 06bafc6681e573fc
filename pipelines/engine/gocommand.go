package engine

import (
	"fmt"
	"slices"
	"strings"
)

// BuildArgs are the arguments of the go command that builds a target into a
// file. They are the same in every engine, since they decide about the digest.
func (s Source) BuildArgs(t Target, output string) []string {
	mod := "readonly"
	if s.Vendor {
		mod = "vendor"
	}
	args := []string{"build", "-mod=" + mod, "-trimpath", "-buildvcs=false", "-ldflags=" + t.Ldflags, "-o", output}
	return append(withTags(args, t.Tags), t.Package)
}

// VetArgs are the arguments of go vet.
func (t Test) VetArgs() []string {
	return append(withTags([]string{"vet"}, t.Tags), t.packages()...)
}

// TestArgs are the arguments of go test.
func (t Test) TestArgs() []string {
	return slices.Concat(withTags([]string{"test"}, t.Tags), t.Args, t.packages())
}

// GoEnv returns the variables of go vet and go test: without cgo, since what is
// tested is what ships; but the race detector needs it.
func (t Test) GoEnv() []string {
	for _, arg := range t.Args {
		if strings.TrimLeft(arg, "-") == "race" {
			return t.Env
		}
	}
	return append([]string{"CGO_ENABLED=0"}, t.Env...)
}

func (t Test) packages() []string {
	if len(t.Packages) == 0 {
		return []string{"./..."}
	}
	return t.Packages
}

func withTags(args, tags []string) []string {
	if len(tags) > 0 {
		args = append(args, "-tags="+strings.Join(tags, ","))
	}
	return args
}

// CgoArgs are the arguments of the go command that lists what ExplainCgo wants
// to know: the packages written with cgo, a line each. It runs with GoEnv and
// CGO_ENABLED=1.
func (t Target) CgoArgs() []string {
	const line = `{{if and .CgoFiles (not .Standard)}}{{.ImportPath}}{{"\t"}}{{.Dir}}{{"\t"}}{{join .CgoFiles ", "}}{{end}}`
	return append(withTags([]string{"list", "-e", "-deps", "-f", line}, t.Tags), t.Package)
}

// ExplainCgo adds to a failed compile what the compiler does not say: that a
// package which it complains about is written with cgo. The list is what the go
// command printed for CgoArgs.
func (e *CompileError) ExplainCgo(list string) {
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || !strings.Contains(e.Output, fields[0]) && !strings.Contains(e.Output, fields[1]) {
			continue
		}
		e.Help = fmt.Sprintf("The package %s needs cgo (%s), and a scratch image has no C library, so slipway builds without cgo. Look for a package in pure Go instead.",
			fields[0], fields[2])
		return
	}
}

// Tampered says what a failed go mod verify means.
const Tampered = "A module in the cache is not what go.sum says it was. Nothing was built from it."

// CleanOutput takes out of the go command's words what says nothing: progress of
// downloads, and blank lines at the ends.
func CleanOutput(said string) string {
	var lines []string
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, "go: downloading ") && !strings.HasPrefix(line, "go: finding ") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}

// harmlessFlags in GOFLAGS are ones that slipway sets itself or that change nothing.
var harmlessFlags = []string{"-mod", "-modcacherw", "-buildvcs", "-trimpath", "-v", "-x", "-p"}

// FlagWarnings has a warning for each flag in GOFLAGS that could change what is
// built, and is therefore not used.
func FlagWarnings(goflags string) []string {
	var warnings []string
	for flag := range strings.FieldsSeq(goflags) {
		name, _, _ := strings.Cut(strings.Replace(flag, "--", "-", 1), "=")
		if !slices.Contains(harmlessFlags, name) {
			warnings = append(warnings, "GOFLAGS has "+flag+", which is not used, since it is this machine's alone; put it into slipway.yaml (build.tags, build.ldflags)")
		}
	}
	return warnings
}
