package image

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// User is who runs the program. The config names it by its numbers, since
// Kubernetes' runAsNonRoot refuses an image whose user is a name; passwd and
// group give the numbers a name.
type User struct {
	Name     string
	UID, GID int
}

// The users that every image knows.
var (
	Root    = User{Name: "root", UID: 0, GID: 0}
	Nobody  = User{Name: "nobody", UID: 65534, GID: 65534}
	NonRoot = User{Name: "nonroot", UID: 65532, GID: 65532}
)

// String is the user as a config names it: "65534:65534".
func (u User) String() string { return fmt.Sprintf("%d:%d", u.UID, u.GID) }

// userName is what shadow's useradd takes for a name.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// maxID is the largest id: the next one, (uid_t)-1, means "leave as it is" to
// the kernel.
const maxID = 1<<32 - 2

// ParseUser reads root, nobody, nonroot, UID, UID:GID, NAME:UID or NAME:UID:GID.
// A group that is not given has the user's number.
func ParseUser(s string) (User, error) {
	for _, u := range []User{Root, Nobody, NonRoot} {
		if s == u.Name {
			return u, nil
		}
	}
	help := fmt.Errorf("user %q: want nobody, nonroot, root, UID, UID:GID or NAME:UID:GID with ids from 0 to %d", s, int64(maxID))
	parts := strings.Split(s, ":")
	u := User{}
	if userName.MatchString(parts[0]) {
		u.Name, parts = parts[0], parts[1:]
	}
	if len(parts) < 1 || len(parts) > 2 {
		return User{}, help
	}
	ids := make([]int, 2)
	for i := range ids {
		part := parts[min(i, len(parts)-1)]
		id, err := strconv.ParseInt(part, 10, 64)
		if err != nil || id < 0 || id > maxID || part != strconv.FormatInt(id, 10) {
			return User{}, help
		}
		ids[i] = int(id)
	}
	u.UID, u.GID = ids[0], ids[1]
	for _, known := range []User{Root, Nobody, NonRoot} {
		switch {
		case u.Name == known.Name && u != known:
			return User{}, fmt.Errorf("user %q: %s is %s", s, known.Name, known)
		case u.Name == "" && u.UID == known.UID && u.GID == known.GID:
			return known, nil
		}
	}
	if u.Name == "" {
		u.Name = fmt.Sprintf("user%d", u.UID)
		if u.UID == 0 {
			u.Name = Root.Name
		}
	}
	return u, nil
}

// accounts writes passwd and group with the users that every image knows, and
// u, which takes the place of one with its id. No one has a home, a shell or a
// password. Group 0 always has a name, since it owns the image's files.
func accounts(u User) (passwd, group []byte) {
	users, groups := []User{u}, []User{{Name: groupName(u), GID: u.GID}}
	for _, known := range []User{Root, Nobody, NonRoot} {
		if known.UID != u.UID && known.Name != u.Name {
			users = append(users, known)
		}
		if known.GID != u.GID {
			groups = append(groups, known)
		}
	}
	var p, g strings.Builder
	for _, x := range users {
		home := "/nonexistent"
		if x.UID == 0 {
			home = "/root"
		}
		fmt.Fprintf(&p, "%s:x:%d:%d:%s:%s:/sbin/nologin\n", x.Name, x.UID, x.GID, x.Name, home)
	}
	for _, x := range groups {
		fmt.Fprintf(&g, "%s:x:%d:\n", x.Name, x.GID)
	}
	return []byte(p.String()), []byte(g.String())
}

// groupName names u's group: after u, unless the group is a known user's, or
// the name stands for another group.
func groupName(u User) string {
	name := u.Name
	for _, known := range []User{Root, Nobody, NonRoot} {
		if known.GID == u.GID && known.UID != u.UID {
			return known.Name
		}
		if known.GID != u.GID && known.Name == u.Name {
			name = fmt.Sprintf("group%d", u.GID)
		}
	}
	return name
}
