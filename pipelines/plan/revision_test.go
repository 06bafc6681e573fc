package plan

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository makes a git repository of an archive of files, and returns it with
// a function that runs git there.
func repository(t *testing.T, archive string) (string, func(args ...string) string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here")
	}
	dir := unpack(t, archive)
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
		"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@example.com", "GIT_COMMITTER_DATE": "2026-02-03T04:05:06+01:00",
	} {
		t.Setenv(name, value)
	}
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	return dir, git
}

func TestGitRevision(t *testing.T) {
	dir, git := repository(t, module+"-- cmd/a/main.go --\npackage main\n")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	date := time.Date(2026, 2, 3, 3, 5, 6, 0, time.UTC)
	check := func(what, dir, version string) {
		t.Helper()
		got, err := GitRevision(context.Background(), dir)
		if want := (Revision{Version: version, Commit: git("rev-parse", "HEAD"), Date: date}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", what, got, err, want)
		}
	}
	check("without a tag", dir, git("rev-parse", "--short=12", "HEAD"))
	git("tag", "v1.2.3")
	check("with a tag", dir, "v1.2.3")
	check("in a folder", filepath.Join(dir, "cmd", "a"), "v1.2.3")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("with a change", dir, "v1.2.3-dirty")
	git("commit", "-q", "-a", "-m", "second")
	check("after a tag", dir, "v1.2.3-1-g"+git("rev-parse", "--short=12", "HEAD"))
}

// TestGitRevisionOfASignedCommit has a git that shows signatures, which stand
// before what was asked for.
func TestGitRevisionOfASignedCommit(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen here to sign with")
	}
	dir, git := repository(t, module)
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "signers")
	if err := os.WriteFile(signers, append([]byte("c@example.com "), public...), 0o644); err != nil {
		t.Fatal(err)
	}
	git("config", "gpg.format", "ssh")
	git("config", "user.signingKey", key+".pub")
	git("config", "gpg.ssh.allowedSignersFile", signers)
	git("config", "log.showSignature", "true")
	git("add", ".")
	git("commit", "-q", "-S", "-m", "signed")
	if shown := git("log", "-1", "--format=%H"); shown == git("rev-parse", "HEAD") {
		t.Fatal("git shows no signature")
	}
	got, err := GitRevision(context.Background(), dir)
	if err != nil || got.Commit != git("rev-parse", "HEAD") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestGitRevisionThatIsNotKnown(t *testing.T) {
	empty, _ := repository(t, module)
	none := unpack(t, module)
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(none))
	const help = ": git does not know its revision; give it with --version, --revision and --created: "
	for dir, want := range map[string]string{
		none:  "fatal: not a git repository",
		empty: "fatal: your current branch",
	} {
		if _, err := GitRevision(context.Background(), dir); err == nil || !strings.HasPrefix(err.Error(), dir+help+want) {
			t.Errorf("got %v, want %s", err, dir+help+want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := GitRevision(ctx, none); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := GitRevision(context.Background(), none); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without git: got %v", err)
	}
}

func TestFill(t *testing.T) {
	value := func(name string) (string, error) { return "<" + strings.TrimPrefix(name, ".") + ">", nil }
	for in, want := range map[string]string{
		"":                                      "",
		"plain } text }} {":                     "plain } text }} {",
		"-X main.version={{.Version}}":          "-X main.version=<Version>",
		"{{ .Version }}, {{.Commit}}{{.Date }}": "<Version>, <Commit><Date>",
	} {
		got, err := fill(in, value)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"{{.Tag}}":               "{{.Tag}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}",
		"{{Version}}":            "{{Version}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}",
		"{{}}":                   "{{}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}",
		"{{.Version | upper}}":   "{{.Version | upper}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}",
		"{{.Version}":            `"{{.Version}" has a {{ that is not closed; there are {{.Version}}, {{.Commit}} and {{.Date}}`,
		"{{.Version}} {{.Commit": `"{{.Version}} {{.Commit" has a {{ that is not closed; there are {{.Version}}, {{.Commit}} and {{.Date}}`,
	} {
		got, err := fill(in, value)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %q, %v, want %s", in, got, err, want)
		}
	}
	// A value is no template, and what does not stand in the text is not asked for.
	got, err := fill("{{.Version}}", func(name string) (string, error) {
		if name != ".Version" {
			t.Errorf("asked for %s", name)
		}
		return "{{.Commit}}", nil
	})
	if err != nil || got != "{{.Commit}}" {
		t.Errorf("got %q, %v", got, err)
	}
	failed := errors.New("no git")
	if _, err := fill("{{.Version}} {{.Date}}", func(string) (string, error) { return "", failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}
