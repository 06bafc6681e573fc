package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Asset is a file or folder of a source that goes into an image.
type Asset struct {
	// From is relative to the source's folder, slash-separated.
	From string
	// To is where it stands in the image, absolute. A trailing slash makes it the
	// folder that a file goes into.
	To string
	// Mode is given to every file; 0 keeps what can be the same on every machine:
	// 0755 where the owner may execute it, otherwise 0644.
	Mode     fs.FileMode
	UID, GID int
}

// AssetError says that an asset cannot go into an image.
type AssetError struct {
	From   string // the asset's From
	Path   string // the file in it that is the matter, relative to the source
	Reason string // what is wrong and what would do
}

func (e *AssetError) Error() string {
	if e.Path == e.From || e.Path == "" {
		return fmt.Sprintf("asset %s: %s", e.From, e.Reason)
	}
	return fmt.Sprintf("asset %s: %s: %s", e.From, e.Path, e.Reason)
}

// Assets collects the files of a source's folder. Nothing outside of the
// folder is ever read: symbolic links that leave it are refused, and so are
// devices, sockets, pipes and setuid or setgid bits. A link that stays within
// its asset remains a link; one that leads elsewhere in the source is replaced
// by what it names. Anything named .git or .slipway in a folder is left out: a
// .git may be a file as well, as in a worktree, which names a path of the machine.
func Assets(source string, assets []Asset) ([]File, error) {
	root, err := os.OpenRoot(source)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	var files []File
	for _, a := range assets {
		from := path.Clean(filepath.ToSlash(a.From))
		if path.IsAbs(from) || from == ".." || strings.HasPrefix(from, "../") {
			return nil, &AssetError{From: a.From, Reason: "is outside the source; name a file or folder inside it"}
		}
		to := strings.TrimPrefix(path.Clean(a.To), "/")
		w := walk{root: root, source: source, asset: a, from: from}
		info, err := root.Stat(filepath.FromSlash(from))
		if err != nil {
			return nil, w.fail(from, err)
		}
		if !info.IsDir() && (strings.HasSuffix(a.To, "/") || to == "") {
			to = path.Join(to, path.Base(from))
		}
		if err := w.add(from, to, info, nil); err != nil {
			return nil, err
		}
		files = append(files, w.files...)
	}
	return files, nil
}

// walk collects one asset.
type walk struct {
	root   *os.Root
	source string
	asset  Asset
	from   string
	files  []File
	// followed tells that the walk is behind a symbolic link that was followed,
	// where the source's relative links do not mean the same in the image.
	followed bool
}

func (w *walk) fail(name string, err error) error {
	reason := err.Error()
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		reason = "does not exist in the source"
	case errors.As(err, &pathErr) && strings.Contains(pathErr.Err.Error(), "escapes"):
		reason = "is a symbolic link that leaves the source; copy what it names into the source"
	case errors.As(err, &pathErr):
		reason = pathErr.Err.Error()
	}
	return &AssetError{From: w.asset.From, Path: name, Reason: reason}
}

// add adds a file or folder. above are the folders that it stands in: following
// symbolic links can lead into one of them again.
func (w *walk) add(name, to string, info fs.FileInfo, above []fs.FileInfo) error {
	switch {
	case info.IsDir():
		for _, dir := range above {
			if os.SameFile(dir, info) {
				return &AssetError{From: w.asset.From, Path: name, Reason: "leads back into a folder that it stands in: a circle of symbolic links"}
			}
		}
		return w.addFolder(name, to, append(above[:len(above):len(above)], info))
	case !info.Mode().IsRegular():
		return &AssetError{From: w.asset.From, Path: name, Reason: fmt.Sprintf("is %s; only files, folders and links go into an image", kind(info.Mode()))}
	case info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return &AssetError{From: w.asset.From, Path: name, Reason: "has a setuid or setgid bit; take it away (chmod ug-s)"}
	}
	mode := w.asset.Mode
	if mode == 0 {
		mode = 0o644
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
	}
	// The file is opened by its path below the root each time, so that what was
	// a file when it was looked at cannot become a link out of the source.
	open := func() (io.ReadCloser, error) {
		root, err := os.OpenRoot(w.source)
		if err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }()
		return root.Open(filepath.FromSlash(name))
	}
	w.files = append(w.files, File{Path: to, Mode: mode, UID: w.asset.UID, GID: w.asset.GID, Size: info.Size(), Open: open})
	return nil
}

func (w *walk) addFolder(name, to string, above []fs.FileInfo) error {
	if to != "" {
		w.files = append(w.files, File{Path: to, Mode: fs.ModeDir | 0o755, UID: w.asset.UID, GID: w.asset.GID})
	}
	dir, err := w.root.Open(filepath.FromSlash(name))
	if err != nil {
		return w.fail(name, err)
	}
	entries, err := dir.ReadDir(-1)
	if cerr := dir.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return w.fail(name, err)
	}
	for _, entry := range entries {
		if entry.Name() == ".git" || entry.Name() == ".slipway" {
			continue
		}
		child, dest := path.Join(name, entry.Name()), path.Join(to, entry.Name())
		follow := *w
		follow.files = nil
		if entry.Type()&fs.ModeSymlink != 0 {
			kept, err := w.keepLink(child, dest)
			if err != nil {
				return err
			}
			if kept {
				continue
			}
			follow.followed = true
		}
		info, err := w.root.Stat(filepath.FromSlash(child))
		if err != nil {
			return w.fail(child, err)
		}
		if err := follow.add(child, dest, info, above); err != nil {
			return err
		}
		w.files = append(w.files, follow.files...)
	}
	return nil
}

// keepLink adds a symbolic link as it is when its target is relative and stays
// within the asset, where it means the same in the image as in the source.
func (w *walk) keepLink(name, to string) (bool, error) {
	target, err := w.root.Readlink(filepath.FromSlash(name))
	if err != nil {
		return false, w.fail(name, err)
	}
	target = filepath.ToSlash(target)
	resolved := path.Join(path.Dir(name), target)
	inside := w.from == "." && resolved != ".." && !strings.HasPrefix(resolved, "../") ||
		resolved == w.from || strings.HasPrefix(resolved, w.from+"/")
	if w.followed || path.IsAbs(target) || !inside {
		return false, nil
	}
	if _, err := w.root.Stat(filepath.FromSlash(name)); err != nil {
		return false, w.fail(name, err)
	}
	w.files = append(w.files, File{Path: to, Mode: fs.ModeSymlink | 0o777, UID: w.asset.UID, GID: w.asset.GID, Link: target})
	return true, nil
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "no regular file"
}
