package github

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/report"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// Summary is what the summary of a job says.
type Summary struct {
	// Result is what was made; nil where nothing was.
	Result *report.Result
	// Failure is why the pipeline failed; nil where it did not.
	Failure *Failure
	// Unpublished says in a sentence why nothing was published; empty where
	// something was, or where there is nothing to say.
	Unpublished string
	// Reproduce is the command that makes the same image on a laptop; empty where
	// there is none.
	Reproduce string
	// ReproduceNote is a sentence about that command; it may be empty.
	ReproduceNote string
}

// Failure is why a pipeline failed.
type Failure struct {
	// Title is one line.
	Title string
	// Text is all of it; it may have many lines.
	Text string
	// Places are what is wrong where in the source.
	Places []Place
}

// Place is something that is wrong in the source.
type Place struct {
	// Name is the place as people write it, "main.go:3:15".
	Name string
	// URL shows it; it may be empty.
	URL     string
	Message string
}

// maxFailure bounds how much of a failure's text a summary repeats, in bytes. The
// log has all of it.
const maxFailure = 32 << 10

// Markdown renders the summary in GitHub's Markdown.
func (s Summary) Markdown() string {
	var b strings.Builder
	if s.Failure != nil {
		s.Failure.write(&b)
	}
	if s.Result != nil {
		for _, img := range s.Result.Images {
			writeImage(&b, img, s.Failure == nil)
		}
		if s.Failure == nil && s.Unpublished != "" {
			fmt.Fprintf(&b, "%s\n\n", text(s.Unpublished))
		}
		compiler := "Go " + s.Result.Go.Version
		if s.Result.Go.Builder != "" {
			compiler += " in " + code(s.Result.Go.Builder)
		}
		fmt.Fprintf(&b, "Compiled by %s on the engine `%s`.\n\n", compiler, s.Result.Engine.Name)
		if len(s.Result.Warnings) > 0 {
			b.WriteString("Warnings:\n\n")
			for _, w := range s.Result.Warnings {
				fmt.Fprintf(&b, "- %s\n", text(w))
			}
			b.WriteString("\n")
		}
	}
	if s.Reproduce != "" && s.Failure == nil {
		b.WriteString("The same digest on a laptop, with this one command:\n\n")
		b.WriteString(fence("sh", s.Reproduce))
		if s.ReproduceNote != "" {
			fmt.Fprintf(&b, "\n%s\n", text(s.ReproduceNote))
		}
	}
	return b.String()
}

func (f *Failure) write(b *strings.Builder) {
	fmt.Fprintf(b, "### ❌ %s\n\n", text(f.Title))
	for _, p := range f.Places {
		name := code(p.Name)
		if p.URL != "" {
			name = "[" + name + "](" + p.URL + ")"
		}
		fmt.Fprintf(b, "- %s %s\n", name, text(firstLine(p.Message)))
	}
	if len(f.Places) > 0 {
		b.WriteString("\n")
	}
	if all := f.Text; all != "" {
		if len(all) > maxFailure {
			all = strings.ToValidUTF8(all[:maxFailure], "") + "\n… the log has the rest"
		}
		b.WriteString(fence("", all) + "\n")
	}
}

// writeImage writes the table of one image, and where it is.
func writeImage(b *strings.Builder, img report.Image, good bool) {
	mark := "✅"
	if !good {
		mark = "❌"
	}
	fmt.Fprintf(b, "### %s %s\n\n", mark, text(img.Name))
	b.WriteString("| platform | size | layers | smoke test | digest |\n|---|--:|--:|---|---|\n")
	var notes []string
	for _, p := range img.Platforms {
		proof, note := verdicts(p.Smoke)
		fmt.Fprintf(b, "| %s | %s | %d | %s | %s |\n",
			cell(p.Platform), size(p, img.Previous), len(p.Layers), proof, code(short(p.Digest)))
		if note != "" {
			notes = append(notes, p.Platform+" was not run: "+note)
		}
	}
	b.WriteString("\n")
	for _, note := range notes {
		fmt.Fprintf(b, "%s\n\n", text(note))
	}
	fmt.Fprintf(b, "Digest of the index: %s\n\n", code(img.Digest))
	if img.Previous != nil {
		change := "The image differs from the one at"
		if img.Previous.Digest == img.Digest {
			change = "Nothing has changed: this is the image that was already at"
		}
		fmt.Fprintf(b, "%s %s.\n\n", change, code(img.Previous.Reference))
	}
	if len(img.References) == 0 || !good {
		return
	}
	b.WriteString(fence("sh", "docker pull "+img.References[0]) + "\n")
	if tags := img.References[1:]; len(tags) > 0 {
		fmt.Fprintf(b, "Tags: %s\n\n", "`"+strings.Join(tags, "`, `")+"`")
	}
}

// short is the beginning of a digest, as long as docker shows it: a table has no
// room for more, and the index leads to all of it.
func short(digest string) string {
	const digits = 12
	if algorithm, hex, ok := strings.Cut(digest, ":"); ok && len(hex) > digits {
		return algorithm + ":" + hex[:digits]
	}
	return digest
}

// size is a cell with a platform's size, and what has changed since before.
func size(p report.Platform, before *report.Previous) string {
	now := inCell(p.Size)
	if before == nil {
		return now
	}
	was, ok := before.Sizes[p.Platform]
	switch change := p.Size - was; {
	case !ok:
		return now + " (new)"
	case change > 0:
		return now + " (+" + inCell(change) + ")"
	case change < 0:
		return now + " (−" + inCell(-change) + ")"
	}
	return now + " (±0)"
}

// inCell is a size that no cell breaks in two.
func inCell(n int64) string { return strings.ReplaceAll(report.Bytes(n), " ", "&nbsp;") }

// verdicts are a cell with the verdicts of a platform's smoke tests. Why none could
// be run is the same for each of them, and is a note.
func verdicts(all []smoke.Verdict) (proof, note string) {
	if !slices.ContainsFunc(all, func(v smoke.Verdict) bool { return v.Status != smoke.NotRun }) {
		if len(all) > 0 {
			note = all[0].Detail
		}
		return "➖ not run", note
	}
	var lines []string
	for _, v := range all {
		mark := map[smoke.Status]string{smoke.Passed: "✅", smoke.Failed: "❌"}[v.Status]
		line := cmp.Or(mark, "➖") + " " + cell(v.Name)
		if v.Status != smoke.Passed {
			line += ": " + cell(v.Detail)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "<br>"), ""
}

// markdown is what could be Markdown or HTML in a text.
var markdown = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "#", `\#`, "@", "@\u200b", "$", `\$`,
)

// text writes somebody's words so that they are nothing but words: no markup, no
// table, nobody mentioned.
func text(s string) string { return html.EscapeString(markdown.Replace(firstLines(s))) }

// cell is a text in a table, on one line.
func cell(s string) string { return text(strings.Join(strings.Fields(s), " ")) }

// firstLines keeps a paragraph one.
func firstLines(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ") }

// code writes a text as code. A backtick cannot stand in it, and is none that a
// digest, a reference or a place would have.
func code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "\n", " ", "|", `\|`).Replace(s) + "`"
}

// fence writes lines as a block of code, between fences that they do not have.
func fence(language, s string) string {
	marks := "```"
	for strings.Contains(s, marks) {
		marks += "`"
	}
	return marks + language + "\n" + strings.TrimRight(s, "\n") + "\n" + marks + "\n"
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}
