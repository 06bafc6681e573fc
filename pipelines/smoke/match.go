package smoke

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shortText is how much of a text stands in a mismatch, in bytes.
const shortText = 120

// check returns an error that says what was expected and what was found instead,
// with invisible characters as escapes.
func (m Match) check(text string) error {
	if m.Equals != nil {
		want, got := strings.TrimSpace(*m.Equals), strings.TrimSpace(text)
		if want != got {
			want, got := fromDifference(want, got)
			return fmt.Errorf("expected exactly %s, found %s", want, got)
		}
	}
	if !strings.Contains(text, m.Contains) {
		return fmt.Errorf("expected to contain %s, found %s", short(m.Contains), short(text))
	}
	if m.Matches != nil && !m.Matches.MatchString(text) {
		return fmt.Errorf("expected to match /%s/, found %s", visible(m.Matches.String()), short(text))
	}
	return nil
}

// short quotes the beginning of a text.
func short(s string) string {
	if s = strings.TrimSpace(s); len(s) <= shortText {
		return strconv.Quote(s)
	}
	cut := shortText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "…"
}

// fromDifference quotes two texts from a little before where they differ, since
// what long texts have in common says nothing.
func fromDifference(a, b string) (string, string) {
	const before = 20
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	if same -= before; same <= before {
		return short(a), short(b)
	}
	for !utf8.RuneStart(a[same]) {
		same--
	}
	return "…" + short(a[same:]), "…" + short(b[same:])
}

// checkStream checks what a program wrote to one of its streams.
func checkStream(name string, m *Match, stream []byte) error {
	if m == nil {
		return nil
	}
	err := m.check(string(stream))
	switch {
	case err == nil:
		return nil
	case len(stream) >= MaxOutput:
		return fmt.Errorf("%s: %w (only its first %s was kept)", name, err, keptSize)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// check says what of the end of a program is not as the case expects.
func (c Case) check(exit Exit) error {
	if exit.Code != c.ExitCode {
		return fmt.Errorf("%s, expected exit code %d%s", ending(exit), c.ExitCode, crashNote(exit))
	}
	return c.checkStreams(exit)
}

func (c Case) checkStreams(exit Exit) error {
	return errors.Join(checkStream("stdout", c.Stdout, exit.Stdout), checkStream("stderr", c.Stderr, exit.Stderr))
}

// ending says how a program ended.
func ending(exit Exit) string {
	if exit.Signal != "" {
		return "was ended by " + exit.Signal
	}
	return fmt.Sprintf("ended with exit code %d", exit.Code)
}

// goCrash is the first line of what Go's runtime says when it gives up.
var goCrash = regexp.MustCompile(`(?m)^(panic|fatal error): .*$`)

// crash returns the first line of a Go program's panic or fatal error, or
// nothing. Both exit with code 2, or, under GOTRACEBACK=crash, by SIGABRT.
func crash(exit Exit) string {
	if exit.Code != 2 && exit.Signal == "" {
		return ""
	}
	return string(goCrash.Find(exit.Stderr))
}

// crashNote adds a crash to a sentence.
func crashNote(exit Exit) string {
	if line := crash(exit); line != "" {
		return ": " + line
	}
	return ""
}
