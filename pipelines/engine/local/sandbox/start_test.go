//go:build linux

package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// refuses runs an image whose program cannot start because of the image.
func refuses(t *testing.T, c *Container, want string) {
	t.Helper()
	_, err := c.Run(t.Context(), smoke.Process{})
	e, ok := errors.AsType[*process.StartError](err)
	if !ok || !strings.Contains(e.Error(), want) {
		t.Errorf("want a StartError with %q, got %T: %v", want, err, err)
	}
	if s, err := c.Serve(t.Context(), smoke.Process{}); err == nil {
		t.Error("was served")
		_, _ = s.Stop(t.Context())
	}
}

func TestProgramsThatCannotStart(t *testing.T) {
	for name, c := range map[string]struct {
		config  v1.Config
		entries []testimage.Entry
		want    string
	}{
		"missing":            {v1.Config{Entrypoint: []string{"/missing"}}, nil, "cannot start /missing: the image has no such file"},
		"not in PATH":        {v1.Config{Entrypoint: []string{"missing"}, Env: []string{"PATH=/a:/b"}}, nil, "no such program in its PATH (/a:/b)"},
		"empty":              {v1.Config{Entrypoint: []string{""}}, nil, "first word is empty"},
		"shell form":         {v1.Config{Entrypoint: []string{"/bin/sh", "-c", "/app"}}, nil, "the image has no shell; use the exec form"},
		"shell by name":      {v1.Config{Cmd: []string{"sh", "-c", "/app"}}, nil, "the image has no shell; use the exec form"},
		"no execute bit":     {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "", 0o644)}, "its mode needs an execute bit"},
		"not for its user":   {v1.Config{Entrypoint: []string{"/x"}, User: "5:5"}, []testimage.Entry{testimage.File("x", "", 0o700)}, "user 5:5 may not execute it"},
		"a directory":        {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.Dir("x", 0o755)}, "it is a directory"},
		"text":               {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "hello", 0o755)}, "neither ELF nor a script"},
		"script":             {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "#! /usr/bin/python3 -E\n", 0o755)}, "it is a script for /usr/bin/python3, which is not in the image"},
		"our own executable": {v1.Config{Entrypoint: []string{"/proc/self/exe"}}, nil, "leads out of the image"},
		"... by a link":      {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.Symlink("x", "/proc/self/exe")}, "leads out of the image"},
		"... by a script":    {v1.Config{Entrypoint: []string{"/x"}}, []testimage.Entry{testimage.File("x", "#!/proc/self/exe\n", 0o755)}, "/proc/self/exe leads out of the image"},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, contain(t, image(t, c.config, runtime.GOARCH, testimage.Layer(t, c.entries...))), c.want)
		})
	}
}

