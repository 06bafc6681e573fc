package dagger

import (
	"path"
	"path/filepath"
	"strings"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine"
)

// withSource is the builder with the source: nothing of it that the build does
// not need, since each change of it is another build.
func (e *Engine) withSource(b *builder, src engine.Source) *sdk.Container {
	exclude := []string{"**/.git", ".slipway"}
	include := needed(src)
	c := b.at(src, sourceDir)
	if e.opts.Tree == nil {
		// Without NoCache a long session would not see edits.
		tree := e.client.Host().Directory(src.Root, sdk.HostDirectoryOpts{Exclude: append(exclude, e.opts.Exclude...), Include: include, Gitignore: e.opts.Gitignore, NoCache: true})
		return c.WithDirectory(sourceDir, tree)
	}
	tree := e.opts.Tree.Directory
	if e.opts.Gitignore || len(e.opts.Exclude) > 0 {
		// Before a folder of it is taken: patterns are those of the whole tree, and the
		// .gitignore may stand above.
		tree = tree.Filter(sdk.DirectoryFilterOpts{Exclude: e.opts.Exclude, Gitignore: e.opts.Gitignore})
	}
	if below, err := filepath.Rel(e.opts.Tree.At, src.Root); err == nil && below != "." {
		tree = tree.Directory(filepath.ToSlash(below))
	}
	return c.WithDirectory(sourceDir, tree, sdk.ContainerWithDirectoryOpts{Exclude: exclude, Include: include})
}

// literal escapes what a pattern would take for more than a name.
var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `!`, `\!`)

// needed are the patterns of what a build takes from the source's root: the
// root may be the common folder of modules far apart. None is everything.
func needed(src engine.Source) []string {
	var include []string
	for _, m := range src.Modules {
		if m == "." {
			return nil
		}
		include = append(include, literal.Replace(m)+"/**")
	}
	if src.Workspace != "" {
		work := literal.Replace(src.Workspace)
		include = append(include, work, work+".sum", path.Join(path.Dir(work), "vendor")+"/**")
	}
	return include
}
