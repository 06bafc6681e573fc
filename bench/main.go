// Command bench measures slipway against go build and against ko, or against
// what people write for a Dagger engine, all in one run: contender after
// contender in every round, and round after round, so that what else the machine
// does meets all of them. It prints tables in Markdown, or a JSON document; the
// numbers to quote are the ratios.
//
//	go run ./bench
//	go run ./bench -source examples/service -rounds 5
//	go run ./bench -dagger
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

	"github.com/slipway-dev/slipway/pipelines/engine/dagger"
)

// options are the command line's.
type options struct {
	source string
	rounds int
	cold   bool
	ko     bool
	json   bool

	dagger   bool
	builder  string // image
	registry string // host, and perhaps a path
}

func main() {
	var o options
	flag.StringVar(&o.source, "source", "examples/hello", "the module to build; its main package is in the same folder")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each contender is measured in each scenario")
	flag.BoolVar(&o.cold, "cold", false, "measure with empty build caches too, which compiles the standard library every time")
	flag.BoolVar(&o.ko, "ko", true, "compare with ko as well, which has to be built first")
	flag.BoolVar(&o.dagger, "dagger", false, "measure on a Dagger engine instead, against pipelines that are written for it by hand")
	flag.StringVar(&o.builder, "builder", dagger.DefaultImage()+":"+dagger.DefaultRelease(), "with -dagger: image that compiles, for all")
	flag.StringVar(&o.registry, "registry", "", "with -dagger: where to publish, like registry.example.com/bench, without a login (default a registry of its own on loopback, for an engine in this machine's network)")
	flag.BoolVar(&o.json, "json", false, "print one JSON document instead of tables")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.dagger && o.cold {
		fmt.Fprintln(os.Stderr, "bench: want flags alone, -rounds of 1 or more, and -cold without -dagger, whose engine's caches are not ours to empty")
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
	report := newReport(o, t)
	var parts []part
	if o.dagger {
		var d daggerCLI
		if d, err = findDagger(ctx); err != nil {
			return err
		}
		report.Dagger = d.version
		parts, err = assembleDagger(ctx, o, t, d, work, progress)
	} else {
		parts, err = assemble(ctx, o, t, work, progress)
	}
	if err != nil {
		return err
	}
	for i, p := range parts {
		rooms, err := furnish(ctx, p.contenders, source, filepath.Join(work, fmt.Sprint("part-", i)), progress)
		if err != nil && o.dagger && o.registry == "" {
			err = fmt.Errorf("%w\n(an engine that does not reach this machine's loopback wants another registry: -registry)", err)
		}
		if err != nil {
			return err
		}
		report.addSizes(rooms)
		for _, s := range p.scenarios {
			measured, err := s.measure(ctx, rooms, o.rounds, progress)
			if err != nil {
				return err
			}
			measured.summarize(p.baselines)
			report.Scenarios = append(report.Scenarios, measured)
		}
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	_, err = io.WriteString(stdout, report.Markdown())
	return err
}
