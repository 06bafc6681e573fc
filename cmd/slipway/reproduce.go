package main

import (
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway/pipelines"
)

// actionRepository is where the action comes from.
const actionRepository = "slipway-dev/slipway"

// program is where go run finds the command line.
const program = "github.com/slipway-dev/slipway/cmd/slipway"

// reproduce is the command that builds the same images on a laptop, from the
// commit that is checked out, and a note on what it cannot know. It is empty where
// the source is in no checkout that others can have.
func (s *session) reproduce(e *edge, built *pipelines.Built) (command, note string) {
	c := s.workflow.checkout
	if c == nil || c.address == "" {
		return "", ""
	}
	source, ok := c.path(s.plan.Dir)
	if !ok {
		return "", ""
	}
	if c.dirty {
		note = "The checkout had changes that are not committed; this command builds without them."
	}
	folder := strings.TrimSuffix(c.address[strings.LastIndex(c.address, "/")+1:], ".git")
	var build []string
	for _, name := range []string{"SOURCE_DATE_EPOCH", "GOWORK"} {
		if value := e.env(name); value != "" && (name != "GOWORK" || value == "off") {
			build = append(build, name+"="+value)
		}
	}
	build = append(build, "go", "run", program+"@"+release(e), "build", "--source", source)
	steps := []string{
		words("git", "clone", "--quiet", c.address, folder),
		words("cd", folder),
		words("git", "fetch", "--quiet", "origin", c.commit),
		words("git", "checkout", "--quiet", "FETCH_HEAD"),
		words(append(build, s.decisive(c, built)...)...),
	}
	return strings.Join(steps, " &&\n  "), note
}

// decisive are the flags that decide about the image: those that were given, the
// Go release that compiled, and what git says, which is less in a shallow checkout
// than in a whole one.
func (s *session) decisive(c *checkout, built *pipelines.Built) []string {
	decide := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&sourceFlags{}).add(decide)
	flags := []string{"--go", built.Go}
	if r := s.plan.Revision; r.Commit != "" {
		if !s.flags.Changed("version") {
			flags = append(flags, "--version", r.Version)
		}
		if !s.flags.Changed("revision") {
			flags = append(flags, "--revision", r.Commit)
		}
	}
	s.flags.Visit(func(f *pflag.Flag) {
		if decide.Lookup(f.Name) == nil || f.Name == "source" || f.Name == "go" {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if inside, ok := c.path(value); ok && f.Name == "config" {
				value = inside
			}
			// A secret would look different between a shell's quotes.
			flags = append(flags, "--"+f.Name, s.workflow.runner.Masked(value))
		}
	})
	return flags
}

// release is what go run gets slipway by: what the workflow names the action by,
// or else the version of this program.
func release(e *edge) string {
	// Inside of somebody's own action the reference is of that one; and a branch's
	// name with a slash is none that the go command takes.
	if ref := e.env("SLIPWAY_ACTION_REF"); ref != "" && !strings.Contains(ref, "/") && e.env("SLIPWAY_ACTION_REPOSITORY") == actionRepository {
		return ref
	}
	if v, _, _ := strings.Cut(version(), "+"); v != "devel" {
		return v
	}
	return "main"
}

// bare is a word that means itself to a shell.
var bare = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// words writes a command for a POSIX shell.
func words(all ...string) string {
	quoted := make([]string, len(all))
	for i, word := range all {
		if quoted[i] = word; !bare.MatchString(word) {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
