package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

// view is what the live view shows: a row for each platform, and one for the
// steps without one.
type view struct {
	// images tells that each image has rows of its own.
	images bool
	rows   []*row
	// ended tells that nothing goes on any more.
	ended bool
}

// row shows the steps of a platform, of which several may be under way.
type row struct {
	image, platform string
	running         []Event // Started, the latest last
	last            Event   // Done, Failed or Skipped; a failure stays
}

// update takes in an event.
func (v *view) update(e Event) {
	switch e.State {
	case Started, Done, Failed, Skipped:
	default:
		return
	}
	if v.ended {
		return
	}
	r := v.row(e)
	if e.State == Started {
		r.running = append(r.running, e)
		return
	}
	if i := slices.IndexFunc(r.running, func(s Event) bool { return s.key() == e.key() }); i >= 0 {
		r.running = slices.Delete(r.running, i, i+1)
	}
	if r.last.State != Failed {
		r.last = e
	}
}

// row returns the row of an event. Rows are in the order of their images and
// platforms, whichever began first.
func (v *view) row(e Event) *row {
	r := &row{platform: e.Platform}
	if v.images {
		r.image = e.Image
	}
	i, found := slices.BinarySearchFunc(v.rows, r, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.image, b.image), cmp.Compare(a.platform, b.platform))
	})
	if !found {
		v.rows = slices.Insert(v.rows, i, r)
	}
	return v.rows[i]
}

// draw returns the view's lines, at least one, for a terminal of the given size.
// A line is shorter than the terminal is wide, and two lines of its height stay
// free, for the cursor and above the view: what scrolled or wrapped could not be
// drawn again, and some terminals keep a copy of each screen that is cleared as a
// whole.
func (v *view) draw(width, height int, now time.Time) []string {
	rows, hidden := v.fit(max(height-2, 2))
	labels, steps := 0, stepWidth
	lines := make([]line, len(rows))
	for i, r := range rows {
		lines[i] = r.line(v.ended, now)
		labels = max(labels, runewidth.StringWidth(lines[i].label))
		steps = max(steps, runewidth.StringWidth(lines[i].step))
	}
	var out []string
	for _, l := range lines {
		out = append(out, l.text(labels, steps, width-1))
	}
	if hidden > 0 {
		out = append(out, runewidth.Truncate(fmt.Sprintf("  and %d more", hidden), width-1, "…"))
	}
	if len(out) == 0 {
		return []string{""}
	}
	return out
}

// fit chooses the rows that find a place, and counts the others. Failures come
// before what goes on, and that before what is done.
func (v *view) fit(places int) (rows []*row, hidden int) {
	if len(v.rows) <= places {
		return v.rows, 0
	}
	rank := func(r *row) int {
		switch {
		case r.last.State == Failed:
			return 0
		case len(r.running) > 0:
			return 1
		}
		return 2
	}
	byRank := slices.Clone(v.rows)
	slices.SortStableFunc(byRank, func(a, b *row) int { return rank(a) - rank(b) })
	byRank = byRank[:places-1] // one place is for the count
	for _, r := range v.rows {
		if slices.Contains(byRank, r) {
			rows = append(rows, r)
		}
	}
	return rows, len(v.rows) - len(rows)
}

// line is what a row shows.
type line struct {
	mark, label, step, detail, elapsed string
}

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

func (r *row) line(ended bool, now time.Time) line {
	l := line{label: strings.TrimSpace(r.image + " " + r.platform)}
	e := r.last
	if e.State != Failed && len(r.running) > 0 {
		e = r.running[len(r.running)-1]
	}
	l.step = clean(e.Step)
	l.detail = firstLine(clean(e.Text))
	switch e.State {
	case Started:
		since := now.Sub(e.Time)
		if ended {
			l.mark, l.detail = "–", "stopped"
			break
		}
		l.mark = spinner[max(0, int(since/refresh))%len(spinner)]
		// What takes no second needs no clock.
		if since >= time.Second {
			l.elapsed = Duration(since)
		}
	case Done:
		l.mark, l.elapsed = "✓", Duration(e.Elapsed)
	case Failed:
		l.mark, l.elapsed = "✗", Duration(e.Elapsed)
	case Skipped:
		l.mark = "–"
	}
	return l
}

// text writes a line in at most width columns. Where there is no room, the
// detail gives way first.
func (l line) text(labels, steps, width int) string {
	const leastDetail = 4
	s := l.mark + " "
	if labels > 0 {
		s += runewidth.FillRight(l.label, labels) + "  "
	}
	s += runewidth.FillRight(l.step, steps)
	room := width - runewidth.StringWidth(s) - 2
	if l.elapsed != "" {
		room -= runewidth.StringWidth(l.elapsed) + 2
	}
	if detail := strings.ReplaceAll(l.detail, "\t", " "); detail != "" && room >= leastDetail {
		s += "  " + runewidth.Truncate(detail, room, "…")
	}
	if l.elapsed != "" {
		s += "  " + l.elapsed
	}
	return runewidth.Truncate(strings.TrimRight(s, " "), max(width, 1), "…")
}
