package image

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Where programs look for what the base layer holds.
const (
	// CertificatesPath is the first place that Go's crypto/x509 looks at
	// (src/crypto/x509/root_linux.go), and Debian's.
	CertificatesPath = "etc/ssl/certs/ca-certificates.crt"
	// ZonesPath is the first place that Go's time looks at (src/time/zoneinfo_unix.go).
	ZonesPath = "usr/share/zoneinfo"
)

// nsswitch makes resolvers that read it look into /etc/hosts first, where
// container runtimes put static names.
const nsswitch = "hosts: files dns\n"

// Base returns the files that every image has in common: passwd and group with
// root, nobody and nonroot, and nsswitch.conf. Together with Certificates and
// Zones it makes one layer, the same blob for every platform and program.
func Base() []File {
	passwd, group := accounts(Root)
	return []File{
		Bytes("etc/passwd", 0o644, passwd),
		Bytes("etc/group", 0o644, group),
		Bytes("etc/nsswitch.conf", 0o644, []byte(nsswitch)),
	}
}

// Account returns passwd and group with u beside the users of Base, and
// nothing where Base names u already. They belong into a layer above it, so
// that the base layer stays the same for everybody.
func Account(u User) []File {
	for _, known := range []User{Root, Nobody, NonRoot} {
		if u == known {
			return nil
		}
	}
	passwd, group := accounts(u)
	return []File{Bytes("etc/passwd", 0o644, passwd), Bytes("etc/group", 0o644, group)}
}

// Tmp returns a /tmp that everybody may write to.
func Tmp() File { return File{Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777} }

// Mozilla returns the root certificates that Mozilla trusts, as PEM, from the
// module golang.org/x/crypto/x509roots that go.sum pins. Some (now one) are
// trusted for older certificates only; PEM cannot say so, hence they are in
// there without that limit.
func Mozilla() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		// Writing to a bytes.Buffer does not fail, and there are no headers to be wrong.
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
	}
	return b.Bytes()
}

// Certificates returns the file of the image with the given PEM certificates,
// one after the other, without what stands between them. An error names the
// source in which something is no certificate.
func Certificates(sources ...NamedPEM) (File, error) {
	var all bytes.Buffer
	seen := map[[sha256.Size]byte]bool{}
	for _, src := range sources {
		count := 0
		// The decoder passes over blocks that it cannot read.
		begun := bytes.Count(src.PEM, []byte("-----BEGIN "))
		for rest := src.PEM; ; {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			if block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				return File{}, fmt.Errorf("%s: holds a %q block: want certificates alone", src.Name, block.Type)
			}
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return File{}, fmt.Errorf("%s: certificate %d: %w", src.Name, count+1, err)
			}
			count++
			if sum := sha256.Sum256(block.Bytes); !seen[sum] {
				seen[sum] = true
				_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes})
			}
		}
		switch {
		case begun > count:
			return File{}, fmt.Errorf("%s: %d PEM blocks begin in it, and %d of them can be read", src.Name, begun, count)
		case count == 0:
			return File{}, fmt.Errorf("%s: no PEM certificate in it", src.Name)
		}
	}
	return Bytes(CertificatesPath, 0o644, all.Bytes()), nil
}

// NamedPEM is PEM text and where it comes from.
type NamedPEM struct {
	Name string
	PEM  []byte
}

// Zones returns the files of the time zone database in zoneinfo.zip, as a Go
// toolchain has it in lib/time. A zone that repeats another one's content
// becomes a hard link to it.
func Zones(zoneinfo string) ([]File, error) {
	z, err := zip.OpenReader(zoneinfo)
	if err != nil {
		return nil, fmt.Errorf("time zones: %w", err)
	}
	defer func() { _ = z.Close() }()
	var files []File
	first := map[[sha256.Size]byte]string{}
	// Which of two equal files is the original follows their names, not their
	// order in the zip, so that all toolchains with the same zones agree.
	slices.SortFunc(z.File, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	for _, entry := range z.File {
		if strings.HasSuffix(entry.Name, "/") {
			continue
		}
		content, err := readZip(entry)
		if err != nil {
			return nil, fmt.Errorf("time zones: %s: %s: %w", zoneinfo, entry.Name, err)
		}
		f := Bytes(path.Join(ZonesPath, entry.Name), 0o644, content)
		sum := sha256.Sum256(content)
		if target, ok := first[sum]; ok {
			f = File{Path: f.Path, Mode: 0o644, Link: target}
		} else {
			first[sum] = f.Path
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("time zones: %s is empty", zoneinfo)
	}
	return files, nil
}

// maxZone bounds one zone's size, in bytes: the largest has less than 4 KB.
const maxZone = 1 << 20

func readZip(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxZone+1))
	if err == nil && len(data) > maxZone {
		err = fmt.Errorf("larger than %d bytes", maxZone)
	}
	return data, err
}
