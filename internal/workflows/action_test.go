package workflows

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/internal/runnertest"
	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
	"github.com/slipway-dev/slipway/pipelines/engine/local/sandbox"
)

// These tests run the action as a whole: the steps of action.yml, in a workflow,
// by a runner, for one event after the other.

// hello is a program in a folder of its repository.
func hello(more map[string]string) fs.FS {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"go.mod":       "module example.com/hello\n\ngo 1.26.0\n",
		"main.go":      "package main\n\nfunc main() { println(\"hello\") }\n",
		"main_test.go": spy,
	} {
		files["services/hello/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range more {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// spy is the test of a program that looks for the password, in its own environment
// and in that of what started it, up to slipway or, in a builder's container, to its
// first process.
const spy = `package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestSeesNoPassword(t *testing.T) {
	for pid, name := os.Getpid(), ""; name != "slipway" && pid > 0; {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(environ), "` + registrytest.Password + `") {
			t.Errorf("it is in the environment of %d %s", pid, name)
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " %s %d", new(string), &pid); err != nil {
			t.Fatal(err)
		}
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil && pid > 0 {
			t.Fatal(err)
		}
		name = strings.TrimSpace(string(comm))
	}
}
`

// workflowOf is a workflow with the action, whose step has the id "image", and
// its inputs.
func workflowOf(with string) string {
	return `on: [push, pull_request, schedule, workflow_dispatch]
jobs:
  image:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v7
      - id: image
        uses: slipway-dev/slipway@v1
        with:
          ` + strings.ReplaceAll(strings.TrimSpace(with), "\n", "\n          ")
}

// runAction runs a workflow with the action of this repository. Modules and the
// compiler's cache are the machine's where the workflow has cache: false.
func runAction(t *testing.T, o runnertest.Options) *runnertest.Result {
	t.Helper()
	if err := sandbox.Probe(context.Background(), sandbox.Options{}); err != nil {
		t.Skipf("this machine refuses the namespaces that images are run in: %v", err)
	}
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]string
	if err := json.Unmarshal(out, &settings); err != nil {
		t.Fatal(err)
	}
	o.Actions = map[string]string{"slipway-dev/slipway@v1": root}
	env := map[string]string{
		"GOCACHE": settings["GOCACHE"], "GOMODCACHE": settings["GOMODCACHE"],
		"GOPROXY": "file://" + filepath.ToSlash(filepath.Join(settings["GOMODCACHE"], "cache", "download")) + "," + settings["GOPROXY"], "GONOSUMDB": "*", "GOFLAGS": "-modcacherw",
	}
	for name, value := range o.Env {
		env[name] = value
	}
	o.Env = env
	return runnertest.Run(t, o)
}

func published(t *testing.T, r *registrytest.Registry, repository string) []string {
	t.Helper()
	tags, err := r.Tags(repository)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tags)
	return tags
}

