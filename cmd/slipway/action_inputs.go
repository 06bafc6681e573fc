package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// inputs are those of action.yml, by their names.
type inputs map[string]string

// readInputs reads what action.yml passes on, which is all of its inputs as JSON.
// Upper and lower case are the same in their names, and what the action does not
// have is in there too: GitHub warns of it, and goes on.
func readInputs(text string) (inputs, error) {
	var given map[string]string
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return nil, usagef("standard input: %w; want the inputs of action.yml as JSON", err)
	}
	in := inputs{}
	for name, value := range given {
		name = strings.ToLower(name)
		if !slices.ContainsFunc(inputFlags, func(f inputFlag) bool { return f.input == name }) {
			return nil, usagef("input %s: there is no such input; the inputs are listed in docs/github-actions.md", name)
		}
		in[name] = strings.TrimSpace(value)
	}
	return in, nil
}

// form is how an input is written.
type form int

const (
	text  form = iota // one value
	each              // values separated by lines
	list              // values separated by commas or lines
	truth             // true or false
	own               // not a flag's: the action itself looks at it
)

// inputFlag tells which flag an input stands for.
type inputFlag struct {
	input, flag string
	form        form
}

// inputFlags are the inputs of action.yml, in its order.
var inputFlags = []inputFlag{
	{"source", "source", text},
	{"config", "config", text},
	{"package", "package", each},
	{"image", "image", each},
	{"platforms", "platform", list},
	{"go", "go", text},
	{"build-tags", "tags", list},
	{"ldflags", "ldflags", each},
	{"name", "name", text},
	{"base", "base", text},
	{"user", "user", text},
	{"env", "env", each},
	{"ports", "port", list},
	{"labels", "label", each},
	{"annotations", "annotation", each},
	{"stamp", "stamp", list},
	{"version", "version", text},
	{"revision", "revision", text},
	{"created", "created", text},
	{"max-size", "max-size", text},
	{"set", "set", each},
	{"to", "to", own},
	{"tags", "tag", own},
	{"push", "", own},
	{"dry-run", "dry-run", truth},
	{"username", "username", text},
	{"password", "", own},
	{"token", "", own},
	{"ca", "ca", text},
	{"plain-http", "plain-http", truth},
	{"mount-from", "mount-from", each},
	{"output", "output", each},
	{"engine", "engine", text},
	{"builder", "builder", text},
	{"builder-ca", "builder-ca", text},
	{"exclude", "exclude", each},
	{"gitignore", "gitignore", truth},
	{"netrc", "netrc", text},
	{"ssh", "ssh", truth},
	{"jobs", "jobs", text},
	{"test", "", own},
	{"test-args", "", own},
	{"require-smoke", "require-smoke", truth},
	{"no-smoke", "no-smoke", truth},
	{"summary", "no-summary", own},
	{"cache", "cache-dir", own},
}

// truth reads an input that is true or false; empty is what it otherwise is.
func (in inputs) truth(name string, otherwise bool) (bool, error) {
	switch value := in[name]; value {
	case "":
		return otherwise, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, usagef("input %s: found %q; want true or false", name, value)
	}
}

// values are the parts of an input.
func (in inputs) values(name string, separators string) []string {
	var all []string
	for _, v := range strings.FieldsFunc(in[name], func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if v = strings.TrimSpace(v); v != "" {
			all = append(all, v)
		}
	}
	return all
}

// arguments are the inputs as flags, as far as a command has them.
func (in inputs) arguments(has *pflag.FlagSet) ([]string, error) {
	var args []string
	for _, f := range inputFlags {
		if f.form == own || has.Lookup(f.flag) == nil {
			continue
		}
		var values []string
		switch f.form {
		case text:
			if in[f.input] != "" {
				values = []string{in[f.input]}
			}
		case each:
			values = in.values(f.input, "\n")
		case list:
			values = in.values(f.input, ",\n")
		case truth:
			yes, err := in.truth(f.input, false)
			if err != nil {
				return nil, err
			}
			if yes {
				args = append(args, "--"+f.flag)
			}
		}
		for _, v := range values {
			args = append(args, "--"+f.flag+"="+v)
		}
	}
	return args, nil
}

// explain adds to what is wrong with a flag which input that flag comes from.
func (in inputs) explain(err error) error {
	if err == nil || exitCode(err) != exitUsage {
		return err
	}
	for _, f := range inputFlags {
		if f.flag == "" || f.input == f.flag || in[f.input] == "" {
			continue
		}
		if regexp.MustCompile(`--` + f.flag + `([^-\w]|$)`).MatchString(err.Error()) {
			return usageError{fmt.Errorf("%w (--%s is the input %s)", err, f.flag, f.input)}
		}
	}
	return err
}
