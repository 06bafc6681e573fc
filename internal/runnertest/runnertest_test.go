package runnertest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/runnertest"
)

// toy is a workflow with the steps given.
func toy(steps string) string {
	return "on: [push, pull_request, workflow_dispatch, release]\njobs:\n  toy:\n    runs-on: ubuntu-24.04\n    steps:\n" + indent(steps, "      ")
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by) + "\n"
}

// writeAction writes an action and returns its folder.
func writeAction(t *testing.T, action string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "action.yml"), []byte(action), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ok runs a workflow that has to succeed.
func ok(t *testing.T, o runnertest.Options) *runnertest.Result {
	t.Helper()
	r := runnertest.Run(t, o)
	if r.Failed {
		t.Fatalf("the workflow failed:\n%s", r.Log)
	}
	return r
}

const toyAction = `
name: Toy
description: Says what it is given
inputs:
  word: {description: A word, default: none}
  build-tags: {description: More}
  token: {description: A token, default: "${{ github.token }}"}
outputs:
  inputs: {description: All inputs, value: "${{ steps.main.outputs.inputs }}"}
  word: {description: The word, value: "${{ steps.main.outputs.said }}"}
runs:
  using: composite
  steps:
    - id: main
      shell: bash
      env:
        INPUTS: ${{ toJSON(inputs) }}
        REF: ${{ github.action_ref }}
      run: |
        echo "said<<E
        $(jq -r .word <<<"$INPUTS" 2>/dev/null || node -p 'JSON.parse(process.env.INPUTS).word')
        E" >>"$GITHUB_OUTPUT"
        printf 'inputs<<E\n%s\nE\nundeclared=yes\n' "$INPUTS" >>"$GITHUB_OUTPUT"
        echo "# Toy" >>"$GITHUB_STEP_SUMMARY"
        echo "GREETING=hello" >>"$GITHUB_ENV"
        echo "$GITHUB_ACTION_PATH/tools" >>"$GITHUB_PATH"
        echo "as $REF"
        env | grep -E '^(INPUT_|ACT|GITHUB_ACTION_REF|GITHUB_ACTION_REPOSITORY|DOCKER_HOST)' || echo "clean"
        ls "$GITHUB_ACTION_PATH"
        [ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo "no terminal"
`

