package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// Survey looks at a source for what its slipway.yaml should begin with.
func Survey(dir string) (StarterInfo, error) {
	src, err := readSource(dir)
	if err != nil {
		return StarterInfo{}, err
	}
	mains, err := src.mainPackages(nil)
	if err != nil {
		return StarterInfo{}, err
	}
	if len(mains) == 0 {
		return StarterInfo{}, &SourceError{dir, "holds no main package for linux; name the folder of a program (--source)"}
	}
	info := StarterInfo{Packages: mains, Platforms: DefaultPlatforms()}
	inModule, err := src.mainPackage(mains[0], nil)
	if err != nil {
		return StarterInfo{}, err
	}
	info.Name = imageName(src.binaryName(inModule))
	for _, name := range []string{"templates", "static", "assets", "public", "web"} {
		if d, err := os.Stat(filepath.Join(src.dir, name)); err == nil && d.IsDir() {
			info.Assets = append(info.Assets, name)
		}
	}
	info.Port = guessPort(filepath.Join(src.dir, filepath.FromSlash(mains[0])))
	return info, nil
}

var listenAddress = regexp.MustCompile(`^[a-z0-9.]*:([0-9]{2,5})$`)

// guessPort looks for a text like ":8080" in a package.
func guessPort(dir string) int {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return 0
	}
	slices.Sort(files)
	port := 0
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil || f.Name.Name != "main" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || port != 0 {
				return port == 0
			}
			text, err := strconv.Unquote(lit.Value)
			if m := listenAddress.FindStringSubmatch(text); err == nil && m != nil {
				if p, err := strconv.Atoi(m[1]); err == nil && p > 0 && p < 1<<16 {
					port = p
				}
			}
			return true
		})
	}
	return port
}
