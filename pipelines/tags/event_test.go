package tags

import "testing"

func TestPublishes(t *testing.T) {
	const main = "refs/heads/main"
	for _, test := range []struct {
		name  string
		event Event
		want  bool
	}{
		{"branch", Event{Name: "push", Ref: main}, true},
		{"tag", Event{Name: "push", Ref: "refs/tags/v1.2.3"}, true},
		{"note", Event{Name: "push", Ref: "refs/notes/commits"}, false},
		{"nothing", Event{Name: "push"}, false},
		{"gone", Event{Name: "push", Ref: main, Deleted: true}, false},
		{"queue", Event{Name: "push", Ref: "refs/heads/gh-readonly-queue/main/pr-7-0b1c2d3"}, false},
		{"release", Event{Name: "release", Ref: "refs/tags/v1.2.3"}, true},
		{"release gone", Event{Name: "release", Ref: "refs/tags/v1.2.3", Deleted: true}, false},
		{"schedule", Event{Name: "schedule", Ref: main}, true},
		{"by hand", Event{Name: "workflow_dispatch", Ref: main}, true},
		{"queue by hand", Event{Name: "workflow_dispatch", Ref: "refs/heads/gh-readonly-queue/main/pr-7-0b1c2d3"}, false},
		{"by program", Event{Name: "repository_dispatch", Ref: main}, true},
		{"pull request", Event{Name: "pull_request", Ref: "refs/pull/7/merge", Number: 7}, false},
		{"target", Event{Name: "pull_request_target", Ref: main, Number: 7}, false},
		{"review", Event{Name: "pull_request_review", Ref: "refs/pull/7/merge", Number: 7}, false},
		{"merge group", Event{Name: "merge_group", Ref: "refs/heads/gh-readonly-queue/main/pr-7-0b1c2d3"}, false},
		{"run", Event{Name: "workflow_run", Ref: main}, false},
		{"comment", Event{Name: "issue_comment", Ref: main}, false},
		{"issue", Event{Name: "issues", Ref: main}, false},
		{"create", Event{Name: "create", Ref: "refs/tags/v1.2.3"}, false},
		{"delete", Event{Name: "delete", Ref: main}, false},
		{"new kind", Event{Name: "wish", Ref: main}, false},
		{"no kind", Event{Ref: main}, false},
		{"fork", Event{Name: "push", Ref: main, Fork: true}, false},
	} {
		if got := test.event.Publishes(); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestRelease(t *testing.T) {
	for ref, want := range map[string]bool{
		"refs/tags/v1.2.3":           true,
		"refs/tags/1.2.3":            true,
		"refs/tags/v1.2.3-rc.1":      true,
		"refs/tags/v1.2.3+linux":     true,
		"refs/tags/cmd/hello/v1.2.3": true,
		"refs/tags/v1.2":             false,
		"refs/tags/v1":               false,
		"refs/tags/v01.2.3":          false,
		"refs/tags/vv1.2.3":          false,
		"refs/tags/v1.2.3.4":         false,
		"refs/tags/v1.2.3/x":         false,
		"refs/tags/nightly":          false,
		"refs/heads/v1.2.3":          false,
		"":                           false,
	} {
		if got := (Event{Name: "push", Ref: ref}).Release(); got != want {
			t.Errorf("%q: got %v, want %v", ref, got, want)
		}
	}
	if (Event{Name: "push", Ref: "refs/tags/v1.2.3", Deleted: true}).Release() {
		t.Error("a tag that is gone is a release")
	}
}
