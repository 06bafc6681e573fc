// Package runnertest plays GitHub's runner, for tests of actions and workflows.
//
// The part of the runner is played by a real program, act, without Docker: it
// reads the workflow, evaluates the expressions, runs each step on this machine,
// and understands what the steps print and write to the files of commands. The
// repository that the workflow belongs to is a real one of git, too.
//
// # Stand-ins
//
// actions/checkout, actions/setup-go, actions/cache/restore, actions/cache/save
// and dagger/dagger-for-github are stand-ins, at whatever ref they are used. The
// real ones are on GitHub alone, and most of what they do needs GitHub's servers.
// A stand-in declares the inputs and outputs of the real one and refuses others,
// does what the steps after it see, as far as that is possible here, and says so
// where it is not; Result.Calls tells what it was given.
//
//   - checkout fetches the very commits and tags that the real one would. It
//     leaves no credentials behind.
//   - setup-go takes the Go that this machine has, and sets GOTOOLCHAIN=local.
//   - cache keeps folders in Options.Cache under their keys, with the rules for
//     who sees whose. The paths may have no patterns.
//   - dagger-for-github installs nothing.
//
// # How act differs from GitHub
//
// These differences are made up for:
//
//   - act runs a step in a terminal, with all variables of this machine, and in
//     composite actions with INPUT_… and GITHUB_ACTION_REF, none of which a step on
//     GitHub has. A shell in between takes them away; those in ${{ env }} stay.
//   - act repeats outputs, variables and summary of a composite action's last step
//     for the step that uses the action, so that an output which is not declared
//     could be read. One more step at the end prevents that.
//   - act drops inputs that an action does not declare. They are passed on with the
//     warning that GitHub gives. (For every step that uses the action: with another
//     one they are there and empty.)
//   - act knows fewer workflow commands as such: those behind spaces, and with "::"
//     in their text. Result.Commands has them all.
//   - act does not hide the single lines of a secret. Result.Log does.
//   - act goes on with an empty string where an expression fails, and skips a job
//     whose runner it does not know. Run fails the test.
//   - act drops an empty line at the beginning of an output, and carriage returns
//     at the end of lines. Run fails the test.
//   - act evaluates hashFiles to an empty string where there is no node. Run skips
//     the test.
//
// These are left, and a test must not rely on them:
//
//   - ${{ github.action_ref }} and action_repository are those of the composite
//     action in all of its steps. On GitHub they are so in env and if alone; in run
//     they are empty, and in with they are those of the action that the step uses.
//   - ${{ env }} has all variables of the process, like PATH.
//   - What looks like an expression in a value of $GITHUB_ENV is evaluated.
//   - An input's name has to be written as it is declared. Upper and lower case are
//     the same on GitHub.
//   - The folders of the runner have other names in each run, so ${{ runner.temp }}
//     is never the same twice. They vanish when the job is done.
//   - Steps of actions with "uses: ./…" are not treated as above.
//   - GitHub hides encoded forms of a secret as well, like base64.
//   - GitHub skips empty lines in $GITHUB_OUTPUT and $GITHUB_ENV; act fails.
//   - ::debug:: goes nowhere, and ::set-output:: works without a warning.
//   - sudo is refused, since the steps run on this machine.
//   - There are no containers, services, matrices, tokens for OIDC and no limits of
//     GitHub, like that on the size of a summary. Permissions change nothing.
package runnertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/toolstest"
)

// runner is the main package of act, at the release that the module in
// internal/tools pins.
const runner = "github.com/nektos/act"

// Token is ${{ github.token }}, where Options.Secrets has no GITHUB_TOKEN.
const Token = "ghs_token-of-the-job"