// TestAction runs the action for each kind of event, with a registry that asks
// for a password.
func TestAction(t *testing.T) {
	pull, err := os.ReadFile(filepath.Join(root, "pipelines/tags/testdata/pull_request_fork.json"))
	if err != nil {
		t.Fatal(err)
	}
	sha := "sha-SHA"
	for name, test := range map[string]struct {
		event, ref string
		payload    []byte
		fork       bool
		want       []string // tags of the registry
		outputs    []string // tags of the output, where nothing is published
		version    string
	}{
		"push":              {event: "push", want: []string{"edge", "main", sha}, version: "edge"},
		"tag":               {event: "push", ref: "refs/tags/v1.2.3", want: []string{"1", "1.2", "1.2.3", "latest", sha}, version: "1.2.3"},
		"fork":              {event: "pull_request", ref: "refs/pull/7/merge", payload: pull, fork: true, outputs: []string{"pr-7", sha}, version: "pr-7"},
		"schedule":          {event: "schedule", payload: []byte(`{"schedule": "0 3 * * 1"}`), want: []string{"edge", "main", "nightly", sha}, version: "nightly"},
		"workflow_dispatch": {event: "workflow_dispatch", ref: "refs/heads/feature/Two", want: []string{"feature-two", sha}, version: "feature-two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := registrytest.Start(t, registrytest.Options{Auth: true})
			o := runnertest.Options{
				Event: test.event, Ref: test.ref, Payload: test.payload, Files: hello(nil),
				Workflow: workflowOf(`
source: services/hello
platforms: linux/amd64
to: ` + registry.Host + `/acme/Hello
username: ` + registrytest.Username + `
password: ${{ secrets.REGISTRY }}
cache: false
labels: |
  org.example.percent=100%
  org.example.words=one, two`),
				Secrets: map[string]string{"REGISTRY": registrytest.Password},
				// What a job compiles for is none of the action's business.
				Env: map[string]string{"GOOS": "windows", "GOARCH": "arm64"},
			}
			if test.fork {
				o.Secrets = nil // as GitHub does it
			}
			r := runAction(t, o)
			if r.Failed {
				t.Fatalf("the workflow failed:\n%s", r.Log)
			}
			out := r.Outputs["image"]
			repository := registry.Host + "/acme/hello"
			full := func(names []string) string {
				var all []string
				for _, name := range names {
					all = append(all, repository+":"+strings.Replace(name, "SHA", r.SHA[:7], 1))
				}
				slices.Sort(all)
				return strings.Join(all, "\n")
			}
			digest := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
			if !digest.MatchString(out["digest"]) || !digest.MatchString(out["imageid"]) {
				t.Errorf("digest %q, imageid %q", out["digest"], out["imageid"])
			}
			if out["version"] != test.version {
				t.Errorf("version %q, want %q", out["version"], test.version)
			}
			var tags []string
			for _, tag := range published(t, registry, "acme/hello") {
				tags = append(tags, repository+":"+tag)
			}
			if got := strings.Join(tags, "\n"); got != full(test.want) {
				t.Errorf("the registry has\n%s\nwant\n%s", got, full(test.want))
			}
			said := strings.Split(out["tags"], "\n")
			slices.Sort(said)
			if got, want := strings.Join(said, "\n"), full(append(test.want, test.outputs...)); got != want {
				t.Errorf("the output tags is\n%s\nwant\n%s", got, want)
			}
			reference := ""
			if len(test.want) > 0 {
				reference = repository + "@" + out["digest"]
			}
			if out["reference"] != reference || out["references"] != reference {
				t.Errorf("reference %q, references %q, want %q", out["reference"], out["references"], reference)
			}
			var document struct {
				Images []struct{ Digest string }
			}
			if err := json.Unmarshal([]byte(out["report"]), &document); err != nil || len(document.Images) != 1 || document.Images[0].Digest != out["digest"] {
				t.Errorf("report: %v\n%s", err, out["report"])
			}
			var metadata map[string]any
			if err := json.Unmarshal([]byte(out["metadata"]), &metadata); err != nil || metadata["containerimage.digest"] != out["digest"] {
				t.Errorf("metadata: %v\n%s", err, out["metadata"])
			}
			for _, want := range []string{"### ✅ hello", out["digest"], "go run github.com/slipway-dev/slipway/cmd/slipway@v1 build --source services/hello --go "} {
				if !strings.Contains(r.Summary, want) {
					t.Errorf("the summary has no %q:\n%s", want, r.Summary)
				}
			}
			if strings.Contains(r.Summary, "docker pull") != (len(test.want) > 0) {
				t.Errorf("the summary tells how to pull it, or not:\n%s", r.Summary)
			}
			// What actions/setup-go would find in the log goes before there is one.
			if len(r.Commands) == 0 || r.Commands[0].Name != "remove-matcher" || r.Commands[0].Properties["owner"] != "go" {
				t.Errorf("the matcher of setup-go is still there: %v", r.Commands)
			}
			var groups []string
			for _, c := range r.Commands {
				if c.Name == "group" {
					step, _, _ := strings.Cut(c.Data, " ")
					groups = append(groups, step)
				}
			}
			want := []string{"vet", "test", "modules", "compile", "assemble", "smoke", "write"}
			if len(test.want) > 0 {
				want = append(want, "push", "verify", "tag")
			}
			// A group is written when its step has ended, and these two go side by side.
			if i := slices.Index(groups, "compile"); i >= 0 && i+1 < len(groups) && groups[i+1] == "modules" {
				groups[i], groups[i+1] = groups[i+1], groups[i]
			}
			if !slices.Equal(groups, want) {
				t.Errorf("the groups are %v, want %v", groups, want)
			}
			if strings.Contains(r.Log, registrytest.Password) {
				t.Errorf("the log has the password:\n%s", r.Log)
			}
			if !slices.ContainsFunc(r.Path, func(dir string) bool { return strings.HasSuffix(filepath.ToSlash(dir), "/slipway/bin") }) {
				t.Errorf("added to PATH: %v", r.Path)
			}
		})
	}
}

