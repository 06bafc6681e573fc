package engine

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	// position is how the compiler, the assembler and vet name a place, and the go
	// command one of an import or an embed pattern.
	position = regexp.MustCompile(`^(?:vet: )?([^:\s][^:]*\.(?:go|s)):(\d+)(?::(\d+))?: (.*)$`)
	// modulePosition is how the go command names a place in a go.mod, go.work or
	// go.sum, often after what it wanted there.
	modulePosition = regexp.MustCompile(`^(?:.*: )?([^:\s]*\bgo\.(?:mod|sum|work|work\.sum)):(\d+)(?::(\d+))?: (.+)$`)
	moduleFile     = regexp.MustCompile(`(?:^|/)go\.(?:mod|sum)$`)
	// packageOutput begins what a tool says about a package or its tests.
	packageOutput = regexp.MustCompile(`^# \[?([^\s\]]+)`)
	// importChain is a line of how the go command came to a package.
	importChain = regexp.MustCompile(`^(?:package|\timports) ([^\s:]+)(?: from ([^:\s]+\.go))?(?:: (.+))?$`)
)

// tooMany is what the compiler says after ten errors, at the place of the last.
const tooMany = "too many errors"

// build reads what the go command says when it does not get to running anything.
func (p places) build(lines []string) []Diagnostic {
	var found []Diagnostic
	var importPath string // of the package that is spoken of
	var chain []string    // the lines of how the go command came to an error
	continues := false    // whether what is indented belongs to the last one
	for _, line := range lines {
		indented := strings.HasPrefix(line, "\t")
		if indented && continues {
			last := &found[len(found)-1]
			last.Message += "\n" + line
			continue
		}
		continues = false
		switch {
		case strings.HasPrefix(line, "package "):
			chain = []string{line}
		case !indented:
			chain = nil
		case chain == nil:
			continue
		default:
			chain = append(chain, line)
			if d, ok := p.imported(chain); ok {
				found, chain = append(found, d), nil
				continue
			}
			line = line[1:] // an error with its own place can end a chain
		}
		if header := packageOutput.FindStringSubmatch(line); header != nil {
			importPath = header[1]
			continue
		}
		for _, form := range []*regexp.Regexp{modulePosition, position} {
			m := form.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if file, ok := p.built(m[1], importPath); ok && m[4] != tooMany {
				found = append(found, Diagnostic{File: file, Line: number(m[2]), Column: number(m[3]), Message: m[4]})
				chain, continues = nil, true
				break
			}
		}
	}
	return found
}

// imported is the error at the end of a chain of imports, an import cycle for
// one. The go command names the file of the last import, and no line.
func (p places) imported(chain []string) (Diagnostic, bool) {
	last := importChain.FindStringSubmatch(chain[len(chain)-1])
	importer := importChain.FindStringSubmatch(chain[len(chain)-2])
	if last == nil || last[2] == "" || last[3] == "" || importer == nil {
		return Diagnostic{}, false
	}
	dir, ok := p.folder(importer[1])
	if !ok {
		return Diagnostic{}, false
	}
	file, ok := p.below(path.Join(dir, last[2]))
	return Diagnostic{File: file, Message: strings.Join(chain, "\n")}, ok
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil { // no column, or more than a file can have
		return 0
	}
	return n
}
