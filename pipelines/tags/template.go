package tags

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// template is a text with expressions between braces: v{{major}}.
type template []part

// part is an expression or, where that is empty, a text.
type part struct {
	text       string
	expression string
	date       *dateFormat
}

// eventExpressions are known in every template, versionExpressions in a pattern
// of type=semver as well.
var (
	eventExpressions = []string{
		"branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", "date",
	}
	versionExpressions = []string{"version", "raw", "major", "minor", "patch"}
)

// dateCall is {{date 'FORMAT' tz='ZONE'}}, with either kind of quotes.
var dateCall = regexp.MustCompile(`^date\s+(?:'([^']*)'|"([^"]*)")(?:\s+tz=(?:'([^']*)'|"([^"]*)"))?$`)

// parseTemplate reads a template whose expressions are among those that are
// known.
func parseTemplate(s string, known ...string) (template, error) {
	var t template
	for s != "" {
		text, rest, found := strings.Cut(s, "{{")
		if text != "" {
			t = append(t, part{text: text})
		}
		if !found {
			break
		}
		expression, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, fmt.Errorf("found {{ that is not closed; want %s", expressions(known))
		}
		s = after
		p, err := parseExpression(strings.TrimSpace(expression), known)
		if err != nil {
			return nil, err
		}
		t = append(t, p)
	}
	return t, nil
}

func parseExpression(s string, known []string) (part, error) {
	if m := dateCall.FindStringSubmatch(s); m != nil && slices.Contains(known, "date") {
		d, err := parseDate(m[1]+m[2], m[3]+m[4])
		return part{expression: "date", date: d}, err
	}
	if s == "date" || !slices.Contains(known, s) {
		return part{}, fmt.Errorf("found %s; want %s", quoteShort("{{"+s+"}}"), expressions(known))
	}
	return part{expression: s}, nil
}

// expressions lists what a template may hold, for a message.
func expressions(known []string) string {
	var all []string
	for _, name := range known {
		if name == "date" {
			name = "date 'YYYYMMDD' tz='UTC'"
		}
		all = append(all, "{{"+name+"}}")
	}
	return "one of " + strings.Join(all, ", ")
}

// uses tells whether one of some expressions stands in the template.
func (t template) uses(names ...string) bool {
	return slices.ContainsFunc(t, func(p part) bool { return slices.Contains(names, p.expression) })
}

// fill writes the template for an event and, in a pattern of type=semver, a
// version. The one thing that can be missing is the time.
func (t template) fill(e Event, v version) (string, error) {
	var b strings.Builder
	for _, p := range t {
		switch p.expression {
		case "":
			b.WriteString(p.text)
		case "branch":
			b.WriteString(e.branch())
		case "tag":
			b.WriteString(e.tag())
		case "sha":
			b.WriteString(e.shortSHA())
		case "base_ref":
			b.WriteString(e.BaseRef)
		case "is_default_branch":
			b.WriteString(strconv.FormatBool(e.onDefault()))
		case "is_not_default_branch":
			b.WriteString(strconv.FormatBool(!e.onDefault()))
		case "date":
			if e.Time.IsZero() {
				return "", errors.New("found {{date}} and no time in the event; want the event's Time")
			}
			b.WriteString(p.date.format(e.Time))
		case "version":
			b.WriteString(v.full())
		case "raw":
			b.WriteString(v.raw)
		case "major":
			b.WriteString(v.major)
		case "minor":
			b.WriteString(v.minor)
		case "patch":
			b.WriteString(v.patch)
		}
	}
	return b.String(), nil
}
