package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/report/github"
)

// failure is an error as a workflow shows it.
type failure struct {
	github.Failure
	annotations []github.Annotation
}

// add notes a place of the source, or of the configuration, and annotates it.
func (f *failure) add(w *workflow, a github.Annotation) {
	f.annotations = append(f.annotations, a)
	if a.File == "" {
		return
	}
	name := a.File
	if a.Line > 0 {
		name += ":" + strconv.Itoa(a.Line)
	}
	place := github.Place{Name: name, URL: w.page(a.File, a.Line), Message: a.Message}
	if !slices.Contains(f.Places, place) { // of another platform
		f.Places = append(f.Places, place)
	}
}

// badInput is the title of what ends with exitUsage.
const badInput = "Bad input"

// explain finds out where an error is to be shown. One that no place is known of
// is annotated all the same, so that it stands above the log.
func (w *workflow) explain(err error) *failure {
	f := &failure{Failure: github.Failure{Title: "slipway failed", Text: err.Error()}}
	var (
		compile *engine.CompileError
		config  plan.ConfigErrors
		one     *plan.ConfigError
		value   *plan.ValueError
		smoke   *pipelines.SmokeError
		audited *audit.Error
	)
	switch {
	case errors.As(err, &compile):
		f.Title = map[string]string{
			"download": "Modules cannot be had", "verify": "A module is not what go.sum says",
			"compile": "The program does not compile", "vet": "go vet found something", "test": "Tests failed",
		}[compile.Step]
		if w.plan != nil {
			for _, d := range compile.Diagnostics(w.plan.Source) {
				a := github.Annotation{Title: f.Title, Line: d.Line, Column: d.Column, Message: d.Message}
				if d.Test != "" {
					a.Title = d.Test
				}
				if d.File != "" {
					a.File = w.relative(filepath.Join(w.plan.Source.Root, filepath.FromSlash(d.File)))
				}
				f.add(w, a)
			}
		}
	case errors.As(err, &config):
		f.Title = badInput
		for _, c := range config {
			f.add(w, w.configAnnotation(c))
		}
	case errors.As(err, &one):
		f.Title = badInput
		f.add(w, w.configAnnotation(one))
	case errors.As(err, &value):
		f.Title = badInput
		f.add(w, w.valueAnnotation(value))
	case errors.As(err, &smoke):
		f.Title = "The image does not pass its smoke tests"
		for _, s := range smoke.Failures {
			f.add(w, w.smokeAnnotation(s))
		}
	case errors.As(err, &audited):
		f.Title = "The image does not pass its audit"
	case exitCode(err) == exitUsage:
		f.Title = badInput
	}
	if len(f.annotations) == 0 {
		f.annotations = append(f.annotations, github.Annotation{Title: f.Title, Message: err.Error()})
	}
	return f
}

func (w *workflow) configAnnotation(c *plan.ConfigError) github.Annotation {
	a := github.Annotation{Title: badInput, Line: c.Line, Column: c.Column, Message: c.Error()}
	if c.Line > 0 {
		a.File = w.relative(c.File)
	}
	return a
}

func (w *workflow) valueAnnotation(v *plan.ValueError) github.Annotation {
	a := github.Annotation{Title: badInput, Line: v.Line, Column: v.Column, Message: v.Error()}
	if v.Line > 0 {
		a.File = w.relative(v.Place)
	}
	return a
}

// smokeAnnotation stands where the case is written.
func (w *workflow) smokeAnnotation(s pipelines.SmokeFailure) github.Annotation {
	a := github.Annotation{
		Title:   strings.TrimSpace(fmt.Sprintf("%s %s: %s", s.Image, s.Platform, s.Verdict.Name)),
		Message: s.Verdict.Detail,
	}
	if w.plan == nil || w.plan.Config == "" {
		return a
	}
	data, err := os.ReadFile(w.plan.Config)
	if err != nil {
		return a
	}
	for _, ip := range w.plan.Images {
		if ip.Name != s.Image {
			continue
		}
		for j, c := range ip.Smoke {
			if c.Title() != s.Verdict.Name {
				continue
			}
			if line, column, ok := plan.Locate(data, ip.Index, fmt.Sprintf("smoke[%d]", j)); ok {
				a.File, a.Line, a.Column = w.relative(w.plan.Config), line, column
			}
			return a
		}
	}
	return a
}
