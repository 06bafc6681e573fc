package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines/plan"
)

// sourceFlags say what to build. Most of them are keys of slipway.yaml, and
// come before it.
type sourceFlags struct {
	source, config   string
	packages, images []string
	set              []string
	version          string
	revision         string
	configured       []configFlag
}

// configFlag is a flag that stands for a key of slipway.yaml.
type configFlag struct {
	name string
	path []string
	// list is a flag that may be repeated; pairs one of KEY=VALUE for a mapping.
	value *string
	list  *[]string
	pairs *[]string
}

func (f *sourceFlags) add(fs *pflag.FlagSet) {
	fs.StringVarP(&f.source, "source", "s", ".", "the program's folder")
	fs.StringVar(&f.config, "config", "", "the configuration (default slipway.yaml in the source, where there is one)")
	fs.StringArrayVarP(&f.packages, "package", "p", nil, "main package to build, like ./cmd/hello; each becomes an image")
	fs.StringArrayVar(&f.images, "image", nil, "image of the configuration to build (default all)")
	fs.StringArrayVar(&f.set, "set", nil, "set any key of the configuration, like image.tmp=true; the value is YAML")
	fs.StringVar(&f.version, "version", "", "what {{.Version}} and the version stamp become (default git describe)")
	fs.StringVar(&f.revision, "revision", "", "what {{.Commit}} and the revision stamp become (default git's HEAD)")
	f.text(fs, "name", "the image's name", "name")
	f.many(fs, "platform", "platform to build for, like linux/arm64, or all (default linux/amd64 and linux/arm64)", "platforms")
	f.text(fs, "go", "exact Go release to compile with, like 1.26.8", "go")
	f.many(fs, "tags", "build tags", "build", "tags")
	f.many(fs, "ldflags", "linker flags beside -s -w", "build", "ldflags")
	f.text(fs, "base", "image to build on, by digest (default scratch)", "image", "base")
	f.text(fs, "user", "who runs the program: nobody, nonroot, root, UID, UID:GID, NAME:UID:GID", "image", "user")
	f.mapping(fs, "env", "environment variable of the image", "image", "env")
	f.many(fs, "port", "port that the program listens on, like 8080 or 53/udp", "image", "ports")
	f.mapping(fs, "label", "label of the image's config", "image", "labels")
	f.mapping(fs, "annotation", "annotation of the index and the manifests", "image", "annotations")
	f.many(fs, "stamp", "write what changes without the source: revision, version, created", "image", "stamp")
	f.text(fs, "created", "the time of everything in the image: commit, or seconds since 1970 (default $SOURCE_DATE_EPOCH, or 0)", "image", "created")
	f.text(fs, "max-size", "the most that one platform may weigh, compressed, like 10MB", "audit", "maxSize")
}

func (f *sourceFlags) text(fs *pflag.FlagSet, name, usage string, path ...string) {
	f.configured = append(f.configured, configFlag{name: name, path: path, value: fs.String(name, "", usage)})
}

func (f *sourceFlags) many(fs *pflag.FlagSet, name, usage string, path ...string) {
	// A comma separates values but where it may be part of one.
	list := new([]string)
	if name == "ldflags" {
		fs.StringArrayVar(list, name, nil, usage)
	} else {
		fs.StringSliceVar(list, name, nil, usage)
	}
	f.configured = append(f.configured, configFlag{name: name, path: path, list: list})
}

func (f *sourceFlags) mapping(fs *pflag.FlagSet, name, usage string, path ...string) {
	f.configured = append(f.configured, configFlag{name: name, path: path, pairs: fs.StringArray(name, nil, usage+", KEY=VALUE")})
}

// options makes what the plan is made from.
func (f *sourceFlags) options(cmd *cobra.Command, e *edge) (plan.Options, error) {
	o := plan.Options{
		Source: f.source, Config: f.config, Packages: f.packages, Images: f.images,
		NoWorkspace: e.env("GOWORK") == "off",
		Revision:    plan.Revision{Version: f.version, Commit: f.revision},
	}
	for _, flag := range f.configured {
		source := "--" + flag.name
		if !cmd.Flags().Changed(flag.name) {
			continue
		}
		switch {
		case flag.value != nil:
			o.Overrides = append(o.Overrides, plan.Set(source, *flag.value, flag.path...))
		case flag.list != nil:
			o.Overrides = append(o.Overrides, plan.Set(source, *flag.list, flag.path...))
		default:
			for _, pair := range *flag.pairs {
				key, value, ok := strings.Cut(pair, "=")
				if !ok || key == "" {
					return o, usagef("%s %q: want KEY=VALUE", source, pair)
				}
				o.Overrides = append(o.Overrides, plan.Set(source, value, append(flag.path[:len(flag.path):len(flag.path)], key)...))
			}
		}
	}
	if epoch := e.env("SOURCE_DATE_EPOCH"); epoch != "" && !cmd.Flags().Changed("created") {
		// https://reproducible-builds.org/specs/source-date-epoch/
		o.Overrides = append(o.Overrides, plan.Set("SOURCE_DATE_EPOCH", epoch, "image", "created"))
	}
	for _, s := range f.set {
		override, err := plan.ParseSet(s)
		if err != nil {
			return o, err
		}
		o.Overrides = append(o.Overrides, override)
	}
	return o, nil
}

// runFlags say how to work and what to show.
type runFlags struct {
	engine, cacheDir, progress string
	jobs                       int
	quiet                      bool
	dagger                     daggerFlags
}

func (f *runFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.engine, "engine", "auto", "where to compile and run: local, dagger, or auto: a Dagger session or named runner if there is one, else local")
	f.addCacheDir(fs)
	fs.IntVarP(&f.jobs, "jobs", "j", 0, "how much to do at once (default the number of CPUs)")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "show warnings and errors alone")
	fs.StringVar(&f.progress, "progress", "auto", "how to show progress: auto, plain or live")
	f.dagger.add(fs)
}

func (f *runFlags) addCacheDir(fs *pflag.FlagSet) {
	fs.StringVar(&f.cacheDir, "cache-dir", "", "keep modules, builds and layers here (default Go's own caches, and $SLIPWAY_CACHE_DIR or the user's cache folder)")
}

func (f *runFlags) check() error {
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{{"engine", f.engine, []string{"auto", "local", "dagger"}}, {"progress", f.progress, []string{"auto", "plain", "live"}}} {
		ok := false
		for _, a := range c.allowed {
			ok = ok || a == c.value
		}
		if !ok && c.value != "" {
			return usagef("--%s %q: want one of %s", c.name, c.value, strings.Join(c.allowed, ", "))
		}
	}
	if f.jobs < 0 {
		return usagef("--jobs %d: want 1 or more", f.jobs)
	}
	return nil
}

// caches are where slipway keeps its own, and Go's caches where they are not
// the go command's own.
func (f *runFlags) caches(e *edge) (own, goCaches string, err error) {
	if f.cacheDir == "" {
		own, err = e.cacheDir()
		return own, "", err
	}
	dir, err := filepath.Abs(f.cacheDir)
	return filepath.Join(dir, "slipway"), filepath.Join(dir, "go"), err
}
