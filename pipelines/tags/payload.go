package tags

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// EventError says that an event's file cannot be used.
type EventError struct {
	// Key is where in the file, like pull_request.number; empty for the file as a
	// whole.
	Key string
	// Reason says what was found and what would do.
	Reason string
	Err    error
}

func (e *EventError) Error() string {
	if e.Key == "" {
		return "GitHub's event file: " + e.Reason
	}
	return fmt.Sprintf("GitHub's event file: %s: %s", e.Key, e.Reason)
}

func (e *EventError) Unwrap() error { return e.Err }

// payload is what an event's file holds for us. What is only there to tell one
// event from another stays unread.
type payload struct {
	Action  string `json:"action"`
	Ref     string `json:"ref"`
	RefType string `json:"ref_type"`
	Before  string `json:"before"`
	After   string `json:"after"`
	// BaseRef is a whole ref, and null for most pushes.
	BaseRef    string `json:"base_ref"`
	Deleted    bool   `json:"deleted"`
	HeadCommit struct {
		ID string `json:"id"`
	} `json:"head_commit"`
	Number      int          `json:"number"`
	PullRequest *pullRequest `json:"pull_request"`
	Release     *struct {
		TagName string `json:"tag_name"`
	} `json:"release"`
	MergeGroup *struct {
		HeadRef string `json:"head_ref"`
		HeadSHA string `json:"head_sha"`
	} `json:"merge_group"`
	Schedule   string `json:"schedule"`
	Repository struct {
		DefaultBranch string `json:"default_branch"`
	} `json:"repository"`

	MasterBranch  json.RawMessage `json:"master_branch"`
	WorkflowRun   json.RawMessage `json:"workflow_run"`
	Issue         json.RawMessage `json:"issue"`
	Comment       json.RawMessage `json:"comment"`
	Inputs        json.RawMessage `json:"inputs"`
	Workflow      json.RawMessage `json:"workflow"`
	ClientPayload json.RawMessage `json:"client_payload"`
}

type pullRequest struct {
	Number int  `json:"number"`
	Head   side `json:"head"`
	Base   side `json:"base"`
}

// side is one end of a pull request.
type side struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"`
}

// fork tells whether the two ends are in different repositories. One that is no
// longer there counts as another: nobody can say whose it was.
func (p *pullRequest) fork() bool {
	return p.Head.Repo == nil || p.Base.Repo == nil || p.Head.Repo.FullName != p.Base.Repo.FullName
}

// ParseEvent completes an event with its file, the JSON that GITHUB_EVENT_PATH
// names. What the event holds already is left as it is, with one exception: the
// commit of a pull_request_target is the base branch's, and the pull request's
// own takes its place, so that no pull request gets the tag of a commit that is
// merged. An event without a name is told by what its file holds. An error is an
// *EventError.
func ParseEvent(file []byte, e Event) (Event, error) {
	var p *payload
	if err := json.Unmarshal(file, &p); err != nil {
		return Event{}, decodeError(file, err)
	}
	if p == nil {
		return Event{}, &EventError{Reason: "found null; want a JSON object"}
	}
	if e.Name == "" {
		if e.Name = p.guess(e); e.Name == "" {
			return Event{}, &EventError{Reason: "no event that is known has these keys; give the event's name (GITHUB_EVENT_NAME)"}
		}
	}
	fill(&e.DefaultBranch, p.Repository.DefaultBranch)
	fill(&e.Schedule, p.Schedule)
	if pr := p.PullRequest; pr != nil {
		if e.Number == 0 {
			e.Number = pr.Number
		}
		if e.Number == 0 {
			e.Number = p.Number
		}
		e.Fork = e.Fork || pr.fork()
		fill(&e.BaseRef, pr.Base.Ref)
		if e.Name == "pull_request_target" && pr.Head.SHA != "" {
			e.SHA = pr.Head.SHA
		}
		fill(&e.SHA, pr.Head.SHA)
	}
	p.fillRef(&e)
	p.fillSHA(&e)
	switch e.Name {
	case "push":
		e.Deleted = e.Deleted || p.Deleted
		// A branch that was just made has a base as well, which is no news of it.
		if e.tag() != "" {
			fill(&e.BaseRef, strings.TrimPrefix(p.BaseRef, "refs/heads/"))
		}
	case "release":
		e.Deleted = e.Deleted || p.Action == "deleted" || p.Action == "unpublished"
	}
	return e, nil
}

