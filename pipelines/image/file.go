package image

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// File is an entry of a layer: a regular file, a folder, or a link.
type File struct {
	// Path is slash-separated and clean, without a leading slash: "etc/passwd".
	Path string
	// Mode holds the permission bits, fs.ModeSticky, and the type: fs.ModeDir,
	// fs.ModeSymlink, or none for a regular file.
	Mode     fs.FileMode
	UID, GID int
	// Size is the length of a regular file in bytes.
	Size int64
	// Link is a symbolic link's target. For a regular file it names the File
	// whose content this one shares, as a hard link.
	Link string
	// Open gives a regular file's content. It may be called more than once.
	Open func() (io.ReadCloser, error)
}

// Bytes returns a regular file of root's with the given content.
func Bytes(name string, mode fs.FileMode, content []byte) File {
	return File{Path: name, Mode: mode, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// Binary returns the file of this machine at source as an executable of root's.
func Binary(name, source string) (File, error) {
	info, err := os.Stat(source)
	if err != nil {
		return File{}, err
	}
	return File{Path: name, Mode: 0o755, Size: info.Size(), Open: func() (io.ReadCloser, error) {
		return os.Open(source)
	}}, nil
}

// ConflictError says that two files want the same path.
type ConflictError struct{ Path string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("/%s would stand in the layer twice", e.Path)
}

// tree sorts files and adds the folders that they stand in (0755, root's)
// where no File gives them. Sorting by path puts folders before what they
// hold; hard links come after everything that they could refer to.
func tree(files []File) ([]File, error) {
	have := map[string]File{}
	for _, f := range files {
		if f.Path == "" || f.Path == "." || f.Path != path.Clean(f.Path) || path.IsAbs(f.Path) || f.Path == ".." || strings.HasPrefix(f.Path, "../") {
			return nil, fmt.Errorf("%q is no clean relative path", f.Path)
		}
		if other, ok := have[f.Path]; ok {
			if f.Mode.IsDir() && other.Mode == f.Mode && other.UID == f.UID && other.GID == f.GID {
				continue
			}
			return nil, &ConflictError{Path: f.Path}
		}
		have[f.Path] = f
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			parent, ok := have[dir]
			if !ok {
				have[dir] = File{Path: dir, Mode: fs.ModeDir | 0o755}
			} else if !parent.Mode.IsDir() {
				return nil, &ConflictError{Path: dir}
			}
		}
	}
	all := make([]File, 0, len(have))
	for _, f := range have {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b File) int {
		if ah, bh := a.isHardLink(), b.isHardLink(); ah != bh {
			if ah {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return all, nil
}

func (f File) isHardLink() bool { return f.Mode.IsRegular() && f.Link != "" }
