package main

import (
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// checkout is a git checkout, as others can have it too.
type checkout struct {
	root    string // its folder
	address string // where it can be cloned from; empty where nobody knows
	commit  string
	// dirty tells of changes that are not committed.
	dirty bool
}

// git runs git in a folder and returns what it says, or nothing where it fails.
func (e *edge) git(ctx context.Context, dir string, args ...string) string {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	// A git hook has variables that name its own repository.
	cmd.Env = slices.DeleteFunc(e.childEnviron(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// findCheckout looks for the checkout that a folder is in. It is nil where there
// is none.
func (e *edge) findCheckout(ctx context.Context, dir string) *checkout {
	c := &checkout{root: e.git(ctx, dir, "rev-parse", "--show-toplevel"), commit: e.git(ctx, dir, "rev-parse", "HEAD")}
	if c.root == "" || c.commit == "" {
		return nil
	}
	c.dirty = e.git(ctx, dir, "status", "--porcelain") != ""
	c.address = publicAddress(e.git(ctx, dir, "remote", "get-url", "origin"))
	return c
}

// overSSH is an address of git's for SSH, as a URL or as scp has it.
var overSSH = regexp.MustCompile(`^(?:ssh://)?(?:[^@/]+@)?([^:/@]+)(?::\d+)?[:/](.+)$`)

// publicAddress is a remote's address as everybody can use it: over HTTPS, and
// without the credentials of whoever cloned from it.
func publicAddress(remote string) string {
	if u, err := url.Parse(remote); err == nil && u.Scheme != "" && u.Scheme != "ssh" {
		u.User = nil
		return u.String()
	}
	if m := overSSH.FindStringSubmatch(remote); m != nil {
		return "https://" + m[1] + "/" + strings.TrimPrefix(m[2], "/")
	}
	return ""
}

// path is a file's path in the checkout, slash-separated, or false where it is
// outside.
func (c *checkout) path(file string) (string, bool) { return relativeTo(c.root, file) }

// relativeTo is a file's path below a folder, slash-separated, wherever links lead.
func relativeTo(base, file string) (string, bool) {
	resolve := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			path = resolved
		}
		return path
	}
	rel, err := filepath.Rel(resolve(base), resolve(file))
	if base == "" || err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}