// TestActionFails looks at what a workflow shows of a program that does not
// compile, deep in a monorepo, and of one that prints a secret.
func TestActionFails(t *testing.T) {
	t.Run("compile", func(t *testing.T) {
		t.Parallel()
		registry := registrytest.Start(t, registrytest.Options{})
		workflow := workflowOf("{source: elsewhere/services/hello, to: " + registry.Host + "/hello, test: false, cache: false}")
		r := runAction(t, runnertest.Options{
			// Places are those of the repository, wherever it is checked out.
			Workflow: strings.Replace(workflow, "actions/checkout@v7\n", "actions/checkout@v7\n        with: {path: elsewhere}\n", 1),
			Files:    hello(map[string]string{"services/hello/main.go": "package main\n\nimport \"example.com/hello/internal/deep\"\n\nfunc main() { deep.Do() }\n", "services/hello/internal/deep/deep.go": "package deep\n\nfunc Do() {\n\tnothing()\n}\n"}),
		})
		if !r.Failed || r.Outcomes["image"] != "failure" {
			t.Errorf("it did not fail: %v", r.Outcomes)
		}
		var errors []runnertest.Command
		for _, c := range r.Commands {
			if c.Name == "error" {
				errors = append(errors, c)
			}
		}
		if len(errors) != 1 || errors[0].Data != "undefined: nothing" || errors[0].Properties["file"] != "services/hello/internal/deep/deep.go" || errors[0].Properties["line"] != "4" {
			t.Errorf("the annotations are %v", errors)
		}
		if !strings.Contains(r.Summary, "services/hello/internal/deep/deep.go#L4") {
			t.Errorf("the summary does not lead there:\n%s", r.Summary)
		}
		if tags := published(t, registry, "hello"); len(tags) > 0 {
			t.Errorf("the registry has %v", tags)
		}
		if r.Outputs["image"]["digest"] != "" {
			t.Errorf("the digest is %s", r.Outputs["image"]["digest"])
		}
	})

	// The password is no secret of the workflow, so that the runner knows it from
	// slipway alone: docker login stored it. The program that is tested prints it.
	t.Run("secret", func(t *testing.T) {
		t.Parallel()
		registry := registrytest.Start(t, registrytest.Options{Auth: true})
		docker := t.TempDir()
		login := base64.StdEncoding.EncodeToString([]byte(registrytest.Username + ":" + registrytest.Password))
		if err := os.WriteFile(filepath.Join(docker, "config.json"), fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, registry.Host, login), 0o600); err != nil {
			t.Fatal(err)
		}
		r := runAction(t, runnertest.Options{
			Workflow: workflowOf("{source: services/hello, to: " + registry.Host + "/hello, cache: false, platforms: linux/amd64}"),
			Env:      map[string]string{"DOCKER_CONFIG": docker},
			Files: hello(map[string]string{
				"services/hello/main.go": "package main\n\nimport \"os\"\n\nfunc main() {\n\tprintln(\"the login is\", \"" + login + "\", \"of\", \"" + registrytest.Password + "\")\n\tprintln(\"::error::from the program\")\n\tos.Exit(1)\n}\n",
			}),
		})
		if !r.Failed {
			t.Error("it did not fail")
		}
		if strings.Contains(r.Log+r.Summary, registrytest.Password) || strings.Contains(r.Log+r.Summary, login) {
			t.Errorf("the log or the summary has the password:\n%s\n%s", r.Log, r.Summary)
		}
		if !strings.Contains(r.Log, "the login is *** of ***") {
			t.Errorf("the log does not say what the program says:\n%s", r.Log)
		}
		for _, c := range r.Commands {
			if c.Name == "error" && c.Data == "from the program" {
				t.Error("the program steers the runner")
			}
		}
		if tags := published(t, registry, "hello"); len(tags) > 0 {
			t.Errorf("the registry has %v", tags)
		}
	})
}

