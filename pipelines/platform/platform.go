// Package platform translates between the platforms of OCI images and the
// environment variables that make the go command compile for them.
package platform

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// port is one of Go's Linux ports and how OCI names it.
type port struct {
	goarch string
	// variable selects the instruction set ("GOAMD64"); empty where Go has none.
	variable string
	// variants maps an OCI variant to the variable's value.
	variants map[string]string
	// def is the variant that an image without one means; normal forms omit it
	// unless keep is set.
	def  string
	keep bool
}

// ports lists Go's Linux ports (go tool dist list) with the variants of the OCI
// image-spec's platform table and of containerd's normalisation.
var ports = map[string]port{
	"386":      {goarch: "386", variable: "GO386", variants: map[string]string{"": "sse2", "softfloat": "softfloat"}},
	"amd64":    {goarch: "amd64", variable: "GOAMD64", def: "v1", variants: map[string]string{"v1": "v1", "v2": "v2", "v3": "v3", "v4": "v4"}},
	"arm":      {goarch: "arm", variable: "GOARM", def: "v7", keep: true, variants: map[string]string{"v5": "5", "v6": "6", "v7": "7"}},
	"arm64":    {goarch: "arm64", variable: "GOARM64", def: "v8", variants: map[string]string{"v8": "v8.0", "v9": "v9.0"}},
	"loong64":  {goarch: "loong64"},
	"mips":     {goarch: "mips", variable: "GOMIPS", variants: map[string]string{"": "hardfloat", "softfloat": "softfloat"}},
	"mipsle":   {goarch: "mipsle", variable: "GOMIPS", variants: map[string]string{"": "hardfloat", "softfloat": "softfloat"}},
	"mips64":   {goarch: "mips64", variable: "GOMIPS64", variants: map[string]string{"": "hardfloat", "softfloat": "softfloat"}},
	"mips64le": {goarch: "mips64le", variable: "GOMIPS64", variants: map[string]string{"": "hardfloat", "softfloat": "softfloat"}},
	"ppc64":    {goarch: "ppc64", variable: "GOPPC64", variants: map[string]string{"": "power8"}},
	"ppc64le":  {goarch: "ppc64le", variable: "GOPPC64", variants: map[string]string{"": "power8", "power9": "power9", "power10": "power10"}},
	"riscv64":  {goarch: "riscv64", variable: "GORISCV64", variants: map[string]string{"": "rva20u64", "rva22u64": "rva22u64", "rva23u64": "rva23u64"}},
	"s390x":    {goarch: "s390x"},
}

// Error says that a platform cannot be built for.
type Error struct {
	Platform string // as it was given
	Reason   string // what is wrong and what would do
}

func (e *Error) Error() string { return fmt.Sprintf("platform %q: %s", e.Platform, e.Reason) }

// Parse reads OS/ARCHITECTURE[/VARIANT] and returns its normal form: an OCI
// platform as registries and container runtimes compare it, where amd64/v1 and
// arm64/v8 lose their variant and arm means arm/v7.
func Parse(s string) (v1.Platform, error) {
	fail := func(format string, args ...any) (v1.Platform, error) {
		return v1.Platform{}, &Error{Platform: s, Reason: fmt.Sprintf(format, args...)}
	}
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return fail("want OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, like linux/arm64 or linux/arm/v7")
	}
	if parts[0] != "linux" {
		return fail("only linux images are built; want linux/%s", parts[1])
	}
	p, ok := ports[parts[1]]
	if !ok {
		return fail("Go has no port linux/%s; want one of %s", parts[1], strings.Join(Architectures(), ", "))
	}
	variant := p.def
	if len(parts) == 3 {
		variant = parts[2]
		if _, ok := p.variants[variant]; !ok || variant == "" {
			return fail("%s", p.variantHelp(parts[1], variant))
		}
	}
	if variant == p.def && !p.keep {
		variant = ""
	}
	return v1.Platform{OS: "linux", Architecture: parts[1], Variant: variant}, nil
}

func (p port) variantHelp(arch, got string) string {
	var have []string
	for v := range p.variants {
		if v != "" {
			have = append(have, v)
		}
	}
	if len(have) == 0 {
		return fmt.Sprintf("%s has no variants; want linux/%s", arch, arch)
	}
	slices.Sort(have)
	return fmt.Sprintf("%s has no variant %q; want one of %s", arch, got, strings.Join(have, ", "))
}

// Architectures lists the architectures of Go's Linux ports, sorted.
func Architectures() []string {
	var all []string
	for arch := range ports {
		all = append(all, arch)
	}
	slices.Sort(all)
	return all
}

// All returns one platform for each architecture, with arm/v7 for arm: what
// the name "all" stands for.
func All() []v1.Platform {
	var all []v1.Platform
	for _, arch := range Architectures() {
		p, err := Parse("linux/" + arch)
		if err != nil {
			panic(err) // every key of ports parses
		}
		all = append(all, p)
	}
	return all
}

// String writes a platform as Parse reads it.
func String(p v1.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Env returns the go command's environment variables that compile for p, every
// one that could change the output set explicitly ("GOARM=7", without the v:
// Go takes GOARM=v7 silently and ignores it).
func Env(p v1.Platform) []string {
	port := ports[p.Architecture]
	env := []string{"GOOS=" + p.OS, "GOARCH=" + port.goarch}
	if port.variable != "" {
		variant := p.Variant
		if variant == "" {
			variant = port.def
		}
		env = append(env, port.variable+"="+port.variants[variant])
	}
	return env
}

// Compare orders platforms by architecture, then variant, so that the order in
// which they were asked for leaves no mark on an index.
func Compare(a, b v1.Platform) int { return strings.Compare(String(a), String(b)) }
