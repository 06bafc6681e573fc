package engine

import (
	"cmp"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
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

// places finds the files of a source by what the go command calls them.
type places struct {
	src Source
	// modules are the folders of the source's modules by their paths.
	modules map[string]string
}

// modulePaths are the folders of the source's modules by the path of each. A
// go.mod that cannot be read is left out.
func (s Source) modulePaths() map[string]string {
	paths := map[string]string{}
	for _, m := range s.Modules {
		data, err := os.ReadFile(filepath.Join(s.Root, filepath.FromSlash(m), "go.mod"))
		if err != nil {
			continue
		}
		if name := modfile.ModulePath(data); name != "" {
			paths[name] = m
		}
	}
	return paths
}

// folder is where a package of the source is.
func (p places) folder(importPath string) (string, bool) {
	for module := importPath; module != "." && module != "/"; module = path.Dir(module) {
		if dir, ok := p.modules[module]; ok {
			return path.Join(dir, strings.TrimPrefix(importPath, module)), true
		}
	}
	return "", false
}

// below makes a file relative to the root, if it is in it. A relative one is
// relative to the root already.
func (p places) below(file string) (string, bool) {
	file = filepath.ToSlash(file)
	if root := filepath.ToSlash(filepath.Clean(p.src.Root)); filepath.IsAbs(p.src.Root) {
		file = strings.TrimPrefix(file, strings.TrimSuffix(root, "/")+"/")
	}
	file = path.Clean(file)
	return file, file != "." && fs.ValidPath(file) && filepath.IsLocal(filepath.FromSlash(file))
}

// built finds a file that the go command, the compiler or vet names while it
// speaks of a package. They write it relative to the folder that they run in,
// or absolute where that is shorter. In the output of an engine that works
// elsewhere an absolute one is relative to the root.
func (p places) built(file, importPath string) (string, bool) {
	switch name := path.Base(filepath.ToSlash(file)); {
	case p.src.Workspace != "" && strings.TrimSuffix(name, ".sum") == path.Base(p.src.Workspace):
		return p.below(p.src.Workspace + strings.TrimPrefix(name, path.Base(p.src.Workspace)))
	case filepath.IsAbs(file):
		return p.below(file)
	}
	file = path.Clean(filepath.ToSlash(file))
	var known []string
	if moduleFile.MatchString(file) {
		known = p.src.Modules
	} else if dir, ok := p.folder(importPath); ok {
		known = []string{dir}
	}
	here := path.Join(p.src.Module, file)
	if !slices.Contains(known, path.Dir(here)) && slices.Contains(known, path.Dir(file)) {
		here = file
	}
	return p.below(here)
}

// logged finds a file that a test of a package names when it logs something: its
// name alone, or all of its path (-fullpath).
func (p places) logged(file, importPath string) (string, bool) {
	switch {
	case filepath.IsAbs(file):
		return p.below(file)
	case strings.Contains(file, "/"):
		return p.traced(file, importPath)
	}
	dir, ok := p.folder(importPath)
	if !ok {
		return "", false
	}
	return p.below(path.Join(dir, file))
}

// traced finds the file of a function of a package. A file that is in the root
// and of no package of the source is one of the toolchain or of a module cache.
func (p places) traced(file, importPath string) (string, bool) {
	for _, name := range []string{importPath, strings.TrimSuffix(importPath, "_test")} {
		dir, ok := p.folder(name)
		if !ok {
			continue
		}
		if path.Dir(file) == name { // -trimpath
			file = path.Join(dir, path.Base(file))
		}
		if rel, ok := p.below(file); ok && path.Dir(rel) == dir {
			return rel, true
		}
	}
	return "", false
}

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

var (
	// packageVerdict ends what the tests of a package say.
	packageVerdict = regexp.MustCompile(`^(ok  |FAIL|\?   )\t(\S+)`)
	// speaker is what go test -v says before the words of a test.
	speaker = regexp.MustCompile(`^(?:=== (RUN|CONT|NAME|PAUSE|ATTR) +(\S+).*|Benchmark\S*)$`)
	// testVerdict ends a test, and begins its words without -v. What the test printed
	// without a newline comes before it.
	testVerdict = regexp.MustCompile(`^(.*?)--- (FAIL|PASS|SKIP|BENCH): (\S+)( \(\d+\.\d+s\))?$`)
	testLine    = regexp.MustCompile(`^([^:\s][^:]*\.go):(\d+): ?(.*)$`)
	// ofTesting is what package testing says in a test's name, with a place of its own.
	ofTesting    = regexp.MustCompile(`^(?:.*/)?testing\.go:\d+: (race detected during execution of test|TempDir RemoveAll cleanup: .*)$`)
	wanted       = regexp.MustCompile(`^want(?: \(unordered\))?:$`)
	crashed      = regexp.MustCompile(`^(?:panic|fatal error|SIG[A-Z]+): `)
	recovered    = regexp.MustCompile(` \[recovered(?:, repanicked)?\]$`)
	timedOut     = regexp.MustCompile(`^panic: test timed out after `)
	runningTest  = regexp.MustCompile(`^\t\t(\S+) \([^)]+\)$`)
	access       = regexp.MustCompile(`^(\S.*) at 0x[0-9a-f]+ by .*:$`)
	frameLine    = regexp.MustCompile(`^(?:\t| {6})(\S.*):(\d+)(?: \+0x.*)?$`)
	testFunction = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark|Example)(?:[^a-z].*)?$`)
)

const (
	dataRace = "WARNING: DATA RACE"
	raceEnd  = "=================="
	// indent is how far a test's words stand from its verdict, and what continues
	// them from their beginning.
	indent = 4
)

// testLog is what one test said.
type testLog struct {
	name   string
	failed bool
	// race tells that package testing failed it for one.
	race bool
	said []words
	// rest has no place.
	rest []string
}

// words are what a test said at one place.
type words struct {
	file    string
	line    int
	message []string
}

// testReader reads what the tests of a package say.
type testReader struct {
	logs []*testLog
	// last are the last of each name.
	last map[string]*testLog
	// open are the test whose words come now and those that it is a part of.
	open []openTest
	// verbose is the form of go test -v: a test's words come before its verdict.
	verbose bool
	// continues tells that the last line can go on.
	continues bool
}

type openTest struct {
	*testLog
	indent int
}

// tests reads what the tests of a package say up to its verdict.
func (p places) tests(lines []string, importPath string) []Diagnostic {
	var r testReader
	var races, crash []Diagnostic
	crashAt, crashIn := -1, ""
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case r.verdict(line), r.starts(line):
			// What goes on has not crashed: a test may print what a child of it said.
			crashAt = -1
		case line == "FAIL" || line == "PASS":
			crashAt = -1
			r.open = nil
		case line == dataRace:
			end := i + 1
			for end < len(lines) && lines[end] != raceEnd {
				end++
			}
			if d, ok := p.race(lines[i:end]); ok {
				races = append(races, d)
			}
			i = end
			r.interrupted()
		case line == "got:" && r.failedExample():
			i = r.example(lines, i)
		case crashed.MatchString(line) && crashAt < 0:
			crashAt, crashIn = i, ""
			// Without -v, the words before are another test's where what panics is a
			// goroutine that no test recovers.
			if len(r.open) > 0 && (r.verbose || recovered.MatchString(line)) {
				crashIn = r.open[len(r.open)-1].name
			}
			r.interrupted()
		default:
			r.speech(line)
		}
	}
	if crashAt >= 0 {
		crash = p.crash(lines[crashAt:], crashIn)
	}
	return slices.Concat(races, p.failures(r.logs, importPath, races, crash), crash)
}

// failures are what the failed tests said. One that said nothing is left out
// where a race, a crash or a part of it tells why.
func (p places) failures(logs []*testLog, importPath string, races, crash []Diagnostic) []Diagnostic {
	var found []Diagnostic
	reasons := slices.Concat(races, crash)
	for _, log := range logs {
		if !log.failed {
			continue
		}
		rest := log.rest
		for _, w := range log.said {
			message := strings.Join(w.message, "\n")
			if file, ok := p.logged(w.file, importPath); ok {
				found = append(found, Diagnostic{File: file, Line: w.line, Message: message, Test: log.name})
			} else {
				rest = append(rest, w.file+":"+strconv.Itoa(w.line)+": "+message)
			}
		}
		message := strings.TrimSpace(strings.Join(rest, "\n"))
		explained := len(log.said) > 0 || log.race && len(races) > 0 ||
			slices.ContainsFunc(reasons, func(d Diagnostic) bool { return partOf(d.Test, log.name) }) ||
			slices.ContainsFunc(logs, func(l *testLog) bool { return l.failed && l.name != log.name && partOf(l.name, log.name) })
		switch {
		case message == "" && explained:
			continue
		case message == "" && log.race:
			message = "race detected during execution of test"
		case message == "":
			message = "failed without a message"
		}
		found = append(found, Diagnostic{Test: log.name, Message: message})
	}
	return found
}

// partOf tells whether a test is another one or a subtest of it.
func partOf(test, of string) bool {
	return test == of || strings.HasPrefix(test, of+"/")
}

// start opens a test alone.
func (r *testReader) start(log *testLog, indent int) {
	for len(r.open) > 0 && r.open[len(r.open)-1].indent >= indent {
		r.open = r.open[:len(r.open)-1]
	}
	r.open = append(r.open, openTest{log, indent})
	r.continues = false
}

// add makes a test known.
func (r *testReader) add(name string) *testLog {
	log := &testLog{name: name}
	r.logs = append(r.logs, log)
	if r.last == nil {
		r.last = map[string]*testLog{}
	}
	r.last[name] = log
	return log
}

// starts reads a line that says which test speaks from now on.
func (r *testReader) starts(line string) bool {
	m := speaker.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	name := cmp.Or(m[2], line)
	log := r.last[name]
	if log == nil || m[1] == "RUN" || m[1] == "" {
		log = r.add(name)
	}
	r.verbose = true
	r.start(log, 0)
	return true
}

// verdict reads the line that says how a test ended.
func (r *testReader) verdict(line string) bool {
	m := testVerdict.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	before, name := len(m[1]), m[3]
	if strings.Trim(m[1], " ") != "" {
		if before = 0; m[4] == "" || strings.HasPrefix(line, "    ") {
			return false // a part of what a test logs
		}
	}
	if before > 0 && !slices.ContainsFunc(r.open, func(o openTest) bool {
		return o.indent == before-indent && strings.HasPrefix(name, o.name+"/")
	}) {
		return false
	}
	log := r.last[name]
	if log == nil || !r.verbose {
		log = r.add(name)
	}
	log.failed = m[2] == "FAIL"
	r.start(log, before)
	return true
}

// interrupted reads something that is no test's.
func (r *testReader) interrupted() {
	r.continues = false
	if !r.verbose {
		r.open = nil
	}
}

// speech reads what a test says.
func (r *testReader) speech(line string) {
	before := len(line) - len(strings.TrimLeft(line, " "))
	if before < indent {
		r.interrupted()
		return
	}
	for len(r.open) > 0 && before < r.open[len(r.open)-1].indent+indent {
		r.open = r.open[:len(r.open)-1]
		r.continues = false
	}
	if len(r.open) == 0 {
		return
	}
	log := r.open[len(r.open)-1]
	start := log.indent + indent
	if r.continues && before >= start+indent {
		last := &log.said[len(log.said)-1]
		last.message = append(last.message, line[start+indent:])
		return
	}
	line = line[start:]
	r.continues = false
	if m := ofTesting.FindStringSubmatch(line); m != nil {
		if strings.HasPrefix(m[1], "race ") {
			log.race = true
		} else {
			log.rest = append(log.rest, m[1])
		}
	} else if m := testLine.FindStringSubmatch(line); m != nil {
		log.said = append(log.said, words{m[1], number(m[2]), []string{m[3]}})
		r.continues = true
	} else {
		log.rest = append(log.rest, line)
	}
}

func (r *testReader) failedExample() bool {
	if len(r.open) == 0 {
		return false
	}
	last := r.open[len(r.open)-1]
	return last.failed && strings.HasPrefix(last.name, "Example")
}

// example reads what an example printed and should have printed, from a line on,
// and returns the last line of it.
func (r *testReader) example(lines []string, from int) int {
	to := from
	want := false
	for ; to < len(lines); to++ {
		if want && (lines[to] == "FAIL" || strings.HasPrefix(lines[to], "--- ") || strings.HasPrefix(lines[to], "=== ")) {
			break
		}
		want = want || wanted.MatchString(lines[to])
	}
	log := r.open[len(r.open)-1]
	log.rest = append(log.rest, lines[from:to]...)
	r.open = nil
	return to - 1
}

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
