// Package prose puts values into English, for both commands of the module.
package prose

import (
	"strconv"
	"strings"
)

// List joins items as a sentence does: "a", "a and b", "a, b and c".
func List(items ...string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

// Count writes a number of things, of which noun names one: "1 line", "2 lines".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
