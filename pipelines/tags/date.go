package tags

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dateTokens are the tokens of a date's format, which is that of moment.js, and
// their layouts in Go. The seconds since 1970 have none.
var dateTokens = map[string]string{
	"YYYY": "2006", "YY": "06", "MM": "01", "DD": "02", "HH": "15", "mm": "04", "ss": "05", "X": "",
}

// momentLetters are the letters that mean something in a format of moment.js.
// All others stand for themselves.
const momentLetters = "ADEGHKLMNQSWXYZadeghklmswxyz"

// dateFormat writes a time.
type dateFormat struct {
	parts []datePart
	zone  *time.Location
}

// datePart is a token or, where that is empty, a text.
type datePart struct{ token, text string }

// parseDate reads a format and the name of a time zone, empty for UTC.
func parseDate(format, zone string) (*dateFormat, error) {
	// The machine's own zone has a name in Go, and would not be the same elsewhere.
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("found the time zone %s; want a name like Europe/Berlin, or UTC", quoteShort(zone))
	}
	d := &dateFormat{zone: location}
	for s := format; s != ""; {
		if s[0] == '[' {
			if text, rest, ok := strings.Cut(s[1:], "]"); ok {
				d.parts = append(d.parts, datePart{text: text})
				s = rest
				continue
			}
		}
		run := s[:len(s)-len(strings.TrimLeft(s, s[:1]))]
		s = s[len(run):]
		if _, ok := dateTokens[run]; ok {
			d.parts = append(d.parts, datePart{token: run})
		} else if strings.Contains(momentLetters, run[:1]) {
			return nil, fmt.Errorf("found %s in the format of a date; want YYYY, YY, MM, DD, HH, mm, ss, X, and [text] for what is to stay as it is", quoteShort(run))
		} else {
			d.parts = append(d.parts, datePart{text: run})
		}
	}
	return d, nil
}

func (d *dateFormat) format(t time.Time) string {
	var b strings.Builder
	t = t.In(d.zone)
	for _, p := range d.parts {
		switch p.token {
		case "":
			b.WriteString(p.text)
		case "X":
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		default:
			b.WriteString(t.Format(dateTokens[p.token]))
		}
	}
	return b.String()
}
