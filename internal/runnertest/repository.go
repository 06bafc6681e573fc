package runnertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Repository is the repository of every workflow, with its owner.
const Repository = "acme/hello"

// workflowFile is where the workflow is in it.
const workflowFile = ".github/workflows/workflow.yml"

// makeRepository fills a folder with a repository, as the server has it, and
// checks out the ref.
func makeRepository(dir string, o Options, environ []string) (sha string, err error) {
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		// The same commit each time.
		cmd.Env = append(environ, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=Octo Cat", "GIT_AUTHOR_EMAIL=octocat@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
			"GIT_COMMITTER_NAME=Octo Cat", "GIT_COMMITTER_EMAIL=octocat@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	all := func(commands ...[]string) (err error) {
		for _, args := range commands {
			if _, err = git(args...); err != nil {
				return err
			}
		}
		return nil
	}

	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if o.Files != nil {
		if err := os.CopyFS(dir, o.Files); err != nil {
			return "", err
		}
	}
	file := filepath.Join(dir, filepath.FromSlash(workflowFile))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(o.Workflow), 0o644)); err != nil {
		return "", err
	}
	if err := all(
		[]string{"init", "--quiet", "--initial-branch=main"},
		[]string{"config", "uploadpack.allowAnySHA1InWant", "true"}, // as GitHub's server does
		[]string{"config", "user.name", "Octo Cat"},
		[]string{"config", "user.email", "octocat@example.com"},
		[]string{"add", "--all"},
		[]string{"commit", "--quiet", "--message=First"},
	); err != nil {
		return "", err
	}
	if o.Prepare != nil {
		o.Prepare(dir)
	}
	if _, err := git("rev-parse", "--verify", "--quiet", o.Ref); err != nil {
		if _, err := git("update-ref", o.Ref, "HEAD"); err != nil {
			return "", err
		}
	}
	if _, err := git("checkout", "--quiet", "--detach", o.Ref); err != nil {
		return "", err
	}
	return git("rev-parse", "HEAD")
}

// payload adds to the test's payload what GitHub sends at least with such an
// event, and what it lacks.
func payload(o Options, sha string) ([]byte, error) {
	all := map[string]any{}
	if o.Payload != nil {
		if err := json.Unmarshal(o.Payload, &all); err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
	}
	owner, name, _ := strings.Cut(Repository, "/")
	repository := map[string]any{
		"name": name, "full_name": Repository, "owner": map[string]any{"login": owner, "type": "Organization"},
		"html_url": "https://github.com/" + Repository, "clone_url": "https://github.com/" + Repository + ".git",
		"default_branch": "main", "private": false, "visibility": "public", "fork": false,
	}
	least := map[string]any{"repository": repository, "sender": map[string]any{"login": o.Actor, "type": "User"}}
	switch {
	case o.Event == "push":
		least["ref"], least["before"], least["after"] = o.Ref, strings.Repeat("0", 40), sha
		least["created"], least["deleted"], least["forced"] = true, false, false
	case o.Event == "workflow_dispatch":
		least["ref"], least["inputs"] = o.Ref, nil
	case strings.HasPrefix(o.Event, "pull_request"):
		var number int
		if _, err := fmt.Sscanf(o.Ref, "refs/pull/%d/", &number); err != nil {
			number = 1
		}
		least["action"], least["number"] = "synchronize", number
		least["pull_request"] = map[string]any{
			"number": number, "state": "open",
			"head": map[string]any{"ref": "feature", "sha": sha, "repo": repository},
			"base": map[string]any{"ref": "main", "sha": sha, "repo": repository},
		}
	}
	for key, value := range least {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
	return json.Marshal(all)
}
