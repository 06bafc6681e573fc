package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// New plans.
func New(ctx context.Context, o Options) (*Plan, error) {
	if o.Source == "" {
		o.Source = "."
	}
	if o.Git == nil {
		o.Git = GitRevision
	}
	src, err := readSource(o.Source, !o.NoWorkspace)
	if err != nil {
		return nil, err
	}
	configName, data, err := readConfig(o, src.dir)
	if err != nil {
		return nil, err
	}
	config, err := Load(configName, data, o.Overrides)
	if err != nil {
		return nil, err
	}
	p := &Plan{Dir: src.dir, Source: src.Source}
	if data != nil {
		p.Config = configName
	}
	r := &resolver{ctx: ctx, opts: o, src: src, file: configName, data: data}
	images, err := r.choose(config)
	if err != nil {
		return nil, err
	}
	if r.licenses, err = src.licenses(); err != nil {
		return nil, err
	}
	for _, c := range images {
		r.index = c.index
		ip, err := r.image(c.Image)
		if err != nil {
			return nil, err
		}
		p.Images = append(p.Images, ip)
	}
	if err := r.release(p, images); err != nil {
		return nil, err
	}
	if err := r.distinct(p.Images); err != nil {
		return nil, err
	}
	if elsewhere := filepath.Join(src.moduleDir(), ConfigName); data == nil && src.dir != src.moduleDir() {
		if _, err := os.Stat(elsewhere); err == nil {
			r.warn("%s is not read, since the source is another folder; name it with --config, or the module with --source and the program with --package", elsewhere)
		}
	}
	if src.Vendor {
		if file := src.dropsVendor(); file != "" {
			r.warn("%s leaves the vendor folder out, which the build needs: a checkout or a build context without it builds something else", file)
		}
	}
	p.Warnings = r.warnings
	if r.git != nil {
		p.Revision = *r.git
	}
	return p, nil
}

// readConfig returns the configuration's name for messages and its text, nil
// where there is none.
func readConfig(o Options, dir string) (string, []byte, error) {
	if o.Config != "" {
		data, err := os.ReadFile(o.Config)
		if err != nil {
			return "", nil, &SourceError{o.Config, "the configuration cannot be read: " + cause(err)}
		}
		return o.Config, notNil(data), nil
	}
	file := filepath.Join(o.Source, ConfigName)
	data, err := os.ReadFile(filepath.Join(dir, ConfigName))
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil, nil
	}
	if err != nil {
		return "", nil, &SourceError{file, "the configuration cannot be read: " + cause(err)}
	}
	return file, notNil(data), nil
}

func notNil(data []byte) []byte { return append([]byte{}, data...) }

func cause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// ValueError says that a value of the configuration or of a flag will not do.
type ValueError struct {
	// Place is the file, or the flag.
	Place string
	// Line and Column say where in the file, from 1; 0 where they are not known.
	Line, Column int
	// Key is the configuration's key, like "image.base".
	Key     string
	Problem string
}

func (e *ValueError) Error() string {
	place := e.Place
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", e.Place, e.Line, e.Column)
	}
	return fmt.Sprintf("%s: %s: %s", place, e.Key, e.Problem)
}

// resolver turns configurations into image plans.
type resolver struct {
	ctx      context.Context //nolint:containedctx // lives for one call of New
	opts     Options
	src      *source
	file     string
	data     []byte // of the file
	index    int    // of the image in the file
	licenses string // of the source
	warnings []string
	git      *Revision
}

func (r *resolver) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// bad makes the error for a key's value, naming the flag where one set it.
func (r *resolver) bad(key string, format string, args ...any) error {
	e := &ValueError{Place: r.flag(key), Key: key, Problem: fmt.Sprintf(format, args...)}
	if e.Place == "" {
		e.Place = r.file
		if line, column, ok := Locate(r.data, r.index, key); ok {
			e.Line, e.Column = line, column
		}
	}
	return e
}

// flag returns the last flag that set a key, or nothing.
func (r *resolver) flag(key string) (flag string) {
	for _, o := range r.opts.Overrides {
		if path := keyName(o.Path); path == key || strings.HasPrefix(key, path+".") || strings.HasPrefix(key, path+"[") {
			flag = o.Source
		}
	}
	return flag
}

// configured is an image of the configuration and its place there.
type configured struct {
	Image
	index int
}

// choose applies --package and --image to the configuration's images.
func (r *resolver) choose(config []Image) ([]configured, error) {
	all := make([]configured, len(config))
	for i, c := range config {
		all[i] = configured{c, i}
	}
	if len(r.opts.Images) > 0 {
		var chosen []configured
		for _, name := range r.opts.Images {
			i := slices.IndexFunc(config, func(c Image) bool { return r.nameOf(c) == name })
			if i < 0 {
				var have []string
				for _, c := range config {
					have = append(have, r.nameOf(c))
				}
				return nil, &ValueError{Place: "--image", Key: name, Problem: "is no image of " + r.file + "; there are: " + strings.Join(have, ", ")}
			}
			chosen = append(chosen, all[i])
		}
		all = chosen
	}
	if len(r.opts.Packages) == 0 {
		return all, nil
	}
	var images []configured
	for _, pkg := range r.opts.Packages {
		c, err := r.forPackage(all, pkg)
		if err != nil {
			return nil, err
		}
		images = append(images, c)
	}
	return images, nil
}

