package dagger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// defaultPath is the PATH of an image that sets none, as in Docker.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// StartError says that an image's program cannot be started because of what is
// in the image or its config: a verdict on the image.
type StartError struct {
	Program string // as the image's config names it: "/app"
	Reason  string // "the image has no such file"
	Help    string // what would do, or empty
	Err     error  // the system's own error, or nil
}

func (e *StartError) Error() string {
	text := "cannot start " + e.Program + ": " + e.Reason
	if e.Help != "" {
		text += "; " + e.Help
	}
	return text
}

func (e *StartError) Unwrap() error { return e.Err }

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

// environment returns a program's environment, but for what the supervisor adds:
// the image's, then the caller's, where the last setting of a name counts.
func environment(config v1.Config, p smoke.Process) ([]string, error) {
	var env []string
	at := map[string]int{}
	for _, setting := range slices.Concat([]string{"PATH=" + defaultPath}, config.Env, p.Env) {
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

// checkUser finds what the engine would say in words of its own when the program
// is run: a user or a group that the image does not have.
func (c *container) checkUser(ctx context.Context) error {
	user, group, hasGroup := strings.Cut(c.config.User, ":")
	for _, part := range []struct{ what, name, file string }{{"name", user, "/etc/passwd"}, {"group", group, "/etc/group"}} {
		if part.name == "" || part.what == "group" && !hasGroup {
			continue
		}
		if _, err := strconv.ParseUint(part.name, 10, 31); err == nil {
			continue
		}
		known, err := c.hasEntry(ctx, part.file, part.name)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("the image's user %q: the image's %s has no %s %q; use its number", c.config.User, part.file, part.what, part.name)
		}
	}
	return nil
}

// hasEntry tells whether a file like passwd(5) has an entry with a numeric id.
func (c *container) hasEntry(ctx context.Context, file, name string) (bool, error) {
	there, err := c.base.Exists(ctx, file)
	if err != nil {
		return false, plain(ctx, "looking for "+file+" in the image", err)
	}
	if !there {
		return false, nil
	}
	text, err := c.base.File(file).Contents(ctx)
	if err != nil {
		return false, plain(ctx, "reading the image's "+file, err)
	}
	for line := range strings.Lines(text) {
		if entry := strings.Split(line, ":"); entry[0] == name && len(entry) > 2 {
			_, err := strconv.ParseUint(entry[2], 10, 31)
			return err == nil, nil
		}
	}
	return false, nil
}
