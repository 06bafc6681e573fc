package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/pipelines/image"
)

func TestParseOutput(t *testing.T) {
	for in, want := range map[string]image.Output{
		"oci:out":                         {Transport: "oci", Path: "out"},
		"oci:out/":                        {Transport: "oci", Path: "out/"},
		"oci:/a/b:v1":                     {Transport: "oci", Path: "/a/b", Reference: "v1"},
		"oci-archive:x.tar":               {Transport: "oci-archive", Path: "x.tar"},
		"oci-archive:x.tar:a:b":           {Transport: "oci-archive", Path: "x.tar", Reference: "a:b"},
		"docker-archive:x.tar":            {Transport: "docker-archive", Path: "x.tar"},
		"docker-archive:x.tar:hello":      {Transport: "docker-archive", Path: "x.tar", Reference: "hello"},
		"docker-archive:x.tar:a/hello:V1": {Transport: "docker-archive", Path: "x.tar", Reference: "a/hello:V1"},
		"docker://ghcr.io/a/hello:v1":     {Transport: "docker", Reference: "ghcr.io/a/hello:v1"},
	} {
		got, err := image.ParseOutput(in)
		if err != nil || got != want {
			t.Errorf("%s: got %#v, %v, want %#v", in, got, err, want)
		}
		if err == nil && got.String() != in {
			t.Errorf("%s is written as %s", in, got)
		}
	}
	const help = "want oci:DIR, oci-archive:FILE, docker-archive:FILE or docker://REPOSITORY"
	for in, want := range map[string]string{
		"":                               help,
		"out":                            help,
		"dir:out":                        help,
		"OCI:out":                        help,
		"/out":                           help,
		"oci:":                           "names no path after oci:",
		"oci-archive::v1":                "names no path after oci-archive:",
		"docker-archive:x.tar:Hello":     `"Hello" is no name and tag for docker`,
		"docker-archive:x.tar:hello:a b": `"hello:a b" is no name and tag for docker`,
		"docker:hello":                   "want docker://REPOSITORY, with two slashes",
		"docker://":                      "want docker://REPOSITORY, with two slashes",
	} {
		_, err := image.ParseOutput(in)
		oe, ok := errors.AsType[*image.OutputError](err)
		if !ok || oe.Output != in || oe.Reason != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}

func index(t *testing.T, platforms ...string) v1.ImageIndex {
	t.Helper()
	var images []v1.Image
	for _, p := range platforms {
		images = append(images, hello(t, p))
	}
	idx, err := image.Index(images, nil)
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

var host = v1.Platform{OS: "linux", Architecture: "arm64"}

// write writes to an output given as text.
func write(t *testing.T, idx v1.ImageIndex, output string) error {
	t.Helper()
	out, err := image.ParseOutput(output)
	if err != nil {
		t.Fatal(err)
	}
	return image.Write(context.Background(), idx, out, host)
}

// ls lists everything below a folder.
func ls(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && p != dir && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestArchivesAreReproducible(t *testing.T) {
	dir := t.TempDir()
	idx := index(t, "linux/amd64", "linux/arm64")
	for _, transport := range []string{"oci-archive", "docker-archive"} {
		var first []byte
		for _, name := range []string{"1/hello.tar", "2/hello.tar"} {
			path := filepath.Join(dir, transport, name)
			if err := write(t, idx, transport+":"+path); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && !bytes.Equal(first, data) {
				t.Errorf("%s: two runs give other bytes", transport)
			}
			first = data
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
				t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
			}
			if got := names(t, filepath.Dir(path)); !slices.Equal(got, []string{"hello.tar"}) {
				t.Errorf("%s: there are %v", transport, got)
			}
		}
	}
}

func TestWriteLayout(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "deep", "out")
	first := index(t, "linux/amd64", "linux/arm64")
	if err := write(t, first, "oci:"+dir+"/"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(dir)); !slices.Equal(got, []string{"out"}) {
		t.Errorf("beside the layout there are %v", got)
	}
	before := ls(t, dir)
	if len(before) != 9 { // index.json, oci-layout, the index, and 3 blobs for each platform
		t.Errorf("the layout has %v", before)
	}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root v1.IndexManifest
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	if len(root.Manifests) != 1 || root.Manifests[0].Digest.String() != digest(t, first) ||
		root.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "latest" {
		t.Errorf("index.json is %s", data)
	}

	// The same again changes nothing, and another image of that name leaves nothing
	// of the first.
	if err := write(t, first, "oci:"+dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, ls(t, dir)); diff != "" {
		t.Error(diff)
	}
	if err := write(t, index(t, "linux/s390x"), "oci:"+dir+":latest"); err != nil {
		t.Fatal(err)
	}
	after := ls(t, dir)
	if len(after) != 6 || slices.ContainsFunc(after, func(p string) bool {
		return strings.HasPrefix(p, "blobs") && slices.Contains(before, p)
	}) {
		t.Errorf("after another image there are %v, before there were %v", after, before)
	}
}

// read reads an output given as text, every blob of it.
func read(t *testing.T, output string) v1.ImageIndex {
	t.Helper()
	out, err := image.ParseOutput(output)
	if err != nil {
		t.Fatal(err)
	}
	idx, closer, err := image.Read(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Errorf("%s: %v", output, err)
	}
	if err := closer(); err != nil {
		t.Error(err)
	}
	return idx
}

// TestWriteLayoutAdds gives one layout images of several names, and replaces one.
func TestWriteLayoutAdds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	a, b, c := index(t, "linux/amd64"), index(t, "linux/arm64", "linux/amd64"), index(t, "linux/s390x")
	for _, w := range []struct {
		ref string
		idx v1.ImageIndex
	}{{":a", a}, {":b", b}, {":a", c}} {
		if err := write(t, w.idx, "oci:"+dir+w.ref); err != nil {
			t.Fatal(err)
		}
	}
	for ref, want := range map[string]v1.ImageIndex{":a": c, ":b": b} {
		if got := read(t, "oci:"+dir+ref); digest(t, got) != digest(t, want) {
			t.Errorf("%s is %s, want %s", ref, digest(t, got), digest(t, want))
		}
	}
	// index.json, oci-layout, two indexes, and 3 blobs for each of 3 platforms: of
	// the first image, its index alone was not needed any more.
	if got := ls(t, dir); len(got) != 13 {
		t.Errorf("the layout has %v", got)
	}
	// What cannot be read cannot be added to.
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := ls(t, dir)
	if err := write(t, a, "oci:"+dir+":a"); err == nil || !strings.Contains(err.Error(), "index.json cannot be read") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, ls(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestWriteLayoutAtOnce has several writers for one layout, which is there or not.
func TestWriteLayoutAtOnce(t *testing.T) {
	platforms := []string{"linux/amd64", "linux/arm64", "linux/386", "linux/s390x"}
	for range 3 {
		parent := t.TempDir()
		var indexes []v1.ImageIndex
		for _, p := range platforms {
			indexes = append(indexes, index(t, p))
		}
		for _, dir := range []string{filepath.Join(parent, "new"), t.TempDir()} {
			errs := make([]error, 2*len(indexes))
			var writers sync.WaitGroup
			for i, idx := range indexes {
				for j, ref := range []string{"all", fmt.Sprint("own-", i)} {
					writers.Go(func() {
						errs[2*i+j] = image.Write(context.Background(), idx, image.Output{Transport: "oci", Path: dir, Reference: ref}, host)
					})
				}
			}
			writers.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			read(t, "oci:"+dir+":all")
			for i, idx := range indexes {
				if got := read(t, fmt.Sprintf("oci:%s:own-%d", dir, i)); digest(t, got) != digest(t, idx) {
					t.Errorf("own-%d is another image", i)
				}
			}
			if got := names(t, dir); !slices.Equal(got, []string{"blobs", "index.json", "oci-layout"}) {
				t.Errorf("the folder has %v", got)
			}
		}
		if got := names(t, parent); !slices.Equal(got, []string{"new"}) {
			t.Errorf("beside the layout there are %v", got)
		}
	}
}

// TestWriteLayoutWaits writes while somebody else holds the layout's lock.
func TestWriteLayoutWaits(t *testing.T) {
	dir := t.TempDir()
	old := index(t, "linux/amd64")
	if err := write(t, old, "oci:"+dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Skipf("folders cannot be locked here: %v", err)
	}
	before := ls(t, dir)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	next := index(t, "linux/arm64")
	if err := image.Write(ctx, next, image.Output{Transport: "oci", Path: dir}, host); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that it waited", err)
	}
	if diff := cmp.Diff(before, ls(t, dir)); diff != "" {
		t.Error(diff)
	}
	if got := read(t, "oci:"+dir); digest(t, got) != digest(t, old) {
		t.Error("the layout was written without its lock")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := write(t, next, "oci:"+dir); err != nil {
		t.Error(err)
	}
}

// TestLayoutCanBeRead wants modes that other users can read with, for a new
// layout, one in a folder that was there, and one that is added to.
func TestLayoutCanBeRead(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	there := filepath.Join(t.TempDir(), "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(there, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "new"), there} {
		for _, ref := range []string{"a", "b"} {
			if err := write(t, index(t, "linux/amd64"), "oci:"+dir+":"+ref); err != nil {
				t.Fatal(err)
			}
			err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				want := fs.FileMode(0o644)
				if d.IsDir() {
					want = fs.ModeDir | 0o755
				}
				if info, err := d.Info(); err != nil || info.Mode() != want {
					t.Errorf("%s has mode %v, want %v: %v", p, info.Mode(), want, err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWriteLayoutIntoAFolderThatStays writes where the folder itself cannot be
// replaced: a mount point, or the working folder.
func TestWriteLayoutIntoAFolderThatStays(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	// What a killed run left is no reason to refuse the folder.
	if err := os.Mkdir(filepath.Join(dir, ".slipway-killed"), 0o755); err != nil {
		t.Fatal(err)
	}
	idx := index(t, "linux/amd64")
	for range 2 {
		if err := write(t, idx, "oci:."); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Stat(dir); err != nil || !os.SameFile(before, after) {
		t.Errorf("the folder is another one, or %v", err)
	}
	read, closer, err := image.Read(context.Background(), image.Output{Transport: "oci", Path: dir})
	if err != nil || digest(t, read) != digest(t, idx) {
		t.Fatalf("the layout is not what was written: %v", err)
	}
	if err := closer(); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{".slipway-killed", "blobs", "index.json", "oci-layout"}) {
		t.Errorf("the folder has %v", got)
	}
}

func TestWriteIsRefused(t *testing.T) {
	dir := t.TempDir()
	full, file, fifo := filepath.Join(dir, "full"), filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(full, "precious"), file} {
		if err := os.WriteFile(name, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	before := ls(t, dir)
	idx := index(t, "linux/amd64", "linux/arm64")
	for output, want := range map[string]string{
		"oci:" + full:            "the folder holds something that is no OCI layout; name an empty or new one",
		"oci:" + file:            "is no folder: ",
		"oci-archive:" + full:    "is there and is no regular file; name a file",
		"oci-archive:" + fifo:    "is there and is no regular file; name a file",
		"docker-archive:" + fifo: "is there and is no regular file; name a file",
		"docker-archive:" + filepath.Join(dir, "not a name.tar"): `"not a name:latest" is no name and tag for docker; write docker-archive:FILE:NAME:TAG`,
		"docker://example.com/hello":                             "is not written here",
	} {
		err := write(t, idx, output)
		oe, ok := errors.AsType[*image.OutputError](err)
		if !ok || oe.Output != output || !strings.HasPrefix(oe.Reason, want) {
			t.Errorf("%s: got %v, want %s", output, err, want)
		}
	}
	err := write(t, index(t, "linux/386", "linux/arm/v7"), "docker-archive:"+filepath.Join(dir, "x.tar"))
	if want := "a docker-archive holds one platform, and linux/arm64 is not among linux/386, linux/arm/v7; build one platform for it (--platform)"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("without the host's platform: got %v, want %s", err, want)
	}
	if diff := cmp.Diff(before, ls(t, dir)); diff != "" {
		t.Errorf("something was left behind, or taken away: %s", diff)
	}
}

// repoTags are the names in a docker-archive, and its config's digest.
func repoTags(t *testing.T, path string) (tags []string, config string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("%s: no manifest.json: %v", path, err)
		}
		if h.Name != "manifest.json" {
			continue
		}
		var m []struct {
			Config   string
			RepoTags []string
		}
		if err := json.NewDecoder(tr).Decode(&m); err != nil || len(m) != 1 {
			t.Fatalf("%s: %v, %v", path, m, err)
		}
		return m[0].RepoTags, m[0].Config
	}
}

func TestWriteDockerArchive(t *testing.T) {
	dir := t.TempDir()
	both := index(t, "linux/amd64", "linux/arm64", "linux/arm/v7")
	for name, test := range map[string]struct {
		idx  v1.ImageIndex
		host v1.Platform
		ref  string
		tag  string
		want string
	}{
		"Hello.tar": {both, host, "", "hello:latest", "linux/arm64"},
		"a.tar":     {both, host, "acme/hello:V1", "acme/hello:V1", "linux/arm64"},
		"b.tar":     {both, v1.Platform{OS: "linux", Architecture: "arm"}, "hello", "hello:latest", "linux/arm/v7"},
		"c.tar":     {index(t, "linux/s390x"), host, "hello:1", "hello:1", "linux/s390x"},
	} {
		out := image.Output{Transport: image.TransportDockerArchive, Path: filepath.Join(dir, name), Reference: test.ref}
		if err := image.Write(context.Background(), test.idx, out, test.host); err != nil {
			t.Fatal(err)
		}
		tags, config := repoTags(t, out.Path)
		if want := manifest(t, hello(t, test.want)).Config.Digest.String(); config != want {
			t.Errorf("%s holds %s, want %s of %s", name, config, want, test.want)
		}
		if len(tags) != 1 || strings.TrimPrefix(tags[0], "index.docker.io/library/") != test.tag {
			t.Errorf("%s is tagged %v, want %s", name, tags, test.tag)
		}
	}
}

// large is an index of one image with a layer that does not compress, and the
// folder of its store.
func large(t *testing.T) (v1.ImageIndex, string) {
	t.Helper()
	content := make([]byte, 1<<18)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := image.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := layer(t, store, image.Bytes("big", 0o644, content))
	idx, err := image.Index([]v1.Image{assemble(t, image.Spec{Platform: host, Layers: []*image.Layer{l}})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return idx, dir
}

// TestWriteThatFailsLeavesNothing makes writing fail on the way, onto nothing
// and over what was written before.
func TestWriteThatFailsLeavesNothing(t *testing.T) {
	t.Run("a layer is gone", func(t *testing.T) {
		failToWrite(t, func(store string) context.Context {
			if err := os.RemoveAll(filepath.Join(store, "blobs")); err != nil {
				t.Fatal(err)
			}
			return context.Background()
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		failToWrite(t, func(string) context.Context {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx
		})
	})
}

func TestWriteOnADiskThatIsFull(t *testing.T) {
	if !alone(t) {
		return
	}
	failToWrite(t, func(string) context.Context {
		limitFiles(t, 1<<16)
		return context.Background()
	})
}

// failToWrite writes an image with a fault, which is given the image's store,
// and looks at what is there afterwards.
func failToWrite(t *testing.T, fault func(store string) context.Context) {
	t.Helper()
	idx, store := large(t)
	old := index(t, "linux/arm64")
	dir := t.TempDir()
	outputs := []string{"oci:" + filepath.Join(dir, "layout"), "oci-archive:" + filepath.Join(dir, "oci.tar"), "docker-archive:" + filepath.Join(dir, "docker.tar")}
	for _, o := range outputs {
		if err := write(t, old, o); err != nil {
			t.Fatal(err)
		}
	}
	before := ls(t, dir)
	ctx := fault(store)
	for _, o := range append(outputs, "oci:"+filepath.Join(dir, "new"), "oci-archive:"+filepath.Join(dir, "new.tar"), "docker-archive:"+filepath.Join(dir, "new.tar")) {
		out, err := image.ParseOutput(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := image.Write(ctx, idx, out, host); err == nil {
			t.Errorf("%s was written", o)
		} else if ctx.Err() != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want that it was cancelled", o, err)
		}
	}
	if diff := cmp.Diff(before, ls(t, dir)); diff != "" {
		t.Error(diff)
	}
	for _, o := range outputs {
		out, err := image.ParseOutput(o)
		if err != nil {
			t.Fatal(err)
		}
		read, closer, err := image.Read(context.Background(), out)
		if err != nil {
			t.Errorf("%s cannot be read any more: %v", o, err)
			continue
		}
		if out.Transport != image.TransportDockerArchive && digest(t, read) != digest(t, old) {
			t.Errorf("%s is not what it was", o)
		}
		if err := closer(); err != nil {
			t.Error(err)
		}
	}
}

// alone runs a test in a process of its own, and tells whether this is it. What
// it does to its process then happens to nothing else.
func alone(t *testing.T) bool {
	t.Helper()
	const variable = "SLIPWAY_TEST_ALONE"
	if os.Getenv(variable) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Errorf("it did not run:\n%s", out)
	}
	return false
}

// limitFiles lets no file grow beyond a size until the test ends, in bytes. The
// kernel then fails writes as a full disk does.
func limitFiles(t *testing.T, size uint64) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Skipf("no limit of file sizes: %v", err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
		t.Skipf("no limit of file sizes: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
}

// TestLayerOnADiskThatIsFull is the same for the store of layers.
func TestLayerOnADiskThatIsFull(t *testing.T) {
	if !alone(t) {
		return
	}
	content := make([]byte, 1<<18)
	if _, err := io.ReadFull(rand.Reader, content); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := image.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	limitFiles(t, 1<<16)
	if _, err := store.Layer(context.Background(), "big", []image.File{image.Bytes("big", 0o644, content)}, time.Unix(0, 0)); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("got %v, want the disk's error", err)
	}
	if left := ls(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
