package tags

import (
	"strings"

	"golang.org/x/mod/semver"
)

// version is a semantic version as a tag's name gives it.
type version struct {
	// raw is the version as it is written, without the folder.
	raw string
	// folder stands before it in the tags of a module that is not the
	// repository's root: "cmd/hello" in cmd/hello/v1.2.3.
	folder string
	// order is the version with a v, as package semver compares it.
	order               string
	major, minor, patch string
}

// parseVersion reads a tag's name: a semantic version with or without a v, and
// perhaps a folder before it, as the go command has it. The short forms 1.2 and
// v1 are none: they move.
func parseVersion(name string) (version, bool) {
	folder, raw := splitFolder(name)
	return newVersion(folder, raw)
}

// splitFolder divides a tag's name at its last slash.
func splitFolder(name string) (folder, rest string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}

func newVersion(folder, raw string) (version, bool) {
	order := "v" + strings.TrimPrefix(raw, "v")
	if semver.Canonical(order)+semver.Build(order) != order || !semver.IsValid(order) {
		return version{}, false
	}
	core := strings.TrimSuffix(semver.Canonical(order), semver.Prerelease(order))
	number := strings.Split(core[1:], ".")
	return version{raw: raw, folder: folder, order: order, major: number[0], minor: number[1], patch: number[2]}, true
}

// full is the version as the name of an image: a tag cannot hold a plus.
func (v version) full() string { return strings.Replace(v.order[1:], "+", "-", 1) }

func (v version) stable() bool { return semver.Prerelease(v.order) == "" }

func (v version) less(w version) bool { return semver.Compare(v.order, w.order) < 0 }
