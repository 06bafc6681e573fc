package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tree is a root file system while it is built. Every access goes through an
// os.Root, so that no symbolic link of an image leads out of it; names are
// slash-separated and relative to the root.
//
// Directories are made 0700 and files 0600, and get their owners and modes in
// finish: an ordinary user could not write into a folder that the image's own
// user may not write to.
type tree struct {
	root *os.Root
	// attrs holds what finish sets. What is not in it was made on the way.
	attrs map[string]attr
}

// attr is what a file has beside its content.
type attr struct {
	mode     fs.FileMode
	uid, gid int
	modTime  time.Time
}

// implied is what directories get that no layer lists.
var implied = attr{mode: fs.ModeDir | 0o755, modTime: time.Unix(0, 0)}

// maxLinks is how many symbolic links one path may go through, as in the kernel.
const maxLinks = 40

func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{root: root, attrs: map[string]attr{}}, nil
}

// resolve follows the symbolic links in name as a program inside would, where an
// absolute target begins at the tree's root, and returns a path without any. The
// last part is followed only if follow is set. Parts that do not exist stand for
// themselves.
func (t *tree) resolve(name string, follow bool) (string, error) {
	real, rest := ".", strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			real = path.Dir(real)
			continue
		}
		next := path.Join(real, part)
		info, err := t.root.Lstat(next)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err != nil || info.Mode().Type() != fs.ModeSymlink || len(rest) == 0 && !follow {
			real = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: name, Err: syscall.ELOOP}
		}
		target, err := t.root.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			real = "."
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return real, nil
}

// mkdirAll makes a directory and its parents, and returns its real path.
func (t *tree) mkdirAll(name string) (string, error) {
	real, err := t.resolve(name, true)
	if err != nil {
		return "", err
	}
	return real, t.root.MkdirAll(real, 0o700)
}

// remove removes a real path and everything below it.
func (t *tree) remove(name string) error {
	maps.DeleteFunc(t.attrs, func(p string, _ attr) bool {
		return p == name || strings.HasPrefix(p, name+"/")
	})
	return t.root.RemoveAll(name)
}

// write puts a file at a real path, in place of what is there.
func (t *tree) write(name string, content io.Reader, a attr) (err error) {
	if err := t.remove(name); err != nil {
		return err
	}
	f, err := t.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	t.attrs[name] = a
	return nil
}

// read returns a small file that a program inside would find at name.
func (t *tree) read(name string) ([]byte, error) {
	real, err := t.resolve(name, true)
	if err != nil {
		return nil, err
	}
	return t.root.ReadFile(real)
}

// finish gives every file its owner, mode and time. With id mapping of one id
// only, owners are left out, and permissions are those of u, in the owner's
// place: what u could not read is then unreadable as well.
func (t *tree) finish(u user, oneID bool) error {
	var names []string
	err := fs.WalkDir(t.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	// Backwards, so that a directory is closed after what is in it.
	for _, name := range slices.Backward(names) {
		a, ok := t.attrs[name]
		if !ok {
			a = implied
		}
		if oneID {
			a.mode = a.mode&(fs.ModeType|fs.ModeSticky|0o077) | u.class(a)<<6
		} else if err := t.root.Lchown(name, a.uid, a.gid); err != nil {
			return fmt.Errorf("owner %d:%d: %w", a.uid, a.gid, err)
		}
		if a.mode.Type() == fs.ModeSymlink {
			continue
		}
		if err := t.root.Chtimes(name, a.modTime, a.modTime); err != nil {
			return err
		}
		if err := t.root.Chmod(name, a.mode&^fs.ModeType); err != nil {
			return err
		}
	}
	return nil
}

// class returns the permission bits that apply to u, in the lowest three.
func (u user) class(a attr) fs.FileMode {
	perm := a.mode.Perm()
	switch {
	case u.uid == a.uid || u.uid == 0:
		return perm >> 6
	case u.gid == a.gid || slices.Contains(u.groups, a.gid):
		return perm >> 3 & 7
	}
	return perm & 7
}

// removeAll removes a directory whatever the modes of what is in it.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(name, 0o700)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}