func TestComposite(t *testing.T) {
	t.Parallel()
	dir := writeAction(t, toyAction)
	r := ok(t, runnertest.Options{
		Workflow: toy(`
- id: toy
  uses: acme/toy@v1
  with: {word: "50 % of\n\n  %0A it", build-tags: a b, typo: x}
- run: |
    echo "$GREETING from $PATH"
    echo "and ${{ steps.toy.outputs.undeclared || 'nothing' }} more"
- id: skipped
  if: false
  run: exit 1
`),
		Actions: map[string]string{"acme/toy@v1": dir},
	})

	const word = "50 % of\n\n  %0A it"
	var inputs map[string]string
	if err := json.Unmarshal([]byte(r.Outputs["toy"]["inputs"]), &inputs); err != nil {
		t.Fatal(err)
	}
	// The token is a secret of the log alone.
	want := map[string]string{"word": word, "build-tags": "a b", "token": runnertest.Token, "typo": "x"}
	if diff := cmp.Diff(want, inputs); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
	delete(r.Outputs["toy"], "inputs")
	if diff := cmp.Diff(map[string]map[string]string{"toy": {"word": word}, "skipped": {}}, r.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"toy": "success", "skipped": "skipped"}, r.Outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if r.Summary != "# Toy\n" {
		t.Errorf("summary: %q", r.Summary)
	}
	if diff := cmp.Diff(map[string]string{"GREETING": "hello"}, r.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if len(r.Path) != 1 || !strings.HasSuffix(r.Path[0], "/tools") {
		t.Errorf("path: %q", r.Path)
	}
	for _, want := range []string{
		"::warning::Unexpected input(s) 'typo', valid inputs are ['word', 'build-tags', 'token']\n",
		"\nas v1\nclean\naction.yml\nno terminal\n",
		"\nhello from " + r.Path[0] + ":",
		"\nand nothing more\n",
	} {
		if !strings.Contains(r.Log, want) {
			t.Errorf("the log lacks %q:\n%s", want, r.Log)
		}
	}
	// The folder itself is as it was.
	if text, err := os.ReadFile(filepath.Join(dir, "action.yml")); err != nil || string(text) != toyAction {
		t.Errorf("the action is changed: %v\n%s", err, text)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"plain":      "a=b<<c",
		"empty":      "",
		"percent":    "%0A 100% %25",
		"lines":      "one\n\n  two\nE\n",
		"trailing":   "one\n\n",
		"quotes":     `"$(id)" 'x' ${HOME} \n` + "`id`",
		"expression": "{{ github.token }} }} {0}",
		"json":       `{"a": ["ü", "\u2028"]}`,
		"large":      strings.Repeat("0123456789", 50_000),
	}
	files := fstest.MapFS{}
	for name, value := range values {
		files[name] = &fstest.MapFile{Data: []byte(name + "<<delimiter-of-it\n" + value + "\ndelimiter-of-it\n")}
	}
	r := ok(t, runnertest.Options{
		Workflow: toy(`
- uses: actions/checkout@v7
- id: all
  run: cat plain empty percent lines trailing quotes expression json large >>"$GITHUB_OUTPUT"
- id: simple
  run: echo 'name=value=1<<2 %' >>"$GITHUB_OUTPUT"
`),
		Files: files,
	})
	if diff := cmp.Diff(map[string]map[string]string{"all": values, "simple": {"name": "value=1<<2 %"}}, r.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	r := ok(t, runnertest.Options{
		Workflow: toy(`
- env: {SECRET: "${{ secrets.pass_phrase }}"}
  run: |
    echo "::add-mask::hunter 22"
    echo "it is hunter 22 and $SECRET"
    echo "::error file=a.go,line=3,title=a%3A b%2C c::boom%0Amore: hunter 22"
    echo "::notice::50%25 of a::b"
    echo "  ::warning title=Indented::seen"
    echo "::add-mask::first line%0Asecond line"
    echo "only the second line"
    echo "::stop-commands::abc"
    echo "::warning::not one"
    echo "::abc::"
    echo "::group::G"; echo in it; echo "::endgroup::"
    echo "::unknown::x"; echo "::warning"; printf 'no end' >&2
`),
		Secrets: map[string]string{"PASS_PHRASE": "open: \"sesame\" = {x}"},
	})
	want := []runnertest.Command{
		{Name: "add-mask", Data: "hunter 22"},
		{Name: "error", Properties: map[string]string{"file": "a.go", "line": "3", "title": "a: b, c"}, Data: "boom\nmore: ***"},
		{Name: "notice", Data: "50% of a::b"},
		{Name: "warning", Properties: map[string]string{"title": "Indented"}, Data: "seen"},
		{Name: "add-mask", Data: "first line\nsecond line"},
		{Name: "stop-commands", Data: "abc"},
		{Name: "group", Data: "G"},
		{Name: "endgroup"},
	}
	if diff := cmp.Diff(want, r.Commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	const log = `it is *** and ***
::error file=a.go,line=3,title=a%3A b%2C c::boom%0Amore: ***
::notice::50%25 of a::b
  ::warning title=Indented::seen
only the ***
::stop-commands::abc
::warning::not one
::abc::
::group::G
in it
::endgroup::
::unknown::x
::warning
no end
`
	if diff := cmp.Diff(log, r.Log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	r := runnertest.Run(t, runnertest.Options{
		Workflow: toy(`
- id: broken
  uses: acme/broken@v1
- id: after
  run: echo "never"
- id: always
  if: always()
  run: echo "anyway"
`),
		Actions: map[string]string{"acme/broken@v1": writeAction(t, `
name: Broken
description: Fails in the middle
outputs: {got: {description: How far, value: "${{ steps.far.outputs.got }}"}}
runs:
  using: composite
  steps:
    - {id: far, shell: bash, run: 'echo got=here >>"$GITHUB_OUTPUT"; exit 3'}
    - {shell: bash, run: echo "never"}
    - {if: always(), shell: bash, run: echo "last"}
`)},
	})
	if !r.Failed {
		t.Error("it did not fail")
	}
	if diff := cmp.Diff(map[string]string{"broken": "failure", "after": "skipped", "always": "success"}, r.Outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if got := r.Outputs["broken"]["got"]; got != "here" {
		t.Errorf("the output of the failed step is %q", got)
	}
	if want := "##[error]Process completed with exit code 3.\nlast\nanyway\n"; r.Log != want {
		t.Errorf("log (-want +got):\n%s", cmp.Diff(want, r.Log))
	}
}

// A step that fails is heard to its end, though act does not wait for it.
func TestLastWords(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&want, i+1)
	}
	want.WriteString("no end\n##[error]Process completed with exit code 3.\n")
	r := runnertest.Run(t, runnertest.Options{Workflow: toy(`
- run: seq 5000; printf 'no end'; exit 3
`)})
	if r.Log != want.String() {
		t.Errorf("the log has %d bytes of %d, and ends with %q", len(r.Log), want.Len(), r.Log[max(0, len(r.Log)-100):])
	}
}

// commit gives a repository one more commit.
func commit(t *testing.T, dir string, commands ...string) {
	for _, command := range commands {
		cmd := exec.Command("git", strings.Fields(command)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", command, err, out)
		}
	}
}

const tell = `
- uses: actions/checkout@v7
  with: {fetch-depth: "${{ vars.none || 1 }}"}
- id: tell
  run: |
    for name in GITHUB_REF GITHUB_REF_NAME GITHUB_REF_TYPE GITHUB_SHA GITHUB_EVENT_NAME GITHUB_BASE_REF GITHUB_HEAD_REF GITHUB_REPOSITORY; do
      echo "$name=${!name}" >>"$GITHUB_OUTPUT"
    done
    echo "head=$(git rev-parse HEAD)" >>"$GITHUB_OUTPUT"
    echo "tags=$(echo $(git tag))" >>"$GITHUB_OUTPUT"
    echo "commits=$(git rev-list --count HEAD)" >>"$GITHUB_OUTPUT"
    node -p '"fork=" + ((require(process.env.GITHUB_EVENT_PATH).pull_request || {head: {repo: {}}}).head.repo.full_name || "")' >>"$GITHUB_OUTPUT"
`

func TestEvents(t *testing.T) {
	t.Parallel()
	history := func(dir string) {
		commit(t, dir, "tag v1.0.0", "commit -q --allow-empty -m second", "tag -m two v1.1.0", "branch release/1", "commit -q --allow-empty -m third")
	}
	tests := map[string]struct {
		options runnertest.Options
		want    map[string]string
	}{
		"push": {
			runnertest.Options{},
			map[string]string{"GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_EVENT_NAME": "push", "tags": "", "commits": "1"},
		},
		"branch": {
			runnertest.Options{Ref: "refs/heads/release/1", Event: "workflow_dispatch"},
			map[string]string{"GITHUB_REF": "refs/heads/release/1", "GITHUB_REF_NAME": "release/1", "GITHUB_REF_TYPE": "branch", "GITHUB_EVENT_NAME": "workflow_dispatch", "tags": "", "commits": "1"},
		},
		"tag": {
			runnertest.Options{Ref: "refs/tags/v1.1.0"},
			map[string]string{"GITHUB_REF": "refs/tags/v1.1.0", "GITHUB_REF_NAME": "v1.1.0", "GITHUB_REF_TYPE": "tag", "GITHUB_EVENT_NAME": "push", "tags": "v1.1.0", "commits": "1"},
		},
		"release": {
			runnertest.Options{Ref: "refs/tags/v1.0.0", Event: "release"},
			map[string]string{"GITHUB_REF": "refs/tags/v1.0.0", "GITHUB_REF_NAME": "v1.0.0", "GITHUB_REF_TYPE": "tag", "GITHUB_EVENT_NAME": "release", "tags": "v1.0.0", "commits": "1"},
		},
		"pull request of a fork": {
			runnertest.Options{
				Ref: "refs/pull/7/merge", Event: "pull_request",
				Payload: []byte(`{"pull_request": {"number": 7, "base": {"ref": "main"}, "head": {"ref": "fix", "repo": {"full_name": "mallory/hello", "fork": true}}}}`),
			},
			map[string]string{"GITHUB_REF": "refs/pull/7/merge", "GITHUB_REF_NAME": "7/merge", "GITHUB_REF_TYPE": "branch", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "main", "GITHUB_HEAD_REF": "fix", "fork": "mallory/hello", "tags": "", "commits": "1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Workflow, test.options.Prepare = toy(tell), history
			r := ok(t, test.options)
			for _, name := range []string{"GITHUB_BASE_REF", "GITHUB_HEAD_REF", "fork"} {
				if test.want[name] == "" {
					test.want[name] = ""
				}
			}
			test.want["GITHUB_REPOSITORY"], test.want["GITHUB_SHA"], test.want["head"] = runnertest.Repository, r.SHA, r.SHA
			if diff := cmp.Diff(test.want, r.Outputs["tell"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckoutOfAll(t *testing.T) {
	t.Parallel()
	r := ok(t, runnertest.Options{
		Workflow: toy(strings.Replace(tell, "vars.none || 1", "0", 1)),
		Prepare:  func(dir string) { commit(t, dir, "tag v1.0.0", "commit -q --allow-empty -m second") },
	})
	if got := r.Outputs["tell"]; got["tags"] != "v1.0.0" || got["commits"] != "2" {
		t.Errorf("got %v, want all tags and commits", got)
	}
}

// cached makes a file where there is none, and keeps it.
const cached = `
- uses: actions/checkout@v7
- id: cache
  uses: actions/cache/restore@v5
  with:
    path: |
      ${{ runner.temp }}/kept
      ~/.also
    key: k-${{ hashFiles('**/*.go') }}-new
    restore-keys: |
      k-${{ hashFiles('**/*.go') }}-
      k-
- id: found
  run: |
    echo "file=$(echo $(cat "$RUNNER_TEMP/kept/file" ~/.also))" >>"$GITHUB_OUTPUT"
    mkdir -p "$RUNNER_TEMP/kept"; echo "of $GITHUB_REF" >"$RUNNER_TEMP/kept/file"; echo "too" >~/.also
    chmod a-w "$RUNNER_TEMP/kept" # as Go does with modules
- if: steps.cache.outputs.cache-hit != 'true'
  uses: actions/cache/save@v5
  with:
    path: |
      ${{ runner.temp }}/kept
      ~/.also
    key: ${{ steps.cache.outputs.cache-primary-key }}
`

func TestCache(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	run := func(ref, source string) *runnertest.Result {
		t.Helper()
		return ok(t, runnertest.Options{
			Workflow: toy(cached), Ref: ref, Cache: cache,
			Files: fstest.MapFS{"main.go": {Data: []byte(source)}},
		})
	}
	outputs := func(r *runnertest.Result) []string {
		c := r.Outputs["cache"]
		return []string{c["cache-hit"], strings.TrimSuffix(strings.TrimPrefix(c["cache-matched-key"], c["cache-primary-key"]), "-new"), r.Outputs["found"]["file"]}
	}
	saved := func(r *runnertest.Result) int { return strings.Count(r.Log, "Cache saved with key: k-") }

	first := run("refs/heads/main", "package main")
	if diff := cmp.Diff([]string{"", "", ""}, outputs(first)); diff != "" || saved(first) != 1 {
		t.Errorf("the first run saved %d (-want +got):\n%s\n%s", saved(first), diff, first.Log)
	}
	key := first.Outputs["cache"]["cache-primary-key"]
	if len(key) != len("k--new")+64 {
		t.Errorf("the key %q is without a hash", key)
	}
	again := run("refs/heads/main", "package main")
	if diff := cmp.Diff([]string{"true", "", "of refs/heads/main too"}, outputs(again)); diff != "" || saved(again) != 0 {
		t.Errorf("the second run saved %d (-want +got):\n%s\n%s", saved(again), diff, again.Log)
	}
	tag := run("refs/tags/v1", "package main // changed")
	if diff := cmp.Diff([]string{"false", strings.TrimSuffix(key, "-new"), "of refs/heads/main too"}, outputs(tag)); diff != "" || saved(tag) != 1 {
		t.Errorf("the run of a tag saved %d (-want +got):\n%s\n%s", saved(tag), diff, tag.Log)
	}
	// What a tag saved, nobody else sees.
	branch := run("refs/heads/topic", "package main // changed")
	if diff := cmp.Diff([]string{"false", strings.TrimSuffix(key, "-new"), "of refs/heads/main too"}, outputs(branch)); diff != "" || saved(branch) != 1 {
		t.Errorf("the run of a branch saved %d (-want +got):\n%s\n%s", saved(branch), diff, branch.Log)
	}
	if want := (runnertest.Call{
		Action: "actions/cache/save", Ref: "v5",
		With: map[string]string{"path": first.Calls[2].With["path"], "key": key, "enableCrossOsArchive": "false"},
	}); len(first.Calls) != 3 || cmp.Diff(want, first.Calls[2]) != "" {
		t.Errorf("calls: %v", first.Calls)
	}
}

func TestSetupGo(t *testing.T) {
	t.Parallel()
	r := ok(t, runnertest.Options{Workflow: toy(`
- id: go
  uses: actions/setup-go@v7
  with: {go-version: 1.2.3, cache: false}
- uses: dagger/dagger-for-github@v8
  with: {version: 0.21.8}
`)})
	if r.Outputs["go"]["go-version"] == "" || r.Env["GOTOOLCHAIN"] != "local" {
		t.Errorf("outputs: %v, environment: %v", r.Outputs, r.Env)
	}
	if !strings.Contains(r.Log, "Go 1.2.3 was asked for, and this machine has Go ") {
		t.Errorf("the log does not say that it is another release:\n%s", r.Log)
	}
	want := []runnertest.Call{
		{Action: "actions/setup-go", Ref: "v7", With: map[string]string{"go-version": "1.2.3", "cache": "false", "check-latest": "false", "token": runnertest.Token}},
		{Action: "dagger/dagger-for-github", Ref: "v8", With: map[string]string{
			"version": "0.21.8", "dagger-flags": "--progress plain", "verb": "call", "workdir": ".", "enable-github-summary": "false",
		}},
	}
	if diff := cmp.Diff(want, r.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestMachine(t *testing.T) {
	t.Setenv("SECRET_OF_MINE", "x")
	r := ok(t, runnertest.Options{
		Workflow: toy(`
- id: env
  run: |
    echo "mine=${SECRET_OF_MINE-}" >>"$GITHUB_OUTPUT"
    echo "given=$GIVEN" >>"$GITHUB_OUTPUT"
    echo "files=$(ls -A)" >>"$GITHUB_OUTPUT"
    echo "input=$(cat)" >>"$GITHUB_OUTPUT"
    echo "bash=$(command -v bash)" >>"$GITHUB_OUTPUT"
    echo "root=$(sudo -n id -u 2>&1)" >>"$GITHUB_OUTPUT"
    echo "token=${GITHUB_TOKEN-}${{ github.token == secrets.GITHUB_TOKEN && 'same' || 'other' }}" >>"$GITHUB_OUTPUT"
`),
		// Files that act would read by itself.
		Files: fstest.MapFS{".env": {Data: []byte("SECRET_OF_MINE=y")}, ".actrc": {Data: []byte("--dryrun")}, ".secrets": {Data: []byte("GITHUB_TOKEN=z")}},
		Env:   map[string]string{"GIVEN": "it's = fine"},
	})
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"bash": bash, "root": "sudo: there is none in a test", "mine": "", "given": "it's = fine", "files": "", "input": "", "token": "same"}
	if diff := cmp.Diff(want, r.Outputs["env"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSideBySide(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	results := make([]*runnertest.Result, 3)
	runnertest.Run(t, runnertest.Options{Workflow: toy("- run: echo so that act is there")})
	for i := range results {
		word := strings.Repeat("x", i+1)
		wg.Go(func() {
			results[i] = runnertest.Run(&recorded{T: t}, runnertest.Options{
				Workflow: toy(`
- uses: actions/checkout@v7
- run: echo "WORD=$(cat word)" >>"$GITHUB_ENV"; sleep 0.5
- id: word
  run: echo "word=$WORD" >>"$GITHUB_OUTPUT"
`),
				Files: fstest.MapFS{"word": {Data: []byte(word)}},
			})
		})
	}
	wg.Wait()
	for i, r := range results {
		if r == nil || r.Outputs["word"]["word"] != strings.Repeat("x", i+1) {
			t.Errorf("run %d: %+v", i, r)
		}
	}
}

// recorded takes a failure of Run as what it is.
type recorded struct {
	*testing.T
	failure string
}

func (r *recorded) Fatalf(format string, args ...any) {
	r.T.Helper()
	r.failure = strings.TrimSpace(strings.ReplaceAll(format, "%v", args[0].(error).Error()))
}

func TestRefused(t *testing.T) {
	t.Parallel()
	action := func(steps string) map[string]string {
		return map[string]string{"acme/toy@v1": writeAction(t, "name: Toy\ndescription: Toy\ninputs: {word: {description: A word}}\nruns:\n  using: composite\n  steps:\n"+indent(steps, "    "))}
	}
	tests := map[string]struct {
		options runnertest.Options
		want    string
	}{
		"no YAML":               {runnertest.Options{Workflow: "{"}, "workflow: yaml: "},
		"no jobs":               {runnertest.Options{Workflow: "on: push"}, "workflow: no jobs"},
		"another runner":        {runnertest.Options{Workflow: "on: push\njobs: {a: {runs-on: macos-26, steps: [{run: ls}]}}"}, `job a runs on "macos-26", and here is only ubuntu-24.04`},
		"a matrix":              {runnertest.Options{Workflow: "on: push\njobs: {a: {runs-on: ubuntu-24.04, strategy: {}, steps: [{run: ls}]}}"}, "job a has strategy"},
		"another event":         {runnertest.Options{Workflow: toy("- run: ls"), Event: "fork"}, "Could not find any stages to run"},
		"an unknown key":        {runnertest.Options{Workflow: toy("- runs: ls")}, "Unknown Property runs"},
		"an unknown action":     {runnertest.Options{Workflow: toy("- uses: acme/toy@v1")}, "uses: acme/toy@v1: the test gives no folder for it, and there is no stand-in"},
		"one of a container":    {runnertest.Options{Workflow: toy("- uses: docker://alpine")}, "uses: docker://alpine: only actions"},
		"no action in it":       {runnertest.Options{Workflow: toy("- uses: actions/cache@v5")}, "uses: actions/cache@v5: "},
		"an input of none":      {runnertest.Options{Workflow: toy("- {uses: actions/checkout@v7, with: {depth: 1}}")}, "uses: actions/checkout@v7: there is no input depth; there are repository, ref,"},
		"an input of none, in":  {runnertest.Options{Workflow: toy("- uses: acme/toy@v1"), Actions: action("- {uses: actions/setup-go@v7, with: {version: 1}}")}, "uses: actions/setup-go@v7: there is no input version"},
		"an input in capitals":  {runnertest.Options{Workflow: toy("- {uses: acme/toy@v1, with: {Word: x}}"), Actions: action("- {run: ls, shell: bash}")}, "the input word is written Word"},
		"an expression":         {runnertest.Options{Workflow: toy("- run: echo ${{ fromJSON('{') }}")}, "GitHub would fail here: "},
		"an empty line first":   {runnertest.Options{Workflow: toy(`- run: printf 'a<<E\n\nb\nE\n' >>"$GITHUB_OUTPUT"`)}, "a step set a to a value that begins with an empty line"},
		"a carriage return":     {runnertest.Options{Workflow: toy(`- run: printf 'a=b\r\n' >>"$GITHUB_ENV"`)}, "carriage return"},
		"last words unread":     {runnertest.Options{Workflow: toy(`- run: touch "$HOME/../marks/left"`)}, "the last output of a step that failed is lost"},
		"a payload that is not": {runnertest.Options{Workflow: toy("- run: ls"), Payload: []byte("[]")}, "payload: json: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorded{T: t}
			result := runnertest.Run(r, test.options)
			if !strings.Contains(r.failure, test.want) {
				t.Errorf("got %q, want %q: %+v", r.failure, test.want, result)
			}
		})
	}
}

// TestBrokenAction uses what an action may not use. On GitHub, that is an error of
// the job as well.
func TestBrokenAction(t *testing.T) {
	t.Parallel()
	r := runnertest.Run(t, runnertest.Options{
		Workflow: toy("- uses: acme/toy@v1"),
		Actions: map[string]string{"acme/toy@v1": writeAction(t, `
name: Toy
description: Knows a secret
runs: {using: composite, steps: [{run: "echo ${{ secrets.x }}", shell: bash}]}
`)},
	})
	if !r.Failed || !strings.Contains(r.Log, "Unknown Variable Access secrets") {
		t.Errorf("failed: %v, log:\n%s", r.Failed, r.Log)
	}
}

func TestActionOfTheRepository(t *testing.T) {
	t.Parallel()
	r := ok(t, runnertest.Options{
		Workflow: toy("- uses: actions/checkout@v7\n- {id: here, uses: ./tools/toy, with: {word: hi}}"),
		Files:    fstest.MapFS{"tools/toy/action.yml": {Data: []byte(toyAction)}},
	})
	if got := r.Outputs["here"]["word"]; got != "hi" {
		t.Errorf("got %q", got)
	}
}

// TestCommitted copies what a commit would hold.
func TestCommitted(t *testing.T) {
	t.Parallel()
	dir := writeAction(t, toyAction)
	for name, text := range map[string]string{".gitignore": "/ignored\n", "ignored": "x", "new": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, dir, "init -q")
	r := ok(t, runnertest.Options{Workflow: toy("- uses: acme/toy@v1"), Actions: map[string]string{"acme/toy@v1": dir}})
	if !strings.Contains(r.Log, "\nclean\naction.yml\nnew\nno terminal\n") {
		t.Errorf("log:\n%s", r.Log)
	}
}
