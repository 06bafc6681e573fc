package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Revision is what changes without the source. Nothing of it reaches an image
// unless a template or a stamp asks for it.
type Revision struct {
	Version string    // "v1.2.3", "v1.2.3-4-gabcdef0"
	Commit  string    // the full hash
	Date    time.Time // the commit's
}

// GitRevision asks git for the revision of a checkout.
func GitRevision(ctx context.Context, dir string) (Revision, error) {
	var r Revision
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
		// A git hook has variables that name its own repository.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
		out, err := cmd.Output()
		var exit *exec.ExitError
		if said := ""; errors.As(err, &exit) {
			said, _, _ = strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
			err = fmt.Errorf("%s (%w)", said, err)
		}
		return strings.TrimSpace(string(out)), err
	}
	fail := func(err error) (Revision, error) {
		if ctx.Err() != nil {
			return Revision{}, ctx.Err()
		}
		return Revision{}, fmt.Errorf("%s: git does not know its revision; give it with --version, --revision and --created: %w", dir, err)
	}
	head, err := git("-c", "log.showSignature=false", "log", "-1", "--format=%H %cI")
	if err != nil {
		return fail(err)
	}
	commit, date, _ := strings.Cut(head, " ")
	if r.Date, err = time.Parse(time.RFC3339, date); err != nil {
		return fail(err)
	}
	r.Commit, r.Date = commit, r.Date.UTC()
	if r.Version, err = git("describe", "--tags", "--always", "--dirty", "--abbrev=12"); err != nil {
		return fail(err)
	}
	return r, nil
}

var placeholder = regexp.MustCompile(`{{\s*([^}]*?)\s*}}`)

// fill puts the revision's values into a template. It is no programming
// language: .Version, .Commit and .Date (RFC 3339) are all there is. value is
// called only for those that stand in the text.
func fill(text string, value func(name string) (string, error)) (string, error) {
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		name := placeholder.FindStringSubmatch(m)[1]
		if name != ".Version" && name != ".Commit" && name != ".Date" {
			failed = fmt.Errorf("%s is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}", m)
		}
		if failed != nil {
			return ""
		}
		var v string
		v, failed = value(name)
		return v
	})
	if failed == nil && strings.Contains(placeholder.ReplaceAllString(text, ""), "{{") {
		failed = fmt.Errorf("%q has a {{ that is not closed; there are {{.Version}}, {{.Commit}} and {{.Date}}", text)
	}
	return out, failed
}
