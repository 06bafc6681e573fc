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
	Dagger    string     `json:"dagger,omitempty"` // the engine's version
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
	Name  string `json:"name"`
	About string `json:"about"`
	// Baselines are the headings of the contenders' ratios.
	Baselines  []string `json:"baselines"`
	Contenders []result `json:"contenders"`
}

// result is one contender's part. The ratios are of medians of the wall time.
type result struct {
	Name   string    `json:"name"`
	Wall   []float64 `json:"wall"`
	CPU    []float64 `json:"cpu,omitempty"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	// CPUMedian is in user and system mode.
	CPUMedian float64 `json:"cpuMedian,omitempty"`
	// Ratios are to the first contenders, one for each baseline.
	Ratios []float64 `json:"ratios"`
}

func newReport(o options, t toolchain) *report {
	return &report{
		Date: time.Now().UTC().Format(time.RFC3339), Go: t.version, OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Source: o.source, Platforms: platformList(), Rounds: o.rounds,
	}
}

func (r *report) addSizes(rooms []room) {
	for _, room := range rooms {
		if room.size > 0 {
			r.Images = append(r.Images, size{room.Name, platform.String(platforms[0]), room.size})
		}
	}
}

func (r *result) add(s sample) {
	r.Wall = append(r.Wall, s.Wall.Seconds())
	if s.CPU > 0 {
		r.CPU = append(r.CPU, s.CPU.Seconds())
	}
}

// summarize fills in what follows from the measurements. The first contenders
// are the baselines.
func (m *measured) summarize(baselines []string) {
	m.Baselines = baselines
	for i := range m.Contenders {
		r := &m.Contenders[i]
		r.Median, r.Min = median(r.Wall), slices.Min(r.Wall)
		if len(r.CPU) > 0 {
			r.CPUMedian = median(r.CPU)
		}
	}
	for i := range m.Contenders {
		r := &m.Contenders[i]
		for k := range baselines {
			r.Ratios = append(r.Ratios, r.Median/m.Contenders[k].Median)
		}
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
	fmt.Fprintf(&b, "%s for %s; rounds: %d; ", r.Source, r.Platforms, r.Rounds)
	if r.Dagger != "" {
		fmt.Fprintf(&b, "Dagger %s; ", r.Dagger)
	}
	fmt.Fprintf(&b, "Go %s, %s/%s with %d CPUs; %s\n", r.Go, r.OS, r.Arch, r.CPUs, r.Date)
	for _, s := range r.Scenarios {
		fmt.Fprintf(&b, "\n**%s.** %s\n\n", s.Name, s.About)
		s.table(&b)
	}
	if len(r.Images) > 0 {
		b.WriteString("\n**What comes out.** Compressed layers.\n\n| | image |\n|---|--:|\n")
		for _, i := range r.Images {
			fmt.Fprintf(&b, "| %s, %s | %.3f MB |\n", i.Name, i.Platform, float64(i.Bytes)/1e6)
		}
	}
	return b.String()
}

// table has a row for each contender. CPU is left out where nobody's is known.
func (m measured) table(b *strings.Builder) {
	cpu := slices.ContainsFunc(m.Contenders, func(c result) bool { return len(c.CPU) > 0 })
	columns := []string{"median", "min"}
	if cpu {
		columns = append(columns, "CPU")
	}
	for _, name := range m.Baselines {
		columns = append(columns, "÷ "+name)
	}
	fmt.Fprintf(b, "| | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)))
	for _, c := range m.Contenders {
		fmt.Fprintf(b, "| %s | %.2f s | %.2f s |", c.Name, c.Median, c.Min)
		if cpu {
			fmt.Fprintf(b, " %.2f s |", c.CPUMedian)
		}
		for _, ratio := range c.Ratios {
			fmt.Fprintf(b, " %.2f |", ratio)
		}
		b.WriteString("\n")
	}
}
