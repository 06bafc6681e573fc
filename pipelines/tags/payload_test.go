package tags

import (
	"errors"
	"os"
	"strings"
	"testing"
)

const (
	headSHA = "5f2d9c1e7a4b8036d1c9e2f4a6b8c0d2e4f60718"
	baseSHA = "0b1c2d3e4f5061728394a5b6c7d8e9f001122334"
	queue   = "refs/heads/gh-readonly-queue/main/pr-7-" + baseSHA
)

// readEvent is an event whose file lies in testdata.
func readEvent(t *testing.T, file string, e Event) Event {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	e, err = ParseEvent(data, e)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return e
}

// TestParseEventAlone has no variables: what an event is, its file says.
func TestParseEventAlone(t *testing.T) {
	for file, want := range map[string]Event{
		"push":         {Name: "push", Ref: "refs/heads/main", SHA: headSHA, DefaultBranch: "main"},
		"push_branch":  {Name: "push", Ref: "refs/heads/feature/My Thing", SHA: headSHA, DefaultBranch: "main"},
		"push_deleted": {Name: "push", Ref: "refs/heads/old", SHA: strings.Repeat("0", 40), DefaultBranch: "main", Deleted: true},
		"tag":          {Name: "push", Ref: "refs/tags/v1.2.3", SHA: headSHA, DefaultBranch: "main", BaseRef: "main"},
		"pull_request": {Name: "pull_request", Ref: "refs/pull/7/merge", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Number: 7},
		"pull_request_fork": {Name: "pull_request", Ref: "refs/pull/7/merge", SHA: headSHA, DefaultBranch: "main", BaseRef: "main",
			Number: 7, Fork: true},
		"pull_request_gone": {Name: "pull_request", Ref: "refs/pull/7/merge", SHA: headSHA, DefaultBranch: "main", BaseRef: "main",
			Number: 7, Fork: true},
		"schedule":            {Name: "schedule", Schedule: "30 2 * * *"},
		"workflow_dispatch":   {Name: "workflow_dispatch", Ref: "refs/heads/main", DefaultBranch: "main"},
		"repository_dispatch": {Name: "repository_dispatch", Ref: "refs/heads/main", DefaultBranch: "main"},
		"merge_group":         {Name: "merge_group", Ref: queue, SHA: headSHA, DefaultBranch: "main"},
		"release":             {Name: "release", Ref: "refs/tags/v1.2.3", DefaultBranch: "main"},
		"release_deleted":     {Name: "release", Ref: "refs/tags/v1.2.3", DefaultBranch: "main", Deleted: true},
		"workflow_run":        {Name: "workflow_run", DefaultBranch: "main"},
		"issue_comment":       {Name: "issue_comment", DefaultBranch: "main"},
		"create":              {Name: "create", Ref: "refs/tags/v1.2.3", DefaultBranch: "main"},
		"delete":              {Name: "delete", DefaultBranch: "main"},
	} {
		if got := readEvent(t, file, Event{}); got != want {
			t.Errorf("%s: got\n%+v, want\n%+v", file, got, want)
		}
	}
}

