package image_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/pipelines/image"
)

// source makes a folder with files; a name that ends with a slash is a folder,
// a content that begins with "-> " a symbolic link.
func source(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(content, "-> "); ok && err == nil {
			err = os.Symlink(target, path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAssets(t *testing.T) {
	dir := source(t, map[string]string{
		"templates/index.html": "index", "templates/deep/part.html": "part", "templates/alias.html": "-> index.html",
		"templates/shared.css": "-> ../static/style.css", "static/style.css": "style", "run.sh": "run", ".git/config": "secret",
		"templates/.git/config": "secret", "templates/deep/.git": "gitdir: /home/me/hello/.git/worktrees/deep", "templates/deep/.slipway": "-> part.html",
	})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := image.Assets(dir, []image.Asset{
		{From: "templates", To: "/srv/templates"},
		{From: "run.sh", To: "/opt/"},
		{From: "static/style.css", To: "/renamed.css", Mode: 0o600, UID: 7, GID: 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		text := f.Mode.String()
		if f.UID != 0 {
			text += " owned"
		}
		switch {
		case f.Link != "":
			text += " -> " + f.Link
		case f.Mode.IsRegular():
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			text += " " + string(data)
			_ = r.Close()
		}
		got[f.Path] = text
	}
	want := map[string]string{
		"srv/templates":                "drwxr-xr-x",
		"srv/templates/index.html":     "-rw-r--r-- index",
		"srv/templates/deep":           "drwxr-xr-x",
		"srv/templates/deep/part.html": "-rw-r--r-- part",
		"srv/templates/alias.html":     "Lrwxrwxrwx -> index.html",
		"srv/templates/shared.css":     "-rw-r--r-- style",
		"opt/run.sh":                   "-rwxr-xr-x run",
		"renamed.css":                  "-rw------- owned style",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAssetsThatAreRefused(t *testing.T) {
	dir := source(t, map[string]string{
		"in/escape":  "-> ../../outside",
		"abs/escape": "-> /etc/passwd",
		"loop/again": "-> ../loop2", "loop2/again": "-> ../loop",
		"broken/link": "-> nothing",
		"suid/file":   "x",
		"direct":      "-> ../outside",
	})
	if err := os.WriteFile(filepath.Join(dir, "..", "outside"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "suid/file"), 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "pipe"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe", "p"), 0o644); err != nil {
		t.Skipf("no pipes on %s: %v", runtime.GOOS, err)
	}
	for from, want := range map[string]string{
		"in":         "asset in: in/escape: is a symbolic link that leaves the source; copy what it names into the source",
		"abs":        "asset abs: abs/escape: is a symbolic link that leaves the source; copy what it names into the source",
		"direct":     "asset direct: is a symbolic link that leaves the source; copy what it names into the source",
		"loop":       "leads back into a folder that it stands in: a circle of symbolic links",
		"broken":     "asset broken: broken/link: does not exist in the source",
		"suid":       "asset suid: suid/file: has a setuid or setgid bit; take it away (chmod ug-s)",
		"pipe":       "asset pipe: pipe/p: is a pipe; only files, folders and links go into an image",
		"missing":    "asset missing: does not exist in the source",
		"../outside": "asset ../outside: is outside the source; name a file or folder inside it",
		"/etc":       "asset /etc: is outside the source; name a file or folder inside it",
	} {
		_, err := image.Assets(dir, []image.Asset{{From: from, To: "/x"}})
		var ae *image.AssetError
		if !errors.As(err, &ae) {
			t.Errorf("%s: got %v, want an AssetError", from, err)
			continue
		}
		if !strings.HasSuffix(ae.Error(), want) {
			t.Errorf("%s:\n got %s\nwant %s", from, ae, want)
		}
	}
}
