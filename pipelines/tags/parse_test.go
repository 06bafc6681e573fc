package tags

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseRules(t *testing.T) {
	rules, err := ParseRules([]string{"", "  # a comment", "v1", "\ttype=sha , format=long\r", "#v2", `type=raw,"value=a,b"`, "TYPE=raw,Value=x"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rules {
		got = append(got, r.String())
	}
	if want := []string{"v1", "type=sha , format=long", `type=raw,"value=a,b"`, "TYPE=raw,Value=x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if rules, err := ParseRules(nil); rules != nil || err != nil {
		t.Errorf("no lines are %v, %v", rules, err)
	}
}

func TestParseRulesThatAreNone(t *testing.T) {
	const (
		inEvent   = "want one of {{branch}}, {{tag}}, {{sha}}, {{base_ref}}, {{is_default_branch}}, {{is_not_default_branch}}, {{date 'YYYYMMDD' tz='UTC'}}"
		inVersion = "want one of {{version}}, {{raw}}, {{major}}, {{minor}}, {{patch}}, {{branch}}, {{tag}}, {{sha}}, {{base_ref}}, {{is_default_branch}}, {{is_not_default_branch}}, {{date 'YYYYMMDD' tz='UTC'}}"
		enable    = "want true, false, {{is_default_branch}} or {{is_not_default_branch}}"
		tokens    = "want YYYY, YY, MM, DD, HH, mm, ss, X, and [text] for what is to stay as it is"
	)
	for line, want := range map[string]struct{ attribute, reason string }{
		"type=shaa":                         {"type", `found "shaa"; want one of edge, match, raw, ref, schedule, semver, sha`},
		"type=":                             {"type", "found nothing; want one of edge, match, raw, ref, schedule, semver, sha"},
		"type=pep440":                       {"type", "found pep440, the versions of Python; want semver, those of Go"},
		"type=pep440,pattern={{version}}":   {"type", "found pep440, the versions of Python; want semver, those of Go"},
		"type=sha,formt=long":               {"formt", "type=sha has no such attribute; want one of enable, format, prefix, priority, suffix, type"},
		"type=ref,branch":                   {"value", "type=ref has no such attribute; want one of enable, event, prefix, priority, suffix, type"},
		"latest=auto":                       {"latest", "type=raw has no such attribute; want one of enable, prefix, priority, suffix, type, value"},
		"type=edge,branch=a,branch=b":       {"branch", "found it twice; want a line for each"},
		"v1,v2":                             {"value", "found it twice; want a line for each"},
		"type=sha,type=sha":                 {"type", "found it twice; want a line for each"},
		"=v1":                               {"", `found "=v1"; want ATTRIBUTE=VALUE, or the name of a tag`},
		"type=raw":                          {"value", "found nothing; want the name of a tag"},
		`type=raw,value="a,b"`:              {"", `bare " in non-quoted-field; quotes stand around the whole of an attribute, like "value=a,b"`},
		`"a`:                                {"", `extraneous or missing " in quoted-field; quotes stand around the whole of an attribute, like "value=a,b"`},
		"a\nb":                              {"", "found a second line in it; want one rule"},
		"type=ref":                          {"event", "found nothing; want branch, tag or pr"},
		"type=ref,event=push":               {"event", `found "push"; want branch, tag or pr`},
		"type=sha,format=medium":            {"format", `found "medium"; want short or long`},
		"type=sha,format=":                  {"format", "found nothing; want short or long"},
		"type=sha,priority=high":            {"priority", `found "high"; want a whole number`},
		"type=sha,priority=":                {"priority", "found nothing; want a whole number"},
		"type=sha,enable=yes":               {"enable", `found "yes"; ` + enable},
		"type=sha,enable=":                  {"enable", "found nothing; " + enable},
		"type=sha,enable={{branch}}":        {"enable", `found "{{branch}}"; ` + enable},
		"type=sha,enable=is_default_branch": {"enable", `found "is_default_branch"; ` + enable},
		"type=sha,prefix={{version}}":       {"prefix", `found "{{version}}"; ` + inEvent},
		"type=sha,suffix={{ commit_date 'YYYY' }}":             {"suffix", `found "{{commit_date 'YYYY'}}"; ` + inEvent},
		"type=raw,value={{date}}":                              {"value", `found "{{date}}"; ` + inEvent},
		"type=raw,value={{date YYYY}}":                         {"value", `found "{{date YYYY}}"; ` + inEvent},
		"type=raw,value={{{sha}}}":                             {"value", `found "{{{sha}}"; ` + inEvent},
		"type=raw,value=a{{sha":                                {"value", "found {{ that is not closed; " + inEvent},
		"type=raw,value=${{ github.ref }}":                     {"value", `found "{{github.ref}}"; ` + inEvent},
		"{{date 'YYYY-MMM'}}":                                  {"value", `found "MMM" in the format of a date; ` + tokens},
		"{{date '[Day] DD [open'}}":                            {"value", `found "e" in the format of a date; ` + tokens},
		"type=schedule,pattern={{date 'dddd'}}":                {"pattern", `found "dddd" in the format of a date; ` + tokens},
		"type=schedule,pattern={{date 'YYYY' tz='Mars/Base'}}": {"pattern", `found the time zone "Mars/Base"; want a name like Europe/Berlin, or UTC`},
		"type=schedule,pattern={{date 'YYYY' tz='Local'}}":     {"pattern", `found the time zone "Local"; want a name like Europe/Berlin, or UTC`},
		"type=schedule,pattern={{date 'YYYY' zone='UTC'}}":     {"pattern", `found "{{date 'YYYY' zone='UTC'}}"; ` + inEvent},
		"type=semver,pattern=":                                 {"pattern", "found nothing; want one like {{version}}, or type=semver alone for 1.2.3, 1.2, 1 and latest"},
		"type=semver,pattern={{mayor}}":                        {"pattern", `found "{{mayor}}"; ` + inVersion},
		"type=semver,latest=auto":                              {"latest", `found "auto"; want true or false`},
		"type=semver,match=v.*":                                {"match", `found "v.*", without a group; want parentheses around the version, like hello-(.*)`},
		"type=semver,match=v(":                                 {"match", "error parsing regexp: missing closing ): `v(`; want a regular expression as Go has them (RE2), which do not look ahead or back"},
		"type=match":                                           {"pattern", "found nothing; want a regular expression like v(.*)"},
		"type=match,pattern=(?=v)":                             {"pattern", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`; want a regular expression as Go has them (RE2), which do not look ahead or back"},
		"type=match,pattern=/v/x":                              {"pattern", `found the flags "x"; want some of i, m, s`},
		"type=match,pattern=v(.*),group=2":                     {"group", `found "2"; want a number from 0, for the whole, to 1, the last of the pattern's groups`},
		"type=match,pattern=v(.*),group=-1":                    {"group", `found "-1"; want a number from 0, for the whole, to 1, the last of the pattern's groups`},
		"type=match,pattern=v(.*),group=":                      {"group", "found nothing; want a number from 0, for the whole, to 1, the last of the pattern's groups"},
		"type=match,pattern=v(.*),group=1,value={{x}}":         {"value", `found "{{x}}"; ` + inEvent},
	} {
		_, err := ParseRules([]string{"# the first line", line})
		got, ok := errors.AsType[*RuleError](err)
		if !ok || got.Line != 2 || got.Rule != line || got.Attribute != want.attribute || got.Reason != want.reason {
			t.Errorf("%q: got %v, want %s: %s", line, err, want.attribute, want.reason)
		}
	}
}

func TestRuleErrorIsShort(t *testing.T) {
	_, err := ParseRules([]string{"type=raw,value={{" + strings.Repeat("é", 500) + "}}"})
	if got := err.Error(); strings.Count(got, "é") > 120 {
		t.Errorf("got %s", got)
	}
}

func FuzzParseRules(f *testing.F) {
	for _, s := range []string{
		"v1", "type=semver", "type=semver,pattern=v{{major}},value=v1.2.3,match=(.*),latest=false", `type=raw,"value=a,b",priority=5`,
		"type=schedule,pattern={{date 'YYYYMMDD-HHmmss[Z]X' tz='Asia/Tokyo'}}", "type=match,pattern=/v(.*)/i,group=1,value={{branch}}",
		"type=edge,branch=main,enable={{is_default_branch}}", "type=ref,event=pr\ntype=ref,event=branch\n#\ntype=sha,format=long,prefix=,suffix={{sha}}",
	} {
		f.Add(s, "refs/tags/cmd/v1.2.3-rc.1+x", "1.2.4")
	}
	f.Fuzz(func(t *testing.T, lines, ref, existing string) {
		rules, err := ParseRules(strings.Split(lines, "\n"))
		if _, ok := errors.AsType[*RuleError](err); err != nil && !ok {
			t.Fatalf("%v is no *RuleError", err)
		}
		for _, name := range []string{"push", "schedule", "pull_request"} {
			e := Event{Name: name, Ref: ref, SHA: headSHA, DefaultBranch: "main", Number: 7, Time: time.Unix(0, 0)}
			result, err := Make(e, rules, []string{existing})
			if err != nil {
				t.Fatal(err)
			}
			checkNames(t, result)
			if with, err := Make(e, rules, nil); err != nil || !NeedsExisting(e, rules) && !slices.Equal(with.Names, result.Names) {
				t.Errorf("%q without existing tags, which are not needed, and %q with: %v", with.Names, result.Names, err)
			}
		}
	})
}
