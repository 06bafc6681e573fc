package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// report is the JSON document. Times are in seconds.
type report struct {
	Date      string     `json:"date"` // RFC 3339
	Go        string     `json:"go"`
	OS        string     `json:"os"`
	Arch      string     `json:"arch"`
	CPUs      int        `json:"cpus"`
	Source    string     `json:"source"`
	Platforms string     `json:"platforms"`
	Rounds    int        `json:"rounds"`
	Images    []size     `json:"images"`
	Scenarios []measured `json:"scenarios"`
}

// size is how large the layers of a contender's image are.
type size struct {
	Name     string `json:"name"`
	Platform string `json:"platform"`
	Bytes    int64  `json:"bytes"` // compressed
}

// measured is a scenario with its measurements.
type measured struct {
	Name       string   `json:"name"`
	About      string   `json:"about"`
	Contenders []result `json:"contenders"`
}

// result is one contender's part. The ratios are of medians of the wall time.
type result struct {
	Name   string    `json:"name"`
	Wall   []float64 `json:"wall"`
	CPU    []float64 `json:"cpu"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	// CPUMedian is in user and system mode.
	CPUMedian float64 `json:"cpuMedian"`
	// Sequential is the ratio to the first contender, Parallel to the second.
	Sequential float64 `json:"ratioToSequential"`
	Parallel   float64 `json:"ratioToParallel"`
}

func newReport(o options, t toolchain, rooms []room) *report {
	r := &report{
		Date: time.Now().UTC().Format(time.RFC3339), Go: t.version, OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Source: o.source, Platforms: platformList(), Rounds: o.rounds,
	}
	for _, room := range rooms {
		if room.size > 0 {
			r.Images = append(r.Images, size{room.Name, platform.String(platforms[0]), room.size})
		}
	}
	return r
}

func (r *result) add(s sample) {
	r.Wall = append(r.Wall, s.Wall.Seconds())
	r.CPU = append(r.CPU, s.CPU.Seconds())
}

// summarize fills in what follows from the measurements. The first two
// contenders are the baselines.
func (m *measured) summarize() {
	for i := range m.Contenders {
		r := &m.Contenders[i]
		r.Median, r.Min, r.CPUMedian = median(r.Wall), slices.Min(r.Wall), median(r.CPU)
	}
	for i := range m.Contenders {
		r := &m.Contenders[i]
		r.Sequential, r.Parallel = r.Median/m.Contenders[0].Median, r.Median/m.Contenders[1].Median
	}
}

// median of an even number of values is the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Markdown is a table for each scenario.
func (r *report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s for %s; rounds: %d; Go %s, %s/%s with %d CPUs; %s\n", r.Source, r.Platforms, r.Rounds, r.Go, r.OS, r.Arch, r.CPUs, r.Date)
	for _, s := range r.Scenarios {
		fmt.Fprintf(&b, "\n**%s.** %s\n\n", s.Name, s.About)
		b.WriteString("| | median | min | CPU | ÷ one after the other | ÷ side by side |\n|---|--:|--:|--:|--:|--:|\n")
		for _, c := range s.Contenders {
			fmt.Fprintf(&b, "| %s | %.2f s | %.2f s | %.2f s | %.2f | %.2f |\n", c.Name, c.Median, c.Min, c.CPUMedian, c.Sequential, c.Parallel)
		}
	}
	if len(r.Images) > 0 {
		b.WriteString("\n**What comes out.** Compressed layers.\n\n| | image |\n|---|--:|\n")
		for _, i := range r.Images {
			fmt.Fprintf(&b, "| %s, %s | %.3f MB |\n", i.Name, i.Platform, float64(i.Bytes)/1e6)
		}
	}
	return b.String()
}
