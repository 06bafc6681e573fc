package image_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/pipelines/image"
)

// text reads a file of a list by its path.
func text(t *testing.T, files []image.File, path string) string {
	t.Helper()
	for _, f := range files {
		if f.Path != path {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	t.Fatalf("there is no %s", path)
	return ""
}

func TestParseUser(t *testing.T) {
	for in, want := range map[string]image.User{
		"root":                         image.Root,
		"nobody":                       image.Nobody,
		"nonroot":                      image.NonRoot,
		"0":                            image.Root,
		"0:0":                          image.Root,
		"65534":                        image.Nobody,
		"65532:65532":                  image.NonRoot,
		"nobody:65534":                 image.Nobody,
		"1001":                         {Name: "user1001", UID: 1001, GID: 1001},
		"1001:0":                       {Name: "user1001", UID: 1001, GID: 0},
		"0:1001":                       {Name: "root", UID: 0, GID: 1001},
		"app:1001":                     {Name: "app", UID: 1001, GID: 1001},
		"app:1001:2002":                {Name: "app", UID: 1001, GID: 2002},
		"app:0:0":                      {Name: "app", UID: 0, GID: 0},
		"_app-1:7":                     {Name: "_app-1", UID: 7, GID: 7},
		"4294967294":                   {Name: "user4294967294", UID: 4294967294, GID: 4294967294},
		strings.Repeat("a", 32) + ":1": {Name: strings.Repeat("a", 32), UID: 1, GID: 1},
	} {
		got, err := image.ParseUser(in)
		if err != nil || got != want {
			t.Errorf("%s: got %#v, %v, want %#v", in, got, err, want)
		}
	}
}

func TestParseUserThatIsNone(t *testing.T) {
	const help = "want nobody, nonroot, root, UID, UID:GID or NAME:UID:GID with ids from 0 to 4294967294"
	for in, want := range map[string]string{
		"":                             help,
		":":                            help,
		"app":                          help,
		"App:1:1":                      help,
		"1app:1:1":                     help,
		"a b:1:1":                      help,
		"app:":                         help,
		"app:1:":                       help,
		"app:1:2:3":                    help,
		"1:2:3":                        help,
		"1:app":                        help,
		"-1":                           help,
		"+1":                           help,
		"01":                           help,
		"1:-1":                         help,
		"4294967295":                   help,
		"1:4294967295":                 help,
		"99999999999999999999":         help,
		"app:1\n":                      help,
		strings.Repeat("a", 33) + ":1": help,
		"nobody:1":                     "nobody is 65534:65534",
		"root:0:1":                     "root is 0:0",
		"nonroot:0:0":                  "nonroot is 65532:65532",
	} {
		got, err := image.ParseUser(in)
		if want := fmt.Sprintf("user %q: %s", in, want); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, %v, want %s", in, got, err, want)
		}
	}
}

func TestAccounts(t *testing.T) {
	base := image.Base()
	if got, want := text(t, base, "etc/passwd"), `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin
`; got != want {
		t.Error(cmp.Diff(want, got))
	}
	for _, u := range []image.User{image.Root, image.Nobody, image.NonRoot} {
		if files := image.Account(u); files != nil {
			t.Errorf("%s, whom the base layer names, has files of its own: %v", u.Name, files)
		}
	}
	for user, want := range map[string]struct{ passwd, group string }{
		"app:1001:2002": {
			"app 1001:2002, root 0:0, nobody 65534:65534, nonroot 65532:65532",
			"app 2002, root 0, nobody 65534, nonroot 65532",
		},
		// A group that is somebody else's keeps its name.
		"1001:0": {
			"user1001 1001:0, root 0:0, nobody 65534:65534, nonroot 65532:65532",
			"root 0, nobody 65534, nonroot 65532",
		},
		"1001:65534": {
			"user1001 1001:65534, root 0:0, nobody 65534:65534, nonroot 65532:65532",
			"nobody 65534, root 0, nonroot 65532",
		},
		// Who has a known user's id takes its place.
		"app:0": {"app 0:0, nobody 65534:65534, nonroot 65532:65532", "app 0, nobody 65534, nonroot 65532"},
		"app:65532": {
			"app 65532:65532, root 0:0, nobody 65534:65534", "app 65532, root 0, nobody 65534",
		},
		"65534:1": {
			"user65534 65534:1, root 0:0, nonroot 65532:65532", "user65534 1, root 0, nobody 65534, nonroot 65532",
		},
		// The files are those of group 0, whoever runs the program.
		"0:1001": {
			"root 0:1001, nobody 65534:65534, nonroot 65532:65532", "group1001 1001, root 0, nobody 65534, nonroot 65532",
		},
		"0:65534": {
			"root 0:65534, nobody 65534:65534, nonroot 65532:65532", "nobody 65534, root 0, nonroot 65532",
		},
		"app:0:65532": {
			"app 0:65532, nobody 65534:65534, nonroot 65532:65532", "nonroot 65532, root 0, nobody 65534",
		},
	} {
		u, err := image.ParseUser(user)
		if err != nil {
			t.Fatal(err)
		}
		files := image.Account(u)
		passwd, group := table(t, text(t, files, "etc/passwd"), 7), table(t, text(t, files, "etc/group"), 4)
		var p, g []string
		for _, f := range passwd {
			p = append(p, f[0]+" "+f[2]+":"+f[3])
			if f[1] != "x" || f[6] != "/sbin/nologin" {
				t.Errorf("%s: %q has a password or a shell", user, f)
			}
		}
		for _, f := range group {
			g = append(g, f[0]+" "+f[2])
		}
		if got := strings.Join(p, ", "); got != want.passwd {
			t.Errorf("%s: passwd has %s, want %s", user, got, want.passwd)
		}
		if got := strings.Join(g, ", "); got != want.group {
			t.Errorf("%s: group has %s, want %s", user, got, want.group)
		}
		ids := map[string]bool{}
		for _, f := range group {
			ids[f[2]] = true
		}
		for _, f := range passwd {
			if !ids[f[3]] {
				t.Errorf("%s: the group %s of %s has no name", user, f[3], f[0])
			}
		}
	}
}

// table splits lines at their colons. Names and ids must be unique.
func table(t *testing.T, text string, fields int) [][]string {
	t.Helper()
	var rows [][]string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != fields {
			t.Fatalf("%q has %d fields, want %d", line, len(f), fields)
		}
		if seen["name "+f[0]] || seen["id "+f[2]] {
			t.Errorf("the name or the id of %q is there twice:\n%s", line, text)
		}
		seen["name "+f[0]], seen["id "+f[2]] = true, true
		rows = append(rows, f)
	}
	return rows
}
