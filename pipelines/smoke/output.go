package smoke

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How much of each stream a verdict shows.
const (
	shownLines = 40
	shownBytes = 4 << 10
)

// Output is the end of what a program wrote, fit to be shown on a terminal: at
// most 40 lines and 4 KiB of each stream, with a line in brackets where
// something was left out, and with control characters written as escapes.
type Output struct {
	Stdout string `json:"stdout,omitempty"`
	Stderr string `json:"stderr,omitempty"`
}

// String shows both streams, each under its name. It is empty where nothing was
// written, and ends without a newline.
func (o Output) String() string {
	var b strings.Builder
	for _, s := range []struct{ name, text string }{{"stdout", o.Stdout}, {"stderr", o.Stderr}} {
		if s.text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:\n  %s", s.name, strings.ReplaceAll(s.text, "\n", "\n  "))
	}
	return b.String()
}

func outputOf(exit Exit) Output {
	return Output{Stdout: lastLines(exit.Stdout), Stderr: lastLines(exit.Stderr)}
}

// lastLines returns the end of a stream.
func lastLines(stream []byte) string {
	text := bytes.TrimRight(bytes.ReplaceAll(stream, []byte("\r\n"), []byte("\n")), "\n")
	end := text
	if lines := bytes.Split(end, []byte("\n")); len(lines) > shownLines {
		end = bytes.Join(lines[len(lines)-shownLines:], []byte("\n"))
	}
	if len(end) > shownBytes {
		end = end[len(end)-shownBytes:]
		// Begin with a whole line, or with a whole character where the one line
		// is too long.
		if _, whole, ok := bytes.Cut(end, []byte("\n")); ok {
			end = whole
		} else {
			for len(end) > 0 && !utf8.RuneStart(end[0]) {
				end = end[1:]
			}
		}
	}
	shown := visible(string(end))
	if cut := text[:len(text)-len(end)]; len(cut) > 0 {
		note := fmt.Sprintf("[%d earlier bytes left out]", len(cut))
		if n := bytes.Count(cut, []byte("\n")); n > 0 {
			note = fmt.Sprintf("[%d earlier lines left out]", n)
		}
		shown = note + "\n" + shown
	}
	if len(stream) >= MaxOutput {
		shown += "\n[what came after the first " + keptSize + " was not kept]"
	}
	return shown
}

// keptSize is MaxOutput for people.
const keptSize = "1 MiB"

// visible writes control characters, and bytes that are no text, as escapes, so
// that showing a program's output cannot steer the terminal.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n', r == '\t', unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// oneLine joins the lines of a text.
func oneLine(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return visible(strings.Join(lines, " | "))
}
