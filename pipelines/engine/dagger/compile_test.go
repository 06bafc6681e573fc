package dagger

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/plan"
)

var amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}

// single is a source of one module in a folder.
func single(dir string) engine.Source {
	return engine.Source{Root: dir, Module: ".", Modules: []string{"."}}
}

func target(pkg string) []engine.Target {
	return []engine.Target{{Image: "prog", Package: pkg, Name: "prog", Platform: amd64, Ldflags: "-s -w"}}
}

const program = "package main\n\nfunc main() { println(\"hello\") }\n"

// TestOneDigest is the promise: the embedded engine and this one give the same
// digest, whether the source is uploaded or stands in the engine.
func TestOneDigest(t *testing.T) {
	client, _ := session(t)
	for _, example := range []string{"hello", "https", "timezone", "service", "vendored", "multi", "workspace/app"} {
		t.Run(example, func(t *testing.T) {
			source, err := filepath.Abs("../../../examples/" + example)
			if err != nil {
				t.Fatal(err)
			}
			// Both with the release of this machine's go command.
			release := strings.TrimPrefix(goVersion(t), "go")
			p := plan.Options{Source: source, Overrides: []plan.Override{plan.Set("--go", release, "go")}}
			embedded := pipelinetest.Options(t)
			want := digests(pipelinetest.Build(t, p, embedded))

			uploaded := embedded
			uploaded.Engine = New(client, options(t))
			if got := digests(pipelinetest.Build(t, p, uploaded)); got != want {
				t.Errorf("uploaded: %s, want %s", got, want)
			}
			there := embedded
			o := options(t)
			o.Tree = &Tree{Directory: client.Host().Directory(filepath.Dir(source)), At: filepath.Dir(source)}
			there.Engine = New(client, o)
			if got := digests(pipelinetest.Build(t, p, there)); got != want {
				t.Errorf("from a directory of the engine: %s, want %s", got, want)
			}
		})
	}
}

func digests(b *pipelines.Built) string {
	var all []string
	for _, img := range b.Images {
		all = append(all, img.Plan.Name+" "+img.Digest.String())
	}
	return strings.Join(all, ", ")
}

func goVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestCompileErrors(t *testing.T) {
	client, _ := session(t)
	for _, test := range []struct {
		name  string
		files map[string]string
		step  string
		want  []string // in the error's text
	}{
		{"source", map[string]string{
			"go.mod": "module example.test/prog\n\ngo 1.26\n", "cmd/a/main.go": "package main\n\nfunc main() { wrong() }\n",
		}, "compile", []string{"compile linux/amd64 failed", "cmd/a/main.go:3:15: undefined: wrong"}},
		{"cgo", map[string]string{
			"go.mod": "module example.test/prog\n\ngo 1.26\n", "cmd/a/main.go": "package main\n\nimport \"example.test/prog/c\"\n\nfunc main() { c.F() }\n",
			"c/c.go": "package c\n\n// #include <stdio.h>\nimport \"C\"\n\nfunc F() {}\n",
		}, "compile", []string{"The package example.test/prog/c needs cgo (c.go)"}},
		{"module that is nowhere", map[string]string{
			"go.mod": "module example.test/prog\n\ngo 1.26\n\nrequire example.test/nowhere v1.0.0\n", "cmd/a/main.go": program,
		}, "download", []string{"example.test/nowhere"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, test.files)
			o := options(t)
			_, err := New(client, o).Compile(t.Context(), single(dir), target("./cmd/a"), nil)
			failed, ok := errors.AsType[*engine.CompileError](err)
			if !ok || failed.Step != test.step {
				t.Fatalf("%T %v, want a CompileError of step %s", err, err, test.step)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			for _, leak := range []string{"traceparent", "input:", sourceDir + "/", modulesDir + "/"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("%q has %q", err, leak)
				}
			}
			if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestBuilderErrors(t *testing.T) {
	client, _ := session(t)
	dir := write(t, map[string]string{"go.mod": "module example.test/prog\n\ngo 1.26\n", "main.go": program})
	for _, test := range []struct {
		name, builder, release string
		want                   []string
	}{
		{"no such release", "", "1.26.999", []string{"Go 1.26.999", "golang:1.26.999 cannot be had", "--go"}},
		{"registry", "127.0.0.1:1/golang", "", []string{"127.0.0.1:1/golang:" + DefaultRelease() + " cannot be had", "connection refused", "--builder"}},
		{"other release", "golang:" + DefaultRelease(), "1.26.3", []string{"Go 1.26.3", "golang:" + DefaultRelease() + " has Go " + DefaultRelease()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(t)
			if o.Builder != "" && test.builder != "127.0.0.1:1/golang" {
				t.Skip("this machine has another builder image")
			}
			o.Builder = test.builder
			src := single(dir)
			src.Go = test.release
			_, err := New(client, o).Compile(t.Context(), src, target("."), nil)
			if _, ok := errors.AsType[*engine.ToolchainError](err); !ok {
				t.Fatalf("%T %v, want a ToolchainError", err, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestCheckBuilder(t *testing.T) {
	for _, good := range []string{"", "golang", "golang:1.26.8", "golang@sha256:" + strings.Repeat("a", 64), "registry.example.com:5000/team/go", "localhost:5000/go:1"} {
		if err := CheckBuilder(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"Golang", "golang:1:2", "golang@sha256:abc", "a b"} {
		if _, ok := errors.AsType[*BuilderError](CheckBuilder(bad)); !ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestImageProblem has what an engine of v0.21.8 said.
func TestImageProblem(t *testing.T) {
	const begin = `failed to resolve image "r.example/go:1" (platform: "linux/amd64"): `
	for said, want := range map[string]string{
		begin + "r.example/go:1: not found": "its registry has no such tag or digest",
		begin + `failed to do request: Head "http://r.example/v2/go/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`:          "dial tcp 127.0.0.1:1: connect: connection refused",
		begin + "unexpected status from HEAD request to http://r.example/v2/go/manifests/1: 401 Unauthorized [traceparent:0-1]":               "its registry does not accept the login",
		begin + "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials": "its registry does not accept the login",
	} {
		if got := imageProblem(errors.New(said)); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestModulesOnTheirOwn shows that modules are downloaded and verified when
// go.mod and its like change, and not when the source does. A module of the
// cache is changed behind the engine's back: verifying would tell.
func TestModulesOnTheirOwn(t *testing.T) {
	client, _ := session(t)
	own, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`golang\.org/x/mod (v\S+)`).FindSubmatch(own)
	if required == nil {
		t.Fatal("go.mod does not require golang.org/x/mod any more")
	}
	version := string(required[1])
	text := func(greeting string) string {
		return "package main\n\nimport \"golang.org/x/mod/semver\"\n\nfunc main() { println(semver.Major(\"v1.2.3\"), \"" + greeting + "\") }\n"
	}
	dir := write(t, map[string]string{"go.mod": "module example.test/prog\n\nrequire golang.org/x/mod " + version + "\n", "main.go": text("one")})
	tidy := exec.Command("go", "mod", "tidy")
	tidy.Dir = dir
	tidy.Env = append(os.Environ(), "GOWORK=off")
	if out, err := tidy.CombinedOutput(); err != nil {
		t.Fatalf("go mod tidy: %v\n%s", err, out)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	e := New(client, options(t))
	e.volumes = "slipway-test-" + fresh()
	compile := func() error {
		compiled, err := e.Compile(t.Context(), single(dir), target("."), nil)
		if err == nil {
			err = compiled.Close()
		}
		return err
	}
	if err := compile(); err != nil {
		t.Fatal(err)
	}
	_, err = anyToolchain(t, e).WithEnvVariable("FRESH", fresh()).
		WithExec([]string{"sh", "-c", "chmod u+w $1 && echo '// changed' >>$1", "sh", moduleCache + "/golang.org/x/mod@" + version + "/semver/semver.go"}).Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text("two")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := compile(); err != nil {
		t.Errorf("modules were looked at again after an edit of the source: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), append(mod, "\n// changed\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	err = compile()
	if failed, ok := errors.AsType[*engine.CompileError](err); !ok || failed.Step != "verify" || !strings.Contains(failed.Error(), "golang.org/x/mod "+version) {
		t.Errorf("%v, want that verify failed for golang.org/x/mod", err)
	}
}

// TestLeftOut shows what does not reach the builder: a file that breaks the build.
func TestLeftOut(t *testing.T) {
	client, _ := session(t)
	dir := write(t, map[string]string{
		"go.mod": "module example.test/prog\n\ngo 1.26\n", "main.go": program,
		".gitignore": "generated.go\n", "generated.go": "package main\n\nbroken\n",
	})
	for _, test := range []struct {
		name string
		set  func(*Options)
		ok   bool
	}{
		{"nothing", func(*Options) {}, false},
		{"exclude", func(o *Options) { o.Exclude = []string{"generated.go"} }, true},
		{"gitignore", func(o *Options) { o.Gitignore = true }, true},
	} {
		for _, tree := range []bool{false, true} {
			o := options(t)
			test.set(&o)
			if tree {
				o.Tree = &Tree{Directory: client.Host().Directory(dir, sdk.HostDirectoryOpts{NoCache: true}), At: dir}
			}
			compiled, err := New(client, o).Compile(t.Context(), single(dir), target("."), nil)
			if err == nil {
				err = compiled.Close()
			}
			if (err == nil) != test.ok {
				t.Errorf("%s, in the engine %v: %v", test.name, tree, err)
			}
		}
	}
}

// TestNeeded keeps what lies between modules that are far apart on the machine.
func TestNeeded(t *testing.T) {
	if got := needed(single("/x")); got != nil {
		t.Errorf("a module at the root: %v", got)
	}
	got := strings.Join(needed(engine.Source{Root: "/x", Module: "a", Modules: []string{"a", "deep/b"}, Workspace: "w/go.work"}), " ")
	if want := "a/** deep/b/** w/go.work w/go.work.sum w/vendor/**"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCancelledCompile(t *testing.T) {
	client, _ := session(t)
	// A constant that takes the compiler long enough to be interrupted.
	dir := write(t, map[string]string{
		"go.mod":  "module example.test/prog\n\ngo 1.26\n",
		"main.go": "package main\n\nimport _ \"net/http\"\n\nconst fresh = \"" + fresh() + "\"\n\nfunc main() { println(fresh) }\n",
	})
	o := options(t)
	e := New(client, o)
	e.volumes = "slipway-test-" + fresh() // the standard library is compiled: that takes a while
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := e.Compile(ctx, single(dir), target("."), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTests(t *testing.T) {
	client, _ := session(t)
	files := map[string]string{
		"go.mod": "module example.test/prog\n\ngo 1.26\n", "main.go": program,
		"main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) { t.Log(\"looked\") }\n",
	}
	e := New(client, options(t))
	if err := e.Test(t.Context(), single(write(t, files)), engine.Test{}, nil); err != nil {
		t.Fatal(err)
	}
	files["main_test.go"] = "package main\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) { t.Error(\"it is \" + \"wrong\") }\n"
	err := e.Test(t.Context(), single(write(t, files)), engine.Test{}, nil)
	failed, ok := errors.AsType[*engine.CompileError](err)
	if !ok || failed.Step != "test" || !strings.Contains(failed.Output, "main_test.go:5: it is wrong") {
		t.Errorf("%v, want the failed test's line", err)
	}
}

// TestEmbedded keeps what a program embeds: no folder is left out by its name but
// git's, which cannot be embedded, and slipway's own at the root.
func TestEmbedded(t *testing.T) {
	client, _ := session(t)
	dir := write(t, map[string]string{
		"go.mod":          "module example.test/prog\n\ngo 1.26\n",
		"main.go":         "package main\n\nimport \"embed\"\n\n//go:embed all:data\nvar data embed.FS\n\nfunc main() { _, _ = data.ReadFile(\"data/.slipway/f\") }\n",
		"data/.slipway/f": "kept-" + fresh(), "data/.gitignore": "", ".slipway/out": fresh(),
	})
	p := plan.Options{Source: dir, Overrides: []plan.Override{plan.Set("--go", strings.TrimPrefix(goVersion(t), "go"), "go")}}
	o := pipelinetest.Options(t)
	want := digests(pipelinetest.Build(t, p, o))
	o.Engine = New(client, options(t))
	if got := digests(pipelinetest.Build(t, p, o)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestFarModules builds with a module beside the source whose folder's name looks
// like a pattern.
func TestFarModules(t *testing.T) {
	client, _ := session(t)
	dir := write(t, map[string]string{
		"app/go.mod":    "module example.test/app\n\ngo 1.26\n\nrequire example.test/lib v0.0.0\n\nreplace example.test/lib => \"../lib[1]\"\n",
		"app/main.go":   "package main\n\nimport \"example.test/lib\"\n\nfunc main() { println(lib.Word) }\n",
		"lib[1]/go.mod": "module example.test/lib\n\ngo 1.26\n",
		"lib[1]/lib.go": "package lib\n\nconst Word = \"" + fresh() + "\"\n",
		"other/go.mod":  "broken",
	})
	built := pipelinetest.Options(t)
	built.Engine = New(client, options(t))
	pipelinetest.Build(t, plan.Options{Source: filepath.Join(dir, "app")}, built)
}

// TestLongOutput shows a failing test whole, which an engine's own error is not.
func TestLongOutput(t *testing.T) {
	client, _ := session(t)
	dir := write(t, map[string]string{
		"go.mod": "module example.test/prog\n\ngo 1.26\n", "main.go": program,
		"main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) {\n\tt.Log(\"the head\")\n\tfor i := range 9000 {\n\t\tt.Log(\"line\", i)\n\t}\n\tt.Error(\"the tail\")\n}\n",
	})
	err := New(client, options(t)).Test(t.Context(), single(dir), engine.Test{}, nil)
	failed, ok := errors.AsType[*engine.CompileError](err)
	if !ok {
		t.Fatalf("%T %v", err, err)
	}
	for _, want := range []string{"the head", "line 4500", "the tail"} {
		if !strings.Contains(failed.Output, want) {
			t.Errorf("%d bytes of output lack %q", len(failed.Output), want)
		}
	}
}

func TestReleaseFor(t *testing.T) {
	for _, test := range []struct{ named, line, want string }{
		{"", "1.26.0", DefaultRelease()}, {"", "1.99.3", "1.99.3"}, {"", "1.99", "1.99"}, {"1.26.3", "1.99", "1.26.3"},
	} {
		src := single(write(t, map[string]string{"go.mod": "module example.test/prog\n\ngo " + test.line + "\n"}))
		src.Go = test.named
		if got, err := releaseFor(src); err != nil || got != test.want {
			t.Errorf("named %q, go line %s: %q, %v, want %s", test.named, test.line, got, err, test.want)
		}
	}
}

func TestHiding(t *testing.T) {
	hidden := hiding([]string{"GOPROXY=https://me:password@a.example,me:pass/2@b.example:1|https://a-long-token@c.example,https://@d.example,https://e:x@e.example,direct", "GOPRIVATE=x"})
	got := hidden.Replace(`https://me:password@a.example me:pass/2@b.example:1 https://a-long-token@c.example https://e:x@e.example parse "password" a-long-token: some examples`)
	if want := `https://***@a.example ***@b.example:1 https://***@c.example https://***@e.example parse "***" ***: some examples`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
