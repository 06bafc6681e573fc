package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Entry is a file as it stands in a layer of an image.
type Entry struct {
	// Layer counts from 0, the lowest.
	Layer int
	// Path is absolute and clean: "/etc/passwd".
	Path string
	// Type is one of the type flags of archive/tar.
	Type     byte
	Mode     fs.FileMode
	UID, GID int
	// Size is in bytes, 0 for what is no regular file.
	Size int64
	// Link is the target of a symbolic or hard link.
	Link string
	// Head is the beginning of a regular file's content, at most 64 KiB, by
	// which its kind can be told.
	Head []byte
}

// headSize is how much of a file is kept in an Entry: all of a key or of a file
// with a certificate before it, and little of a program.
const headSize = 64 << 10

// List reads every entry of every layer of an image, in the layers' order.
func List(img v1.Image) ([]Entry, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var all []Entry
	for i, l := range layers {
		entries, err := listLayer(l, i)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		all = append(all, entries...)
	}
	return all, nil
}

func listLayer(l v1.Layer, index int) (entries []Entry, err error) {
	r, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		e := Entry{
			Layer: index, Path: path.Clean("/" + h.Name), Type: h.Typeflag, Mode: h.FileInfo().Mode(),
			UID: h.Uid, GID: h.Gid, Size: h.Size, Link: h.Linkname,
		}
		if h.Typeflag == tar.TypeReg && h.Size > 0 {
			e.Head = make([]byte, min(headSize, h.Size))
			if _, err := io.ReadFull(tr, e.Head); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
}
