package tags

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// testMake makes tags and compares them; names are separated by spaces.
func testMake(t *testing.T, what string, e Event, rules []Rule, existing []string, names, version string) {
	t.Helper()
	got, err := Make(e, rules, existing)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	checkNames(t, got)
	if strings.Join(got.Names, " ") != names || got.Version != version {
		t.Errorf("%s: got %q, version %q, want %s, version %q", what, got.Names, got.Version, names, version)
	}
}

// TestDefault has each event as a run's variables and its file give it.
func TestDefault(t *testing.T) {
	const main = "refs/heads/main"
	for _, test := range []struct {
		file           string
		event          Event
		names, version string
	}{
		{"push", Event{Name: "push", Ref: main, SHA: headSHA}, "edge main sha-5f2d9c1", "edge"},
		{"push_branch", Event{Name: "push", Ref: "refs/heads/feature/My Thing", SHA: headSHA}, "feature-my-thing sha-5f2d9c1", "feature-my-thing"},
		{"push_deleted", Event{Name: "push"}, "", ""},
		{"tag", Event{Name: "push", Ref: "refs/tags/v1.2.3", SHA: headSHA}, "1.2.3 1.2 1 sha-5f2d9c1 latest", "1.2.3"},
		{"tag", Event{Name: "push", Ref: "refs/tags/v1.2.3-rc.1", SHA: headSHA}, "1.2.3-rc.1 sha-5f2d9c1", "1.2.3-rc.1"},
		{"tag", Event{Name: "push", Ref: "refs/tags/cmd/hello/v1.2.3", SHA: headSHA}, "1.2.3 1.2 1 sha-5f2d9c1 latest", "1.2.3"},
		{"tag", Event{Name: "push", Ref: "refs/tags/demo/Spring", SHA: headSHA}, "demo-spring sha-5f2d9c1", "demo-spring"},
		{"pull_request", Event{Name: "pull_request", Ref: "refs/pull/7/merge"}, "pr-7 sha-5f2d9c1", "pr-7"},
		{"pull_request_fork", Event{Name: "pull_request", Ref: "refs/pull/7/merge"}, "pr-7 sha-5f2d9c1", "pr-7"},
		{"pull_request_target", Event{Name: "pull_request_target", Ref: main, SHA: baseSHA}, "pr-7 sha-5f2d9c1", "pr-7"},
		{"merge_group", Event{Name: "merge_group", Ref: queue, SHA: headSHA}, "sha-5f2d9c1", "sha-5f2d9c1"},
		{"schedule", Event{Name: "schedule", Ref: main, SHA: headSHA}, "nightly edge main sha-5f2d9c1", "nightly"},
		{"workflow_dispatch", Event{Name: "workflow_dispatch", Ref: main, SHA: headSHA}, "edge main sha-5f2d9c1", "edge"},
		{"workflow_dispatch", Event{Name: "workflow_dispatch", Ref: "refs/tags/v1.2.3"}, "1.2.3 1.2 1 latest", "1.2.3"},
		{"repository_dispatch", Event{Name: "repository_dispatch", Ref: main, SHA: headSHA}, "edge main sha-5f2d9c1", "edge"},
		{"release", Event{Name: "release", Ref: "refs/tags/v1.2.3", SHA: headSHA}, "1.2.3 1.2 1 sha-5f2d9c1 latest", "1.2.3"},
		{"release_deleted", Event{Name: "release", Ref: "refs/tags/v1.2.3", SHA: headSHA}, "sha-5f2d9c1", "sha-5f2d9c1"},
		{"workflow_run", Event{Name: "workflow_run", Ref: main, SHA: headSHA}, "sha-5f2d9c1", "sha-5f2d9c1"},
		{"issue_comment", Event{Name: "issue_comment", Ref: main, SHA: headSHA}, "sha-5f2d9c1", "sha-5f2d9c1"},
		{"create", Event{Name: "create", Ref: "refs/tags/v0.1.0"}, "0.1.0 0.1 latest", "0.1.0"},
	} {
		e := readEvent(t, test.file, test.event)
		testMake(t, test.file+" "+e.Ref, e, Default(), nil, test.names, test.version)
	}
	for _, test := range []struct {
		what           string
		event          Event
		names, version string
	}{
		{"a queue's push", Event{Name: "push", Ref: queue, DefaultBranch: "main"}, "", ""},
		{"a branch that leaves nothing", Event{Name: "push", Ref: "refs/heads/日本"}, "", ""},
		{"a long branch", Event{Name: "push", Ref: "refs/heads/" + strings.Repeat("a", 200)}, strings.Repeat("a", 128), strings.Repeat("a", 128)},
		{"no kind", Event{Ref: main, DefaultBranch: "main"}, "edge main", "edge"},
		{"no default branch", Event{Name: "push", Ref: main}, "main", "main"},
		{"a commit of zeros", Event{Name: "push", Ref: main, SHA: strings.Repeat("0", 40)}, "main", "main"},
		{"a short commit", Event{Name: "push", Ref: main, SHA: "ABC"}, "main sha-abc", "main"},
		{"a pull request's ref", Event{Name: "push", Ref: "refs/pull/12/head"}, "pr-12", "pr-12"},
		{"no pull request", Event{Name: "pull_request", Ref: "refs/pull/x/merge"}, "", ""},
		{"nothing", Event{}, "", ""},
	} {
		testMake(t, test.what, test.event, Default(), nil, test.names, test.version)
	}
}

