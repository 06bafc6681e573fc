package process_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

func TestArguments(t *testing.T) {
	image := v1.Config{Entrypoint: []string{"/app"}, Cmd: []string{"serve"}}
	for _, c := range []struct {
		config v1.Config
		args   []string
		want   []string
	}{
		{image, nil, []string{"/app", "serve"}},
		{image, []string{}, []string{"/app"}},
		{image, []string{"x"}, []string{"/app", "x"}},
		{v1.Config{Cmd: []string{"/app"}}, nil, []string{"/app"}},
	} {
		got, err := process.Arguments(c.config, smoke.Process{Args: c.args})
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := process.Arguments(v1.Config{}, smoke.Process{}); err == nil {
		t.Error("nothing to run, and no error")
	}
	if _, err := process.Arguments(image, smoke.Process{Args: []string{"a\x00b"}}); err == nil {
		t.Error("a zero byte was taken")
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		own, image, caller []string
		want               []string
	}{
		{nil, nil, nil, []string{"PATH=" + process.DefaultPath}},
		{
			[]string{"HOSTNAME=h", "HOME=/"}, []string{"PATH=/bin", "HOME=/srv", "A=image", "EMPTY="}, []string{"A=caller=more"},
			[]string{"PATH=/bin", "HOSTNAME=h", "HOME=/srv", "A=caller=more", "EMPTY="},
		},
	} {
		got, err := process.Environment(v1.Config{Env: c.image}, smoke.Process{Env: c.caller}, c.own...)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, bad := range []string{"NAME", "=value", "", "A=\x00"} {
		if _, err := process.Environment(v1.Config{}, smoke.Process{Env: []string{bad}}); err == nil {
			t.Errorf("%q was taken from the caller", bad)
		}
		if _, err := process.Environment(v1.Config{Env: []string{bad}}, smoke.Process{}); err == nil {
			t.Errorf("%q was taken from the image", bad)
		}
	}
}

func TestWorkdir(t *testing.T) {
	for dir, want := range map[string]string{"": "/", "/": "/", "srv/data/": "/srv/data", "/a/../b": "/b", "../x": "/x"} {
		if got := process.Workdir(v1.Config{WorkingDir: dir}); got != want {
			t.Errorf("%q: got %s, want %s", dir, got, want)
		}
	}
}

func TestStopSignal(t *testing.T) {
	for name, want := range map[string]process.Signal{
		"": 15, "SIGTERM": 15, "INT": 2, "sigquit": 3, "9": 9, "SIGRTMIN+3": 37, "SIGRTMAX-1": 63, "RTMIN": 34,
	} {
		if got, err := process.StopSignal(v1.Config{StopSignal: name}); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"SIGNONE", "0", "-1", "65", "SIGRTMIN+99", "SIG"} {
		if got, err := process.StopSignal(v1.Config{StopSignal: name}); err == nil {
			t.Errorf("%q was taken as %d", name, got)
		}
	}
}

func TestSignalNames(t *testing.T) {
	for s, want := range map[process.Signal]string{
		1: "SIGHUP", process.SIGKILL: "SIGKILL", process.SIGTERM: "SIGTERM", 31: "SIGSYS",
		34: "SIGRTMIN", 37: "SIGRTMIN+3", 64: "SIGRTMIN+30", 0: "signal 0", -1: "signal -1", 32: "signal 32", 65: "signal 65",
	} {
		if got := s.String(); got != want {
			t.Errorf("%d: got %s, want %s", int(s), got, want)
		}
	}
}

func TestStartError(t *testing.T) {
	for want, err := range map[string]error{
		"cannot start /app: the image has no such file": &process.StartError{
			Program: "/app", Reason: "the image has no such file", Err: fs.ErrNotExist,
		},
		"cannot start x: no such program; name its path": &process.StartError{
			Program: "x", Reason: "no such program", Help: "name its path", Err: fs.ErrNotExist,
		},
	} {
		if got := err.Error(); got != want || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWrongProcessor(t *testing.T) {
	for said, want := range map[string]string{
		"This program can only be run on AMD64 processors with v3 microarchitecture support.\n": "This program can only be run on AMD64 processors with v3 microarchitecture support.",
		"runtime: this CPU has no VFPv3 floating point hardware, so it cannot run\nthis":        "runtime: this CPU has no VFPv3 floating point hardware, so it cannot run",
		"x: This program can only be run on Sundays, with support.":                             "",
		"": "",
	} {
		if got := process.WrongProcessor([]byte(said)); got != want {
			t.Errorf("%q: got %q", said, got)
		}
	}
}
