// Package workflows has the tests of what GitHub reads of this repository:
// action.yml, the workflows and dependabot.yml.
package workflows

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// root is the repository.
const root = "../.."

// workflows are the files below .github/workflows, by their path from root.
func workflows(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	for i, file := range files {
		files[i] = strings.TrimPrefix(filepath.ToSlash(file), root+"/")
	}
	return files
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// step has what is looked at of a step.
type step struct {
	Uses string
	Run  string
	With map[string]string
}

// workflow has what is looked at of a workflow, and of action.yml.
type workflow struct {
	Permissions yaml.Node
	Concurrency yaml.Node
	Jobs        map[string]struct {
		Uses    string
		Timeout yaml.Node `yaml:"timeout-minutes"`
		Steps   []step
	}
	Runs struct{ Steps []step }
}

func parse(t *testing.T, name string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, name)), &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return w
}

// TestWorkflowsAreBounded: each says what it may do and what it waits for, and no
// job runs on for hours. A job that is another workflow has that one's bounds.
func TestWorkflowsAreBounded(t *testing.T) {
	for _, name := range workflows(t) {
		w := parse(t, name)
		if w.Permissions.IsZero() || w.Concurrency.IsZero() || len(w.Jobs) == 0 {
			t.Errorf("%s lacks permissions, concurrency or jobs at its top", name)
		}
		for id, job := range w.Jobs {
			if job.Timeout.IsZero() == (job.Uses == "") {
				t.Errorf("%s: job %s has no timeout-minutes", name, id)
			}
		}
	}
}

// TestStepsKeepToThemselves: a token stays out of .git, and what somebody else
// may have written (a branch's name, a title) out of the shell's text.
func TestStepsKeepToThemselves(t *testing.T) {
	for _, name := range append(workflows(t), "action.yml") {
		w := parse(t, name)
		steps := w.Runs.Steps
		for _, job := range w.Jobs {
			steps = append(steps, job.Steps...)
		}
		if len(steps) == 0 {
			t.Errorf("%s has no steps", name)
		}
		for _, s := range steps {
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false" {
				t.Errorf("%s: a checkout keeps its credentials; want persist-credentials: false", name)
			}
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: an expression in a shell's text; pass it by env:\n%s", name, s.Run)
			}
		}
	}
}

// TestActionsArePinned: what others wrote is taken by commit, the same one
// everywhere, and a comment that Dependabot keeps says which release that is.
func TestActionsArePinned(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^[ -]*uses: *(.*)$`)
	pinned := regexp.MustCompile(`^([\w.-]+/[\w.-]+)[\w./-]*@([0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+)$`)
	commits := map[string]string{}
	found := 0
	for _, name := range append(workflows(t), "action.yml") {
		for _, match := range uses.FindAllStringSubmatch(read(t, name), -1) {
			found++
			if strings.HasPrefix(match[1], "./") {
				continue
			}
			action := pinned.FindStringSubmatch(strings.TrimSpace(match[1]))
			if action == nil {
				t.Errorf("%s: uses: %s; want OWNER/NAME@COMMIT # vX.Y.Z", name, match[1])
				continue
			}
			if other := cmp.Or(commits[action[1]], action[2]); other != action[2] {
				t.Errorf("%s: %s at %s, and at %s elsewhere", name, action[1], action[2], other)
			}
			commits[action[1]] = action[2]
		}
	}
	if found < 10 {
		t.Errorf("found %d actions, which cannot be all", found)
	}
}