// TestActionOfReadme runs the workflow of the README as it stands: ghcr.io, by way
// of a proxy that leads to a registry of the test; the job's own token; caches.
func TestActionOfReadme(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), "## GitHub Actions\n")
	_, after, _ = strings.Cut(after, "```yaml\n")
	workflow, _, ok := strings.Cut(after, "```\n")
	if n := strings.Count(workflow, "\n"); !ok || n == 0 || n > 15 {
		t.Fatalf("the README's workflow has %d lines, want 1 to 15:\n%s", n, workflow)
	}
	registry := registrytest.Start(t, registrytest.Options{Auth: true, TLS: true, Names: []string{"ghcr.io"}})
	proxy := httptest.NewServer(registry.Tunnel("ghcr.io"))
	t.Cleanup(proxy.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, registry.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	run := func(main string) *runnertest.Result {
		t.Helper()
		r := runAction(t, runnertest.Options{
			Workflow: workflow, Cache: cache, Actor: registrytest.Username,
			Files: fstest.MapFS{
				"go.mod":  {Data: []byte("module github.com/acme/hello\n\ngo 1.26.0\n")},
				"main.go": {Data: []byte(main)},
			},
			Env: map[string]string{
				"HTTPS_PROXY": proxy.URL, "https_proxy": "", "NO_PROXY": "", "no_proxy": "", "SSL_CERT_FILE": authority,
				"GOCACHE": "", "GOMODCACHE": "",
			},
			Secrets: map[string]string{"GITHUB_TOKEN": registrytest.Password},
		})
		if r.Failed {
			t.Fatalf("the workflow failed:\n%s", r.Log)
		}
		return r
	}
	calls := func(r *runnertest.Result) string {
		var all []string
		for _, c := range r.Calls {
			all = append(all, c.Action)
		}
		return strings.Join(all, " ")
	}
	const main = "package main\n\nfunc main() { println(\"hello\") }\n"
	first := run(main)
	if want := "actions/checkout actions/setup-go actions/cache/restore actions/cache/save"; calls(first) != want {
		t.Errorf("the first run called %s, want %s", calls(first), want)
	}
	if got := published(t, registry, "acme/hello"); !slices.Equal(got, []string{"edge", "main", "sha-" + first.SHA[:7]}) {
		t.Errorf("ghcr.io has %v", got)
	}
	second := run(main)
	if want := "actions/checkout actions/setup-go actions/cache/restore"; calls(second) != want {
		t.Errorf("the second run called %s, want %s", calls(second), want)
	}
	if !strings.Contains(second.Summary, "Nothing has changed: this is the image that was already at `ghcr.io/acme/hello:edge`") {
		t.Errorf("the second run does not say that nothing has changed:\n%s", second.Summary)
	}
}

// TestActionOnDagger runs the action with both engines: the same digest.
func TestActionOnDagger(t *testing.T) {
	pipelinetest.NeedsDagger(t)
	env := map[string]string{}
	for _, name := range []string{"DAGGER_SESSION_PORT", "DAGGER_SESSION_TOKEN", "_EXPERIMENTAL_DAGGER_RUNNER_HOST", "_EXPERIMENTAL_DAGGER_CLI_BIN"} {
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	digests := map[string]string{}
	for _, name := range []string{"local", "dagger"} {
		with := "{source: services/hello, push: false, cache: false, engine: " + name
		if builder := os.Getenv("SLIPWAY_TEST_BUILDER"); name == "dagger" && builder != "" {
			with += ", builder: '" + builder + "'"
		}
		r := runAction(t, runnertest.Options{Workflow: workflowOf(with + "}"), Files: hello(nil), Env: env})
		if r.Failed {
			t.Fatalf("%s: the workflow failed:\n%s", name, r.Log)
		}
		digests[name] = r.Outputs["image"]["digest"]
		if want := `"name": "` + name + `"`; !strings.Contains(r.Outputs["image"]["report"], want) {
			t.Errorf("%s: the report has no %s:\n%s", name, want, r.Outputs["image"]["report"])
		}
		installed := slices.ContainsFunc(r.Calls, func(c runnertest.Call) bool {
			return c.Action == "dagger/dagger-for-github" && c.With["version"] == dagger.Version
		})
		if installed != (name == "dagger") {
			t.Errorf("%s: the Dagger command line is installed, or not: %v", name, r.Calls)
		}
	}
	if digests["local"] == "" || digests["local"] != digests["dagger"] {
		t.Errorf("the digests are %v", digests)
	}
}
