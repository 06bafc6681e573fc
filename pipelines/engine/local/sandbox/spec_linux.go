package sandbox

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/smoke"
)

const (
	// hostname is what every program finds as its host's name.
	hostname = "slipway"
	// defaultPath is the PATH of an image that sets none, as in Docker.
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// arguments returns a program's whole command line.
func arguments(config v1.Config, p smoke.Process) ([]string, error) {
	tail := p.Args
	if tail == nil {
		tail = config.Cmd
	}
	args := slices.Concat(config.Entrypoint, tail)
	if len(args) == 0 {
		return nil, errors.New("there is nothing to run: the image has no entrypoint and no cmd, and no arguments were given")
	}
	for _, arg := range args {
		if strings.ContainsRune(arg, 0) {
			return nil, fmt.Errorf("argument %q holds a zero byte", arg)
		}
	}
	return args, nil
}

// environment returns a program's whole environment: what a runtime sets, then
// the image's, then the caller's, where the last setting of a name counts.
func environment(config v1.Config, u user, p smoke.Process) ([]string, error) {
	var env []string
	at := map[string]int{}
	for _, setting := range slices.Concat(
		[]string{"PATH=" + defaultPath, "HOSTNAME=" + hostname, "HOME=" + u.home},
		config.Env, p.Env,
	) {
		name, _, ok := strings.Cut(setting, "=")
		if !ok || name == "" || strings.ContainsRune(setting, 0) {
			return nil, fmt.Errorf("environment variable %q is not of the form NAME=value", name)
		}
		if i, ok := at[name]; ok {
			env[i] = setting
			continue
		}
		at[name] = len(env)
		env = append(env, setting)
	}
	return env, nil
}

// workdir returns the directory in which a program starts.
func workdir(config v1.Config) string { return path.Clean("/" + config.WorkingDir) }

// stopSignal returns the signal that asks a program to end.
func stopSignal(config v1.Config) (syscall.Signal, error) {
	name := config.StopSignal
	if name == "" {
		return unix.SIGTERM, nil
	}
	// The kernel's first and last real-time signals, minus those that the C
	// library keeps (signal(7)).
	const rtMin, rtMax = 34, 64
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= rtMax {
		return syscall.Signal(n), nil
	}
	short := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if s := unix.SignalNum("SIG" + short); s != 0 {
		return s, nil
	}
	for base, n := range map[string]int{"RTMIN": rtMin, "RTMAX": rtMax} {
		offset, ok := strings.CutPrefix(short, base)
		if !ok {
			continue
		}
		if offset == "" {
			return syscall.Signal(n), nil
		}
		if d, err := strconv.Atoi(offset); err == nil && n+d >= rtMin && n+d <= rtMax {
			return syscall.Signal(n + d), nil
		}
	}
	return 0, fmt.Errorf("the image's stop signal %q is no signal of Linux; want one like SIGTERM", name)
}

// platform names an image's platform as it stands in its config.
func platform(config *v1.ConfigFile) string {
	p := config.OS + "/" + config.Architecture
	if config.Variant != "" {
		p += "/" + config.Variant
	}
	return p
}
