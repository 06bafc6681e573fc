package dagger

import (
	_ "embed" // the Dockerfile
	"strings"
)

//go:embed builder/Dockerfile
var dockerfile string

// The image of builder/Dockerfile.
var defaultImage, defaultRelease = from(dockerfile)

// DefaultImage is the repository of the image that compiles where none is named.
func DefaultImage() string { return defaultImage }

// DefaultRelease is the Go release that compiles where neither the source nor
// the builder image names one.
func DefaultRelease() string { return defaultRelease }

// from reads the one instruction of a Dockerfile, FROM image:release; anything
// else gives nothing.
func from(dockerfile string) (image, release string) {
	var instruction string
	for line := range strings.Lines(dockerfile) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if instruction != "" {
			return "", ""
		}
		instruction = line
	}
	reference, ok := strings.CutPrefix(instruction, "FROM ")
	if !ok {
		return "", ""
	}
	image, release, _ = strings.Cut(reference, ":")
	return image, release
}
