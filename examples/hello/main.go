// Command hello prints a new UUID: the smallest program with a dependency.
package main

import (
	"os"

	"github.com/google/uuid"
)

func main() {
	if _, err := os.Stdout.WriteString(uuid.NewString() + "\n"); err != nil {
		os.Exit(1)
	}
}
