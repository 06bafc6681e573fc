package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"

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
	// PrivateKey says that the first MiB of a regular file holds a private key, in
	// PEM (RFC 7468) or in OpenPGP's armour (RFC 9580). Programs, which may hold
	// examples of both, are not looked into.
	PrivateKey bool
}

// searched is how much of a file is searched for a private key, in bytes.
const searched = 1 << 20

var privateKey = regexp.MustCompile(`-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----`)

// List reads every entry of every layer of an image, in the layers' order.
func List(img v1.Image) ([]Entry, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var (
		all []Entry
		buf bytes.Buffer // one for all files: an image may have many
	)
	for i, l := range layers {
		entries, err := listLayer(l, i, &buf)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		all = append(all, entries...)
	}
	return all, nil
}

func listLayer(l v1.Layer, index int, buf *bytes.Buffer) (entries []Entry, err error) {
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
		if h.Typeflag == tar.TypeReg {
			if e.PrivateKey, err = holdsPrivateKey(tr, buf); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
}

// holdsPrivateKey searches the beginning of a file, which it reads into buf.
func holdsPrivateKey(r io.Reader, buf *bytes.Buffer) (bool, error) {
	buf.Reset()
	if _, err := io.CopyN(buf, r, int64(len(elf.ELFMAG))); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if buf.String() == elf.ELFMAG {
		return false, nil
	}
	if _, err := buf.ReadFrom(io.LimitReader(r, searched-int64(buf.Len()))); err != nil {
		return false, err
	}
	return privateKey.Match(buf.Bytes()), nil
}
