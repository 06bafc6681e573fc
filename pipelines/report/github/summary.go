package github

import (
	"cmp"
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

// Bounds of what a summary repeats; the log has all of it. GitHub takes a summary
// of 1 MiB, and nothing of a longer one.
const (
	maxFailure = 32 << 10 // bytes of a failure's text
	maxPlaces  = 100
	maxLine    = 400 // bytes of a message, or of a warning
)

// Markdown renders the summary in GitHub's Markdown.
func (s Summary) Markdown() string { return s.render(func(text string) string { return text }) }

// render takes secrets out of each text before it is written in Markdown, in which
// they might look different.
func (s Summary) render(mask func(string) string) string {
	p := &page{mask: mask}
	if s.Failure != nil {
		p.failure(s.Failure)
	}
	if s.Result != nil {
		for _, img := range s.Result.Images {
			p.image(img, s.Failure == nil)
		}
		if s.Failure == nil && s.Unpublished != "" {
			p.writef("%s\n\n", p.text(s.Unpublished))
		}
		p.result(s.Result)
	}
	if s.Reproduce != "" && s.Failure == nil {
		p.writef("The same digest on a laptop, with this one command:\n\n%s", p.fence("sh", s.Reproduce))
		if s.ReproduceNote != "" {
			p.writef("\n%s\n", p.text(s.ReproduceNote))
		}
	}
	return p.b.String()
}

func (p *page) failure(f *Failure) {
	p.writef("### ❌ %s\n\n", p.text(f.Title))
	for i, place := range f.Places {
		if i == maxPlaces {
			p.writef("- and %d more\n", len(f.Places)-i)
			break
		}
		name := p.code(place.Name)
		if place.URL != "" {
			name = "[" + name + "](" + place.URL + ")"
		}
		message, _, _ := strings.Cut(place.Message, "\n")
		p.writef("- %s %s\n", name, p.text(cut(message, maxLine)))
	}
	if len(f.Places) > 0 {
		p.writef("\n")
	}
	if f.Text != "" {
		p.writef("%s\n", p.fence("", cut(f.Text, maxFailure)))
	}
}

// image writes the table of one image, and where it is.
func (p *page) image(img report.Image, good bool) {
	mark := "✅"
	if !good {
		mark = "❌"
	}
	p.writef("### %s %s\n\n", mark, p.text(img.Name))
	p.writef("| platform | size | layers | smoke test | digest |\n|---|--:|--:|---|---|\n")
	var notes []string
	for _, pl := range img.Platforms {
		proof, note := p.verdicts(pl.Smoke)
		p.writef("| %s | %s | %d | %s | %s |\n",
			p.text(pl.Platform), size(pl, img.Previous), len(pl.Layers), proof, p.code(short(pl.Digest)))
		if note != "" {
			notes = append(notes, pl.Platform+" was not run: "+note)
		}
	}
	p.writef("\n")
	for _, note := range notes {
		p.writef("%s\n\n", p.text(note))
	}
	p.writef("Digest of the index: %s\n\n", p.code(img.Digest))
	if img.Previous != nil {
		change := "The image differs from the one at"
		if img.Previous.Digest == img.Digest {
			change = "Nothing has changed: this is the image that was already at"
		}
		p.writef("%s %s.\n\n", change, p.code(img.Previous.Reference))
	}
	if !good {
		return
	}
	for _, ref := range img.ByDigest() {
		p.writef("%s\n", p.fence("sh", "docker pull "+ref))
	}
	var tags []string
	for _, tag := range img.ByTag() {
		tags = append(tags, p.code(tag))
	}
	if len(tags) > 0 {
		p.writef("Tags: %s\n\n", strings.Join(tags, ", "))
	}
}

// result writes what is said of all images.
func (p *page) result(r *report.Result) {
	compiler := "Go " + r.Go.Version
	if r.Go.Builder != "" {
		compiler += " in " + p.code(r.Go.Builder)
	}
	p.writef("Compiled by %s on the engine `%s`.\n\n", compiler, r.Engine.Name)
	if len(r.Warnings) == 0 {
		return
	}
	p.writef("Warnings:\n\n")
	for i, w := range r.Warnings {
		if i == maxPlaces {
			p.writef("- and %d more\n", len(r.Warnings)-i)
			break
		}
		p.writef("- %s\n", p.text(cut(w, maxLine)))
	}
	p.writef("\n")
}

// verdicts are a cell with the verdicts of a platform's smoke tests. Why none could
// be run is the same for each of them, and is a note.
func (p *page) verdicts(all []smoke.Verdict) (proof, note string) {
	if !slices.ContainsFunc(all, func(v smoke.Verdict) bool { return v.Status != smoke.NotRun }) {
		if len(all) > 0 {
			note = all[0].Detail
		}
		return "➖ not run", note
	}
	var lines []string
	for _, v := range all {
		mark := map[smoke.Status]string{smoke.Passed: "✅", smoke.Failed: "❌"}[v.Status]
		line := cmp.Or(mark, "➖") + " " + p.text(v.Name)
		if v.Status != smoke.Passed {
			line += ": " + p.text(cut(v.Detail, maxLine))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "<br>"), ""
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
