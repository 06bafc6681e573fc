package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
	"github.com/slipway-dev/slipway/pipelines/engine/local/sandbox"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"slipway": main})
}

// TestScripts runs testdata/script: what the command line promises, one promise
// a file. $EXAMPLES is the folder of the examples.
//
// Commands beside testscript's own:
//
//	registry NAME [auth] [tls] [as HOST]
//	                             starts a real registry and sets $NAME to its
//	                             host and port, and writes its root to NAME.pem; as HOST, an
//	                             HTTPS proxy leads those who want HOST to it
//	exits CODE PROGRAM…          runs a program that has to exit with this code
//	same A B                     compares two files' first lines
//	notags NAME REPOSITORY       the registry has no tag in the repository
//	sent NAME N                  the registry got N blobs since the last time
//	dagger                       makes this machine's Dagger engine known, and sets $BUILDER
//	                             to the image that compiles
//	workflow EVENT NAME REF      makes a checkout of checkout/, and the script a step of
//	                             a workflow
//	action CODE                  runs slipway action with $INPUTS, which has to exit with
//	                             this code
//	output NAME TEST             looks at an output of the step as it was set last: empty,
//	                             same FILE, matches REGEXP
//	reproduce                    runs the command that the step's summary ends with
//
// Conditions: [sandbox], images can be run on this machine; [dagger], there is a
// Dagger engine; [root]; [hides], no emulator is registered, or a namespace can hide those that are.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	goEnv := goSettings(t)
	canRun := sandbox.Probe(context.Background(), sandbox.Options{}) == nil
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// The caches are the machine's, so that no script compiles the standard
			// library again; everything else starts empty.
			env.Vars = append(env.Vars,
				"HOME="+filepath.Join(env.WorkDir, "home"), "EVENTS="+filepath.Join(filepath.Dir(examples), "pipelines", "tags", "testdata"), "EXAMPLES="+examples, "ROOT="+filepath.Dir(examples),
				"SLIPWAY_CACHE_DIR="+filepath.Join(env.WorkDir, "cache"),
				"GOCACHE="+goEnv["GOCACHE"], "GOMODCACHE="+goEnv["GOMODCACHE"], "GOPROXY="+goEnv["GOPROXY"],
				"GONOSUMDB="+goEnv["GONOSUMDB"], "GOSUMDB="+goEnv["GOSUMDB"], "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local",
				"SSL_CERT_FILE="+os.Getenv("SSL_CERT_FILE"),
				"MODULES=file://"+filepath.ToSlash(filepath.Join(goEnv["GOMODCACHE"], "cache", "download")),
			)
			env.Values[registriesKey{}] = map[string]*registrytest.Registry{}
			return os.Mkdir(filepath.Join(env.WorkDir, "home"), 0o755)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "sandbox":
				return canRun, nil
			case "dagger":
				return len(daggerEnviron()) > 0, nil
			case "root":
				return os.Geteuid() == 0, nil
			case "hides":
				return hidesEmulators(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"workflow": cmdWorkflow, "output": cmdOutput, "reproduce": cmdReproduce, "action": cmdAction,
			"exits": cmdExits, "registry": cmdRegistry, "same": cmdSame, "notags": cmdNoTags, "sent": cmdSent, "dagger": cmdDagger,
		},
	})
}

// hidesEmulators tells whether a program in a user namespace with a binfmt_misc
// of its own finds no emulator.
func hidesEmulators() bool {
	const look = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; ! ls /proc/sys/fs/binfmt_misc/qemu-*"
	return exec.Command("unshare", "-rm", "sh", "-c", look).Run() == nil
}

func goSettings(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "env", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]string
	if err := json.Unmarshal(out, &settings); err != nil {
		t.Fatal(err)
	}
	return settings
}

type registriesKey struct{}

func registries(ts *testscript.TestScript) map[string]*registrytest.Registry {
	return ts.Value(registriesKey{}).(map[string]*registrytest.Registry)
}

// scriptTB lets a script start what tests start.
type scriptTB struct{ ts *testscript.TestScript }

func (s scriptTB) Helper()                   {}
func (s scriptTB) Logf(f string, a ...any)   { s.ts.Logf(f, a...) }
func (s scriptTB) Fatalf(f string, a ...any) { s.ts.Fatalf(f, a...) }
func (s scriptTB) Cleanup(f func())          { s.ts.Defer(f) }
func (s scriptTB) TempDir() string {
	dir, err := os.MkdirTemp(s.ts.Getenv("WORK"), "registry-")
	s.ts.Check(err)
	return dir
}

func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: registry NAME [auth] [tls]")
	}
	var (
		o  registrytest.Options
		as string
	)
	if n := len(args); n > 2 && args[n-2] == "as" {
		as, args = args[n-1], args[:n-2]
		o.Names = []string{as}
	}
	for _, a := range args[1:] {
		switch a {
		case "auth":
			o.Auth = true
		case "tls":
			o.TLS = true
		default:
			ts.Fatalf("registry: unknown option %s", a)
		}
	}
	r := registrytest.Start(scriptTB{ts}, o)
	registries(ts)[args[0]] = r
	ts.Setenv(args[0], r.Host)
	if as != "" {
		ts.Setenv(args[0], as)
		proxy := httptest.NewServer(r.Tunnel(as))
		ts.Defer(proxy.Close)
		ts.Setenv("HTTPS_PROXY", proxy.URL)
	}
	if o.TLS {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), r.CA, 0o644))
	}
	if o.Auth {
		ts.Setenv("USERNAME", registrytest.Username)
		ts.Setenv("PASSWORD", registrytest.Password)
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[0], ts.ReadFile("stderr"))
	}
}

func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same FILE FILE")
	}
	a, b := strings.TrimSpace(ts.ReadFile(args[0])), strings.TrimSpace(ts.ReadFile(args[1]))
	if (a == b) == neg || a == "" {
		ts.Fatalf("%s is %q, %s is %q", args[0], a, args[1], b)
	}
}

func cmdNoTags(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: notags NAME REPOSITORY")
	}
	tags, err := registries(ts)[args[0]].Tags(args[1])
	ts.Check(err)
	if len(tags) > 0 {
		ts.Fatalf("%s has the tags %v", args[1], tags)
	}
}

func cmdSent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sent NAME N")
	}
	r := registries(ts)[args[0]]
	if got := fmt.Sprint(r.Count(registrytest.BlobCommit)); got != args[1] {
		ts.Fatalf("the registry got %s blobs, want %s", got, args[1])
	}
	r.Forget()
}

// daggerEnviron has the variables that tell of a Dagger engine. Scripts get them
// where they ask for it: all others are about the embedded engine.
func daggerEnviron() []string {
	var environ []string
	for _, name := range []string{sessionPort, "DAGGER_SESSION_TOKEN", runnerHost} {
		if value := os.Getenv(name); value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}

func cmdDagger(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: dagger")
	}
	if cli := os.Getenv(daggerCLI); cli != "" {
		ts.Setenv(daggerCLI, cli)
	}
	for _, v := range daggerEnviron() {
		name, value, _ := strings.Cut(v, "=")
		ts.Setenv(name, value)
	}
	builder := os.Getenv("SLIPWAY_TEST_BUILDER")
	if builder == "" {
		builder = dagger.DefaultImage()
	}
	ts.Setenv("BUILDER", builder)
}
