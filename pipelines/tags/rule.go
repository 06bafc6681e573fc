package tags

import (
	"fmt"
	"regexp"
)

// Rule makes tags of an event, or none. ParseRules reads rules, and Default has
// those for somebody who names none.
type Rule struct {
	// line is the rule as it is written, and number where: 1 is the first.
	line     string
	number   int
	kind     string
	priority int
	// enable is true, false, is_default_branch or is_not_default_branch.
	enable         string
	prefix, suffix template

	// value is the text of type=raw. It takes the place of the git tag for
	// type=semver and type=match.
	value template
	// patterns are those of type=semver, or the one of type=schedule.
	patterns []template
	// latest is set where type=semver gives latest to the highest version.
	latest bool
	// match is the expression of type=match, or what type=semver takes the version
	// out of a name with; group is the part of it that counts.
	match *regexp.Regexp
	group int
	// branch is type=edge's, empty for the default branch.
	branch string
	// event is type=ref's: branch, tag or pr.
	event string
	// unlessVersion passes over a git tag that type=semver has made tags of.
	unlessVersion bool
	// long is set where type=sha takes the whole commit.
	long bool
}

// String returns the rule as it is written.
func (r Rule) String() string { return r.line }

// RuleError says that a rule cannot be used.
type RuleError struct {
	// Line counts from 1.
	Line int
	// Rule is the line.
	Rule string
	// Attribute is the one in question, like pattern; empty for the line as a
	// whole.
	Attribute string
	// Reason says what was found and what would do.
	Reason string
}

func (e *RuleError) Error() string {
	s := fmt.Sprintf("tags: line %d (%s): ", e.Line, quoteShort(e.Rule))
	if e.Attribute != "" {
		s += e.Attribute + ": "
	}
	return s + e.Reason
}

// quoteShort quotes a text for a message, shortened where it is long.
func quoteShort(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// Default returns the rules for somebody who names none: a version's tag gives
// 1.2.3, 1.2, 1 and latest, any other git tag its own name, a branch its name,
// the default branch edge as well, a pull request pr-2, a schedule nightly, and
// each of them the commit, like sha-860c190.
func Default() []Rule {
	rules, err := ParseRules([]string{
		"type=schedule",
		"type=semver",
		"type=edge",
		"type=ref,event=branch",
		"type=ref,event=tag",
		"type=ref,event=pr",
		"type=sha",
	})
	if err != nil {
		panic(err) // each of them parses
	}
	for i := range rules {
		rules[i].unlessVersion = rules[i].event == "tag"
	}
	return rules
}
