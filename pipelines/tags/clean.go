package tags

import "strings"

// maxName is how long a tag may be, by the grammar of the distribution-spec:
// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
const maxName = 128

// clean makes a tag of any text, in small letters. It is empty where nothing of
// the text can be kept.
func clean(s string) string {
	s = strings.TrimLeft(replace(s), ".-")
	return s[:min(len(s), maxName)]
}

// replace writes a text in small letters, with one dash for each run of what a
// tag cannot hold.
func replace(s string) string {
	b := make([]byte, 0, len(s))
	dashed := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			if !dashed {
				b = append(b, '-')
			}
			dashed = true
			continue
		}
		dashed = false
		b = append(b, c)
	}
	return string(b)
}