// Options says what to run.
type Options struct {
	// Workflow is the workflow, YAML. Its jobs run on ubuntu-24.04, one after the
	// other.
	Workflow string
	// Files are what the repository holds beside the workflow.
	Files fs.FS
	// Prepare changes the repository after its first commit, on main, where a test
	// needs more history or other tags.
	Prepare func(dir string)
	// Ref is what the event is about, and is checked out: "refs/heads/NAME",
	// "refs/tags/NAME" or "refs/pull/NUMBER/merge". It is made where it does not
	// exist. The default is refs/heads/main, or refs/pull/1/merge for pull_request.
	Ref string
	// Event is the event's name. The default is "push".
	Event string
	// Payload is what GitHub tells of the event, a JSON object. What GitHub sends at
	// least is added where it lacks it: the repository, ref and commit of a push, the
	// number of a pull request and where it comes from.
	Payload []byte
	// Actor is who triggered the event. The default is "octocat".
	Actor string
	// Secrets are the repository's secrets. They are hidden in the log.
	Secrets map[string]string
	// Env are variables of the runner's machine, beside those that say how to reach
	// the network and Go's modules, which it has from this one.
	Env map[string]string
	// Actions are folders with actions, by what uses names without the folder in it:
	// "slipway-dev/slipway@v1". Of one that is git's, what git ignores is left out.
	Actions map[string]string
	// Cache is a folder with caches of other runs, for actions/cache. The default is
	// an empty one for this run.
	Cache string
}

// Result is what became of a workflow.
type Result struct {
	// SHA is the commit that it ran for.
	SHA string
	// Failed tells that a job failed.
	Failed bool
	// Log is what the steps printed, with secrets hidden, and the runner's own errors
	// as "##[error]…".
	Log string
	// Commands are the workflow commands among it, in order. Secrets are hidden
	// except in add-mask.
	Commands []Command
	// Outputs are the outputs of the steps that have an id, by id and name.
	Outputs map[string]map[string]string
	// Outcomes are success, failure or skipped, by the step's id.
	Outcomes map[string]string
	// Summary is what was written to $GITHUB_STEP_SUMMARY.
	Summary string
	// Env is what was written to $GITHUB_ENV, and Path to $GITHUB_PATH.
	Env  map[string]string
	Path []string
	// Calls are the uses of actions that have a stand-in, in order.
	Calls []Call
}

// Run runs a workflow. The test fails where it cannot be run, and is skipped where
// this machine lacks something that the runner needs; a workflow that fails is a
// result like another.
func Run(t testing.TB, o Options) *Result {
	t.Helper()
	needs(t)
	r, err := run(t, o)
	if err != nil {
		t.Fatalf("run a workflow: %v", err)
	}
	return r
}

// needs skips a test that cannot run here.
func needs(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("workflows for Linux run on Linux")
	}
	for _, program := range []string{"bash", "git", "node", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("workflows need %s: %v", program, err)
		}
	}
}

