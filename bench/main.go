// Command bench measures slipway against go build and against ko, all in one
// run: contender after contender in every round, and round after round, so that
// what else the machine does meets all of them. It prints tables in Markdown, or
// a JSON document; the numbers to quote are the ratios.
//
//	go run ./bench
//	go run ./bench -source examples/service -rounds 5
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// options are the command line's.
type options struct {
	source string
	rounds int
	cold   bool
	ko     bool
	json   bool
}

func main() {
	var o options
	flag.StringVar(&o.source, "source", "examples/hello", "the module to build; its main package is in the same folder")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each contender is measured in each scenario")
	flag.BoolVar(&o.cold, "cold", false, "measure with empty build caches too, which compiles the standard library every time")
	flag.BoolVar(&o.ko, "ko", true, "compare with ko as well, which has to be built first")
	flag.BoolVar(&o.json, "json", false, "print one JSON document instead of tables")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 {
		fmt.Fprintln(os.Stderr, "bench: want flags alone, and -rounds of 1 or more")
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, o, os.Stdout, os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil {
		if interrupted { // what the children said as they ended is of no interest
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench measures in a temporary folder, which it removes, and prints the report.
func bench(ctx context.Context, o options, stdout, progress io.Writer) error {
	source, err := filepath.Abs(o.source)
	if err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "main.go"} {
		if _, err := os.Stat(filepath.Join(source, name)); err != nil {
			return fmt.Errorf("-source: want a folder with go.mod and main.go: %w", err)
		}
	}
	work, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	t, err := findToolchain(ctx)
	if err != nil {
		return err
	}
	contenders, err := assemble(ctx, o, t, work, progress)
	if err != nil {
		return err
	}
	rooms, err := furnish(ctx, contenders, source, work, progress)
	if err != nil {
		return err
	}
	report := newReport(o, t, rooms)
	for _, s := range scenarios(o.cold) {
		measured, err := s.measure(ctx, rooms, o.rounds, progress)
		if err != nil {
			return err
		}
		report.Scenarios = append(report.Scenarios, measured)
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	_, err = io.WriteString(stdout, report.Markdown())
	return err
}
