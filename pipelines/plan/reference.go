package plan

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Reference returns a Markdown table of every key of slipway.yaml, made from the
// schema: in the order of its types, lists marked by [] and free keys by NAME.
func Reference() string {
	var doc yaml.Node
	// JSON is YAML, and YAML's nodes keep the order of the keys.
	if err := yaml.Unmarshal(schemaJSON, &doc); err != nil || len(doc.Content) == 0 {
		return ""
	}
	r := reference{defs: member(doc.Content[0], "$defs")}
	r.text.WriteString("| Key | Value | Meaning |\n|---|---|---|\n")
	r.keys("", doc.Content[0])
	return r.text.String()
}

// reference writes the rows of the table.
type reference struct {
	defs *yaml.Node
	text strings.Builder
}

// keys writes a row for each key of a mapping's schema, and for those below.
func (r *reference) keys(prefix string, schema *yaml.Node) {
	properties := member(schema, "properties")
	if properties == nil {
		return
	}
	required := words(member(schema, "required"))
	for i := 0; i+1 < len(properties.Content); i += 2 {
		name, property := properties.Content[i].Value, properties.Content[i+1]
		value := r.value(property)
		for _, other := range required {
			if other == name {
				value += "; required"
			}
		}
		fmt.Fprintf(&r.text, "| `%s` | %s | %s |\n", prefix+name, value, strings.ReplaceAll(word(property, "description"), "|", `\|`))
		r.below(prefix+name, property)
	}
}

// below writes the rows of what a key holds.
func (r *reference) below(key string, schema *yaml.Node) {
	target := r.resolve(schema)
	if items := member(target, "items"); items != nil {
		if key != "images" { // whose entries have the keys that the table begins with
			r.below(key+"[]", items)
		}
	} else if values := member(target, "additionalProperties"); values != nil && values.Kind == yaml.MappingNode {
		r.below(key+".NAME", values)
	} else {
		r.keys(key+".", target)
	}
}

// value says what a key may hold.
func (r *reference) value(schema *yaml.Node) string {
	s := r.resolve(schema)
	types := words(member(s, "type"))
	switch {
	case member(s, "enum") != nil:
		return code(words(member(s, "enum")))
	case member(s, "items") != nil:
		return "list of " + r.plural(member(s, "items"))
	case member(s, "additionalProperties") != nil && member(s, "additionalProperties").Kind == yaml.MappingNode:
		return "mapping of names to " + r.plural(member(s, "additionalProperties"))
	case len(types) == 0:
		return ""
	case types[0] == "object":
		return "mapping"
	case types[0] == "boolean":
		return code([]string{"true", "false"})
	case types[0] == "integer" && member(s, "minimum") != nil:
		return fmt.Sprintf("%s to %s", word(s, "minimum"), word(s, "maximum"))
	case types[0] == "integer":
		return "whole number"
	case member(s, "examples") != nil:
		return "text, like " + code(words(member(s, "examples")))
	}
	return "text"
}

// plural says what a list or a mapping may hold, several times.
func (r *reference) plural(schema *yaml.Node) string {
	switch s := r.value(schema); {
	case s == "mapping":
		return "mappings"
	case strings.HasPrefix(s, "text"):
		return "texts" + strings.TrimPrefix(s, "text")
	default:
		return s
	}
}

// resolve follows a $ref.
func (r *reference) resolve(schema *yaml.Node) *yaml.Node {
	if name, ok := strings.CutPrefix(word(schema, "$ref"), "#/$defs/"); ok {
		return member(r.defs, name)
	}
	return schema
}

// member returns a mapping's value, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// word returns a mapping's plain value, or nothing.
func word(n *yaml.Node, key string) string {
	if v := member(n, key); v != nil {
		return v.Value
	}
	return ""
}

// words returns a list's plain values, or the one that stands alone.
func words(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var all []string
	for _, v := range n.Content {
		all = append(all, v.Value)
	}
	return all
}

// code sets words in a fixed-width font: `a`, `b` or `c`.
func code(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "`" + w + "`"
	}
	return listed(quoted)
}