func TestRules(t *testing.T) {
	at := time.Date(2026, 1, 2, 20, 4, 5, 0, time.UTC)
	var (
		push     = Event{Name: "push", Ref: "refs/heads/main", SHA: headSHA, DefaultBranch: "main", Time: at}
		branch   = Event{Name: "push", Ref: "refs/heads/feature/My Thing", SHA: headSHA, DefaultBranch: "main", Time: at}
		release  = Event{Name: "push", Ref: "refs/tags/v1.2.3", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Time: at}
		early    = Event{Name: "push", Ref: "refs/tags/v0.1.2", SHA: headSHA, DefaultBranch: "main", Time: at}
		pre      = Event{Name: "push", Ref: "refs/tags/v2.0.8-Beta.67", SHA: headSHA, DefaultBranch: "main", Time: at}
		built    = Event{Name: "push", Ref: "refs/tags/v1.2.3+linux.5", SHA: headSHA, DefaultBranch: "main", Time: at}
		module   = Event{Name: "push", Ref: "refs/tags/p1/v1.2.3", SHA: headSHA, DefaultBranch: "main", Time: at}
		spring   = Event{Name: "push", Ref: "refs/tags/Spring", SHA: headSHA, DefaultBranch: "main", Time: at}
		schedule = Event{Name: "schedule", Ref: "refs/heads/main", SHA: headSHA, Time: at}
		pull     = Event{Name: "pull_request", Ref: "refs/pull/7/merge", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Number: 7, Time: at}
		target   = Event{Name: "pull_request_target", Ref: "refs/heads/main", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Number: 7, Time: at}
		run      = Event{Name: "workflow_run", Ref: "refs/heads/main", SHA: headSHA, DefaultBranch: "main", Time: at}
	)
	for _, test := range []struct {
		rules string // separated by newlines where there is one, else by spaces
		event Event
		names string
	}{
		// Names.
		{"v1 Stable v1", push, "v1 stable"},
		{"type=raw,value=My/Tag", push, "my-tag"},
		{"type=raw,foo", push, "foo"},
		{"type=raw,value=", push, ""},
		{"---", push, ""},
		{"\n\"type=raw\",\"value=a, b\"", push, "a-b"},
		{"type=raw,value={{branch}}-{{sha}}", branch, "feature-my-thing-5f2d9c1"},
		{"type=raw,value=x{{branch}}{{tag}}", pull, "x"},
		{"type=raw,value=x{{branch}}", target, "x"},
		{"type=raw,value=x{{branch}}", run, "x"},
		{"{{tag}}", spring, "spring"},
		{"x{{base_ref}}", release, "xmain"},
		{"x{{base_ref}}", pull, "xmain"},
		{"x{{base_ref}}", push, "x"},
		{"{{is_default_branch}}-{{is_not_default_branch}}", push, "true-false"},
		{"{{is_default_branch}}-{{is_not_default_branch}}", branch, "false-true"},
		{"\n{{date 'YYYY' tz='UTC'}}", push, "2026"},
		{"\n\"{{ sha }}-{{date \"\"YY\"\" tz=\"\"UTC\"\"}}\"", push, "5f2d9c1-26"},
		{"\n{{date 'YYYY-MM-DD_HHTmm.ss[Z]X'}}", push, "2026-01-02_20t04.05z1767384245"},
		{"\n{{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", push, "20260103-050405"},
		// Versions.
		{"type=semver", release, "1.2.3 1.2 1 latest"},
		{"type=semver", early, "0.1.2 0.1 latest"},
		{"type=semver", pre, "2.0.8-beta.67"},
		{"type=semver", built, "1.2.3-linux.5 1.2 1 latest"},
		{"type=semver", module, "1.2.3 1.2 1 latest"},
		{"type=semver", spring, ""},
		{"type=semver", push, ""},
		{"type=semver", pull, ""},
		{"type=semver,latest=false", release, "1.2.3 1.2 1"},
		{"type=semver,suffix=-debug", release, "1.2.3-debug 1.2-debug 1-debug latest-debug"},
		{"type=semver,prefix=hello-", release, "hello-1.2.3 hello-1.2 hello-1 hello-latest"},
		{"type=semver,prefix=v", release, "v1.2.3 v1.2 v1 latest"},
		{"type=semver,pattern={{version}}", release, "1.2.3 latest"},
		{"type=semver,pattern={{version}} type=semver,pattern={{major}}.{{minor}}", release, "1.2.3 1.2 latest"},
		{"type=semver,pattern={{raw}},latest=false", release, "v1.2.3"},
		{"type=semver,pattern={{raw}},latest=true", built, "v1.2.3-linux.5 latest"},
		{"type=semver,pattern=v{{major}}", release, "v1 latest"},
		{"type=semver,pattern=v{{major}}", early, "latest"},
		{"type=semver,pattern={{minor}}-{{patch}}", early, "1-2 latest"},
		{"type=semver,pattern={{major}}.{{minor}}.{{patch}}", built, "1.2.3 latest"},
		{"type=semver,pattern={{version}}-{{sha}}", release, "1.2.3-5f2d9c1 latest"},
		{"type=semver,pattern={{major}}", pre, "2.0.8-beta.67"},
		{"type=semver,pattern={{major}}.{{minor}}.{{patch}}", pre, "2.0.8-beta.67"},
		{"type=semver,pattern={{raw}}", pre, "v2.0.8-beta.67"},
		{"type=semver,pattern=v{{version}}", pre, "v2.0.8-beta.67"},
		{"type=semver,pattern=latest,latest=false", release, "latest"},
		{"type=semver,value=v3.0.0", push, "3.0.0 3.0 3 latest"},
		{"type=semver,value=", release, "1.2.3 1.2 1 latest"},
		{"type=semver,value=main", release, ""},
		{"type=semver,value={{tag}}", release, "1.2.3 1.2 1 latest"},
		{"type=semver,match=p1/v(.*)", module, "1.2.3 1.2 1 latest"},
		{"type=semver,match=p2/v(.*)", module, ""},
		{`type=semver,pattern={{version}},value=p1/v1.0.0,match=v(\d.\d.\d)$`, push, "1.0.0 latest"},
		// Refs.
		{"type=ref,event=branch", push, "main"},
		{"type=ref,event=branch,prefix=b-,suffix=-{{sha}}", branch, "b-feature-my-thing-5f2d9c1"},
		{"type=ref,event=branch", release, ""},
		{"type=ref,event=branch", pull, ""},
		{"type=ref,event=branch", target, ""},
		{"type=ref,event=branch", run, ""},
		{"type=ref,event=branch", schedule, "main"},
		{"type=ref,event=tag", release, "v1.2.3"},
		{"type=ref,event=tag", module, "p1-v1.2.3"},
		{"type=ref,event=tag", push, ""},
		{"type=ref,event=pr", pull, "pr-7"},
		{"type=ref,event=pr,prefix=pull/", target, "pull-7"},
		{"type=ref,event=pr,prefix=", pull, "7"},
		{"type=ref,event=pr", push, ""},
		{"type=edge", push, "edge"},
		{"type=edge", branch, ""},
		{"type=edge", schedule, "edge"},
		{"type=edge", target, ""},
		{"type=edge", run, ""},
		{"\ntype=edge,branch=feature/My Thing", push, ""},
		{"\ntype=edge,branch=feature/My Thing", branch, "edge"},
		{"type=edge,branch=", push, "edge"},
		// Schedules.
		{"type=schedule", schedule, "nightly"},
		{"type=schedule", push, ""},
		{"type=schedule,pattern=weekly,suffix=-x", schedule, "weekly-x"},
		{"\ntype=schedule,pattern={{date 'YYYYMMDD'}}", schedule, "20260102"},
		// Commits.
		{"type=sha", push, "sha-5f2d9c1"},
		{"type=sha,format=short,prefix=", push, "5f2d9c1"},
		{"type=sha,format=long", push, "sha-" + headSHA},
		{"type=sha,prefix={{branch}}-", push, "main-5f2d9c1"},
		// Matches.
		{`type=match,pattern=\d.\d.\d`, release, "1.2.3"},
		{`type=match,pattern=v(.*),group=1`, pre, "2.0.8-beta.67"},
		{`type=match,pattern=p1/v(\d.\d.\d),group=1`, module, "1.2.3"},
		{`type=match,pattern=/^V(\d)/i,group=1`, release, "1"},
		{`type=match,pattern=/^v(\d)/gu,group=1`, release, "1"},
		{`type=match,pattern=v(x)?(.*),group=1`, release, ""},
		{`type=match,pattern=w(.*),group=1`, release, ""},
		{`type=match,pattern=.*`, push, ""},
		{`type=match,pattern=m.*,value={{branch}}`, push, "main"},
		// What all have.
		{"a,enable=true b,enable=false c,enable={{is_default_branch}} d,enable={{is_not_default_branch}}", push, "a c"},
		{"\nc,enable={{ is_default_branch }}\nd,enable={{ is_not_default_branch }}", branch, "d"},
		{"latest,enable={{is_default_branch}}", target, ""},
		{"latest,enable={{is_default_branch}}", release, ""},
		{"latest,enable={{is_default_branch}}", schedule, "latest"},
		{"type=semver,enable=false", release, ""},
		{"type=sha v1 type=ref,event=branch type=edge type=schedule", schedule, "nightly edge main v1 sha-5f2d9c1"},
		{"type=match,pattern=.* type=ref,event=tag type=semver", spring, "spring"},
		{"type=ref,event=tag type=match,pattern=v type=semver", release, "1.2.3 1.2 1 v v1.2.3 latest"},
		{"b a,priority=201 type=sha,priority=-1 c,priority=2000", push, "c a b sha-5f2d9c1"},
	} {
		lines := strings.Split(test.rules, "\n")
		if len(lines) == 1 {
			lines = strings.Fields(test.rules)
		}
		rules, err := ParseRules(lines)
		if err != nil {
			t.Errorf("%s: %v", test.rules, err)
			continue
		}
		version, _, _ := strings.Cut(test.names, " ")
		testMake(t, test.rules+" of "+test.event.Ref, test.event, rules, nil, test.names, version)
	}
}

