// Command app prints an id for each name in its arguments. How an id is made is
// the business of the module beside it, which go.work brings in as it stands on
// disk.
package main

import (
	"fmt"
	"os"

	"github.com/slipway-dev/slipway/examples/workspace/lib"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: app NAME...")
		os.Exit(2)
	}
	for _, name := range os.Args[1:] {
		fmt.Println(lib.ID(name), name)
	}
}
