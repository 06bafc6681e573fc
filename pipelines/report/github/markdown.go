package github

import (
	"fmt"
	"html"
	"strings"
)

// page is a page of GitHub's Markdown. It takes secrets out of what it is given.
type page struct {
	b    strings.Builder
	mask func(string) string
}

func (p *page) writef(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

// markup is what could be Markdown in a text.
var markup = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "#", `\#`, "@", "@\u200b", "$", `\$`,
)

// text writes somebody's words on one line, so that they are nothing but words: no
// markup, no table, nobody mentioned.
func (p *page) text(s string) string {
	return html.EscapeString(markup.Replace(strings.Join(strings.Fields(p.mask(s)), " ")))
}

// code writes a text as code. A backtick cannot stand in it, and is none that a
// digest, a reference or a place would have.
func (p *page) code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "\n", " ", "\r", " ", "|", `\|`).Replace(p.mask(s)) + "`"
}

// fence writes lines as a block of code, between fences that they do not have.
func (p *page) fence(language, s string) string {
	s = p.mask(s)
	marks := "```"
	for strings.Contains(s, marks) {
		marks += "`"
	}
	return marks + language + "\n" + strings.TrimRight(s, "\n") + "\n" + marks + "\n"
}

// cut is the beginning of a text that is longer than some bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " … the log has the rest"
}
