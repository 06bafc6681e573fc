// Command greet greets whoever its arguments name, or the user that runs it.
//
// With the C library the user's name would come from it. Without, Go reads
// /etc/passwd, and an image that has none knows no user.
package main

import (
	"fmt"
	"os"
	"os/user"

	"github.com/slipway-dev/slipway/examples/multi/internal/prose"
)

func main() {
	if err := greet(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "greet:", err)
		os.Exit(1)
	}
}

func greet(names []string) error {
	if len(names) == 0 {
		// By id and not user.Current, which makes up a user where it finds none.
		me, err := user.LookupId(fmt.Sprint(os.Getuid()))
		if err != nil {
			return err
		}
		names = []string{me.Username}
	}
	_, err := fmt.Printf("Hello, %s!\n", prose.List(names...))
	return err
}