// nameOf is what an image will be called: by its configuration, or after its
// first package.
func (r *resolver) nameOf(c Image) string {
	if c.Name != "" {
		return c.Name
	}
	named := c.Packages
	if len(named) == 0 {
		// Without a main package to be found, or with several, packages says so.
		if named, _ = r.src.mainPackages(c.Build.Tags); len(named) != 1 {
			return "(without a name)"
		}
	}
	return imageName(r.src.binaryName(r.src.locate(named[0])))
}

// forPackage finds the configured image that is made of one package, or takes
// the only configuration there is for it.
func (r *resolver) forPackage(config []configured, pkg string) (configured, error) {
	for _, c := range config {
		if len(c.Packages) == 1 && r.src.locate(c.Packages[0]) == r.src.locate(pkg) {
			return c, nil
		}
	}
	if len(config) > 1 {
		return configured{}, &ValueError{Place: "--package", Key: pkg, Problem: "no image of " + r.file + " is made of this package alone; choose one with --image"}
	}
	c := config[0]
	c.Packages = []string{pkg}
	if len(r.opts.Packages) > 1 {
		c.Name = "" // one name cannot be given to several
	}
	return c, nil
}

func (r *resolver) image(c Image) (ImagePlan, error) {
	ip := ImagePlan{Index: r.index, Publish: c.Publish, Base: c.Image.Base, Tmp: c.Image.Tmp}
	steps := []func(Image, *ImagePlan) error{
		r.packages, r.platforms, r.targets, r.user, r.certificates, r.assets, r.annotations, r.config, r.limits, r.cases, r.publish,
	}
	for _, step := range steps {
		if err := step(c, &ip); err != nil {
			return ImagePlan{}, err
		}
	}
	return ip, nil
}

func (r *resolver) packages(c Image, ip *ImagePlan) error {
	named := c.Packages
	if len(named) == 0 {
		mains, err := r.src.mainPackages(c.Build.Tags)
		if err != nil {
			return err
		}
		switch len(mains) {
		case 0:
			return &SourceError{r.opts.Source, "holds no main package for linux; name the folder of a program (--source)"}
		case 1:
			named = mains
		default:
			return &SourceError{r.opts.Source, fmt.Sprintf("holds several main packages: %s; choose with --package, or name them in %s (packages, images)",
				strings.Join(mains, ", "), ConfigName)}
		}
	}
	for _, n := range named {
		pkg, err := r.src.mainPackage(n, c.Build.Tags)
		if err != nil {
			return err
		}
		binary := r.src.binaryName(pkg)
		if slices.Contains(ip.Binaries, binary) {
			return r.bad("packages", "two packages give a binary named %s; they cannot stand in one image", binary)
		}
		ip.Packages, ip.Binaries = append(ip.Packages, pkg), append(ip.Binaries, binary)
	}
	ip.Name = c.Name
	if ip.Name == "" {
		ip.Name = imageName(ip.Binaries[0])
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// imageName makes a repository's last element of a binary's name.
func imageName(binary string) string {
	return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(binary), "-"), "-")
}

func (r *resolver) platforms(c Image, ip *ImagePlan) error {
	asked := c.Platforms
	if len(asked) == 0 {
		asked = DefaultPlatforms()
	}
	for i, s := range asked {
		if s == "all" {
			ip.Platforms = append(ip.Platforms, platform.All()...)
			continue
		}
		p, err := platform.Parse(s)
		if err != nil {
			return r.bad(fmt.Sprintf("platforms[%d]", i), "%v", err)
		}
		ip.Platforms = append(ip.Platforms, p)
	}
	slices.SortFunc(ip.Platforms, platform.Compare)
	ip.Platforms = slices.CompactFunc(ip.Platforms, func(a, b v1.Platform) bool { return a.Equals(b) })
	return nil
}

// buildEnv are the variables of the go command that may be set: what changes a
// build and is not slipway's to decide.
var buildEnv = []string{"GOEXPERIMENT", "GOFIPS140"}

