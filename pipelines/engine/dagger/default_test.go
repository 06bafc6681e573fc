package dagger

import (
	"regexp"
	"testing"
)

func TestDefault(t *testing.T) {
	if DefaultImage() != "golang" || !regexp.MustCompile(`^1\.[0-9]+\.[0-9]+$`).MatchString(DefaultRelease()) {
		t.Errorf("builder/Dockerfile names %q, %q; want golang, and an exact release", DefaultImage(), DefaultRelease())
	}
	if got, err := builderReference("", ""); err != nil || got != DefaultImage()+":"+DefaultRelease() {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFrom(t *testing.T) {
	for text, want := range map[string][2]string{
		"# why\n\nFROM golang:1.27.1\n":            {"golang", "1.27.1"},
		"# why\r\nFROM golang:1.27.1\r\n":          {"golang", "1.27.1"},
		"FROM golang:1.27.1\nRUN apt-get update\n": {},
		"from golang:1.27.1\n":                     {},
		"ARG A\n":                                  {},
		"":                                         {},
	} {
		if image, release := from(text); image != want[0] || release != want[1] {
			t.Errorf("%q gives %q, %q", text, image, release)
		}
	}
}