// fill gives a variable that is empty its value.
func fill(to *string, value string) {
	if *to == "" {
		*to = value
	}
}

func (p *payload) fillRef(e *Event) {
	switch {
	case p.Release != nil && p.Release.TagName != "":
		fill(&e.Ref, "refs/tags/"+p.Release.TagName)
	case p.MergeGroup != nil:
		fill(&e.Ref, p.MergeGroup.HeadRef)
	case p.PullRequest != nil && e.Number > 0:
		fill(&e.Ref, "refs/pull/"+strconv.Itoa(e.Number)+"/merge")
	case strings.HasPrefix(p.Ref, "refs/"):
		fill(&e.Ref, p.Ref)
	case e.Name == "create" && p.RefType == "tag":
		fill(&e.Ref, "refs/tags/"+p.Ref)
	case e.Name == "create" && p.RefType == "branch":
		fill(&e.Ref, "refs/heads/"+p.Ref)
	case (e.Name == "schedule" || e.Name == "repository_dispatch") && e.DefaultBranch != "":
		fill(&e.Ref, "refs/heads/"+e.DefaultBranch)
	}
}

func (p *payload) fillSHA(e *Event) {
	switch {
	case p.MergeGroup != nil:
		fill(&e.SHA, p.MergeGroup.HeadSHA)
	case e.Name == "push":
		// For an annotated tag, "after" is the tag and not its commit.
		fill(&e.SHA, p.HeadCommit.ID)
		fill(&e.SHA, p.After)
	}
}

// guess tells the event's name by what its file holds, the most telling first;
// empty where that is not enough.
func (p *payload) guess(e Event) string {
	switch {
	case p.PullRequest != nil && strings.HasPrefix(e.Ref, "refs/heads/"):
		return "pull_request_target"
	case p.PullRequest != nil:
		return "pull_request"
	case p.MergeGroup != nil:
		return "merge_group"
	case p.WorkflowRun != nil:
		return "workflow_run"
	case p.Issue != nil && p.Comment != nil:
		return "issue_comment"
	case p.Issue != nil:
		return "issues"
	case p.Release != nil:
		return "release"
	case p.Schedule != "":
		return "schedule"
	case p.ClientPayload != nil:
		return "repository_dispatch"
	case p.Ref != "" && p.RefType != "" && p.MasterBranch != nil:
		return "create"
	case p.Ref != "" && p.RefType != "":
		return "delete"
	case p.Ref != "" && p.Before != "" && p.After != "":
		return "push"
	case p.Inputs != nil || p.Workflow != nil:
		return "workflow_dispatch"
	}
	return ""
}

// decodeError says in the file's own terms what encoding/json says in Go's.
func decodeError(file []byte, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		want := map[reflect.Kind]string{
			reflect.String: "a string", reflect.Int: "a whole number", reflect.Bool: "true or false",
		}[wrong.Type.Kind()]
		if want == "" {
			want = "an object"
		}
		return &EventError{Key: wrong.Field, Reason: fmt.Sprintf("found %s; want %s", wrong.Value, want), Err: err}
	}
	if len(strings.TrimSpace(string(file))) == 0 {
		return &EventError{Reason: "found nothing; want a JSON object", Err: err}
	}
	reason := "is no JSON (" + err.Error() + "); want the file that GITHUB_EVENT_PATH names"
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		reason = fmt.Sprintf("is no JSON at byte %d (%v); want the file that GITHUB_EVENT_PATH names", syntax.Offset, syntax)
	}
	return &EventError{Reason: reason, Err: err}
}
