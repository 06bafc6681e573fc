// Package process is what an image's config says of how its program runs, read the
// same way by every engine: the command line, the environment, the working directory
// and the signal that stops it; and what is said where it cannot run.
package process

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// DefaultPath is the PATH of an image that sets none, as in Docker.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Arguments returns a program's whole command line.
func Arguments(config v1.Config, p smoke.Process) ([]string, error) {
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

// Environment returns a program's environment: the default PATH, the engine's own
// settings, the image's, then the caller's. The last setting of a name counts, and
// stands where the first did.
func Environment(config v1.Config, p smoke.Process, own ...string) ([]string, error) {
	var env []string
	at := map[string]int{}
	for _, setting := range slices.Concat([]string{"PATH=" + DefaultPath}, own, config.Env, p.Env) {
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

// Workdir returns the directory in which a program starts.
func Workdir(config v1.Config) string { return path.Clean("/" + config.WorkingDir) }
