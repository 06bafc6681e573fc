package tags

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kinds are the types of rules with their priorities and with what they have
// beside the attributes of all.
var kinds = map[string]struct {
	priority   int
	attributes []string
}{
	"schedule": {1000, []string{"pattern"}},
	"semver":   {900, []string{"pattern", "value", "match", "latest"}},
	"match":    {800, []string{"pattern", "group", "value"}},
	"edge":     {700, []string{"branch"}},
	"ref":      {600, []string{"event"}},
	"raw":      {200, []string{"value"}},
	"sha":      {100, []string{"format"}},
}

var commonAttributes = []string{"type", "enable", "priority", "prefix", "suffix"}

// ParseRules reads rules, one a line: the name of a tag, or attributes as
// docker/metadata-action has them, KEY=VALUE with commas between them and quotes
// around what holds a comma. Empty lines and those that begin with # are passed
// over. An error is a *RuleError, for the first line that is wrong.
//
//	type=semver                        1.2.3, 1.2, 1 and latest
//	type=semver,pattern={{version}}    what the pattern says, and latest
//	type=ref,event=branch              also tag, and pr for pr-2
//	type=edge[,branch=NAME]            edge, for the default branch
//	type=schedule[,pattern=nightly]    or pattern={{date 'YYYYMMDD' tz='UTC'}}
//	type=match,pattern=RE[,group=N]    what a regular expression finds in the git tag
//	type=sha[,format=long]             sha-860c190
//	type=raw,value=NAME                NAME
//
// All have enable=true, false or {{is_default_branch}}, priority=N, prefix= and
// suffix=, which latest gets as well, but for a prefix of v. type=semver and
// type=match read value= instead of the git tag, where it is not empty.
// type=semver takes the version out of a name with match=RE, and gives no latest
// with latest=false. Texts may hold {{branch}}, {{tag}}, {{sha}}, {{base_ref}},
// {{is_default_branch}}, {{is_not_default_branch}} and {{date}}, patterns of
// type=semver {{version}}, {{raw}}, {{major}}, {{minor}} and {{patch}} as well.
// Time zones are those that this machine knows.
func ParseRules(lines []string) ([]Rule, error) {
	var rules []Rule
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		r := Rule{line: line, number: i + 1}
		if err := r.parse(); err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// fail is an error at one of the rule's attributes.
func (r *Rule) fail(attribute, format string, args ...any) error {
	return &RuleError{Line: r.number, Rule: r.line, Attribute: attribute, Reason: fmt.Sprintf(format, args...)}
}

func (r *Rule) parse() error {
	attributes, err := r.split()
	if err != nil {
		return err
	}
	r.kind = "raw"
	if kind, ok := attributes["type"]; ok {
		r.kind = kind
	}
	kind, ok := kinds[r.kind]
	switch {
	case r.kind == "pep440":
		return r.fail("type", "found pep440, the versions of Python; want semver, those of Go")
	case !ok:
		return r.fail("type", "%s; want one of %s", found(attributes, "type"), strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	known := slices.Sorted(slices.Values(slices.Concat(commonAttributes, kind.attributes)))
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		if !slices.Contains(known, key) {
			return r.fail(key, "type=%s has no such attribute; want one of %s", r.kind, strings.Join(known, ", "))
		}
	}
	if err := r.parseCommon(attributes, kind.priority); err != nil {
		return err
	}
	switch r.kind {
	case "schedule":
		return r.parseSchedule(attributes)
	case "semver":
		return r.parseSemver(attributes)
	case "match":
		return r.parseMatch(attributes)
	case "edge":
		r.branch = attributes["branch"]
		return nil
	case "ref":
		if r.event = attributes["event"]; !slices.Contains([]string{"branch", "tag", "pr"}, r.event) {
			return r.fail("event", "%s; want branch, tag or pr", found(attributes, "event"))
		}
		return nil
	case "sha":
		if format, ok := attributes["format"]; ok && format != "short" && format != "long" {
			return r.fail("format", "%s; want short or long", found(attributes, "format"))
		}
		r.long = attributes["format"] == "long"
		return nil
	default: // raw
		// What looks like a reference, as docker/build-push-action wants tags, would
		// be cleaned to a tag that nobody meant.
		if _, typed := attributes["type"]; !typed && strings.ContainsAny(attributes["value"], "/: ") && !strings.Contains(attributes["value"], "{{") {
			return r.fail("", "want the name of a tag, without the repository and without spaces, or a rule like type=semver")
		}
		// An empty value is no tag, and what a workflow's input is that nobody gave.
		if _, ok := attributes["value"]; !ok {
			return r.fail("value", "found nothing; want the name of a tag")
		}
		return r.texts(attributes, "value", &r.value)
	}
}

// split reads the line's attributes. A field without a key is the value, as in
// type=raw,NAME.
func (r *Rule) split() (map[string]string, error) {
	reader := csv.NewReader(strings.NewReader(r.line))
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = true
	fields, err := reader.Read()
	if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, r.fail("", `%v; quotes stand around the whole of an attribute, like "value=a,b"`, wrong.Err)
	}
	if err != nil {
		return nil, r.fail("", "%v", err)
	}
	if _, err := reader.Read(); !errors.Is(err, io.EOF) {
		return nil, r.fail("", "found a second line in it; want one rule")
	}
	attributes := map[string]string{}
	for _, field := range fields {
		if strings.TrimSpace(field) == "" {
			continue
		}
		key, value, ok := strings.Cut(field, "=")
		// The first = may be that of {{date 'YYYY' tz='UTC'}}.
		if !ok || strings.Contains(key, "{{") {
			key, value = "value", field
		}
		key = strings.ToLower(strings.TrimSpace(key))
		if key == "" {
			return nil, r.fail("", "found %s; want ATTRIBUTE=VALUE, or the name of a tag", quoteShort(field))
		}
		if _, twice := attributes[key]; twice {
			return nil, r.fail(key, "found it twice; want a line for each")
		}
		attributes[key] = strings.TrimSpace(value)
	}
	return attributes, nil
}

// found says what an attribute has that is not right.
func found(attributes map[string]string, key string) string {
	if value := attributes[key]; value != "" {
		return "found " + quoteShort(value)
	}
	return "found nothing"
}

var enableValue = regexp.MustCompile(`^(?:(true|false)|{{\s*(is_default_branch|is_not_default_branch)\s*}})$`)

func (r *Rule) parseCommon(attributes map[string]string, priority int) error {
	r.priority = priority
	if text, ok := attributes["priority"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return r.fail("priority", "%s; want a whole number", found(attributes, "priority"))
		}
		r.priority = n
	}
	r.enable = "true"
	if text, ok := attributes["enable"]; ok {
		m := enableValue.FindStringSubmatch(text)
		if m == nil {
			return r.fail("enable", "%s; want true, false, {{is_default_branch}} or {{is_not_default_branch}}", found(attributes, "enable"))
		}
		r.enable = m[1] + m[2]
	}
	prefix := map[string]string{"sha": "sha-"}[r.kind]
	if r.kind == "ref" && attributes["event"] == "pr" {
		prefix = "pr-"
	}
	if prefix != "" {
		r.prefix = template{{text: prefix}}
	}
	if err := r.texts(attributes, "prefix", &r.prefix); err != nil {
		return err
	}
	return r.texts(attributes, "suffix", &r.suffix)
}

