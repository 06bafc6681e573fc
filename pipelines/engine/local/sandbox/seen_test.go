//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
	"github.com/slipway-dev/slipway/pipelines/engine/internal/testprogram"
	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

func report(t *testing.T, c *Container, p smoke.Process) testprogram.Seen {
	t.Helper()
	p.Args = append([]string{"report"}, p.Args...)
	exit, err := c.Run(t.Context(), p)
	if err != nil || exit.Code != 0 {
		t.Fatalf("%v, exit code %d: %s", err, exit.Code, exit.Stderr)
	}
	var s testprogram.Seen
	if err := json.Unmarshal(exit.Stdout, &s); err != nil {
		t.Fatalf("%v: %s", err, exit.Stdout)
	}
	return s
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func TestSurroundings(t *testing.T) {
	t.Setenv("SLIPWAY_TEST_SECRET", "leaked") // the caller's environment stays outside
	signal.Ignore(syscall.SIGHUP, syscall.SIGTSTP)
	defer signal.Reset(syscall.SIGHUP, syscall.SIGTSTP)
	c := native(t, v1.Config{
		User: "65534:65534", Entrypoint: []string{"/app"}, WorkingDir: "srv/data/",
		Env: []string{"A=image", "B=image", "EMPTY="},
	})
	got := report(t, c, smoke.Process{
		Args: []string{"one", ""}, Env: []string{"B=caller", "C=caller=more"}, Stdin: "typed",
	})
	status := got.Status
	got.Status = nil
	want := testprogram.Seen{
		UID: 65534, GID: 65534, PID: 1, Groups: got.Groups,
		Args: []string{"/app", "report", "one", ""},
		Env: []string{
			"PATH=" + process.DefaultPath, "HOSTNAME=slipway", "HOME=/",
			"A=image", "B=caller", "EMPTY=", "C=caller=more",
		},
		Dir: "/srv/data", Host: "slipway", Stdin: "typed",
		Descriptors: []string{"0", "1", "2"},
		Umask:       0o022,
		Files:       []string{"app", "dev", "etc", "proc", "srv"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"NoNewPrivs": "1", "CapPrm": "0000000000000000", "CapEff": "0000000000000000",
		"CapInh": "0000000000000000", "CapAmb": "0000000000000000", "CapBnd": "00000000a80425fb",
		"SigIgn": "0000000000000000",
	} {
		if status[name] != want {
			t.Errorf("%s is %s, want %s", name, status[name], want)
		}
	}
}

func TestRootHasDefaultCapabilities(t *testing.T) {
	got := report(t, native(t, v1.Config{}), smoke.Process{})
	if got.UID != 0 || got.GID != 0 {
		t.Errorf("runs as %d:%d", got.UID, got.GID)
	}
	for _, name := range []string{"CapPrm", "CapEff", "CapBnd"} {
		if got.Status[name] != "00000000a80425fb" {
			t.Errorf("%s is %s", name, got.Status[name])
		}
	}
}

func TestMounts(t *testing.T) {
	c := native(t, v1.Config{User: "1:1", Volumes: map[string]struct{}{"/data": {}}}, testimage.Dir("tmp", 0o1777))
	got := map[string]string{}
	for line := range strings.Lines(succeed(t, c, "read", "/proc/self/mountinfo")) {
		fields := strings.Fields(line) // proc_pid_mountinfo(5): 5 is the place, 6 are its options
		var options []string
		for _, option := range strings.Split(fields[5], ",") {
			if !strings.HasSuffix(option, "atime") {
				options = append(options, option)
			}
		}
		got[fields[4]] = strings.Join(options, ",")
	}
	for place, want := range map[string]string{
		"/": "ro,nosuid,nodev", "/proc": "rw,nosuid,nodev,noexec", "/proc/sys": "ro,nosuid,nodev,noexec",
		"/dev": "ro,nosuid,noexec", "/dev/shm": "rw,nosuid,nodev,noexec",
		"/tmp": "rw,nosuid,nodev", "/data": "rw,nosuid,nodev",
	} {
		if got[place] != want {
			t.Errorf("%s is mounted %q, want %q", place, got[place], want)
		}
		delete(got, place)
	}
	for place := range got {
		if !strings.HasPrefix(place, "/proc/") && !strings.HasPrefix(place, "/dev/") {
			t.Errorf("%s is mounted as well", place)
		}
	}
}

func TestStdinIsEmptyByDefault(t *testing.T) {
	if got := report(t, native(t, v1.Config{User: "1"}), smoke.Process{}); got.Stdin != "" {
		t.Errorf("read %q", got.Stdin)
	}
}

func TestUser(t *testing.T) {
	files := []testimage.Entry{
		testimage.File("etc/passwd", "root:x:0:0::/root:\napp:x:1000:1001:App:/home/app:\nbroken line\nodd:x:many:0::/:\n", 0o644),
		testimage.File("etc/group", "root:x:0:\napp:x:1001:\nlogs:x:2000:root,app\nother:x:2001:root\n", 0o644),
	}
	for spec, want := range map[string]user{
		"":          {uid: 0, gid: 0, groups: []int{2000, 2001}, home: "/root"},
		"app":       {uid: 1000, gid: 1001, groups: []int{2000}, home: "/home/app"},
		"1000":      {uid: 1000, gid: 1001, groups: []int{2000}, home: "/home/app"},
		"app:logs":  {uid: 1000, gid: 2000, home: "/home/app"},
		"1000:5":    {uid: 1000, gid: 5, home: "/home/app"},
		"65534":     {uid: 65534, gid: 0, home: "/"},
		"7000:7001": {uid: 7000, gid: 7001, home: "/"},
	} {
		t.Run(spec, func(t *testing.T) {
			c := native(t, v1.Config{User: spec}, files...)
			got := report(t, c, smoke.Process{})
			if got.UID != want.uid || got.GID != want.gid {
				t.Errorf("runs as %d:%d, want %d:%d", got.UID, got.GID, want.uid, want.gid)
			}
			if home := got.Env[2]; home != "HOME="+want.home {
				t.Errorf("got %s, want %s", home, want.home)
			}
			if c.task.OneID {
				return // supplementary groups are root's to set
			}
			if diff := cmp.Diff(append([]int{}, want.groups...), append([]int{}, got.Groups...)); diff != "" {
				t.Error("supplementary groups: ", diff)
			}
		})
	}
	for _, spec := range []string{"nobody", "app:nobody", "-1", "4294967295", "odd"} {
		img := image(t, v1.Config{User: spec}, runtime.GOARCH, testimage.Layer(t, files...))
		if c, err := New(t.Context(), img, Options{TempDir: t.TempDir()}); err == nil {
			t.Errorf("user %q was taken", spec)
			_ = c.Close()
		} else {
			t.Log(err)
		}
	}
}

func TestPermissions(t *testing.T) {
	config := v1.Config{User: "1000:1001"}
	c := native(t, config,
		testimage.File("mine", "read", 0o400).Owned(1000, 0),
		testimage.File("mine-closed", "", 0o077).Owned(1000, 0),
		testimage.File("group", "read", 0o040).Owned(0, 1001),
		testimage.File("group-closed", "", 0o404).Owned(0, 1001),
		testimage.File("others", "read", 0o004),
		testimage.File("others-closed", "", 0o440),
		testimage.Dir("closed", 0o700), testimage.File("closed/file", "", 0o644),
		testimage.Dir("nothing", 0), testimage.File("nothing/file", "", 0o644),
		testimage.Dir("through", 0o711), testimage.File("through/file", "read", 0o644),
	)
	for _, name := range []string{"/mine", "/group", "/others", "/through/file"} {
		if got := succeed(t, c, "read", name); got != "read" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	for _, name := range []string{"/mine-closed", "/group-closed", "/others-closed", "/closed/file", "/nothing/file"} {
		fail(t, c, "permission denied", "read", name)
	}
	fail(t, c, "permission denied", "list", "/through")

	// Root may do everything, in a container too.
	root := native(t, v1.Config{}, testimage.Dir("nothing", 0), testimage.File("nothing/file", "read", 0).Owned(5, 5))
	if got := succeed(t, root, "read", "/nothing/file"); got != "read" {
		t.Errorf("got %q", got)
	}
}

func TestWorkdirThatIsClosed(t *testing.T) {
	c := native(t, v1.Config{User: "1000", WorkingDir: "/closed"}, testimage.Dir("closed", 0o700))
	_, err := c.Run(t.Context(), smoke.Process{Args: []string{"exit", "0"}})
	if e, ok := errors.AsType[*process.StartError](err); !ok || !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	} else {
		t.Log(e)
	}
}
