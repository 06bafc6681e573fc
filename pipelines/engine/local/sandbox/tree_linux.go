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
	// last is kept open because a layer lists the files of a directory one after
	// the other, and an os.Root looks at every part of a path again each time.
	last *folder
}

// folder is an open directory of a tree.
type folder struct {
	asked string // a name that resolves to it: as a layer has it, or real
	real  string // its real path
	root  *os.Root
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

// close closes what is open of the tree. What is in it stays.
func (t *tree) close() error { return errors.Join(t.leave(), t.root.Close()) }

// open returns the directory at a real path. It stays open until the next call of
// open, mkdirAll, remove or leave.
func (t *tree) open(real string) (*os.Root, error) {
	if t.last != nil && t.last.real == real {
		return t.last.root, nil
	}
	if err := t.leave(); err != nil {
		return nil, err
	}
	root, err := t.root.OpenRoot(real)
	if err != nil {
		return nil, err
	}
	t.last = &folder{asked: real, real: real, root: root}
	return root, nil
}

// leave closes the directory that was opened last.
func (t *tree) leave() error {
	if t.last == nil {
		return nil
	}
	root := t.last.root
	t.last = nil
	return root.Close()
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
	if t.last != nil && t.last.asked == name {
		return t.last.real, nil
	}
	real, err := t.resolve(name, true)
	if err != nil {
		return "", err
	}
	if err := t.root.MkdirAll(real, 0o700); err != nil {
		return "", err
	}
	if _, err := t.open(real); err != nil {
		return "", err
	}
	t.last.asked = name
	return real, nil
}

// remove removes a real path and everything below it, if there is anything.
func (t *tree) remove(name string) error {
	// The open directory may be below it, or its name may lead through a symbolic
	// link that goes now.
	if err := t.leave(); err != nil {
		return err
	}
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	delete(t.attrs, name)
	if info.IsDir() {
		maps.DeleteFunc(t.attrs, func(p string, _ attr) bool { return strings.HasPrefix(p, name+"/") })
	}
	return t.root.RemoveAll(name)
}

// put makes a file of any type at a real path, in place of what is there. The
// function makes it in its directory, and fails with fs.ErrExist, following no
// symbolic link, where something has its name: mostly nothing has, and looking
// first would cost more than the making.
func (t *tree) put(name string, a attr, create func(dir *os.Root, base string) error) error {
	try := func() error {
		dir, err := t.open(path.Dir(name))
		if err != nil {
			return err
		}
		return create(dir, path.Base(name))
	}
	err := try()
	if errors.Is(err, fs.ErrExist) {
		if err := t.remove(name); err != nil {
			return err
		}
		err = try()
	}
	if err != nil {
		return err
	}
	t.attrs[name] = a
	return nil
}

// mkdir puts a directory at a real path, in place of what is there. A directory
// that is there stays, with what is in it.
func (t *tree) mkdir(name string, a attr) error {
	return t.put(name, a, func(dir *os.Root, base string) error {
		err := dir.Mkdir(base, 0o700)
		if errors.Is(err, fs.ErrExist) {
			if info, e := dir.Lstat(base); e == nil && info.IsDir() {
				return nil
			}
		}
		return err
	})
}

// write puts a regular file at a real path, in place of what is there.
func (t *tree) write(name string, content io.Reader, a attr) (err error) {
	var f *os.File
	err = t.put(name, a, func(dir *os.Root, base string) (err error) {
		f, err = dir.OpenFile(base, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
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
		}
		if err := t.set(name, a, !oneID); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// set gives the file at a real path its mode and time, and its owner too if owner
// is set.
func (t *tree) set(name string, a attr, owner bool) error {
	dir, err := t.open(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if owner {
		if err := dir.Lchown(base, a.uid, a.gid); err != nil {
			return fmt.Errorf("owner %d:%d: %w", a.uid, a.gid, err)
		}
	}
	if a.mode.Type() == fs.ModeSymlink {
		return nil
	}
	if err := dir.Chtimes(base, a.modTime, a.modTime); err != nil {
		return err
	}
	return dir.Chmod(base, a.mode&^fs.ModeType)
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
	// Root may at once, and so may anyone where the image lets its user write.
	if err := os.RemoveAll(dir); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(name, 0o700)
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
