// Command count counts the lines, words and bytes of standard input.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/slipway-dev/slipway/examples/multi/internal/prose"
)

func main() {
	sum, err := count(os.Stdin)
	if err == nil {
		_, err = fmt.Println(sum)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "count:", err)
		os.Exit(1)
	}
}

// count reads r to its end and says what was in it.
func count(r io.Reader) (string, error) {
	var lines, words, bytes int
	for in := bufio.NewReader(r); ; {
		line, err := in.ReadString('\n')
		if line != "" {
			lines++
		}
		words += len(strings.Fields(line))
		bytes += len(line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return prose.List(prose.Count(lines, "line"), prose.Count(words, "word"), prose.Count(bytes, "byte")), nil
}
