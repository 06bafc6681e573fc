package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ConfigError is one thing that is wrong with a configuration.
type ConfigError struct {
	// File is the file's name as it was given to Load or, for an override, its
	// source: "--user" or "--set image.user".
	File string
	// Line and Column count from 1. Both are 0 for an override, and for what
	// concerns the file as a whole.
	Line, Column int
	// Key is the key in question, like smoke[0].exitCode; empty for the file as a
	// whole.
	Key string
	// Problem says what is wrong and what would do.
	Problem string
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	// "--set image.user" has named the key already.
	if e.Key != "" && !(e.Line == 0 && strings.HasSuffix(e.File, " "+e.Key)) {
		b.WriteString(": " + e.Key)
	}
	b.WriteString(": " + e.Problem)
	return b.String()
}

// ConfigErrors is everything that is wrong with a configuration: first the
// file's problems by line, then those of the overrides.
type ConfigErrors []*ConfigError

// maxPrinted bounds how many problems one message lists.
const maxPrinted = 20

func (e ConfigErrors) Error() string {
	var lines []string
	for _, p := range e[:min(len(e), maxPrinted)] {
		lines = append(lines, p.Error())
	}
	if more := len(e) - maxPrinted; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each *ConfigError.
func (e ConfigErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, p := range e {
		errs[i] = p
	}
	return errs
}

// sortProblems orders the problems of one file by where they stand.
func sortProblems(problems []*ConfigError) {
	slices.SortStableFunc(problems, func(a, b *ConfigError) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Problem, b.Problem),
		)
	})
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// joinKey appends a key to the name of its mapping, as ParseSet reads it.
func joinKey(parent, key string) string {
	if !plainKey.MatchString(key) || len(key) > 60 {
		key = quoteShort(key)
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// quoteShort quotes a text for a message, shortened where it is long.
func quoteShort(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strconv.Quote(s)
}
