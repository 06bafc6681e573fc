package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/report"
	"github.com/slipway-dev/slipway/pipelines/report/github"
)

// workflow is the GitHub workflow that the command line is a step of. Its
// variables are GitHub's own
// (https://docs.github.com/actions/reference/workflows-and-actions/variables).
type workflow struct {
	runner *github.Runner
	// workspace is the folder that the job's repositories are checked out in.
	workspace string
	// server is GitHub's address, repository OWNER/NAME there.
	server, repository string

	// checkout is what the source is in, or nil.
	checkout *checkout
	// noSummary leaves the job's summary out.
	noSummary bool
	// plan is what is built just now, or nil.
	plan *plan.Plan
	// failed is the result of an image that failed its smoke tests, or nil.
	failed *report.Result
	// event is what the action makes of the event; nil where the action is not
	// what runs.
	event *eventResult
}

// eventResult is what an event asks for.
type eventResult struct {
	// version is the first tag.
	version string
	// tags are all of them, in full.
	tags []string
	// to is where the images go, or would go; empty where nobody knows.
	to string
	// layouts is the folder of the action's own layouts.
	layouts string
	// compare are the tags at which an earlier image may be, the likeliest first.
	compare []string
	// unpublished says why nothing is published, in a sentence; empty otherwise.
	unpublished string
}

// newWorkflow returns the workflow, or nil where there is none. What the
// environment has of secrets is masked from here on.
func newWorkflow(e *edge) *workflow {
	if e.env("GITHUB_ACTIONS") != "true" {
		return nil
	}
	w := &workflow{
		runner: github.New(e.stderr, e.env), workspace: e.env("GITHUB_WORKSPACE"),
		server: strings.TrimSuffix(e.env("GITHUB_SERVER_URL"), "/"), repository: e.env("GITHUB_REPOSITORY"),
	}
	w.runner.Mask(e.env("SLIPWAY_PASSWORD"), e.env("SLIPWAY_GIT_TOKEN"), e.jobToken())
	// GOPROXY is a list of addresses (https://go.dev/ref/mod#environment-variables).
	for _, address := range strings.FieldsFunc(e.env("GOPROXY"), func(r rune) bool { return r == ',' || r == '|' }) {
		if u, err := url.Parse(address); err == nil {
			if password, ok := u.User.Password(); ok {
				w.runner.Mask(password)
			} else {
				w.runner.Mask(u.User.Username()) // a token
			}
		}
	}
	return w
}

// mask keeps a secret out of the log; elsewhere than in a workflow nobody prints it.
func (e *edge) mask(secrets ...string) {
	if e.workflow != nil {
		e.workflow.runner.Mask(secrets...)
	}
}

// look finds out where the source lies. It is done before anything is written that
// a checkout would show as a change.
func (w *workflow) look(ctx context.Context, e *edge, source string) {
	if w.checkout != nil {
		return
	}
	w.checkout = e.findCheckout(ctx, source)
	if w.checkout != nil && w.checkout.address == "" && w.server != "" && w.repository != "" {
		w.checkout.address = w.server + "/" + w.repository
	}
}

// relative is a file's path as GitHub shows places, slash-separated: from the root
// of the repository, wherever in the workspace that is checked out. It is empty
// where the file is outside.
func (w *workflow) relative(file string) string {
	if w.checkout != nil {
		if _, inside := relativeTo(w.workspace, w.checkout.root); inside {
			rel, _ := w.checkout.path(file)
			return rel
		}
	}
	rel, _ := relativeTo(w.workspace, file)
	return rel
}

// page is the address that shows a file of the checkout at a line.
func (w *workflow) page(file string, line int) string {
	if w.checkout == nil || w.checkout.address == "" || file == "" {
		return ""
	}
	address, err := url.JoinPath(strings.TrimSuffix(w.checkout.address, ".git"), "blob", w.checkout.commit, file)
	if err != nil {
		return ""
	}
	if line > 0 {
		address += fmt.Sprintf("#L%d", line)
	}
	return address
}

// tell gives the result to the workflow: outputs, and the summary.
func (w *workflow) tell(e *edge, s *session, built *pipelines.Built) error {
	doc, err := s.document(built)
	if err != nil {
		return err
	}
	if s.pushesNothing {
		for i := range doc.Images {
			doc.Images[i].References = nil // they are what would have been pushed
		}
	}
	err = w.setOutputs(doc)
	if !w.noSummary {
		summary := github.Summary{Result: doc, Unpublished: w.unpublished()}
		if s.pushesNothing {
			summary.Unpublished = "A dry run: nothing was pushed."
		}
		summary.Reproduce, summary.ReproduceNote = s.reproduce(e, built)
		w.addSummary(summary)
	}
	return err
}

// compare looks for the image that was published before, so that the summary can
// say what has changed. That there is none to be had stops nothing.
func (w *workflow) compare(ctx context.Context, built *pipelines.Built, to pipelines.To) {
	if w.noSummary {
		return
	}
	tags := to.Tags
	if w.event != nil {
		tags = w.event.compare
	}
	_ = built.FindPrevious(ctx, pipelines.To{Repository: to.Repository}, append(slices.Clone(tags), "latest"))
}

func (w *workflow) unpublished() string {
	if w.event == nil {
		return ""
	}
	return w.event.unpublished
}

// addSummary writes to the job's summary. What is wrong with it is a warning: the
// image is no worse for it.
func (w *workflow) addSummary(s github.Summary) {
	if w.noSummary {
		return
	}
	if err := w.runner.AddSummary(s); err != nil {
		w.runner.Annotate(github.Annotation{Level: github.Warning, Title: "slipway", Message: err.Error()})
	}
}

// fail tells the workflow why the command line ends.
func (w *workflow) fail(err error) {
	failure := w.explain(err)
	w.runner.Print("slipway: " + err.Error())
	const most = 10 // the runner drops what comes after so many
	for _, a := range failure.annotations[:min(most, len(failure.annotations))] {
		w.runner.Annotate(a)
	}
	w.addSummary(github.Summary{Result: w.failed, Failure: &failure.Failure})
}