// TestExisting releases versions where there are others.
func TestExisting(t *testing.T) {
	for _, test := range []struct {
		tag, rules, existing, names string
	}{
		{"v1.2.3", "type=semver", "", "1.2.3 1.2 1 latest"},
		{"v1.2.3", "type=semver", "v1.2.2 1.1.9 v0.9.0", "1.2.3 1.2 1 latest"},
		{"v1.2.3", "type=semver", "v1.2.3", "1.2.3 1.2 1 latest"},
		{"v1.2.9", "type=semver", "v1.3.0", "1.2.9 1.2"},
		{"v1.2.9", "type=semver", "1.3.0", "1.2.9 1.2"},
		{"v1.2.9", "type=semver", "v1.2.10", "1.2.9"},
		{"v1.2.9", "type=semver", "v2.0.0", "1.2.9 1.2 1"},
		{"v1.2.9", "type=semver", "v10.0.0 v1.2.8", "1.2.9 1.2 1"},
		{"v0.1.9", "type=semver", "v0.2.0", "0.1.9 0.1"},
		{"v1.2.9", "type=semver", "v1.3.0+linux", "1.2.9 1.2"},
		// What is no stable version says nothing.
		{"v1.2.3", "type=semver", "v2.0.0-rc.1 1.3 2 latest main sha-5f2d9c1 v9 9.9.9.9 x9.9.9", "1.2.3 1.2 1 latest"},
		// A prerelease has nothing that moves.
		{"v1.3.0-rc.1", "type=semver", "v1.2.0", "1.3.0-rc.1"},
		{"v1.3.0-rc.1", "type=semver", "v2.0.0", "1.3.0-rc.1"},
		// Patterns are looked at in the same way.
		{"v1.2.9", "type=semver,pattern={{version}} type=semver,pattern=v{{major}} type=semver,pattern={{major}}.{{minor}}", "v1.3.0", "1.2.9 1.2"},
		{"v1.2.9", "type=semver,pattern={{raw}} type=semver,pattern={{minor}} type=semver,pattern={{patch}}", "v1.3.9 v2.2.0", "v1.2.9"},
		{"v1.2.9", "type=semver,pattern=stable,latest=false", "v1.3.0", ""},
		{"v1.2.9", "type=semver,value=v1.3.0", "v1.2.9 v1.2.10", "1.3.0 1.3 1 latest"},
		{"v1.2.9", "type=semver,value=v1.1.0", "v1.2.9", "1.1.0 1.1"},
		// What the rule adds to its names is taken off the existing ones.
		{"v1.2.9", "type=semver,suffix=-debug", "1.3.0-debug", "1.2.9-debug 1.2-debug"},
		{"v1.2.9", "type=semver,suffix=-debug", "1.3.0-alpine", "1.2.9-debug 1.2-debug 1-debug latest-debug"},
		{"v1.2.9", "type=semver,prefix=Hello/", "hello-1.3.0 other-2.0.0", "hello-1.2.9 hello-1.2"},
		{"v1.2.9", "type=semver,prefix=v", "v1.3.0", "v1.2.9 v1.2"},
		{"v1.2.9", "type=semver", "hello-1.3.0 1.3.0-debug", "1.2.9 1.2 1 latest"},
		// Each folder has its own versions, and a registry knows no folders.
		{"cmd/hello/v1.2.9", "type=semver", "cmd/hello/v1.3.0", "1.2.9 1.2"},
		{"cmd/hello/v1.2.9", "type=semver", "cmd/other/v1.3.0 hello/v2.0.0", "1.2.9 1.2 1 latest"},
		{"cmd/hello/v1.2.9", "type=semver", "1.3.0", "1.2.9 1.2"},
		{"v1.2.9", "type=semver", "cmd/hello/v1.3.0", "1.2.9 1.2 1 latest"},
		{"p1/v1.2.9", "type=semver,match=v(.*)", "p1/v1.3.0", "1.2.9 1.2"},
		{"p1/v1.2.9", "type=semver,match=v(.*)", "p2/v1.3.0", "1.2.9 1.2 1 latest"},
		{"hello-v1.2.9", "type=semver,match=hello-(.*)", "hello-v1.3.0 other-v2.0.0", "1.2.9 1.2"},
		{"hello-v1.2.9", "type=semver,match=hello-(.*)", "1.3.0", "1.2.9 1.2"},
		// The other rules do not look.
		{"v1.2.9", "type=ref,event=tag latest", "v2.0.0", "v1.2.9 latest"},
	} {
		rules, err := ParseRules(strings.Fields(test.rules))
		if err != nil {
			t.Fatal(err)
		}
		e := Event{Name: "push", Ref: "refs/tags/" + test.tag}
		version, _, _ := strings.Cut(test.names, " ")
		testMake(t, test.tag+" "+test.rules+" after "+test.existing, e, rules, strings.Fields(test.existing), test.names, version)
	}
}