// TestParseEventWithVariables has what a run's variables say beside the file.
func TestParseEventWithVariables(t *testing.T) {
	mergeSHA := strings.Repeat("c", 40)
	for _, test := range []struct {
		file       string
		have, want Event
	}{
		{
			"push",
			Event{Name: "push", Ref: "refs/heads/other", SHA: mergeSHA, DefaultBranch: "trunk", BaseRef: "x"},
			Event{Name: "push", Ref: "refs/heads/other", SHA: mergeSHA, DefaultBranch: "trunk", BaseRef: "x"},
		},
		{ // what GitHub merged for the run is what is built
			"pull_request",
			Event{Name: "pull_request", Ref: "refs/pull/7/merge", SHA: mergeSHA},
			Event{Name: "pull_request", Ref: "refs/pull/7/merge", SHA: mergeSHA, DefaultBranch: "main", BaseRef: "main", Number: 7},
		},
		{ // the variable names the commit of main
			"pull_request_target",
			Event{Name: "pull_request_target", Ref: "refs/heads/main", SHA: baseSHA},
			Event{Name: "pull_request_target", Ref: "refs/heads/main", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Number: 7, Fork: true},
		},
		{
			"pull_request_target",
			Event{Ref: "refs/heads/main", SHA: baseSHA},
			Event{Name: "pull_request_target", Ref: "refs/heads/main", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Number: 7, Fork: true},
		},
		{
			"pull_request",
			Event{Name: "pull_request_review", Fork: true, Number: 8},
			Event{Name: "pull_request_review", Ref: "refs/pull/8/merge", SHA: headSHA, DefaultBranch: "main", BaseRef: "main", Number: 8, Fork: true},
		},
		{
			"schedule",
			Event{Name: "schedule", Ref: "refs/heads/main", SHA: headSHA},
			Event{Name: "schedule", Ref: "refs/heads/main", SHA: headSHA, Schedule: "30 2 * * *"},
		},
		{
			"schedule",
			Event{DefaultBranch: "trunk"},
			Event{Name: "schedule", Ref: "refs/heads/trunk", DefaultBranch: "trunk", Schedule: "30 2 * * *"},
		},
	} {
		if got := readEvent(t, test.file, test.have); got != test.want {
			t.Errorf("%s with %+v: got\n%+v, want\n%+v", test.file, test.have, got, test.want)
		}
	}
	// Another tool's file may hold next to nothing.
	if got, err := ParseEvent([]byte("{}"), Event{Name: "push"}); err != nil || got != (Event{Name: "push"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for file, want := range map[string]Event{
		`{"pull_request": {"base": {"repo": {"full_name": "acme/hello"}}}, "number": 7}`: {Name: "pull_request", Ref: "refs/pull/7/merge", Number: 7, Fork: true},
		`{"ref": "v2", "ref_type": "branch", "master_branch": "main"}`:                   {Name: "create", Ref: "refs/heads/v2"},
		`{"issue": {}}`:                  {Name: "issues"},
		`{"inputs": {"level": "debug"}}`: {Name: "workflow_dispatch"},
		`{"ref": "refs/heads/main", "before": "1", "after": "2", "head_commit": null}`: {Name: "push", Ref: "refs/heads/main", SHA: "2"},
		`{"action": "unpublished", "release": {}}`:                                     {Name: "release", Deleted: true},
	} {
		if got, err := ParseEvent([]byte(file), Event{}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", file, got, err, want)
		}
	}
}

func TestParseEventThatIsNone(t *testing.T) {
	for file, want := range map[string]EventError{
		"":                  {Reason: "found nothing; want a JSON object"},
		" \n":               {Reason: "found nothing; want a JSON object"},
		"null":              {Reason: "found null; want a JSON object"},
		"[]":                {Reason: "found array; want an object"},
		"ref: x":            {Reason: "is no JSON at byte 1 (invalid character 'r' looking for beginning of value); want the file that GITHUB_EVENT_PATH names"},
		`{"ref": "x`:        {Reason: "is no JSON at byte 10 (unexpected end of JSON input); want the file that GITHUB_EVENT_PATH names"},
		"{}":                {Reason: "no event that is known has these keys; give the event's name (GITHUB_EVENT_NAME)"},
		`{"ref": "x"}`:      {Reason: "no event that is known has these keys; give the event's name (GITHUB_EVENT_NAME)"},
		`{"ref": 1}`:        {Key: "ref", Reason: "found number; want a string"},
		`{"number": "7"}`:   {Key: "number", Reason: "found string; want a whole number"},
		`{"number": 7.5}`:   {Key: "number", Reason: "found number 7.5; want a whole number"},
		`{"deleted": "no"}`: {Key: "deleted", Reason: "found string; want true or false"},
		`{"pull_request": {"head": {"repo": "acme/hello"}}}`: {Key: "pull_request.head.repo", Reason: "found string; want an object"},
	} {
		_, err := ParseEvent([]byte(file), Event{})
		got, ok := errors.AsType[*EventError](err)
		if !ok || got.Key != want.Key || got.Reason != want.Reason {
			t.Errorf("%s: got %v, want %v", file, err, &want)
		}
	}
	err := &EventError{Key: "ref", Reason: "found number; want a string"}
	if got, want := err.Error(), "GitHub's event file: ref: found number; want a string"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseEvent(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if file.IsDir() {
			continue // of findings
		}
		data, err := os.ReadFile("testdata/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEvent(data, Event{})
		if _, ok := errors.AsType[*EventError](err); err != nil && !ok {
			t.Fatalf("%v is no *EventError", err)
		}
		result, err := Make(e, Default(), nil)
		if err != nil {
			t.Fatal(err)
		}
		checkNames(t, result)
	})
}
