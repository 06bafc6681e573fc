package runnertest

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// get returns the value of a mapping's key, or nil.
func get(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// text returns the text of a mapping's key, or nothing.
func text(mapping *yaml.Node, key string) string {
	if value := get(mapping, key); value != nil && value.Kind == yaml.ScalarNode {
		return value.Value
	}
	return ""
}

// keys returns a mapping's keys.
func keys(mapping *yaml.Node) []string {
	var all []string
	if mapping != nil && mapping.Kind == yaml.MappingNode {
		for i := 0; i < len(mapping.Content); i += 2 {
			all = append(all, mapping.Content[i].Value)
		}
	}
	return all
}

// scriptStep is a step that runs a script whatever happened before.
func scriptStep(name, script string) *yaml.Node {
	step := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range []string{"name", name, "if", "always()", "shell", "bash", "run", script} {
		scalar := &yaml.Node{}
		scalar.SetString(s)
		step.Content = append(step.Content, scalar)
	}
	return step
}

// writeJSON is a script that writes an expression's value to a file. It stands in
// the script and not in a variable, whose size the system limits.
func writeJSON(file, expression string) string {
	const end = "7f0c5f4f-the-end" // no line of JSON is that
	return fmt.Sprintf("cat >%s <<'%s'\n${{ toJSON(%s) }}\n%s\n", file, end, expression, end)
}

// parseYAML returns a document's top.
func parseYAML(name string, text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: no mapping", name)
	}
	return doc.Content[0], nil
}

// writeYAML writes a document.
func writeYAML(file string, document any) error {
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(document); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o600)
}
