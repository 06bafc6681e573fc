package plan

import (
	"fmt"
	"go/build"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// Description is a plan as a document, for people and programs.
type Description struct {
	// Source is the folder that the build needs, Module the module's folder in it.
	Source    string `json:"source"`
	Module    string `json:"module"`
	Workspace string `json:"workspace,omitempty"`
	Vendor    bool   `json:"vendor"`
	// Config is the configuration file, empty where there is none.
	Config string `json:"config,omitempty"`
	// Go is the release to compile with, empty where the engine decides.
	Go     string `json:"go,omitempty"`
	GoFrom string `json:"goFrom,omitempty"`
	// Embeds are the patterns of go:embed in the source, by package folder.
	Embeds   map[string][]string `json:"embeds,omitempty"`
	Images   []ImageDescription  `json:"images"`
	Warnings []string            `json:"warnings"`
}

// ImageDescription is one image of a plan.
type ImageDescription struct {
	Name         string             `json:"name"`
	Packages     []string           `json:"packages"`
	Platforms    []string           `json:"platforms"`
	Tags         []string           `json:"tags"`
	Ldflags      string             `json:"ldflags"`
	BuildEnv     []string           `json:"buildEnv"`
	Base         string             `json:"base"`
	User         string             `json:"user"`
	Entrypoint   []string           `json:"entrypoint"`
	Cmd          []string           `json:"cmd"`
	Env          []string           `json:"env"`
	Workdir      string             `json:"workdir"`
	Ports        []string           `json:"ports"`
	Volumes      []string           `json:"volumes"`
	StopSignal   string             `json:"stopSignal"`
	Certificates []string           `json:"certificates"`
	Zones        bool               `json:"zones"`
	Tmp          bool               `json:"tmp"`
	Assets       []string           `json:"assets"`
	Labels       map[string]string  `json:"labels"`
	Annotations  map[string]string  `json:"annotations"`
	Created      time.Time          `json:"created"`
	MaxSize      int64              `json:"maxSize,omitempty"`
	Smoke        []string           `json:"smoke"`
	Publish      PublishDescription `json:"publish"`
}

// PublishDescription says where an image goes.
type PublishDescription struct {
	To   string   `json:"to"`
	Tags []string `json:"tags"`
}

// Describe makes the plan's document. It reads the source once more, for the
// patterns of its go:embed directives.
func (p *Plan) Describe() (*Description, error) {
	d := &Description{
		Source: p.Source.Root, Module: p.Source.Module, Workspace: p.Source.Workspace, Vendor: p.Source.Vendor,
		Config: p.Config, Go: p.Source.Go, GoFrom: p.GoFrom, Warnings: list(p.Warnings), Embeds: map[string][]string{},
	}
	src, err := readSource(p.Dir, p.Source.Workspace != "")
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, ip := range p.Images {
		if len(ip.Targets) > 0 {
			tags = append(tags, ip.Targets[0].Tags...)
		}
		d.Images = append(d.Images, ip.describe())
	}
	err = src.walkPackages(tags, func(dir string, pkg *build.Package) {
		if len(pkg.EmbedPatterns) > 0 {
			d.Embeds[dir] = pkg.EmbedPatterns
		}
	})
	return d, err
}

func (ip ImagePlan) describe() ImageDescription {
	d := ImageDescription{
		Name: ip.Name, Packages: list(ip.Packages), Base: ip.Base, User: ip.User.String(),
		Entrypoint: list(ip.Config.Entrypoint), Cmd: list(ip.Config.Cmd), Env: list(ip.Config.Env), Workdir: ip.Config.WorkingDir,
		Ports: keys(ip.Config.ExposedPorts), Volumes: keys(ip.Config.Volumes), StopSignal: ip.Config.StopSignal,
		Zones: ip.Zones, Tmp: ip.Tmp, Labels: ip.Config.Labels, Annotations: ip.Annotations, Created: ip.Created, MaxSize: ip.MaxSize,
		Publish: PublishDescription{To: ip.Publish.To, Tags: list(ip.Publish.Tags)}, Platforms: []string{}, Assets: []string{}, Smoke: []string{},
		Certificates: list(ip.Certificates),
	}
	if d.Base == "" {
		d.Base = "scratch"
	}
	if d.StopSignal == "" {
		d.StopSignal = "SIGTERM"
	}
	if ip.Mozilla {
		d.Certificates = append([]string{"mozilla"}, d.Certificates...)
	}
	for _, pf := range ip.Platforms {
		d.Platforms = append(d.Platforms, platform.String(pf))
	}
	if len(ip.Targets) > 0 {
		t := ip.Targets[0]
		d.Tags, d.Ldflags, d.BuildEnv = list(t.Tags), t.Ldflags, list(t.Env)
	}
	for _, a := range ip.Assets {
		d.Assets = append(d.Assets, a.From+" -> "+a.To)
	}
	for _, c := range ip.Smoke {
		d.Smoke = append(d.Smoke, c.Title())
	}
	if len(d.Smoke) == 0 {
		d.Smoke = []string{"starts"}
	}
	return d
}

// WriteText writes the document for people.
func (d *Description) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(key string, value any) {
		if value != "" && value != false {
			fmt.Fprintf(w, "%s\t%v\n", key, value)
		}
	}
	line("source", d.Source)
	line("module", d.Module)
	line("workspace", d.Workspace)
	line("vendored", d.Vendor)
	line("configuration", d.Config)
	release := "the engine's own"
	if d.Go != "" {
		release = d.Go + " (" + d.GoFrom + ")"
	}
	line("go", release)
	for _, dir := range keys(d.Embeds) {
		line("embeds in "+dir, strings.Join(d.Embeds[dir], " "))
	}
	for _, ip := range d.Images {
		fmt.Fprintf(w, "\nimage\t%s\n", ip.Name)
		line("  packages", strings.Join(ip.Packages, " "))
		line("  platforms", strings.Join(ip.Platforms, " "))
		line("  tags", strings.Join(ip.Tags, " "))
		line("  ldflags", ip.Ldflags)
		line("  base", ip.Base)
		line("  user", ip.User)
		line("  entrypoint", strings.Join(ip.Entrypoint, " "))
		line("  cmd", strings.Join(ip.Cmd, " "))
		line("  env", strings.Join(ip.Env, " "))
		line("  workdir", ip.Workdir)
		line("  ports", strings.Join(ip.Ports, " "))
		line("  volumes", strings.Join(ip.Volumes, " "))
		line("  certificates", strings.Join(ip.Certificates, " "))
		line("  zones", ip.Zones)
		line("  tmp", ip.Tmp)
		line("  assets", strings.Join(ip.Assets, ", "))
		for _, key := range keys(ip.Labels) {
			line("  label", key+"="+ip.Labels[key])
		}
		line("  smoke", strings.Join(ip.Smoke, ", "))
		line("  publish", strings.TrimSpace(ip.Publish.To+" "+strings.Join(ip.Publish.Tags, " ")))
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(w, "\nwarning: %s\n", warning)
	}
	return w.Flush()
}

// list makes a list that is [] in JSON where it is empty.
func list(l []string) []string { return append([]string{}, l...) }

func keys[V any](m map[string]V) []string { return append([]string{}, slices.Sorted(maps.Keys(m))...) }
