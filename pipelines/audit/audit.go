// Package audit looks at a finished image, not at what it was made of, and says
// what should not leave the house.
package audit

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/image"
)

// Rule names what a finding is about.
type Rule string

// The rules. What root, shell, setuid, credentials and writable find can be
// meant, and then be allowed.
const (
	RuleRoot        Rule = "root"        // the program runs as root, or as a name that cannot be told from it
	RuleShell       Rule = "shell"       // there is a shell, or a program that holds one
	RuleSetuid      Rule = "setuid"      // a file gives its owner's rights to whoever runs it
	RuleCredentials Rule = "credentials" // a file looks like a key, a password or a token
	RuleWritable    Rule = "writable"    // everybody may write to a file, or to a folder that is not sticky
	RuleUnexpected  Rule = "unexpected"  // a file that nobody asked for, or one that is missing
	RuleDevice      Rule = "device"      // a device, a pipe or anything else that is no file, folder or link
	RuleSize        Rule = "size"        // the image weighs more than its budget
)

// Finding is one thing that should not be so.
type Finding struct {
	Rule Rule   `json:"rule"`
	Path string `json:"path,omitempty"`
	// Text says what is wrong and what would do.
	Text string `json:"text"`
}

// String is the finding in one line.
func (f Finding) String() string {
	if f.Path == "" {
		return string(f.Rule) + ": " + f.Text
	}
	return string(f.Rule) + ": " + f.Path + " " + f.Text
}

// Policy is what an image must satisfy.
type Policy struct {
	// Own are the files of each layer that was put onto the base, in their order;
	// every entry of these layers must be one of them, and each of them must be
	// there. Nil skips the comparison, as for an image of somebody else's.
	Own [][]image.File
	// MaxSize bounds the compressed layers and the config together, in bytes; 0
	// is no bound.
	MaxSize int64
	Allow   []Rule
}

// Error carries the findings of an image that did not pass.
type Error struct {
	Findings []Finding
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return "the image does not pass its audit:\n  " + strings.Join(lines, "\n  ")
}

// Image reads an image and returns what it finds, in the order of the rules
// and then of the files.
func Image(img v1.Image, p Policy) ([]Finding, error) {
	entries, err := image.List(img)
	if err != nil {
		return nil, err
	}
	return Listed(img, entries, p)
}

// Listed is Image for who has the image's entries from image.List already: they
// are not read a second time.
func Listed(img v1.Image, entries []image.Entry, p Policy) ([]Finding, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	var found []Finding
	found = append(found, checkUser(config.Config.User)...)
	if p.Own != nil {
		layers, err := img.Layers()
		if err != nil {
			return nil, err
		}
		found = append(found, checkExpected(entries, len(layers)-len(p.Own), p.Own)...)
	}
	for _, e := range entries {
		found = append(found, checkEntry(e)...)
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return slices.Contains(p.Allow, f.Rule) })
	size, err := Size(img)
	if err != nil {
		return nil, err
	}
	if p.MaxSize > 0 && size > p.MaxSize {
		found = append(found, Finding{Rule: RuleSize, Text: fmt.Sprintf("the image weighs %d bytes compressed, its budget (maxSize) is %d", size, p.MaxSize)})
	}
	return found, nil
}

// Size is what a registry sends for an image: its config and its layers, in
// bytes.
func Size(img v1.Image) (int64, error) {
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	size := m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size, nil
}

// checkUser wants a number other than 0: an empty user is root, and a name
// tells nothing to who cannot read the image's passwd, as Kubernetes'
// runAsNonRoot cannot.
func checkUser(user string) []Finding {
	name, _, _ := strings.Cut(user, ":")
	id, err := strconv.ParseUint(name, 10, 32)
	switch {
	case user == "" || err == nil && id == 0 || name == "root":
		return []Finding{{Rule: RuleRoot, Text: "the program runs as root; take another user (image.user), or allow it (audit.allow: [root])"}}
	case err != nil:
		return []Finding{{Rule: RuleRoot, Text: fmt.Sprintf("the user %q is a name, which Kubernetes' runAsNonRoot refuses; take its number", name)}}
	}
	return nil
}

