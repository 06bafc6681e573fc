package dagger

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// checkUser finds what the engine would say in words of its own when the program
// is run: a user or a group that the image does not have.
func (c *container) checkUser(ctx context.Context) error {
	user, group, hasGroup := strings.Cut(c.config.User, ":")
	for _, part := range []struct{ what, name, file string }{{"name", user, "/etc/passwd"}, {"group", group, "/etc/group"}} {
		if part.name == "" || part.what == "group" && !hasGroup {
			continue
		}
		if _, err := strconv.ParseUint(part.name, 10, 31); err == nil {
			continue
		}
		known, err := c.hasEntry(ctx, part.file, part.name)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("the image's user %q: the image's %s has no %s %q; use its number", c.config.User, part.file, part.what, part.name)
		}
	}
	return nil
}

// hasEntry tells whether a file like passwd(5) has an entry with a numeric id.
func (c *container) hasEntry(ctx context.Context, file, name string) (bool, error) {
	there, err := c.base.Exists(ctx, file)
	if err != nil {
		return false, plain(ctx, "looking for "+file+" in the image", err)
	}
	if !there {
		return false, nil
	}
	text, err := c.base.File(file).Contents(ctx)
	if err != nil {
		return false, plain(ctx, "reading the image's "+file, err)
	}
	for line := range strings.Lines(text) {
		if entry := strings.Split(line, ":"); entry[0] == name && len(entry) > 2 {
			_, err := strconv.ParseUint(entry[2], 10, 31)
			return err == nil, nil
		}
	}
	return false, nil
}
