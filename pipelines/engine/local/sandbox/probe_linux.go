package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// Probe tells whether images can be run here, by doing everything but running
// one. It returns nil, a *smoke.NotRunnableError that says what the machine
// refuses and what would help, or another error where it could not find out.
func Probe(ctx context.Context, opts Options) (err error) {
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH,
		Config: v1.Config{Entrypoint: []string{"probe"}, User: "65534:65534"},
	})
	if err != nil {
		return err
	}
	c, err := New(ctx, img, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.task.Probe = true
	_, err = c.Run(ctx, smoke.Process{})
	return err
}

// refusals are the errors by which a kernel says that it makes no namespaces for
// us (clone(2), namespaces(7)). Others are accidents.
var refusals = []syscall.Errno{
	syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EUSERS, syscall.EINVAL, syscall.ENOSYS,
}

// diagnose says why a machine refused a step. It looks at the files of its root,
// fsys, since the kernel's error alone does not tell one cause from another.
func diagnose(fsys fs.FS, f *failure) error {
	if !slices.Contains(refusals, f.Errno) {
		return fmt.Errorf("sandbox: %w", f)
	}
	cause, help := explainRefusal(fsys, f.Errno)
	return &smoke.NotRunnableError{
		Reason: fmt.Sprintf("this machine does not let images run in namespaces: %s: %v (%s)", f.Text, f.Errno, cause),
		Help:   help + ", or use --engine dagger",
	}
}

func explainRefusal(fsys fs.FS, errno syscall.Errno) (cause, help string) {
	read := func(name string) string {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return "" // the kernel has no such setting
		}
		return strings.TrimSpace(string(text))
	}
	exists := func(name string) bool {
		_, err := fs.Stat(fsys, name)
		return err == nil
	}

	for _, kind := range []string{"user", "net", "pid", "mnt", "ipc", "uts"} {
		limit := "max_" + kind + "_namespaces"
		if read("proc/sys/user/"+limit) == "0" {
			return "user." + limit + " is 0", "run: sudo sysctl -w user." + limit + "=15000"
		}
	}
	if read("proc/sys/kernel/unprivileged_userns_clone") == "0" {
		return "kernel.unprivileged_userns_clone is 0",
			"run: sudo sysctl -w kernel.unprivileged_userns_clone=1"
	}
	if read("proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
		return "kernel.apparmor_restrict_unprivileged_userns is 1, as on Ubuntu since 23.10",
			"run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	}
	if errno == syscall.ENOSPC || errno == syscall.EUSERS {
		return "a limit of namespaces is reached: user.max_user_namespaces is " +
				cmp.Or(read("proc/sys/user/max_user_namespaces"), "unknown"),
			"end what uses them, or raise the limits under /proc/sys/user"
	}
	filtered := false
	for line := range strings.Lines(read("proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		mode, err := strconv.Atoi(strings.TrimSpace(value))
		filtered = filtered || name == "Seccomp" && err == nil && mode > 0
	}
	switch {
	case exists(".dockerenv") || exists("run/.containerenv"):
		return "this is a container without the right to make namespaces",
			"start it with --privileged, or with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
	case filtered:
		return "a seccomp filter is on, as in a container or a service",
			"run it without the filter"
	case errno == syscall.EINVAL || errno == syscall.ENOSYS:
		return "the kernel seems to be built without namespaces",
			"use a kernel with CONFIG_USER_NS, CONFIG_PID_NS and CONFIG_NET_NS"
	}
	return "nothing under /proc/sys says why; a chroot or a security module refuses it as well",
		"run it outside of that"
}