// texts reads an attribute that is a template of the event, where it is given.
func (r *Rule) texts(attributes map[string]string, key string, to *template) error {
	text, ok := attributes[key]
	if !ok {
		return nil
	}
	t, err := parseTemplate(text, eventExpressions...)
	if err != nil {
		return r.fail(key, "%v", err)
	}
	*to = t
	return nil
}

func (r *Rule) parseSchedule(attributes map[string]string) error {
	pattern := template{{text: "nightly"}}
	if err := r.texts(attributes, "pattern", &pattern); err != nil {
		return err
	}
	r.patterns = []template{pattern}
	return nil
}

// The patterns of the tags that type=semver gives where it has none of its own.
var (
	fullPattern   = template{{expression: "version"}}
	minorPattern  = template{{expression: "major"}, {text: "."}, {expression: "minor"}}
	majorPattern  = template{{expression: "major"}}
	latestPattern = template{{text: "latest"}}
)

func (r *Rule) parseSemver(attributes map[string]string) error {
	r.patterns = []template{fullPattern, minorPattern, majorPattern}
	if text, ok := attributes["pattern"]; ok {
		if text == "" {
			return r.fail("pattern", "found nothing; want one like {{version}}, or type=semver alone for 1.2.3, 1.2, 1 and latest")
		}
		t, err := parseTemplate(text, slices.Concat(versionExpressions, eventExpressions)...)
		if err != nil {
			return r.fail("pattern", "%v", err)
		}
		r.patterns = []template{t}
	}
	r.latest = true
	if text, ok := attributes["latest"]; ok {
		if text != "true" && text != "false" {
			return r.fail("latest", "%s; want true or false", found(attributes, "latest"))
		}
		r.latest = text == "true"
	}
	if text := attributes["match"]; text != "" {
		if err := r.expression("match", text); err != nil {
			return err
		}
		if r.group = 1; r.match.NumSubexp() < 1 {
			return r.fail("match", "%s, without a group; want parentheses around the version, like hello-(.*)", found(attributes, "match"))
		}
	}
	return r.texts(attributes, "value", &r.value)
}

func (r *Rule) parseMatch(attributes map[string]string) error {
	if attributes["pattern"] == "" {
		return r.fail("pattern", "found nothing; want a regular expression like v(.*)")
	}
	if err := r.expression("pattern", attributes["pattern"]); err != nil {
		return err
	}
	if text, ok := attributes["group"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > r.match.NumSubexp() {
			return r.fail("group", "%s; want a number from 0, for the whole, to %d, the last of the pattern's groups", found(attributes, "group"), r.match.NumSubexp())
		}
		r.group = n
	}
	return r.texts(attributes, "value", &r.value)
}

// scriptExpression is a regular expression as JavaScript writes it: /v(.*)/i.
var scriptExpression = regexp.MustCompile(`^/(.+)/([a-z]*)$`)

func (r *Rule) expression(key, text string) error {
	expression := text
	if m := scriptExpression.FindStringSubmatch(text); m != nil {
		expression = m[1]
		// Of JavaScript's flags, g, u and y change nothing for one match.
		flags := strings.Trim(m[2], "guy")
		if strings.Trim(flags, "ims") != "" {
			return r.fail(key, "found the flags %s; want some of i, m, s", quoteShort(m[2]))
		}
		if flags != "" {
			expression = "(?" + flags + ")" + expression
		}
	}
	match, err := regexp.Compile(expression)
	if err != nil {
		return r.fail(key, "%v; want a regular expression as Go has them (RE2), which do not look ahead or back", err)
	}
	r.match = match
	return nil
}
