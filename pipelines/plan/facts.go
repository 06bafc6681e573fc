package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// licenseFiles are where a licence stands, as pkg.go.dev looks for it.
var licenseFiles = []string{
	"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md", "COPYING", "COPYING.txt", "COPYING.md",
}

// maxLicense bounds what is read of a licence file, in bytes.
const maxLicense = 1 << 20

// licenses finds the SPDX expression of the source's licence: that of the first
// licence file in the folder of the source, the module or the workspace. Where the
// text is not clearly one licence, it is left to the configuration.
func (s *source) licenses() (string, error) {
	dirs := []string{s.dir, s.moduleDir()}
	if s.Workspace != "" {
		dirs = append(dirs, filepath.Dir(filepath.Join(s.Root, filepath.FromSlash(s.Workspace))))
	}
	for _, dir := range dirs {
		for _, name := range licenseFiles {
			data, err := readLimited(filepath.Join(dir, name), maxLicense)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return "", err
			}
			return identify(data)
		}
	}
	return "", nil
}

// commonLicenses are those of most Go modules.
var commonLicenses = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// identify returns the one licence that a text is. It takes more than a second
// to get ready for all that are known, so the common ones are tried first: where
// one of them is all there is, no other would fit.
func identify(text []byte) (string, error) {
	var few []licensecheck.License
	for _, l := range licensecheck.BuiltinLicenses() {
		if slices.Contains(commonLicenses, l.ID) {
			few = append(few, l)
		}
	}
	scanner, err := licensecheck.NewScanner(few)
	if err != nil {
		return "", err
	}
	if id := only(scanner.Scan(text), 97); id != "" {
		return id, nil
	}
	return only(licensecheck.Scan(text), 75), nil
}

// only is the licence that covers at least so many percent of a text, or nothing
// where there are several.
func only(cov licensecheck.Coverage, percent float64) string {
	var ids []string
	for _, m := range cov.Match {
		if !m.IsURL && !slices.Contains(ids, m.ID) {
			ids = append(ids, m.ID)
		}
	}
	if cov.Percent < percent || len(ids) != 1 {
		return ""
	}
	return ids[0]
}

func readLimited(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || info.Size() > limit {
		return nil, nil
	}
	return os.ReadFile(name)
}

// forges are hosts whose import paths are their web addresses, with the owner
// and the repository in the first two elements.
var forges = []string{"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}

// sourceURL is where the source is published, as far as the module's path tells.
// A remote of the checkout would tell more, but not the same on every machine.
func (s *source) sourceURL() string {
	elements := strings.Split(s.modulePath, "/")
	for _, host := range forges {
		if elements[0] == host && len(elements) >= 3 {
			return "https://" + strings.Join(elements[:3], "/")
		}
	}
	return ""
}

// dropsVendor tells which ignore file would leave a vendor folder out of a
// checkout or a build context.
func (s *source) dropsVendor() string {
	for _, name := range []string{".gitignore", ".dockerignore"} {
		data, err := readLimited(filepath.Join(s.vendorParent(), name), maxLicense)
		if err != nil {
			continue
		}
		drops := false
		for line := range strings.Lines(string(data)) {
			// The last pattern that matches decides, and ! takes a folder in again.
			pattern, in := strings.CutPrefix(strings.TrimSpace(line), "!")
			if strings.Trim(pattern, "/*") == "vendor" {
				drops = !in
			}
		}
		if drops {
			return name
		}
	}
	return ""
}
