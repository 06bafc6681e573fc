package engine

import (
	"cmp"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	crashed      = regexp.MustCompile(`^(?:panic|fatal error|SIG[A-Z]+): `)
	recovered    = regexp.MustCompile(` \[recovered(?:, repanicked)?\]$`)
	timedOut     = regexp.MustCompile(`^panic: test timed out after `)
	runningTest  = regexp.MustCompile(`^\t\t(\S+) \([^)]+\)$`)
	access       = regexp.MustCompile(`^(\S.*) at 0x[0-9a-f]+ by .*:$`)
	frameLine    = regexp.MustCompile(`^(?:\t| {6})(\S.*):(\d+)(?: \+0x.*)?$`)
	testFunction = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark|Example)(?:[^a-z].*)?$`)
)

// The lines around what the race detector says.
const (
	dataRace = "WARNING: DATA RACE"
	raceEnd  = "=================="
)

// frame is one call in the trace of a goroutine.
type frame struct {
	function string // without its package
	file     string // relative to the root; empty where it is not in the source
	line     int
}

// frames are the calls of a trace, which has two lines for each.
func (p places) frames(lines []string) []frame {
	var found []frame
	for i := 1; i < len(lines); i++ {
		m := frameLine.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		importPath, function := splitFunction(strings.TrimSpace(lines[i-1]))
		f := frame{function: function, line: number(m[2])}
		if file, ok := p.traced(filepath.ToSlash(m[1]), importPath); ok {
			f.file = file
		}
		found = append(found, f)
	}
	return found
}

// splitFunction takes a function in a trace apart into its package and its name:
// "example.com/x%2ey.TestX.func1(0x1234)" into "example.com/x.y" and
// "TestX.func1".
func splitFunction(function string) (importPath, name string) {
	function = strings.TrimPrefix(function, "created by ")
	if end := strings.IndexAny(function, "([ "); end >= 0 {
		function = function[:end]
	}
	slash := strings.LastIndex(function, "/") + 1
	last, name, _ := strings.Cut(function[slash:], ".")
	importPath = function[:slash] + last
	// The linker escapes dots in the last part of a path.
	if plain, err := url.PathUnescape(importPath); err == nil {
		importPath = plain
	}
	return importPath, name
}

// test is the test that a function is of, or empty.
func (f frame) test() string {
	name, _, _ := strings.Cut(f.function, ".")
	if !strings.HasSuffix(f.file, "_test.go") || name == "TestMain" || !testFunction.MatchString(name) {
		return ""
	}
	return name
}

// firstInSource is the innermost call of the source, and the test that it is a
// part of.
func firstInSource(frames []frame) (place frame, test string, ok bool) {
	for _, f := range frames {
		if f.file != "" && !ok {
			place, ok = f, true
		}
		test = cmp.Or(test, f.test())
	}
	return place, test, ok
}

// race reads a report of the race detector. The place is that of the access that
// it noticed, and the message names the other one.
func (p places) race(lines []string) (Diagnostic, bool) {
	message := dataRace
	place, test, ok := firstInSource(p.frames(lines))
	for i, line := range lines {
		m := access.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "" {
			end++
		}
		if f, _, ok := firstInSource(p.frames(lines[i:end])); ok {
			message += "\n" + m[1] + " at " + f.file + ":" + strconv.Itoa(f.line)
		}
	}
	return Diagnostic{File: place.file, Line: place.line, Message: message, Test: test}, ok
}

// goroutine is one in the traces of a crash.
type goroutine struct {
	frames []frame
	// waits tells that it runs a test that waits for a subtest to end.
	waits bool
}

// crash reads how a test binary ended before its time, with the traces of its
// goroutines. The test is the one whose words came before, if there is one.
func (p places) crash(lines []string, in string) []Diagnostic {
	message := recovered.ReplaceAllString(lines[0], "")
	var running []string
	var goroutines []goroutine
	for i := 1; i < len(lines); i++ {
		if m := runningTest.FindStringSubmatch(lines[i]); m != nil && len(goroutines) == 0 {
			running = append(running, m[1])
		}
		if !strings.HasPrefix(lines[i], "goroutine ") {
			continue
		}
		end := i + 1
		var g goroutine
		for end < len(lines) && !strings.HasPrefix(lines[end], "goroutine ") {
			g.waits = g.waits || strings.HasPrefix(lines[end], "testing.(*T).Run(")
			end++
		}
		g.frames = p.frames(lines[i:end])
		goroutines = append(goroutines, g)
		i = end - 1
	}
	// Those that wait tell less.
	slices.SortStableFunc(goroutines, func(a, b goroutine) int {
		switch {
		case a.waits == b.waits:
			return 0
		case b.waits:
			return -1
		}
		return 1
	})
	if timedOut.MatchString(message) {
		return timeouts(message, running, goroutines)
	}
	for _, g := range goroutines {
		place, test, ok := firstInSource(g.frames)
		if !ok {
			continue
		}
		// A trace does not know the subtest.
		if test == "" || partOf(in, test) {
			test = in
		}
		return []Diagnostic{{File: place.file, Line: place.line, Message: message, Test: test}}
	}
	if in == "" {
		return nil
	}
	return []Diagnostic{{Test: in, Message: message}}
}

// timeouts are the places where tests were stuck, the first for each of them.
func timeouts(message string, running []string, goroutines []goroutine) []Diagnostic {
	var found []Diagnostic
	// A test runs for as long as a subtest of it does.
	var stuck []string
	for _, test := range running {
		if !slices.ContainsFunc(running, func(r string) bool { return r != test && partOf(r, test) }) {
			stuck = append(stuck, test)
		}
	}
	placed := map[string]int{}
	for _, g := range goroutines {
		place, test, _ := firstInSource(g.frames)
		var parts []string
		for _, s := range stuck {
			if test != "" && partOf(s, test) {
				parts = append(parts, s)
			}
		}
		if placed[test] >= len(parts) {
			continue
		}
		placed[test]++
		d := Diagnostic{File: place.file, Line: place.line, Message: message, Test: test}
		// A trace does not tell one subtest from another.
		if len(parts) == 1 {
			d.Test = parts[0]
		}
		found = append(found, d)
	}
	if len(found) > 0 {
		return found
	}
	for _, test := range stuck {
		found = append(found, Diagnostic{Test: test, Message: message})
	}
	return found
}