// checkExpected compares the layers above the base's with what was put into them.
func checkExpected(entries []image.Entry, base int, own [][]image.File) []Finding {
	expected := make([]map[string]image.File, len(own))
	for i, files := range own {
		expected[i] = map[string]image.File{}
		for _, f := range files {
			expected[i]["/"+f.Path] = f
		}
	}
	var found []Finding
	folders := map[string]bool{}
	for _, e := range entries {
		if e.Layer < base {
			continue
		}
		want := expected[e.Layer-base]
		f, ok := want[e.Path]
		switch {
		case ok:
			delete(want, e.Path)
			if difference := compare(e, f); difference != "" {
				found = append(found, Finding{Rule: RuleUnexpected, Path: e.Path, Text: difference})
			}
		case e.Type == tar.TypeDir && e.Mode.Perm() == 0o755:
			folders[e.Path] = true
		default:
			found = append(found, Finding{Rule: RuleUnexpected, Path: e.Path, Text: "was not asked for"})
		}
	}
	// A folder that nobody named must at least be one that something stands in.
	for _, e := range entries {
		for dir := path.Dir(e.Path); dir != "/"; dir = path.Dir(dir) {
			delete(folders, dir)
		}
	}
	for dir := range folders {
		found = append(found, Finding{Rule: RuleUnexpected, Path: dir, Text: "is a folder that was not asked for"})
	}
	for _, want := range expected {
		for p := range want {
			found = append(found, Finding{Rule: RuleUnexpected, Path: p, Text: "is missing"})
		}
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return found
}

// compare says in what an entry is not the file that was put into its layer.
func compare(e image.Entry, f image.File) string {
	flag := byte(tar.TypeReg)
	switch {
	case f.Mode.IsDir():
		flag = tar.TypeDir
	case f.Mode&fs.ModeSymlink != 0:
		flag = tar.TypeSymlink
	case f.Link != "":
		flag = tar.TypeLink
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	switch {
	case e.Type != flag:
		return fmt.Sprintf("is an entry of type %q, not %q", e.Type, flag)
	case flag != tar.TypeSymlink && e.Mode&bits != f.Mode&bits:
		return fmt.Sprintf("has mode %v, not %v", e.Mode&bits, f.Mode&bits)
	case e.UID != f.UID || e.GID != f.GID:
		return fmt.Sprintf("belongs to %d:%d, not to %d:%d", e.UID, e.GID, f.UID, f.GID)
	case flag == tar.TypeReg && e.Size != f.Size:
		return fmt.Sprintf("has %d bytes, not %d", e.Size, f.Size)
	case e.Link != f.Link:
		return fmt.Sprintf("is a link to %s, not to %s", e.Link, f.Link)
	}
	return ""
}

func checkEntry(e image.Entry) []Finding {
	var found []Finding
	add := func(rule Rule, text string) { found = append(found, Finding{Rule: rule, Path: e.Path, Text: text}) }
	switch e.Type {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
	default:
		add(RuleDevice, "is no file, folder or link")
	}
	if isShell(e) {
		add(RuleShell, "is a shell; an image that needs none is harder to abuse (or audit.allow: [shell])")
	}
	if e.Type != tar.TypeReg && e.Type != tar.TypeDir {
		return found
	}
	if e.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		add(RuleSetuid, "has a setuid or setgid bit (or audit.allow: [setuid])")
	}
	if e.Mode&0o002 != 0 && (e.Type == tar.TypeReg || e.Mode&fs.ModeSticky == 0) {
		add(RuleWritable, "may be written by everybody (or audit.allow: [writable])")
	}
	if reason := credential(e); reason != "" {
		add(RuleCredentials, reason+"; give secrets to the container when it runs (or audit.allow: [credentials])")
	}
	return found
}

var shells = []string{"sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "pwsh", "tcsh", "toybox", "zsh"}

// isShell goes by names, of files that can be run or links to such.
func isShell(e image.Entry) bool {
	if !slices.Contains(shells, path.Base(e.Path)) {
		return false
	}
	return e.Type == tar.TypeSymlink || e.Type == tar.TypeLink || e.Type == tar.TypeReg && e.Mode&0o111 != 0
}

// secretNames are files that clients keep credentials in.
var secretNames = []string{
	".dockercfg", ".env", ".git-credentials", ".netrc", "_netrc", ".npmrc", ".pgpass", ".pypirc", ".vault-token",
	"id_dsa", "id_ecdsa", "id_ed25519", "id_rsa", "credentials.json", "kubeconfig",
}

// secretPaths end the paths of such files where the name alone says little.
var secretPaths = []string{"/.aws/credentials", "/.docker/config.json", "/.kube/config", "/.config/gh/hosts.yml", "/.config/gcloud/application_default_credentials.json"}

func credential(e image.Entry) string {
	if e.Type != tar.TypeReg {
		return ""
	}
	switch name := path.Base(e.Path); {
	case e.PrivateKey:
		return "holds a private key"
	case slices.Contains(secretNames, name), strings.HasPrefix(name, ".env."):
		return "is where credentials are kept"
	}
	for _, p := range secretPaths {
		if strings.HasSuffix(e.Path, p) {
			return "is where credentials are kept"
		}
	}
	return ""
}
