package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
)

// user is who a program runs as.
type user struct {
	uid, gid int
	// groups are supplementary ones.
	groups []int
	home   string
}

// lookup finds the user that an image's config names, in the image's own passwd
// and group, by the rules that container runtimes share (moby/sys/user,
// GetExecUser): USER[:GROUP], where either may be a number; a number needs no
// entry; without GROUP it is the entry's group, or 0, and the groups that list
// the user are supplementary.
func lookup(t *tree, spec string) (user, error) {
	fail := func(format string, args ...any) (user, error) {
		return user{}, fmt.Errorf("the image's user %q: %s", spec, fmt.Sprintf(format, args...))
	}
	passwd, err := entries(t, "etc/passwd", 7)
	if err != nil {
		return fail("%v", err)
	}
	group, err := entries(t, "etc/group", 4)
	if err != nil {
		return fail("%v", err)
	}

	name, groupName, _ := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	u := user{home: "/"}
	uid, numeric := number(name)
	entry := slices.IndexFunc(passwd, func(e []string) bool {
		return numeric && e[2] == strconv.Itoa(uid) || !numeric && e[0] == name
	})
	var login string
	if entry >= 0 {
		e := passwd[entry]
		var okUID, okGID bool
		u.uid, okUID = number(e[2])
		u.gid, okGID = number(e[3])
		if !okUID || !okGID {
			return fail("its entry in the image's /etc/passwd has no numeric ids: %s", strings.Join(e, ":"))
		}
		login = e[0]
		if e[5] != "" {
			u.home = e[5]
		}
	} else if numeric {
		u.uid = uid
	} else {
		return fail("the image's /etc/passwd has no such name; use its number")
	}

	if groupName != "" {
		if gid, ok := number(groupName); ok {
			u.gid = gid
			return u, nil
		}
		entry := slices.IndexFunc(group, func(e []string) bool { return e[0] == groupName })
		if entry < 0 {
			return fail("the image's /etc/group has no group %q; use its number", groupName)
		}
		gid, ok := number(group[entry][2])
		if !ok {
			return fail("the entry of group %q in the image's /etc/group has no numeric id", groupName)
		}
		u.gid = gid
		return u, nil
	}
	for _, e := range group {
		if login == "" || !slices.Contains(strings.Split(e[3], ","), login) {
			continue
		}
		if gid, ok := number(e[2]); ok {
			u.groups = append(u.groups, gid)
		}
	}
	return u, nil
}

// entries reads a file like passwd(5): lines of fields with colons between. Lines
// with too few fields are left out, as runtimes do. No file has no entries.
func entries(t *tree, name string, fields int) ([][]string, error) {
	content, err := t.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all [][]string
	for line := range strings.Lines(string(content)) {
		if e := strings.Split(strings.TrimSpace(line), ":"); len(e) >= fields {
			all = append(all, e)
		}
	}
	return all, nil
}

// number reads a user or group id. The largest number of 32 bits is none: the
// kernel takes it for "leave as it is".
func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n >= math.MaxUint32 || n > math.MaxInt {
		return 0, false
	}
	return int(n), true
}
