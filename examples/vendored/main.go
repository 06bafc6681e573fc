// Command vendored prints a text as a QR code for a terminal. Its dependency is
// in the vendor folder, so that it builds without a network.
package main

import (
	"fmt"
	"os"
	"strings"

	"rsc.io/qr"
)

func main() {
	text := strings.Join(os.Args[1:], " ")
	if text == "" {
		fmt.Fprintln(os.Stderr, "usage: vendored TEXT...")
		os.Exit(2)
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vendored:", err)
		os.Exit(1)
	}
	fmt.Print(draw(code.Size, code.Black))
}

// quiet is the light border that a reader needs around a code, in modules
// (ISO/IEC 18004 asks for four).
const quiet = 4

// draw returns a square of size modules and its border as text. A character
// holds two modules, one above the other, since it is twice as high as wide.
func draw(size int, black func(x, y int) bool) string {
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		for x := -quiet; x < size+quiet; x++ {
			// A terminal writes light on dark, so it is the light modules
			// that are drawn. Outside of the code nothing is black.
			switch upper, lower := !black(x, y), !black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
