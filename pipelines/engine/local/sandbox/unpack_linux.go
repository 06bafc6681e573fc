package sandbox

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The names of OCI layers for what a layer takes away
// (image-spec v1.1, layer.md, "Whiteouts").
const (
	whiteout       = ".wh."
	opaqueWhiteout = ".wh..wh..opq"
	// reserved begins the names of AUFS's own files, which mean nothing here.
	reserved = ".wh..wh."
)

// unpack applies an image's layers in their order, and checks the content of
// each against the config, as container runtimes do.
func (t *tree) unpack(ctx context.Context, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("image's layers: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("image's config: %w", err)
	}
	if want := len(config.RootFS.DiffIDs); want != len(layers) {
		return fmt.Errorf("the image has %d layers and its config lists %d in rootfs.diff_ids", len(layers), want)
	}
	for i, layer := range layers {
		if err := t.apply(ctx, layer, config.RootFS.DiffIDs[i]); err != nil {
			return fmt.Errorf("layer %d of %d: %w", i+1, len(layers), err)
		}
	}
	return nil
}

// apply unpacks one layer.
func (t *tree) apply(ctx context.Context, layer v1.Layer, diffID v1.Hash) (err error) {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() {
		if e := content.Close(); err == nil {
			err = e
		}
	}()
	hasher, err := v1.Hasher(diffID.Algorithm)
	if err != nil {
		return err
	}
	stream := io.TeeReader(untilDone(ctx, content), hasher)
	archive := tar.NewReader(stream)
	own := own{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := t.add(header, archive, own); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
	// What follows the archive's end is part of the digest.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return err
	}
	if got := fmt.Sprintf("%x", hasher.Sum(nil)); got != diffID.Hex {
		return fmt.Errorf("its content has digest %s:%s and the image's config says %s", diffID.Algorithm, got, diffID)
	}
	return nil
}

// own is the set of real paths that a layer itself lists, with their parents: a
// layer's whiteouts take away only what lies in the layers below it, wherever in
// the archive they stand.
type own map[string]bool

func (o own) add(name string) {
	for ; !o[name] && name != "."; name = path.Dir(name) {
		o[name] = true
	}
}

// add unpacks one entry of a layer.
func (t *tree) add(header *tar.Header, content io.Reader, own own) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if leaves(header.Name) {
		return errors.New("the name leaves the root file system")
	}
	dir, base := path.Split(path.Clean("/" + header.Name))
	if base == "" { // the root directory itself
		if header.Typeflag == tar.TypeDir {
			t.attrs["."] = attrOf(header)
		}
		return nil
	}
	if base == opaqueWhiteout {
		parent, err := t.resolve(dir, true)
		if err != nil {
			return err
		}
		return t.hideChildren(parent, own)
	}
	if strings.HasPrefix(base, reserved) {
		return nil
	}
	if hidden, ok := strings.CutPrefix(base, whiteout); ok {
		if hidden == "" || hidden == "." || hidden == ".." {
			return errors.New("a whiteout must name a file")
		}
		name, err := t.resolve(dir+hidden, false)
		if err != nil {
			return err
		}
		return t.hide(name, own)
	}

	parent, err := t.mkdirAll(dir)
	if err != nil {
		return err
	}
	name := path.Join(parent, base)
	own.add(name)
	a := attrOf(header)
	switch header.Typeflag {
	case tar.TypeDir:
		return t.mkdir(name, a)
	case tar.TypeReg, tar.TypeGNUSparse:
		return t.write(name, content, a)
	case tar.TypeSymlink:
		return t.put(name, a, func(dir *os.Root, base string) error { return dir.Symlink(header.Linkname, base) })
	case tar.TypeLink:
		return t.link(header.Linkname, name)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return errors.New("device files and named pipes are refused")
	default:
		return fmt.Errorf("unknown type %q of entry", header.Typeflag)
	}
}

// link makes a hard link at a real path.
func (t *tree) link(target, name string) error {
	if leaves(target) {
		return fmt.Errorf("the link's target %s leaves the root file system", target)
	}
	target, err := t.resolve(target, false)
	if err != nil {
		return err
	}
	if target == name {
		return nil
	}
	if info, err := t.root.Lstat(target); err != nil {
		return fmt.Errorf("the link's target: %w", err)
	} else if info.IsDir() {
		return fmt.Errorf("the link's target %s is a directory", target)
	}
	if strings.HasPrefix(target, name+"/") {
		return fmt.Errorf("the link replaces the directory of its target %s", target)
	}
	// Link takes both names from one os.Root, so it is not the directory's.
	return t.put(name, t.attrs[target], func(*os.Root, string) error { return t.root.Link(target, name) })
}

// hide takes away a path of the layers below, and what is in it.
func (t *tree) hide(name string, own own) error {
	if !own[name] {
		return t.remove(name)
	}
	return t.hideChildren(name, own)
}

// hideChildren takes away what the layers below have in a directory.
func (t *tree) hideChildren(dir string, own own) error {
	info, err := t.root.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	children, err := fs.ReadDir(t.root.FS(), dir)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := t.hide(path.Join(dir, child.Name()), own); err != nil {
			return err
		}
	}
	return nil
}

// leaves tells whether a path climbs above where it starts.
func leaves(name string) bool {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	return clean == ".." || strings.HasPrefix(clean, "../")
}

func attrOf(header *tar.Header) attr {
	return attr{mode: header.FileInfo().Mode(), uid: header.Uid, gid: header.Gid, modTime: header.ModTime}
}

// reader is a function that reads.
type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// untilDone reads until a context ends.
func untilDone(ctx context.Context, r io.Reader) io.Reader {
	return reader(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}