func TestVersionIsLatestAloneOnly(t *testing.T) {
	e := Event{Name: "push", Ref: "refs/tags/v1.2.3", SHA: headSHA}
	for rules, want := range map[string]Result{
		"latest":                          {[]string{"latest"}, "latest"},
		"latest v1":                       {[]string{"latest", "v1"}, "v1"},
		"latest type=sha":                 {[]string{"latest", "sha-5f2d9c1"}, "sha-5f2d9c1"},
		"latest,priority=950 type=semver": {[]string{"latest", "1.2.3", "1.2", "1"}, "1.2.3"},
		"type=semver,enable=false":        {},
		"type=semver,suffix=-debug,pattern={{major}}": {[]string{"1-debug", "latest-debug"}, "1-debug"},
	} {
		parsed, err := ParseRules(strings.Fields(rules))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Make(e, parsed, nil)
		if err != nil || !slices.Equal(got.Names, want.Names) || got.Version != want.Version {
			t.Errorf("%s: got %+v, %v, want %+v", rules, got, err, want)
		}
	}
}

func TestNeedsExisting(t *testing.T) {
	release := Event{Name: "push", Ref: "refs/tags/v1.2.3"}
	for _, test := range []struct {
		event Event
		rules string
		want  bool
	}{
		{release, "type=sha type=semver", true},
		{release, "type=ref,event=tag latest", false},
		{release, "type=semver,enable=false", false},
		{release, "", false},
		{Event{Name: "push", Ref: "refs/tags/v1.2.3-rc.1"}, "type=semver", false},
		{Event{Name: "push", Ref: "refs/heads/main"}, "type=semver", false},
		{Event{Name: "push", Ref: "refs/heads/main"}, "type=semver,value=v1.2.3", true},
	} {
		rules, err := ParseRules(strings.Fields(test.rules))
		if err != nil {
			t.Fatal(err)
		}
		if got := NeedsExisting(test.event, rules); got != test.want {
			t.Errorf("%s of %s: got %v, want %v", test.rules, test.event.Ref, got, test.want)
		}
	}
}

// TestMakeNeedsATime asks for a date, which nobody but the caller can tell.
func TestMakeNeedsATime(t *testing.T) {
	for _, line := range []string{
		"x{{date 'YYYY'}}",
		"type=schedule,pattern={{date 'YYYY'}}",
		"type=sha,prefix={{date 'YYYY'}}",
		"type=sha,suffix={{date 'YYYY'}}",
		"type=semver,pattern={{date 'YYYY'}}",
		"type=semver,value={{date 'YYYY'}}",
		"type=match,pattern=.*,value={{date 'YYYY'}}",
	} {
		rules, err := ParseRules([]string{"v1", line})
		if err != nil {
			t.Fatal(err)
		}
		e := Event{Name: "schedule", Ref: "refs/tags/v1.2.3"}
		result, err := Make(e, rules, []string{"v1.3.0"})
		got, ok := errors.AsType[*RuleError](err)
		if !ok || got.Line != 2 || got.Rule != line || got.Reason != "found {{date}} and no time in the event; want the event's Time" || result.Names != nil {
			t.Errorf("%s: got %+v, %v", line, result, err)
		}
	}
}
