package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/slipway-dev/slipway/pipelines/plan"
)

// The table of keys stands between these lines.
const (
	begin = "<!-- keys -->\n"
	end   = "<!-- /keys -->\n"
)

// withReference returns a Markdown file with its table of keys brought up to
// date.
func withReference(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	if !ok {
		return nil, fmt.Errorf("%s: no line %q", file, begin)
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, fmt.Errorf("%s: no line %q after %q", file, end, begin)
	}
	return fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, begin, plan.Reference(), end, after), nil
}