func TestProgramsByName(t *testing.T) {
	app := program(t, runtime.GOARCH)
	app.Name = "opt/bin/app"
	for _, name := range []string{"app", "./app", "../bin/app", "/link"} {
		c := contain(t, image(t, v1.Config{
			Entrypoint: []string{name}, Env: []string{"PATH=/none:/opt/bin"}, WorkingDir: "/opt/bin", User: "5:5",
		}, runtime.GOARCH, testimage.Layer(t, app, testimage.Symlink("link", "/opt/bin/app"))))
		if got := succeed(t, c, "print", "found"); got != "found" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestBusyProgram checks the wait for a file that is still open for writing, as it
// is for a moment in a process that some other goroutine is about to start.
func TestBusyProgram(t *testing.T) {
	c := native(t, v1.Config{User: "1:1"})
	app := filepath.Join(c.task.Rootfs, "app")
	if err := os.Chmod(app, 0o755); err != nil {
		t.Fatal(err)
	}
	busy, err := os.OpenFile(app, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	free := time.AfterFunc(300*time.Millisecond, func() { _ = busy.Close() })
	defer free.Stop()
	if got := succeed(t, c, "print", "x"); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestDynamicPrograms(t *testing.T) {
	path, err := exec.LookPath("ls")
	if err != nil {
		t.Skip("needs a dynamic program: ", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := contain(t, image(t, v1.Config{Entrypoint: []string{"/x"}}, runtime.GOARCH, testimage.Layer(t, testimage.File("x", string(content), 0o755))))
	refuses(t, c, "the C library is missing; build with CGO_ENABLED=0")
}

// foreign is an architecture that this machine does not run by itself.
func foreign() string {
	if runtime.GOARCH == "s390x" {
		return "riscv64"
	}
	return "s390x"
}

// emulator returns what the kernel tells of the emulator that is registered for an
// architecture under the name that qemu's packages use, or "".
func emulator(arch string) string {
	name := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[arch]
	if name == "" {
		name = arch
	}
	text, err := os.ReadFile("/proc/sys/fs/binfmt_misc/qemu-" + name)
	if err != nil || !strings.HasPrefix(string(text), "enabled") {
		return ""
	}
	return string(text)
}

func TestForeignPrograms(t *testing.T) {
	arch := foreign()
	app := program(t, arch)
	c := contain(t, image(t, v1.Config{Entrypoint: []string{"/app"}, User: "65534:65534"}, arch, testimage.Layer(t, app)))
	want := "no emulator is registered for linux/" + arch
	if kernel := emulator(arch); kernel != "" {
		t.Log(kernel)
		if strings.Contains(kernel, "flags: F") || strings.Contains(kernel, "flags: PF") {
			if got := report(t, c, smoke.Process{Args: []string{"x"}}); got.UID != 65534 || got.PID != 1 {
				t.Errorf("got %+v", got)
			}
			return
		}
		want = "the emulator registered for linux/" + arch + " is not to be found inside an image"
	}
	_, err := c.Run(t.Context(), smoke.Process{Args: []string{"print", "x"}})
	e, ok := errors.AsType[*smoke.NotRunnableError](err)
	if !ok || e.Reason != want {
		t.Errorf("got %T: %v", err, err)
	}
	if emulator(arch) != "" {
		return
	}
	// The image that lies about its architecture is at fault itself.
	refuses(t, contain(t, image(t, v1.Config{Entrypoint: []string{"/app"}}, runtime.GOARCH, testimage.Layer(t, app))),
		"and the image says that it is for linux/"+runtime.GOARCH)
}

func TestProcessorThatIsTooOld(t *testing.T) {
	c := native(t, v1.Config{})
	// No processor is too old on demand; the text is the runtime's.
	_, err := c.Run(t.Context(), smoke.Process{Args: []string{
		"complain", "This program can only be run on AMD64 processors with v3 microarchitecture support.",
	}})
	if e, ok := errors.AsType[*smoke.NotRunnableError](err); !ok || !strings.Contains(e.Reason, "v3 microarchitecture") {
		t.Errorf("got %T: %v", err, err)
	}
	if exit := run(t, c, "complain", "something else"); exit.Code != 1 {
		t.Errorf("got %+v", exit)
	}
}

func TestTempDirWithoutExecution(t *testing.T) {
	able(t)
	temp := t.TempDir()
	if err := unix.Mount("tmpfs", temp, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	defer func() {
		if err := unix.Unmount(temp, 0); err != nil {
			t.Error(err)
		}
	}()
	err := Probe(t.Context(), Options{TempDir: temp})
	if e, ok := errors.AsType[*smoke.NotRunnableError](err); !ok || !strings.Contains(e.Reason, "noexec") {
		t.Errorf("got %T: %v", err, err)
	}
	// Flags that do no harm are kept, since they cannot be taken away.
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME | unix.MS_REMOUNT)
	if err := unix.Mount("", temp, "", flags, ""); err != nil {
		t.Fatal(err)
	}
	if err := Probe(t.Context(), Options{TempDir: temp}); err != nil {
		t.Error(err)
	}
	if err := Probe(t.Context(), Options{TempDir: filepath.Join(temp, "missing")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestInheritedDescriptors checks that what the caller has open, and keeps open
// for its children, does not reach the program.
func TestInheritedDescriptors(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 100) // without FD_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	got := report(t, native(t, v1.Config{User: "1:1"}), smoke.Process{})
	if len(got.Descriptors) != 3 {
		t.Errorf("the program has descriptors %v", got.Descriptors)
	}
}

func TestDiagnose(t *testing.T) {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s + "\n")} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		errno syscall.Errno
		want  string
	}{
		"switched off":  {fstest.MapFS{"proc/sys/user/max_user_namespaces": text("0")}, syscall.ENOSPC, "sysctl -w user.max_user_namespaces=15000"},
		"no networks":   {fstest.MapFS{"proc/sys/user/max_net_namespaces": text("0")}, syscall.ENOSPC, "sysctl -w user.max_net_namespaces=15000"},
		"limit":         {fstest.MapFS{"proc/sys/user/max_user_namespaces": text("7")}, syscall.ENOSPC, "user.max_user_namespaces is 7"},
		"debian":        {fstest.MapFS{"proc/sys/kernel/unprivileged_userns_clone": text("0")}, syscall.EPERM, "sysctl -w kernel.unprivileged_userns_clone=1"},
		"ubuntu":        {fstest.MapFS{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": text("1")}, syscall.EACCES, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		"docker":        {fstest.MapFS{".dockerenv": text("")}, syscall.EPERM, "--security-opt seccomp=unconfined"},
		"podman":        {fstest.MapFS{"run/.containerenv": text("")}, syscall.EPERM, "--privileged"},
		"seccomp":       {fstest.MapFS{"proc/self/status": text("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1")}, syscall.EPERM, "a seccomp filter is on"},
		"no seccomp":    {fstest.MapFS{"proc/self/status": text("Seccomp:\t0\nSeccomp_filters:\t0")}, syscall.EPERM, "a chroot or a security module"},
		"kernel":        {fstest.MapFS{}, syscall.EINVAL, "CONFIG_USER_NS"},
		"all permitted": {fstest.MapFS{"proc/sys/kernel/unprivileged_userns_clone": text("1"), "proc/sys/user/max_user_namespaces": text("9")}, syscall.EPERM, "nothing under /proc/sys says why"},
	} {
		t.Run(name, func(t *testing.T) {
			err := diagnose(c.files, failed("creating user and network namespaces", c.errno))
			e, ok := errors.AsType[*smoke.NotRunnableError](err)
			if !ok || !strings.Contains(e.Error(), c.want) || !strings.HasSuffix(e.Help, ", or use --engine dagger") {
				t.Errorf("want %q, got %T: %v", c.want, err, err)
			}
			t.Log(err)
		})
	}
	// An accident is no property of the machine.
	err := diagnose(fstest.MapFS{}, failed("mounting /dev", syscall.ENOMEM))
	if _, ok := errors.AsType[*smoke.NotRunnableError](err); ok || !strings.Contains(err.Error(), "mounting /dev") {
		t.Errorf("got %T: %v", err, err)
	}
}

func TestProbe(t *testing.T) {
	able(t)
	temp := t.TempDir()
	if err := Probe(t.Context(), Options{TempDir: temp}); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
