package main

import (
	"slices"
	"testing"

	"github.com/slipway-dev/slipway/pipelines/report/github"
)

// TestFailurePlaces has what failed alike on two platforms: an annotation for each,
// and one line of the summary.
func TestFailurePlaces(t *testing.T) {
	var f failure
	for _, a := range []github.Annotation{
		{Title: "linux/amd64", File: "slipway.yaml", Line: 3, Message: "found no"},
		{Title: "linux/arm64", File: "slipway.yaml", Line: 3, Message: "found no"},
		{Title: "linux/arm64", File: "slipway.yaml", Line: 3, Message: "found nothing"},
	} {
		f.add(&workflow{}, a)
	}
	want := []github.Place{{Name: "slipway.yaml:3", Message: "found no"}, {Name: "slipway.yaml:3", Message: "found nothing"}}
	if len(f.annotations) != 3 || !slices.Equal(f.Places, want) {
		t.Errorf("%d annotations, places %+v", len(f.annotations), f.Places)
	}
}