func run(t testing.TB, o Options) (*Result, error) {
	t.Helper()
	if o.Event == "" {
		o.Event = "push"
	}
	if o.Actor == "" {
		o.Actor = "octocat"
	}
	if o.Ref == "" {
		o.Ref = "refs/heads/main"
		if o.Event == "pull_request" {
			o.Ref = "refs/pull/1/merge"
		}
	}
	program, err := toolstest.Program(runner)
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp("", "runner")
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { removeAll(root) })
	in := func(name string) string { return filepath.Join(root, name) }
	for _, name := range []string{"home", "actions", "calls", "steps", "bin"} {
		if err := os.Mkdir(in(name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(in("bin"), "sudo"), []byte(sudo), 0o755); err != nil {
		return nil, err
	}
	if o.Cache == "" {
		o.Cache = in("cache")
	}
	if err := writeShells(in("shells"), in("files"), in("marks")); err != nil {
		return nil, err
	}
	environ, err := machine(in("home"), o.Env)
	if err != nil {
		return nil, err
	}

	w, err := parseWorkflow(o.Workflow)
	if err != nil {
		return nil, err
	}
	result := &Result{Outputs: map[string]map[string]string{}, Outcomes: map[string]string{}, Env: map[string]string{}}
	if result.SHA, err = makeRepository(in("repository"), o, environ); err != nil {
		return nil, err
	}
	used := &actions{
		given:     o.Actions,
		workspace: in("repository"),
		standIns:  standIns{origin: in("repository"), cache: o.Cache},
		dir:       in("actions"),
		copies:    map[string]string{},
		read:      map[string]*action{},
	}
	for _, job := range w.jobs() {
		if err := used.resolve(w.steps(job)); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(used.patch(in("calls")), w.write(in("workflow.yml"), in("steps"))); err != nil {
		return nil, err
	}
	event, err := payload(o, result.SHA)
	if err != nil {
		return nil, err
	}
	secrets := map[string]string{"GITHUB_TOKEN": Token}
	maps.Copy(secrets, o.Secrets)
	if err := errors.Join(
		os.WriteFile(in("event.json"), event, 0o600),
		writeYAML(in("secrets.yaml"), secrets),
		writeYAML(in("env.yaml"), variables(o, result.SHA)),
	); err != nil {
		return nil, err
	}

	args := []string{
		o.Event, "--json", "--strict",
		"--directory", in("repository"), "--workflows", in("workflow.yml"),
		"--platform", image + "=-self-hosted", "--concurrent-jobs", "1",
		"--actor", o.Actor, "--eventpath", in("event.json"), "--defaultbranch", "main",
		// Files, so that nothing secret is in an argument and nothing in the repository
		// is taken for them.
		"--secret-file", in("secrets.yaml"), "--env-file", in("env.yaml"), "--var-file", in("none"), "--input-file", in("none"),
		"--no-skip-checkout", "--no-cache-server", "--action-offline-mode", "--action-cache-path", in("act"),
		"--container-daemon-socket", "-",
	}
	for key, dir := range used.copies {
		args = append(args, "--local-repository", key+"="+dir)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = root
	cmd.Env = append(environ, "ACT_DISABLE_VERSION_CHECK=1")
	for i, variable := range cmd.Env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			cmd.Env[i] = "PATH=" + strings.Join([]string{in("shells"), in("bin"), path}, string(filepath.ListSeparator))
		}
	}
	var stderr bytes.Buffer
	stdout := &output{marks: in("marks")}
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	ended := cmd.Run()

	read := &reader{result: result}
	for _, secret := range secrets {
		read.addMask(secret)
	}
	for _, warning := range used.unexpected {
		read.line("::warning::" + warning)
	}
	err = read.read(stdout.text.Bytes())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what act said:\n%s%s", read.said.String(), &stderr)
		}
	})
	if err != nil {
		return nil, err
	}
	if ended != nil && !result.Failed || !read.ended && ended != nil {
		return nil, fmt.Errorf("act: %w\n%s%s", ended, read.said.String(), &stderr)
	}
	if err := errors.Join(checkMarks(in("marks")), checkFiles(in("files")), w.readResults(in("steps"), result)); err != nil {
		return nil, err
	}
	result.Calls, err = used.readCalls(in("calls"))
	return result, err
}

// machine returns the environment of the runner's machine: what says how to reach
// the network and Go's modules, and nothing else of what a developer has set.
func machine(home string, more map[string]string) ([]string, error) {
	kept := map[string]string{"HOME": home, "LANG": "C.UTF-8"}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		switch strings.ToUpper(name) {
		case "PATH", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR":
			kept[name] = value
		}
	}
	// They may be in a file of the real home as well.
	out, err := exec.Command("go", "env", "-json", "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	if err := json.Unmarshal(out, &kept); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	maps.Copy(kept, more)
	var environ []string
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		environ = append(environ, name+"="+kept[name])
	}
	return environ, nil
}

// variables are those that GitHub sets and act does not, or otherwise.
func variables(o Options, sha string) map[string]string {
	kind := "branch" // of a pull request, too
	if strings.HasPrefix(o.Ref, "refs/tags/") {
		kind = "tag"
	}
	return map[string]string{
		"GITHUB_REPOSITORY":          Repository,
		"GITHUB_REPOSITORY_ID":       "1",
		"GITHUB_REPOSITORY_OWNER_ID": "2",
		"GITHUB_REF":                 o.Ref,
		"GITHUB_REF_TYPE":            kind,
		"GITHUB_REF_PROTECTED":       "false",
		"GITHUB_ACTOR_ID":            "3",
		"GITHUB_TRIGGERING_ACTOR":    o.Actor,
		"GITHUB_WORKFLOW_REF":        Repository + "/" + workflowFile + "@" + o.Ref,
		"GITHUB_WORKFLOW_SHA":        sha,
		"GITHUB_RETENTION_DAYS":      "90",
		"RUNNER_ENVIRONMENT":         "github-hosted",
		"RUNNER_NAME":                "GitHub Actions 1",
	}
}

// removeAll removes a folder with modules in it, which Go makes read-only.
func removeAll(root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(root)
}
