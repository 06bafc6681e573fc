package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test . -run=TestReadmeHasEveryFlag -update

var update = flag.Bool("update", false, "write the table of flags into the README")

const readme = "../../README.md"

// TestReadmeHasEveryFlag compares the README's table of flags with the code.
func TestReadmeHasEveryFlag(t *testing.T) {
	const begin, end = "<!-- flags -->\n", "<!-- /flags -->\n"
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %q and %q", readme, begin, end)
	}
	want := flagTable()
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the table of flags in %s is not up to date; go generate ./cmd/slipway writes it", readme)
	}
	if err := os.WriteFile(readme, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flagTable() string {
	type row struct{ name, usage, commands string }
	var rows []row
	for _, cmd := range newRoot(&edge{}).Commands() {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		see := func(f *pflag.Flag) {
			name := "`--" + f.Name + "`"
			if f.Shorthand != "" {
				name = "`-" + f.Shorthand + "`, " + name
			}
			usage := f.Usage
			if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" {
				usage += fmt.Sprintf(" (default %s)", f.DefValue)
			}
			for i, r := range rows {
				if r.name == name && r.usage == usage {
					rows[i].commands += ", " + cmd.Name()
					return
				}
			}
			rows = append(rows, row{name, usage, cmd.Name()})
		}
		flags(cmd, see)
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return strings.Compare(strings.TrimLeft(a.name[strings.Index(a.name, "--"):], "-`"), strings.TrimLeft(b.name[strings.Index(b.name, "--"):], "-`"))
	})
	var b strings.Builder
	b.WriteString("| flag | what it does | commands |\n|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, strings.ReplaceAll(r.usage, "|", `\|`), r.commands)
	}
	return b.String()
}

func flags(cmd *cobra.Command, see func(*pflag.Flag)) {
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			see(f)
		}
	})
}
