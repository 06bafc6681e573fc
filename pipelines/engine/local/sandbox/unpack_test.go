//go:build linux

package sandbox

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/testimage"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// unpacked applies layers and lists what is there: names, with the content of
// files, the target of links, and a slash after directories.
func unpacked(t *testing.T, layers ...v1.Layer) (*tree, map[string]string) {
	t.Helper()
	tree, err := openTree(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.close() })
	if err := tree.unpack(t.Context(), image(t, v1.Config{}, runtime.GOARCH, layers...)); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err = fs.WalkDir(tree.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
		case d.IsDir():
			got[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			var target string
			target, err = tree.root.Readlink(name)
			got[name] = "-> " + target
		default:
			var content []byte
			content, err = tree.root.ReadFile(name)
			got[name] = string(content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree, got
}

func TestLayers(t *testing.T) {
	for name, c := range map[string]struct {
		layers [][]testimage.Entry
		want   map[string]string
	}{
		"a later layer replaces files": {
			[][]testimage.Entry{{testimage.File("a", "1", 0o644), testimage.File("b", "1", 0o644)}, {testimage.File("a", "2", 0o644)}},
			map[string]string{"a": "2", "b": "1"},
		},
		"directories are merged": {
			[][]testimage.Entry{{testimage.Dir("d", 0o755), testimage.File("d/a", "1", 0o644)}, {testimage.Dir("d", 0o700), testimage.File("d/b", "2", 0o644)}},
			map[string]string{"d/": "", "d/a": "1", "d/b": "2"},
		},
		"a file replaces a directory, and the other way round": {
			[][]testimage.Entry{{testimage.File("d/a", "1", 0o644), testimage.File("f", "1", 0o644)}, {testimage.File("d", "2", 0o644), testimage.Dir("f", 0o755), testimage.File("f/a", "2", 0o644)}},
			map[string]string{"d": "2", "f/": "", "f/a": "2"},
		},
		"a whiteout removes a file, a folder, a link, and nothing": {
			[][]testimage.Entry{
				{testimage.File("d/a", "1", 0o644), testimage.File("d/b", "1", 0o644), testimage.File("e/f/g", "1", 0o644), testimage.Symlink("l", "d")},
				{testimage.File("d/.wh.a", "", 0), testimage.File(".wh.e", "", 0), testimage.File(".wh.l", "", 0), testimage.File("x/.wh.y", "", 0)},
			},
			map[string]string{"d/": "", "d/b": "1"},
		},
		"a whiteout leaves what its own layer has, in either order": {
			[][]testimage.Entry{
				{testimage.File("a", "1", 0o644), testimage.File("b", "1", 0o644), testimage.File("d/x", "1", 0o644)},
				{testimage.File("a", "2", 0o644), testimage.File(".wh.a", "", 0), testimage.File(".wh.b", "", 0), testimage.File("b", "2", 0o644), testimage.File("d/y", "2", 0o644), testimage.File(".wh.d", "", 0)},
			},
			map[string]string{"a": "2", "b": "2", "d/": "", "d/y": "2"},
		},
		"an opaque whiteout hides what the layers below have there": {
			[][]testimage.Entry{
				{testimage.File("d/a", "1", 0o644), testimage.File("d/e/f", "1", 0o644), testimage.File("d/e/g", "1", 0o644), testimage.File("k", "1", 0o644)},
				{testimage.File("d/e/f", "2", 0o644), testimage.File("d/.wh..wh..opq", "", 0), testimage.File("d/b", "2", 0o644), testimage.File(".wh..wh.aufs", "", 0)},
			},
			map[string]string{"d/": "", "d/e/": "", "d/e/f": "2", "d/b": "2", "k": "1"},
		},
		"hard links share their content": {
			[][]testimage.Entry{{testimage.File("a", "1", 0o644), testimage.Hardlink("d/b", "/a"), testimage.Hardlink("a", "a")}, {testimage.File(".wh.a", "", 0)}},
			map[string]string{"d/": "", "d/b": "1"},
		},
		"links to folders are followed, within the root": {
			[][]testimage.Entry{
				{testimage.Dir("usr/lib", 0o755), testimage.Symlink("lib", "usr/lib"), testimage.Symlink("abs", "/usr/lib"), testimage.Symlink("up", "../../../usr"), testimage.Symlink("new", "made")},
				{testimage.File("lib/a", "1", 0o644), testimage.File("abs/b", "1", 0o644), testimage.File("up/lib/c", "1", 0o644), testimage.File("new/d", "1", 0o644)},
				{testimage.File("lib/.wh.b", "", 0)},
			},
			map[string]string{
				"usr/": "", "usr/lib/": "", "usr/lib/a": "1", "usr/lib/c": "1", "made/": "", "made/d": "1",
				"lib": "-> usr/lib", "abs": "-> /usr/lib", "up": "-> ../../../usr", "new": "-> made",
			},
		},
		"a link to a folder is replaced by a folder": {
			[][]testimage.Entry{{testimage.Dir("a", 0o755), testimage.Symlink("b", "a")}, {testimage.Dir("b", 0o755), testimage.File("b/x", "1", 0o644)}},
			map[string]string{"a/": "", "b/": "", "b/x": "1"},
		},
		"what replaces a link leaves the link's target alone": {
			[][]testimage.Entry{
				{testimage.File("a", "1", 0o644), testimage.File("b", "1", 0o644), testimage.Symlink("f", "a"), testimage.Symlink("h", "a"), testimage.Symlink("s", "a"), testimage.Symlink("no", "made")},
				{testimage.File("f", "2", 0o644), testimage.Hardlink("h", "b"), testimage.Symlink("s", "b"), testimage.File("no", "2", 0o644)},
			},
			map[string]string{"a": "1", "b": "1", "f": "2", "h": "1", "s": "-> b", "no": "2"},
		},
		"a link to a folder leads elsewhere from one file to the next": {
			[][]testimage.Entry{
				{testimage.Dir("x", 0o755), testimage.Dir("y", 0o755), testimage.Symlink("l", "x"), testimage.File("l/a", "1", 0o644), testimage.Symlink("l", "y"), testimage.File("l/b", "1", 0o644)},
				{testimage.File("l/c", "2", 0o644), testimage.File(".wh.l", "", 0), testimage.File("l/d", "2", 0o644)},
			},
			map[string]string{"x/": "", "x/a": "1", "y/": "", "y/b": "1", "y/c": "2", "l/": "", "l/d": "2"},
		},
		"a folder is another one from one file to the next": {
			[][]testimage.Entry{
				{testimage.File("d/e/a", "1", 0o644), testimage.File("d", "1", 0o644), testimage.Dir("d", 0o755), testimage.File("d/e/b", "1", 0o644), testimage.Symlink("d/e", "."), testimage.File("d/e/c", "1", 0o644)},
				{testimage.File("d/x", "2", 0o644), testimage.File("d/.wh.x", "", 0), testimage.File("d/x", "3", 0o644), testimage.File("d/y", "2", 0o644)},
			},
			map[string]string{"d/": "", "d/e": "-> .", "d/c": "1", "d/x": "3", "d/y": "2"},
		},
		"names may begin with a slash or a dot": {
			[][]testimage.Entry{{testimage.Dir("./", 0o755), testimage.File("/a", "1", 0o644), testimage.File("./b", "1", 0o644), testimage.File("c/../d", "1", 0o644)}},
			map[string]string{"a": "1", "b": "1", "d": "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var layers []v1.Layer
			for _, entries := range c.layers {
				layers = append(layers, testimage.Layer(t, entries...))
			}
			_, got := unpacked(t, layers...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLayersThatAreRefused(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	special := func(kind byte) testimage.Entry {
		return testimage.Entry{Header: tar.Header{Typeflag: kind, Name: "special"}}
	}
	for name, entries := range map[string][]testimage.Entry{
		"../":                   {testimage.File("../escaped", "1", 0o644)},
		"hidden ../":            {testimage.File("a/../../escaped", "1", 0o644)},
		"absolute ../":          {testimage.File("/../escaped", "1", 0o644)},
		"hard link with ../":    {testimage.Hardlink("a", "../"+filepath.Base(outside)+"/secret")},
		"hard link outside":     {testimage.Hardlink("a", filepath.Join(outside, "secret"))},
		"hard link by symlink":  {testimage.Symlink("out", outside), testimage.Hardlink("a", "out/secret")},
		"hard link to a folder": {testimage.Dir("d", 0o755), testimage.Hardlink("a", "d")},
		"whiteout of ..":        {testimage.File("d/.wh...", "", 0)},
		"whiteout of nothing":   {testimage.File(".wh.", "", 0)},
		"symlinks in a circle":  {testimage.Symlink("a", "b"), testimage.Symlink("b", "a"), testimage.File("a/x", "1", 0o644)},
		"character device":      {special(tar.TypeChar)},
		"block device":          {special(tar.TypeBlock)},
		"named pipe":            {special(tar.TypeFifo)},
		"below a file":          {testimage.File("f", "1", 0o644), testimage.File("f/a", "1", 0o644)},
	} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			c, err := New(t.Context(), image(t, v1.Config{}, runtime.GOARCH, testimage.Layer(t, entries...)), Options{TempDir: temp})
			if err == nil {
				_ = c.Close()
				t.Fatal("was taken")
			}
			t.Log(err)
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestSymlinksDoNotLeadOutside(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "kept"), []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	// The folder's name also exists inside, because the link's target is made there.
	unpacked(t,
		testimage.Layer(t, testimage.Symlink("out", outside), testimage.File("out/new", "1", 0o644), testimage.Symlink("etc", outside),
			testimage.Symlink("file", filepath.Join(outside, "kept")), testimage.Symlink("none", filepath.Join(outside, "none")),
			testimage.Symlink("dir", outside), testimage.Symlink("same", filepath.Join(outside, "kept"))),
		testimage.Layer(t, testimage.File("file", "2", 0o644), testimage.File("none", "2", 0o644), testimage.Dir("dir", 0o755), testimage.File("dir/kept", "2", 0o644), testimage.Hardlink("same", "file"),
			testimage.File("out/.wh.kept", "", 0), testimage.File("out/.wh..wh..opq", "", 0), testimage.File("etc/passwd", "1", 0o644)),
	)
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 1 || left[0].Name() != "kept" {
		t.Errorf("the folder outside has %v, %v", left, err)
	}
	if kept, err := os.ReadFile(filepath.Join(outside, "kept")); err != nil || string(kept) != "kept" {
		t.Errorf("the file outside is %q, %v", kept, err)
	}

	// What a container gets beside its layers is kept inside as well.
	img := image(t, v1.Config{User: "1:1", WorkingDir: "/out/work", Volumes: map[string]struct{}{"/out/volume": {}}}, runtime.GOARCH,
		testimage.Layer(t, testimage.Symlink("etc", outside), testimage.Symlink("out", outside), testimage.Symlink("dev", outside), testimage.Symlink("proc", outside)))
	c, err := New(t.Context(), img, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	left, err = os.ReadDir(outside)
	if err != nil || len(left) != 1 {
		t.Errorf("the folder outside has %v, %v", left, err)
	}
}

func TestModesOwnersAndTimes(t *testing.T) {
	old := unix.Umask(0o077) // none of it depends on the umask
	defer unix.Umask(old)
	tree, _ := unpacked(t, testimage.Layer(t,
		testimage.Dir("./", 0o751), testimage.Dir("d", 0o1777), testimage.File("d/f", "", 0o4755).Owned(12, 34),
		testimage.File("implied/f", "", 0o604), testimage.Hardlink("same", "implied/f"), testimage.Dir("closed", 0), testimage.File("closed/f", "", 0),
		testimage.Dir("gone", 0o700), testimage.Dir("gone/sub", 0o700), testimage.File("other", "", 0o755)),
		testimage.Layer(t, testimage.File("implied/.wh.f", "", 0), testimage.File(".wh.gone", "", 0), testimage.File("gone/sub/f", "", 0o644), testimage.File("other", "", 0o606)),
	)
	u := user{uid: 1000, gid: 1000}
	one, err := oneID(u, tree.attrs)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.finish(u, one); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := removeAll(tree.root.Name()); err != nil {
			t.Error(err)
		}
	}()
	want := map[string]fs.FileMode{
		".": 0o751, "d": 0o777 | fs.ModeSticky, "d/f": 0o755 | fs.ModeSetuid, "implied": 0o755, "same": 0o604, "closed": 0,
		"gone": 0o755, "gone/sub": 0o755, "other": 0o606,
	}
	if one { // only one id: the class of others is put in the owner's place
		want = map[string]fs.FileMode{
			".": 0o151, "d": 0o777 | fs.ModeSticky, "d/f": 0o555, "implied": 0o555, "same": 0o404, "closed": 0,
			"gone": 0o555, "gone/sub": 0o555, "other": 0o606,
		}
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(tree.root.Name(), name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode() &^ fs.ModeType; got != mode {
			t.Errorf("%s has mode %v, want %v", name, got, mode)
		}
		wantTime := time.Unix(1_000_000_000, 0)
		if name == "implied" || strings.HasPrefix(name, "gone") { // as no layer lists them now
			wantTime = time.Unix(0, 0)
		}
		if !info.ModTime().Equal(wantTime) {
			t.Errorf("%s has time %v, want %v", name, info.ModTime(), wantTime)
		}
		var stat unix.Stat_t
		if err := unix.Stat(filepath.Join(tree.root.Name(), name), &stat); err != nil {
			t.Error(err)
		}
		if name == "d/f" && !one && (stat.Uid != 12 || stat.Gid != 34) {
			t.Errorf("%s belongs to %d:%d", name, stat.Uid, stat.Gid)
		}
	}
}

func TestLayersMustBeTheConfigs(t *testing.T) {
	img := image(t, v1.Config{}, runtime.GOARCH, testimage.Layer(t, testimage.File("a", "1", 0o644)))
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*v1.ConfigFile){
		"digest":  func(c *v1.ConfigFile) { c.RootFS.DiffIDs[0].Hex = strings.Repeat("0", 64) },
		"missing": func(c *v1.ConfigFile) { c.RootFS.DiffIDs = nil },
	} {
		other := config.DeepCopy()
		change(other)
		wrong, err := mutate.ConfigFile(img, other)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := New(t.Context(), wrong, Options{TempDir: t.TempDir()}); err == nil {
			t.Errorf("%s: was taken", what)
			_ = c.Close()
		} else {
			t.Log(err)
		}
	}
}

func TestUnpackingEndsWithItsContext(t *testing.T) {
	temp := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(ctx, image(t, v1.Config{}, runtime.GOARCH, testimage.Layer(t, testimage.File("a", "1", 0o644))), Options{TempDir: temp})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOtherSystemsImages(t *testing.T) {
	config, err := image(t, v1.Config{}, "amd64").ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS = "windows"
	img, err := mutate.ConfigFile(image(t, v1.Config{}, "amd64"), config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), img, Options{TempDir: t.TempDir()})
	if _, ok := errors.AsType[*smoke.NotRunnableError](err); !ok {
		t.Errorf("got %v", err)
	}
}

func TestLargeEntries(t *testing.T) {
	name := strings.Repeat("d/", 100) + strings.Repeat("f", 200)
	content := string(bytes.Repeat([]byte("content "), 1<<18))
	_, got := unpacked(t, testimage.Layer(t, testimage.File(name, content, 0o644)))
	if got[name] != content {
		t.Errorf("got %d bytes", len(got[name]))
	}
}
