package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"
)

// TestDraw reads a drawing back and compares it with the code, module by module.
func TestDraw(t *testing.T) {
	code, err := qr.Encode("https://example.org/", qr.L)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(draw(code.Size, code.Black), "\n"), "\n")
	if want := (code.Size + 2*quiet + 1) / 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	light := map[rune][2]bool{'█': {true, true}, '▀': {true, false}, '▄': {false, true}, ' ': {false, false}}
	for row, line := range lines {
		if n := utf8.RuneCountInString(line); n != code.Size+2*quiet {
			t.Fatalf("line %d has %d characters, want %d", row, n, code.Size+2*quiet)
		}
		for column, r := range []rune(line) {
			halves, ok := light[r]
			if !ok {
				t.Fatalf("line %d has the character %q", row, r)
			}
			for half, isLight := range halves {
				x, y := column-quiet, 2*row+half-quiet
				if isLight == code.Black(x, y) {
					t.Fatalf("module %d,%d is drawn light %v, and black %v in the code", x, y, isLight, code.Black(x, y))
				}
			}
		}
	}
}
