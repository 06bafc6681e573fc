// Package tags decides which tags an image gets from the GitHub event that it is
// built for, as users of docker/metadata-action know them.
//
// [ParseEvent] reads the event, [ParseRules] the rules, and [Make] makes the
// names of both. Nothing is asked of the environment, of git, of a registry or
// of a clock: the caller says what they know. A tag that moves with the versions
// (1.2, 1, latest) is not moved back by a late release of an old line, which is
// what Make needs the existing tags for.
package tags

import (
	"strconv"
	"strings"
	"time"
)

// Event is what happened at GitHub. The variables of a workflow's run hold some
// of it, and the event's file has the rest, which ParseEvent fills in.
type Event struct {
	// Name is the kind of event: GITHUB_EVENT_NAME.
	Name string
	// Ref is the whole ref, like refs/heads/main: GITHUB_REF.
	Ref string
	// SHA is the commit: GITHUB_SHA.
	SHA string
	// DefaultBranch is the repository's, like main.
	DefaultBranch string
	// BaseRef is the branch that a pull request wants to get into, or that a
	// pushed tag lies on, where GitHub knows it; like main.
	BaseRef string
	// Number is the pull request's.
	Number int
	// Fork is set where a pull request comes from another repository.
	Fork bool
	// Deleted is set where the ref or the release is gone since the event.
	Deleted bool
	// Schedule is the line of cron that a scheduled run is for.
	Schedule string
	// Time is what {{date}} writes. GitHub does not tell it.
	Time time.Time
}

// Publishes tells whether an event publishes unless somebody says otherwise: the
// push of a branch or a tag, a release, a schedule, and what people start by
// hand. Events that others can cause do not (pull requests, comments, runs that
// follow another), nor does a ref that is gone.
func (e Event) Publishes() bool {
	if e.Fork || e.Deleted || e.queued() {
		return false
	}
	switch e.Name {
	case "push":
		return e.branch() != "" || e.tag() != ""
	case "release", "schedule", "workflow_dispatch", "repository_dispatch":
		return true
	}
	return false
}

// Release tells whether the event is about a git tag that is a version, like
// v1.2.3 or cmd/hello/v1.2.3, a prerelease or not.
func (e Event) Release() bool {
	_, ok := parseVersion(e.tag())
	return ok
}

// branch is the name of the branch that is built, and empty where none is. Many
// events have the default branch as their ref and are not about it: it is the
// base of a pull_request_target, and what a workflow_run or an issue_comment is
// given for want of another. Their images must not move its tag.
func (e Event) branch() string {
	switch e.Name {
	case "push", "create", "schedule", "workflow_dispatch", "repository_dispatch", "":
	default:
		return ""
	}
	name, ok := strings.CutPrefix(e.Ref, "refs/heads/")
	if !ok || e.Deleted || e.queued() {
		return ""
	}
	return name
}

// queued tells whether the ref is a merge queue's, which lives until the merge.
// GitHub sends a push for it as well as a merge_group.
func (e Event) queued() bool { return strings.HasPrefix(e.Ref, "refs/heads/gh-readonly-queue/") }

// tag is the name of the git tag that is built, and empty where none is.
func (e Event) tag() string {
	name, ok := strings.CutPrefix(e.Ref, "refs/tags/")
	if !ok || e.Deleted {
		return ""
	}
	return name
}

// pull is the number of the pull request that is built, and 0 where none is.
func (e Event) pull() int {
	if e.Number > 0 && strings.HasPrefix(e.Name, "pull_request") {
		return e.Number
	}
	rest, ok := strings.CutPrefix(e.Ref, "refs/pull/")
	if !ok {
		return 0
	}
	number, _, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// onDefault tells whether the repository's default branch is built. A schedule
// runs there and nowhere else, and its file does not always name the branch.
func (e Event) onDefault() bool {
	branch := e.branch()
	return branch != "" && (branch == e.DefaultBranch || e.Name == "schedule")
}

// sha is the commit, and empty for the zeros that stand for none.
func (e Event) sha() string {
	if strings.Trim(e.SHA, "0") == "" {
		return ""
	}
	return e.SHA
}

// shortSHA is the commit's first seven digits, as GitHub shows them.
func (e Event) shortSHA() string {
	sha := e.sha()
	return sha[:min(len(sha), 7)]
}
