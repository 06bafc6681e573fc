package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
	"github.com/slipway-dev/slipway/pipelines/plan"
)

// Program is a source and what is said about it beside its configuration: the
// arguments of Build, which have the names and the meaning of the command line's
// flags.
type Program struct {
	Source     *dagger.Directory
	Path       string
	Config     string
	Package    []string
	Image      []string
	Platform   []string
	Go         string
	Tags       []string
	Ldflags    []string
	Base       string
	User       string
	Env        []string
	Port       []string
	Label      []string
	Annotation []string
	Stamp      []string
	Created    string
	MaxSize    string
	Name       string
	Set        []string
	Version    string
	Revision   string
	Exclude    []string
	Gitignore  bool
}

// selection is what most functions beside Build take of a Program.
type selection struct {
	Source    *dagger.Directory
	Path      string
	Config    string
	Package   []string
	Image     []string
	Platform  []string
	Go        string
	Set       []string
	Version   string
	Revision  string
	Exclude   []string
	Gitignore bool
}

func (s selection) program() *Program {
	return &Program{
		Source: s.Source, Path: s.Path, Config: s.Config, Package: s.Package, Image: s.Image,
		Platform: s.Platform, Go: s.Go, Set: s.Set, Version: s.Version, Revision: s.Revision,
		Exclude: s.Exclude, Gitignore: s.Gitignore,
	}
}

// plan plans in the working folder, which holds a copy of the source.
func (p *Program) plan(ctx context.Context) (*plan.Plan, error) {
	o := plan.Options{
		Source: filepath.FromSlash(p.Path), Config: filepath.FromSlash(p.Config), Packages: p.Package, Images: p.Image,
		Revision: plan.Revision{Version: p.Version, Commit: p.Revision},
		Git:      noGit,
	}
	if o.Source == "" {
		o.Source = "."
	}
	if !filepath.IsLocal(o.Source) {
		return nil, fmt.Errorf("--path %s: want a folder of the source", p.Path)
	}
	if o.Config != "" && !filepath.IsLocal(o.Config) {
		return nil, fmt.Errorf("--config %s: want a file of the source", p.Config)
	}
	var err error
	if o.Overrides, err = p.overrides(); err != nil {
		return nil, err
	}
	return plan.New(ctx, o)
}

// noGit stands for git, whose folder is not part of a source here: it would make
// each commit another source.
func noGit(context.Context, string) (plan.Revision, error) {
	return plan.Revision{}, errors.New("the source has no version control here; give --version, --revision or --created")
}

// overrides are the arguments that stand for keys of the configuration.
func (p *Program) overrides() ([]plan.Override, error) {
	var all []plan.Override
	for _, a := range []struct {
		flag, value string
		path        []string
	}{
		{"--name", p.Name, []string{"name"}},
		{"--go", p.Go, []string{"go"}},
		{"--base", p.Base, []string{"image", "base"}},
		{"--user", p.User, []string{"image", "user"}},
		{"--created", p.Created, []string{"image", "created"}},
		{"--max-size", p.MaxSize, []string{"audit", "maxSize"}},
	} {
		if a.value != "" {
			all = append(all, plan.Set(a.flag, a.value, a.path...))
		}
	}
	for _, a := range []struct {
		flag   string
		values []string
		path   []string
	}{
		{"--platform", p.Platform, []string{"platforms"}},
		{"--tags", p.Tags, []string{"build", "tags"}},
		{"--ldflags", p.Ldflags, []string{"build", "ldflags"}},
		{"--port", p.Port, []string{"image", "ports"}},
		{"--stamp", p.Stamp, []string{"image", "stamp"}},
	} {
		if len(a.values) > 0 {
			all = append(all, plan.Set(a.flag, a.values, a.path...))
		}
	}
	for _, a := range []struct {
		flag  string
		pairs []string
		path  []string
	}{
		{"--env", p.Env, []string{"image", "env"}},
		{"--label", p.Label, []string{"image", "labels"}},
		{"--annotation", p.Annotation, []string{"image", "annotations"}},
	} {
		for _, pair := range a.pairs {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || key == "" {
				return nil, fmt.Errorf("%s %q: want KEY=VALUE", a.flag, pair)
			}
			all = append(all, plan.Set(a.flag, value, append(a.path[:len(a.path):len(a.path)], key)...))
		}
	}
	for _, s := range p.Set {
		override, err := plan.ParseSet(s)
		if err != nil {
			return nil, err
		}
		all = append(all, override)
	}
	return all, nil
}