func (r *resolver) targets(c Image, ip *ImagePlan) error {
	flags := []string{"-s", "-w"}
	for i, f := range c.Build.Ldflags {
		filled, err := fill(f, func(name string) (string, error) {
			value, err := r.revision(name)
			if err == nil && strings.ContainsAny(value, " \t\r\n'\"") {
				err = fmt.Errorf("{{%s}} is %q, which the linker would take for several flags; want it without spaces and quotes", name, value)
			}
			return value, err
		})
		if err != nil {
			return r.bad(fmt.Sprintf("build.ldflags[%d]", i), "%v", err)
		}
		flags = append(flags, filled)
	}
	var env []string
	for _, key := range slices.Sorted(maps.Keys(c.Build.Env)) {
		if !slices.Contains(buildEnv, key) {
			return r.bad(joinKey("build.env", key), "is not to be set; allowed: %s", strings.Join(buildEnv, ", "))
		}
		env = append(env, key+"="+string(c.Build.Env[key]))
	}
	for i, tag := range c.Build.Tags {
		if tag == "" || strings.ContainsAny(tag, ", \t") {
			return r.bad(fmt.Sprintf("build.tags[%d]", i), "%q is no build tag; write one tag an entry", tag)
		}
	}
	for _, p := range ip.Platforms {
		for i, pkg := range ip.Packages {
			ip.Targets = append(ip.Targets, engine.Target{
				Image: ip.Name, Package: pkg, Name: ip.Binaries[i], Platform: p, Tags: c.Build.Tags, Ldflags: strings.Join(flags, " "), Env: env,
			})
		}
	}
	return nil
}

func (r *resolver) limits(c Image, ip *ImagePlan) (err error) {
	if c.Audit.MaxSize != "" {
		if ip.MaxSize, err = parseSize(string(c.Audit.MaxSize)); err != nil {
			return r.bad("audit.maxSize", "%v", err)
		}
	}
	for _, a := range c.Audit.Allow {
		ip.Allow = append(ip.Allow, auditRule(a))
	}
	return nil
}

func (r *resolver) publish(_ Image, ip *ImagePlan) error {
	if ip.Publish.To != "" {
		if err := registry.CheckRepository(ip.Publish.To); err != nil {
			return r.bad("publish.to", "%v", err)
		}
	}
	for i, tag := range ip.Publish.Tags {
		if err := registry.CheckTag(tag); err != nil {
			return r.bad(fmt.Sprintf("publish.tags[%d]", i), "%v", err)
		}
	}
	if ip.Publish.CA != "" {
		if err := r.checkPEM(ip.Publish.CA); err != nil {
			return r.bad("publish.ca", "%v", err)
		}
	}
	return nil
}

// release settles the Go release, which is one for all images of a plan.
func (r *resolver) release(p *Plan, images []configured) error {
	for _, c := range images {
		r.index = c.index
		switch goRelease := strings.TrimPrefix(string(c.Go), "go"); {
		case goRelease == "":
		case p.Source.Go != "" && p.Source.Go != goRelease:
			return r.bad("go", "the images of one plan are compiled by one release, not by %s and %s", p.Source.Go, goRelease)
		case !exactRelease.MatchString(goRelease):
			return r.bad("go", notExact, goRelease)
		default:
			p.Source.Go, p.GoFrom = goRelease, cmp.Or(r.flag("go"), r.file)
		}
	}
	toolchain, ok := strings.CutPrefix(r.src.toolchain, "go")
	if p.Source.Go != "" || !ok {
		return nil
	}
	if !exactRelease.MatchString(toolchain) {
		return &ValueError{Place: r.src.toolchainFrom, Key: "toolchain", Problem: fmt.Sprintf(notExact, toolchain)}
	}
	p.Source.Go, p.GoFrom = toolchain, r.src.toolchainFrom
	return nil
}

const notExact = "%q is no exact release; want one like 1.26.8"

// exactRelease is what https://go.dev/dl/ has: since 1.21 the first release of a
// series ends with .0.
var exactRelease = regexp.MustCompile(`^1\.[0-9]+(\.[0-9]+|rc[0-9]+|beta[0-9]+)$`)

// distinct refuses images that would get into each other's way.
func (r *resolver) distinct(images []ImagePlan) error {
	names := map[string]bool{}
	for _, ip := range images {
		if names[ip.Name] {
			if len(r.opts.Packages) > 1 {
				return &ValueError{Place: "--package", Key: ip.Name, Problem: "two packages give images of this name; build one after the other with --name, or name them in " + ConfigName + " (images)"}
			}
			return &ValueError{Place: r.file, Key: "images", Problem: fmt.Sprintf("two images are named %s; name them apart (images[].name)", ip.Name)}
		}
		names[ip.Name] = true
	}
	return nil
}

// revision returns one value of the revision, asking git at most once and only
// for what was not given.
func (r *resolver) revision(key string) (string, error) {
	given := r.opts.Revision
	switch {
	case key == ".Version" && given.Version != "":
		return given.Version, nil
	case key == ".Commit" && given.Commit != "":
		return given.Commit, nil
	case key == ".Date" && !given.Date.IsZero():
		return given.Date.UTC().Format(time.RFC3339), nil
	}
	if r.git == nil {
		rev, err := r.opts.Git(r.ctx, r.src.dir)
		if err != nil {
			return "", err
		}
		r.git = &rev
	}
	switch key {
	case ".Version":
		return r.git.Version, nil
	case ".Commit":
		return r.git.Commit, nil
	}
	return r.git.Date.UTC().Format(time.RFC3339), nil
}
