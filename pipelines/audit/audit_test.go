package audit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/image"
)

// allowable are the rules that plan lets a policy allow.
var allowable = []audit.Rule{audit.RuleRoot, audit.RuleShell, audit.RuleSetuid, audit.RuleCredentials, audit.RuleWritable}

var amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}

// build makes an image of layers of files over a base, run by a user.
func build(t *testing.T, base v1.Image, user string, layers ...[]image.File) v1.Image {
	t.Helper()
	store, err := image.NewStore(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	s := image.Spec{Platform: amd64, Base: base, Config: v1.Config{User: user}}
	for _, files := range layers {
		l, err := store.Layer(context.Background(), "test", files, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		s.Layers = append(s.Layers, l)
	}
	img, err := image.Assemble(s)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// foreign makes an image of entries that slipway itself would never write.
func foreign(t *testing.T, headers ...tar.Header) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.User = "linux", "amd64", "1:1"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// found are an image's findings, a line each.
func found(t *testing.T, img v1.Image, p audit.Policy) []string {
	t.Helper()
	findings, err := audit.Image(img, p)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	return lines
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func program() []image.File {
	return []image.File{image.Bytes("usr/local/bin/hello", 0o755, []byte("\x7fELF"))}
}

func TestNothingToBeFound(t *testing.T) {
	own := [][]image.File{append(image.Base(), image.Tmp()), program()}
	check(t, "a good image", found(t, build(t, nil, "65534:65534", own...), audit.Policy{Own: own, MaxSize: 1 << 20}))
}

func TestUser(t *testing.T) {
	const root = "root: the program runs as root; take another user (image.user), or allow it (audit.allow: [root])"
	for user, want := range map[string]string{
		"":            root,
		"0":           root,
		"0:0":         root,
		"0:1000":      root,
		"00":          root,
		"root":        root,
		"root:nobody": root,
		"nobody":      `root: the user "nobody" is a name, which Kubernetes' runAsNonRoot refuses; take its number`,
		"app:1000":    `root: the user "app" is a name, which Kubernetes' runAsNonRoot refuses; take its number`,
		"1000":        "",
		"1000:0":      "",
		"4294967294":  "",
	} {
		img := build(t, nil, user, program())
		var lines []string
		if want != "" {
			lines = []string{want}
		}
		check(t, "user "+user, found(t, img, audit.Policy{}), lines...)
		check(t, "user "+user+", allowed", found(t, img, audit.Policy{Allow: []audit.Rule{audit.RuleRoot}}))
	}
}

// TestEntries has one image for each thing that a file can be found guilty of.
func TestEntries(t *testing.T) {
	pemKey := func(kind string) []byte {
		return []byte("some text\n-----BEGIN " + kind + "-----\nMC4CAQAw\n-----END " + kind + "-----\n")
	}
	const (
		shell    = "is a shell; an image that needs none is harder to abuse (or audit.allow: [shell])"
		writable = "may be written by everybody (or audit.allow: [writable])"
		key      = "holds a private key; give secrets to the container when it runs (or audit.allow: [credentials])"
		kept     = "is where credentials are kept; give secrets to the container when it runs (or audit.allow: [credentials])"
	)
	for _, test := range []struct {
		file image.File
		rule audit.Rule
		want string // empty where nothing is to be found
	}{
		{image.Bytes("bin/sh", 0o755, nil), audit.RuleShell, shell},
		{image.Bytes("bin/busybox", 0o100, nil), audit.RuleShell, shell},
		{image.File{Path: "bin/bash", Mode: fs.ModeSymlink | 0o777, Link: "elsewhere"}, audit.RuleShell, shell},
		{image.Bytes("doc/sh", 0o644, nil), audit.RuleShell, ""},
		{image.File{Path: "sh", Mode: fs.ModeDir | 0o755}, audit.RuleShell, ""},
		{image.Bytes("bin/shell", 0o755, nil), audit.RuleShell, ""},

		{image.Bytes("data", 0o666, nil), audit.RuleWritable, writable},
		{image.Bytes("data", 0o602, nil), audit.RuleWritable, writable},
		{image.File{Path: "tmp", Mode: fs.ModeDir | 0o777}, audit.RuleWritable, writable},
		{image.Bytes("data", 0o660, nil), audit.RuleWritable, ""},
		{image.Tmp(), audit.RuleWritable, ""},
		{image.File{Path: "link", Mode: fs.ModeSymlink | 0o777, Link: "data"}, audit.RuleWritable, ""},

		{image.Bytes("tls.pem", 0o600, pemKey("PRIVATE KEY")), audit.RuleCredentials, key},
		{image.Bytes("tls.pem", 0o600, pemKey("RSA PRIVATE KEY")), audit.RuleCredentials, key},
		{image.Bytes("id", 0o600, pemKey("OPENSSH PRIVATE KEY")), audit.RuleCredentials, key},
		{image.Bytes("id", 0o600, pemKey("ENCRYPTED PRIVATE KEY")), audit.RuleCredentials, key},
		{image.Bytes("id", 0o600, pemKey("PGP PRIVATE KEY BLOCK")), audit.RuleCredentials, key},
		{image.Bytes("late", 0o600, append(bytes.Repeat([]byte("# a comment\n"), 10_000), pemKey("PRIVATE KEY")...)), audit.RuleCredentials, key},
		{image.Bytes("tls", 0o755, append([]byte("\x7fELF"), pemKey("PRIVATE KEY")...)), audit.RuleCredentials, ""},
		{image.Bytes("id.pub", 0o644, pemKey("PUBLIC KEY")), audit.RuleCredentials, ""},
		{image.Bytes("doc", 0o644, []byte("how to make a PRIVATE KEY")), audit.RuleCredentials, ""},
		{image.Bytes("app/.env", 0o644, nil), audit.RuleCredentials, kept},
		{image.Bytes("app/.env.production", 0o644, nil), audit.RuleCredentials, kept},
		{image.Bytes("root/.netrc", 0o600, nil), audit.RuleCredentials, kept},
		{image.Bytes("root/.docker/config.json", 0o600, nil), audit.RuleCredentials, kept},
		{image.Bytes("root/.aws/credentials", 0o600, nil), audit.RuleCredentials, kept},
		{image.Bytes("app/config.json", 0o644, nil), audit.RuleCredentials, ""},
		{image.File{Path: "kubeconfig", Mode: fs.ModeDir | 0o755}, audit.RuleCredentials, ""},
	} {
		img := build(t, nil, "1:1", []image.File{test.file})
		var lines []string
		if test.want != "" {
			lines = []string{fmt.Sprintf("%s: /%s %s", test.rule, test.file.Path, test.want)}
		}
		what := fmt.Sprintf("%s %v", test.file.Path, test.file.Mode)
		check(t, what, found(t, img, audit.Policy{}), lines...)
		check(t, what+", allowed", found(t, img, audit.Policy{Allow: []audit.Rule{test.rule}}))
	}
}

func TestSetuid(t *testing.T) {
	const text = " has a setuid or setgid bit (or audit.allow: [setuid])"
	img := foreign(t,
		tar.Header{Name: "ping", Typeflag: tar.TypeReg, Mode: 0o4755}, tar.Header{Name: "mail", Typeflag: tar.TypeReg, Mode: 0o2755},
		tar.Header{Name: "shared", Typeflag: tar.TypeDir, Mode: 0o2755}, tar.Header{Name: "plain", Typeflag: tar.TypeReg, Mode: 0o755},
	)
	check(t, "setuid", found(t, img, audit.Policy{}), "setuid: /ping"+text, "setuid: /mail"+text, "setuid: /shared"+text)
	check(t, "setuid, allowed", found(t, img, audit.Policy{Allow: []audit.Rule{audit.RuleSetuid}}))
}

func TestDevices(t *testing.T) {
	img := foreign(t, tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Mode: 0o600}, tar.Header{Name: "dev/pipe", Typeflag: tar.TypeFifo})
	check(t, "devices cannot be allowed", found(t, img, audit.Policy{Allow: allowable}),
		"device: /dev/null is no file, folder or link", "device: /dev/pipe is no file, folder or link")
}

func TestBaseWithAShell(t *testing.T) {
	base := build(t, nil, "root", []image.File{
		image.Bytes("bin/busybox", 0o755, []byte("x")), {Path: "bin/sh", Mode: fs.ModeSymlink | 0o777, Link: "busybox"},
	})
	own := [][]image.File{program()}
	const text = " is a shell; an image that needs none is harder to abuse (or audit.allow: [shell])"
	img := build(t, base, "1:1", own...)
	check(t, "a base with a shell", found(t, img, audit.Policy{Own: own}), "shell: /bin/busybox"+text, "shell: /bin/sh"+text)
	check(t, "a base with a shell, allowed", found(t, img, audit.Policy{Own: own, Allow: []audit.Rule{audit.RuleShell}}))
}

func TestExpected(t *testing.T) {
	base := build(t, nil, "", []image.File{image.Bytes("etc/of-the-base", 0o644, nil)})
	lower, upper := image.Base(), program()
	img := build(t, base, "1:1", lower, upper)
	stranger := image.Bytes("etc/stranger", 0o644, nil)
	for what, test := range map[string]struct {
		own  [][]image.File
		want []string
	}{
		"all of it":       {[][]image.File{lower, upper}, nil},
		"no comparison":   {nil, nil},
		"one unexpected":  {[][]image.File{lower[1:], upper}, []string{"unexpected: /etc/passwd was not asked for"}},
		"one missing":     {[][]image.File{append([]image.File{stranger}, lower...), upper}, []string{"unexpected: /etc/stranger is missing"}},
		"the wrong layer": {[][]image.File{upper, lower}, []string{"unexpected: /etc/group was not asked for", "unexpected: /etc/group is missing", "unexpected: /etc/nsswitch.conf was not asked for", "unexpected: /etc/nsswitch.conf is missing", "unexpected: /etc/passwd was not asked for", "unexpected: /etc/passwd is missing", "unexpected: /usr/local/bin/hello was not asked for", "unexpected: /usr/local/bin/hello is missing"}},
		"a layer too much": {[][]image.File{{image.Bytes("etc/of-the-base", 0o644, nil)}, lower, upper, {stranger}}, []string{
			"unexpected: /etc/group was not asked for", "unexpected: /etc/group is missing", "unexpected: /etc/nsswitch.conf was not asked for", "unexpected: /etc/nsswitch.conf is missing",
			"unexpected: /etc/of-the-base was not asked for", "unexpected: /etc/of-the-base is missing",
			"unexpected: /etc/passwd was not asked for", "unexpected: /etc/passwd is missing",
			"unexpected: /etc/stranger is missing",
			"unexpected: /usr/local/bin/hello was not asked for", "unexpected: /usr/local/bin/hello is missing",
		}},
	} {
		check(t, what, found(t, img, audit.Policy{Own: test.own, Allow: allowable}), test.want...)
	}
}

// TestExpectedFolders tells folders that files stand in from others.
func TestExpectedFolders(t *testing.T) {
	empty := image.File{Path: "srv/empty", Mode: fs.ModeDir | 0o755}
	closed := image.File{Path: "closed", Mode: fs.ModeDir | 0o700}
	img := build(t, nil, "1:1", append(program(), empty, closed))
	check(t, "folders that were asked for", found(t, img, audit.Policy{Own: [][]image.File{append(program(), empty, closed)}}))
	check(t, "folders that were not", found(t, img, audit.Policy{Own: [][]image.File{program()}}),
		"unexpected: /closed was not asked for", "unexpected: /srv/empty is a folder that was not asked for")
}

// TestExpectedEmptyLayer has a layer without any entry on top.
func TestExpectedEmptyLayer(t *testing.T) {
	own := [][]image.File{program(), nil}
	check(t, "an empty layer", found(t, build(t, nil, "1:1", own...), audit.Policy{Own: own}))
}

func TestSize(t *testing.T) {
	img := build(t, nil, "1:1", program())
	size, err := audit.Size(img)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if want := m.Config.Size + m.Layers[0].Size; size != want || m.Layers[0].Size == 0 {
		t.Errorf("the size is %d, want %d", size, want)
	}
	check(t, "no bound", found(t, img, audit.Policy{}))
	check(t, "within its bound", found(t, img, audit.Policy{MaxSize: size}))
	check(t, "beyond its bound, which cannot be allowed", found(t, img, audit.Policy{MaxSize: size - 1, Allow: allowable}),
		fmt.Sprintf("size: the image weighs %d bytes compressed, its budget (maxSize) is %d", size, size-1))
}

func TestError(t *testing.T) {
	err := &audit.Error{Findings: []audit.Finding{{Rule: audit.RuleRoot, Text: "a"}, {Rule: audit.RuleShell, Path: "/bin/sh", Text: "b"}}}
	if want := "the image does not pass its audit:\n  root: a\n  shell: /bin/sh b"; err.Error() != want {
		t.Errorf("got %s, want %s", err, want)
	}
}

type broken struct{ v1.Image }

func (broken) Layers() ([]v1.Layer, error) { return nil, errors.New("the registry is away") }

// TestListed has the entries already, and reads no layer to audit them.
func TestListed(t *testing.T) {
	img := build(t, nil, "1:1", []image.File{image.Bytes("bin/sh", 0o755, nil)})
	entries, err := image.List(img)
	if err != nil {
		t.Fatal(err)
	}
	want, err := audit.Image(img, audit.Policy{})
	if err != nil || len(want) != 1 {
		t.Fatalf("the image gives %v, %v", want, err)
	}
	got, err := audit.Listed(broken{img}, entries, audit.Policy{})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
}

func TestImageThatCannotBeRead(t *testing.T) {
	if _, err := audit.Image(broken{build(t, nil, "1:1", program())}, audit.Policy{}); err == nil || !strings.Contains(err.Error(), "the registry is away") {
		t.Errorf("got %v", err)
	}
}
