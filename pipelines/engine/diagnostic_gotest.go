package engine

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
	ofTesting = regexp.MustCompile(`^(?:.*/)?testing\.go:\d+: (race detected during execution of test|TempDir RemoveAll cleanup: .*)$`)
	wanted    = regexp.MustCompile(`^want(?: \(unordered\))?:$`)
)

// indent is how far a test's words stand from its verdict, and what continues
// them from their beginning.
const indent = 4

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
