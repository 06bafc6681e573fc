// Command generate writes what is derived from the types of slipway.yaml:
//
//	generate schema FILE      the JSON schema, from the Go types and their comments
//	generate reference FILE   the table of keys between the markers of a Markdown file
//
// It runs in the folder of package plan: go generate ./pipelines/plan
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want: schema FILE or reference FILE")
	}
	var out []byte
	var err error
	switch args[0] {
	case "schema":
		out, err = schema("config.go")
	case "reference":
		out, err = withReference(args[1])
	default:
		return fmt.Errorf("unknown artefact %q; want schema or reference", args[0])
	}
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], out, 0o644)
}
