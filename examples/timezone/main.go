// Command timezone prints one fixed instant in several time zones, by default
// Europe/Warsaw and US/Pacific.
//
// Go reads the time zone database from the file system when a program runs. In
// an image without one time.LoadLocation fails with "unknown time zone". The
// program does not import time/tzdata, which would embed the database and prove
// nothing about the image.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	zones := os.Args[1:]
	if len(zones) == 0 {
		// The second is an old name that the database keeps as a link.
		zones = []string{"Europe/Warsaw", "US/Pacific"}
	}
	if err := show(os.Stdout, instant, zones); err != nil {
		fmt.Fprintln(os.Stderr, "timezone:", err)
		os.Exit(1)
	}
}

// instant is in summer, so that a zone's rule for it counts as well.
var instant = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

// show writes the instant in each zone, one line for each.
func show(w io.Writer, instant time.Time, zones []string) error {
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s  %s\n", instant.In(zone).Format(time.RFC3339), name); err != nil {
			return err
		}
	}
	return nil
}
