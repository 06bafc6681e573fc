package main

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCount(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "0 lines, 0 words and 0 bytes",
		"one\n":                 "1 line, 1 word and 4 bytes",
		"\n\n":                  "2 lines, 0 words and 2 bytes",
		"two words\nno newline": "2 lines, 4 words and 20 bytes",
	} {
		if got, err := count(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("count(%q) is %q, %v, want %q", in, got, err, want)
		}
	}
	broken := errors.New("broken")
	if got, err := count(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: got %q, %v", got, err)
	}
}
