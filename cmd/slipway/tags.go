package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines/tags"
)

// eventFlags say which event tags are made for. What is not given comes from the
// variables of the workflow, where the event is the workflow's own.
type eventFlags struct {
	file, name, ref, sha string
}

func (f *eventFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.file, "event", "", "file with the event's payload (default $GITHUB_EVENT_PATH)")
	fs.StringVar(&f.name, "event-name", "", "the event's name, like push (default $GITHUB_EVENT_NAME, or what the payload looks like)")
	fs.StringVar(&f.ref, "ref", "", "what the event is about, like refs/heads/main (default $GITHUB_REF, or what the payload says)")
	fs.StringVar(&f.sha, "sha", "", "the event's commit (default $GITHUB_SHA, or what the payload says)")
}

// read reads the event.
func (f *eventFlags) read(e *edge) (tags.Event, error) {
	event := tags.Event{Name: f.name, Ref: f.ref, SHA: f.sha, Time: time.Now()}
	file := f.file
	if own := e.env("GITHUB_EVENT_PATH"); file == "" || file == own {
		file = own
		for _, v := range []struct {
			to   *string
			name string
		}{{&event.Name, "GITHUB_EVENT_NAME"}, {&event.Ref, "GITHUB_REF"}, {&event.SHA, "GITHUB_SHA"}} {
			if *v.to == "" {
				*v.to = e.env(v.name)
			}
		}
	}
	if file == "" {
		return event, usagef("--event: no event; name the file with its payload, or run this in a workflow, which sets GITHUB_EVENT_PATH")
	}
	payload, err := os.ReadFile(file)
	if err != nil {
		return event, usagef("--event: %w", err)
	}
	event, err = tags.ParseEvent(payload, event)
	if err != nil {
		return event, usagef("event %s: %w", file, err)
	}
	return event, nil
}

func newTags(e *edge) *cobra.Command {
	var (
		f        eventFlags
		source   string
		lines    []string
		existing []string
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "tags",
		Short: "Print the tags that an event of GitHub's gives an image",
		Long: `Tags prints the tags of an event, a line each: those of the rules, which are written
as docker/metadata-action has them, or else of all that the event allows: 1.2.3, 1.2,
1 and latest of a tag v1.2.3, a branch's name, edge of the default branch, pr-7, nightly
of a schedule, sha-0123abc. A version leaves the tags 1, 1.2 and latest to a higher one
that is among git's tags or --existing.`,
		Example: `  slipway tags --event event.json
  slipway tags --event event.json --rule type=semver --rule type=raw,value=stable
  slipway publish --tag "$(slipway tags | paste -sd,)"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			event, err := f.read(e)
			if err != nil {
				return err
			}
			rules, err := parseRules("--rule", lines)
			if err != nil {
				return err
			}
			if tags.NeedsExisting(event, rules) {
				existing = append(existing, e.gitTags(cmd.Context(), source, event.Ref)...)
			}
			result, err := tags.Make(event, rules, existing)
			if err != nil {
				return usagef("--rule: %w", err)
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(struct {
					Version   string   `json:"version"`
					Tags      []string `json:"tags"`
					Publishes bool     `json:"publishes"`
				}{result.Version, append([]string{}, result.Names...), event.Publishes()})
			}
			for _, name := range result.Names {
				if _, err := fmt.Fprintln(e.stdout, name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	fs := cmd.Flags()
	f.add(fs)
	fs.StringVarP(&source, "source", "s", ".", "folder whose git tags are looked at")
	fs.StringArrayVar(&lines, "rule", nil, "rule as docker/metadata-action has it, like type=semver, or a plain name (default all that the event allows)")
	fs.StringSliceVar(&existing, "existing", nil, "tag that is there already, beside git's")
	fs.BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// parseRules reads rules, or takes the usual ones where there are none.
func parseRules(place string, lines []string) ([]tags.Rule, error) {
	rules, err := tags.ParseRules(lines)
	if err != nil {
		return nil, usagef("%s: %w", place, err)
	}
	if len(rules) == 0 {
		rules = tags.Default()
	}
	return rules, nil
}

// gitTags are the tags that git knows in a folder and that belong to the program
// that a ref is about: cmd/hello/v1.2.3 is a version of what is in cmd/hello, and
// v2.0.0 none. A shallow checkout knows few, and what is no checkout none.
func (e *edge) gitTags(ctx context.Context, dir, ref string) []string {
	folder := path.Dir(strings.TrimPrefix(ref, "refs/tags/"))
	var all []string
	for _, tag := range strings.Fields(e.git(ctx, dir, "tag", "--list")) {
		if path.Dir(tag) == folder {
			all = append(all, tag)
		}
	}
	return all
}
