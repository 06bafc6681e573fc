package tags_test

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/slipway-dev/slipway/pipelines/tags"
)

// Version 1.2.9 is released after 1.3.0: it takes 1.2, and leaves 1 and latest
// where they are.
func ExampleMake() {
	e := tags.Event{Name: "push", Ref: "refs/tags/v1.2.9", SHA: "860c1904a1ce19322e91ac35af1ab07466440c37"}
	result, err := tags.Make(e, tags.Default(), []string{"v1.2.8", "v1.3.0"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Names, "version", result.Version)
	// Output:
	// [1.2.9 1.2 sha-860c190] version 1.2.9
}

// The variables of a workflow's run and its event's file make an event.
func ExampleParseEvent() {
	file, err := os.ReadFile("testdata/pull_request_fork.json")
	if err != nil {
		log.Fatal(err)
	}
	e, err := tags.ParseEvent(file, tags.Event{Name: "pull_request", Ref: "refs/pull/7/merge"})
	if err != nil {
		log.Fatal(err)
	}
	result, err := tags.Make(e, tags.Default(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Names, "from a fork:", e.Fork, "publishes:", e.Publishes())
	// Output:
	// [pr-7 sha-5f2d9c1] from a fork: true publishes: false
}

// Rules are lines, as docker/metadata-action has them.
func ExampleParseRules() {
	rules, err := tags.ParseRules([]string{
		"# what the cluster follows",
		"stable",
		"type=ref,event=branch",
		"type=raw,value={{branch}}-{{date 'YYYYMMDD'}},priority=650",
	})
	if err != nil {
		log.Fatal(err)
	}
	e := tags.Event{Name: "push", Ref: "refs/heads/feature/My Thing", Time: time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)}
	result, err := tags.Make(e, rules, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Names)

	_, err = tags.ParseRules([]string{"type=sha,format=medium"})
	fmt.Println(err)
	// Output:
	// [feature-my-thing-20261120 feature-my-thing stable]
	// tags: line 1 ("type=sha,format=medium"): format: found "medium"; want short or long
}
