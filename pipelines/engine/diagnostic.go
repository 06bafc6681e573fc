package engine

import (
	"strings"
)

// Diagnostic is one thing that the go command has to say about a place in the
// source.
type Diagnostic struct {
	// File is relative to Source.Root, slash-separated. It is empty only for a test
	// that failed without saying where.
	File string
	// Line and Column count from 1, and 0 is unknown.
	Line, Column int
	// Message may have several lines.
	Message string
	// Test is the test that failed, like "TestX/case"; empty for all else.
	Test string
}

// Diagnostics reads the places out of Output, which the go command wrote for
// src. Each place is there once, with everything that was said about it.
//
// What has no place gives nothing: a linker's error, a test binary that calls
// os.Exit, a package in which nothing is main. In the output of a test, what it
// only logs looks the same as the reason for its failure, so that both are
// found. A file that says so with a //line comment is not found, and one of
// another package that t.Errorf names is taken for one of the test's own.
//
// It reads nothing but the go.mod files of src, for the paths of its modules.
func (e *CompileError) Diagnostics(src Source) []Diagnostic {
	lines := strings.Split(strings.ReplaceAll(e.Output, "\r\n", "\n"), "\n")
	where := places{src, src.modulePaths()}
	var found diagnostics
	if e.Step == "test" {
		// The go command says on stderr, which comes last, what it did not build.
		start := 0
		for i, line := range lines {
			verdict := packageVerdict.FindStringSubmatch(line)
			if verdict == nil {
				continue
			}
			if verdict[1] == "FAIL" {
				found.add(where.tests(lines[start:i], verdict[2])...)
			}
			start = i + 1
		}
		lines = lines[start:]
	}
	found.add(where.build(lines)...)
	return found.list()
}

// diagnostics are those found so far, no two of them at one place.
type diagnostics struct {
	found []Diagnostic
	// messages are what was said at each of them.
	messages [][]string
	// index has the place of each, and seen also its messages.
	index map[Diagnostic]int
	seen  map[Diagnostic]bool
}

func (d *diagnostics) add(list ...Diagnostic) {
	if d.index == nil {
		d.index, d.seen = map[Diagnostic]int{}, map[Diagnostic]bool{}
	}
	for _, n := range list {
		place := Diagnostic{File: n.File, Line: n.Line, Column: n.Column}
		if n.File == "" {
			place.Test = n.Test
		}
		i, ok := d.index[place]
		if !ok {
			i = len(d.found)
			d.index[place] = i
			d.found = append(d.found, n)
			d.messages = append(d.messages, nil)
		} else if n.Test != d.found[i].Test && n.Test != "" {
			n.Message = n.Test + ": " + n.Message
		}
		place.Message = n.Message
		if !d.seen[place] {
			d.seen[place] = true
			d.messages[i] = append(d.messages[i], n.Message)
		}
	}
}

func (d *diagnostics) list() []Diagnostic {
	for i := range d.found {
		d.found[i].Message = strings.Join(d.messages[i], "\n")
	}
	return d.found
}
