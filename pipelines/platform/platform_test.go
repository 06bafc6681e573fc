package platform

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]v1.Platform{
		"linux/amd64":            {OS: "linux", Architecture: "amd64"},
		"linux/amd64/v1":         {OS: "linux", Architecture: "amd64"},
		"linux/amd64/v2":         {OS: "linux", Architecture: "amd64", Variant: "v2"},
		"linux/amd64/v3":         {OS: "linux", Architecture: "amd64", Variant: "v3"},
		"linux/386":              {OS: "linux", Architecture: "386"},
		"linux/arm":              {OS: "linux", Architecture: "arm", Variant: "v7"},
		"linux/arm/v5":           {OS: "linux", Architecture: "arm", Variant: "v5"},
		"linux/arm/v7":           {OS: "linux", Architecture: "arm", Variant: "v7"},
		"linux/arm64":            {OS: "linux", Architecture: "arm64"},
		"linux/arm64/v8":         {OS: "linux", Architecture: "arm64"},
		"linux/arm64/v9":         {OS: "linux", Architecture: "arm64", Variant: "v9"},
		"linux/mips/softfloat":   {OS: "linux", Architecture: "mips", Variant: "softfloat"},
		"linux/ppc64le/power9":   {OS: "linux", Architecture: "ppc64le", Variant: "power9"},
		"linux/riscv64/rva22u64": {OS: "linux", Architecture: "riscv64", Variant: "rva22u64"},
	} {
		got, err := Parse(in)
		if err != nil || !got.Equals(want) {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
		if again, err := Parse(String(got)); err != nil || !again.Equals(got) {
			t.Errorf("%s is written as %s, which is read as %+v, %v", in, String(got), again, err)
		}
	}
}

func TestParseThatIsNone(t *testing.T) {
	const (
		form  = "want OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, like linux/arm64 or linux/arm/v7"
		ports = "386, amd64, arm, arm64, loong64, mips, mips64, mips64le, mipsle, ppc64, ppc64le, riscv64, s390x"
	)
	for in, want := range map[string]string{
		"":                form,
		"linux":           form,
		"amd64":           form,
		"linux/arm/v7/x":  form,
		"windows/amd64":   "only linux images are built; want linux/amd64",
		"Linux/amd64":     "only linux images are built; want linux/amd64",
		"linux/x86_64":    "Go has no port linux/x86_64; want one of " + ports,
		"linux/":          "Go has no port linux/; want one of " + ports,
		"linux/AMD64":     "Go has no port linux/AMD64; want one of " + ports,
		"linux/amd64/v5":  `amd64 has no variant "v5"; want one of v1, v2, v3, v4`,
		"linux/amd64/":    `amd64 has no variant ""; want one of v1, v2, v3, v4`,
		"linux/arm/7":     `arm has no variant "7"; want one of v5, v6, v7`,
		"linux/386/":      `386 has no variant ""; want one of softfloat`,
		"linux/s390x/z13": "s390x has no variants; want linux/s390x",
		"linux/ppc64/le":  "ppc64 has no variants; want linux/ppc64",
	} {
		got, err := Parse(in)
		pe, ok := errors.AsType[*Error](err)
		if !ok || pe.Platform != in || pe.Reason != want {
			t.Errorf("%q: got %+v, %v, want %s", in, got, err, want)
		}
	}
}

// gotool runs the go command with further variables.
func gotool(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no Go toolchain here")
	}
	if err != nil {
		t.Fatalf("%v go %v: %v", env, args, err)
	}
	return strings.TrimSpace(string(out))
}

// TestPortsAreGos compares the architectures with those of the toolchain, both
// ways.
func TestPortsAreGos(t *testing.T) {
	var want []string
	for _, port := range strings.Fields(gotool(t, nil, "tool", "dist", "list")) {
		if arch, ok := strings.CutPrefix(port, "linux/"); ok {
			want = append(want, arch)
		}
	}
	slices.Sort(want)
	if got := Architectures(); !slices.Equal(got, want) {
		t.Errorf("the architectures are %v, those of the toolchain %v", got, want)
	}
	var all []string
	for _, p := range All() {
		all = append(all, p.Architecture)
		if again, err := Parse(String(p)); err != nil || !again.Equals(p) {
			t.Errorf("%s is not in its normal form: %v", String(p), err)
		}
	}
	if !slices.Equal(all, want) {
		t.Errorf("all stands for %v, want %v", all, want)
	}
}

// TestEnvIsWhatGoTakes asks the go command for the instruction set that it
// compiles for, which its build tags tell (go help buildconstraint). It takes
// some bad values without a word.
func TestEnvIsWhatGoTakes(t *testing.T) {
	for _, arch := range Architectures() {
		variants := []string{""}
		for v := range ports[arch].variants {
			if v != "" && v != ports[arch].def {
				variants = append(variants, v)
			}
		}
		seen := map[string]string{}
		for _, variant := range variants {
			p := v1.Platform{OS: "linux", Architecture: arch, Variant: variant}
			env := Env(p)
			out := strings.Split(gotool(t, env, "list", "-f", "{{context.GOOS}} {{context.GOARCH}} {{context.ToolTags}}", "unsafe"), " ")
			if out[0] != "linux" || out[1] != arch {
				t.Errorf("%s: %v compiles for %v", String(p), env, out[:2])
			}
			var tags []string
			for _, tag := range out[2:] {
				if tag = strings.Trim(tag, "[]"); strings.HasPrefix(tag, arch+".") {
					tags = append(tags, tag)
				}
			}
			if len(env) == 2 { // GOOS and GOARCH are all there is
				if len(tags) > 0 {
					t.Errorf("%s: Go has instruction sets, %v, and none is chosen", arch, tags)
				}
				continue
			}
			_, value, _ := strings.Cut(env[2], "=")
			if !slices.Contains(tags, arch+"."+value) {
				t.Errorf("%s: %v gives %v", String(p), env, tags)
			}
			if other, ok := seen[strings.Join(tags, " ")]; ok {
				t.Errorf("%s compiles for the same as %q", String(p), other)
			}
			seen[strings.Join(tags, " ")] = variant
		}
	}
}

func TestEnv(t *testing.T) {
	for in, want := range map[string][]string{
		"linux/amd64":    {"GOOS=linux", "GOARCH=amd64", "GOAMD64=v1"},
		"linux/amd64/v3": {"GOOS=linux", "GOARCH=amd64", "GOAMD64=v3"},
		"linux/arm":      {"GOOS=linux", "GOARCH=arm", "GOARM=7"},
		"linux/arm/v6":   {"GOOS=linux", "GOARCH=arm", "GOARM=6"},
		"linux/arm64":    {"GOOS=linux", "GOARCH=arm64", "GOARM64=v8.0"},
		"linux/mips64le": {"GOOS=linux", "GOARCH=mips64le", "GOMIPS64=hardfloat"},
		"linux/s390x":    {"GOOS=linux", "GOARCH=s390x"},
	} {
		p, err := Parse(in)
		if got := Env(p); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", in, got, err, want)
		}
	}
	// An index of somebody else's may name arm without a variant.
	if got := Env(v1.Platform{OS: "linux", Architecture: "arm"}); got[2] != "GOARM=7" {
		t.Errorf("arm without a variant gives %v", got)
	}
}

func TestCompare(t *testing.T) {
	want := []string{"linux/386", "linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/s390x"}
	var all []v1.Platform
	for _, s := range want {
		p, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	slices.Reverse(all)
	slices.SortFunc(all, Compare)
	var got []string
	for _, p := range all {
		got = append(got, String(p))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the order is %v, want %v", got, want)
	}
}
