package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Survey looks at a source for what its slipway.yaml should begin with.
func Survey(dir string) (StarterInfo, error) {
	src, err := readSource(dir, true)
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
	info := StarterInfo{Platforms: DefaultPlatforms()}
	if len(mains) > 1 {
		info.Commands = mains
	} else {
		inModule, err := src.mainPackage(mains[0], nil)
		if err != nil {
			return StarterInfo{}, err
		}
		info.Packages, info.Name = mains, imageName(src.binaryName(inModule))
	}
	for _, name := range []string{"templates", "static", "assets", "public", "web"} {
		if d, err := os.Stat(filepath.Join(src.dir, name)); err == nil && d.IsDir() {
			info.Assets = append(info.Assets, name)
		}
	}
	info.Port = guessPort(filepath.Join(src.dir, filepath.FromSlash(mains[0])))
	return info, nil
}

// listenAddress takes no other hosts: those are of servers that the program
// calls. Nor does it take times of the day, like 15:04.
var listenAddress = regexp.MustCompile(`^(?:0\.0\.0\.0|\[::\])?:([1-9][0-9]{1,4})$`)

// guessPort looks for a text like ":8080" in a main package.
func guessPort(dir string) int {
	pkg := readPackage(dir, nil)
	if pkg == nil {
		return 0
	}
	port := 0
	for _, name := range append(pkg.GoFiles, pkg.CgoFiles...) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
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
