package plan

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Override is a value from a flag, which wins over the file.
type Override struct {
	// Path are the keys from the top of an image to the value: "image", "user".
	Path []string
	// Value is what Path is set to: text, a number, true or false, a list, a
	// mapping (Go values that encoding/json writes as such), or YAML. A
	// mapping is merged key by key with what is there; all else replaces it.
	Value any
	// Append adds Value, or each of its entries where it is a list, to the list
	// that is there.
	Append bool
	// Source names the flag in messages: "--user" or "--set image.user".
	Source string
}

// YAML is a value written in YAML, as --set takes it.
type YAML string

// Set makes an override of a flag's value. A path into a mapping adds one entry:
//
//	Set("--env", "debug", "image", "env", "LOG_LEVEL")
func Set(source string, value any, path ...string) Override {
	return Override{Path: path, Value: value, Source: source}
}

// Append makes an override that adds a flag's value to a list:
//
//	Append("--port", "8080", "image", "ports")
func Append(source string, value any, path ...string) Override {
	return Override{Path: path, Value: value, Append: true, Source: source}
}

// ParseSet reads the argument of the flag --set: KEY=VALUE, where KEY is a path
// with dots, like image.user, and VALUE is YAML, like [a, b]. A key that holds
// dots itself stands in quotes: image.labels."org.opencontainers.image.vendor".
// Shells take quotes away; so where free keys with plain values begin, like
// those of labels, the rest is one key with or without quotes. Errors are of
// type *ConfigError.
func ParseSet(arg string) (Override, error) {
	path, value, err := splitSet(arg)
	if err != nil {
		key, _, _ := strings.Cut(arg, "=")
		return Override{}, &ConfigError{File: "--set " + key, Problem: err.Error()}
	}
	s, err := schemas()
	if err != nil {
		return Override{}, err
	}
	here := s.image
	for i, key := range path {
		if isTextMap(here) {
			path = append(path[:i:i], strings.Join(path[i:], "."))
			break
		}
		here = childSchema(here, key)
	}
	return Override{Path: path, Value: YAML(value), Source: "--set " + keyName(path)}, nil
}

// splitSet splits KEY=VALUE, and KEY at its dots.
func splitSet(arg string) (path []string, value string, err error) {
	var key strings.Builder
	var quote rune // the quote that is open, or 0
	quoted := false
	for i, c := range arg {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			key.WriteRune(c)
		case (c == '"' || c == '\'') && key.Len() == 0:
			quote, quoted = c, true
		case c == '[' || c == ']':
			return nil, "", fmt.Errorf("entries of a list cannot be set alone; set the whole list, like image.ports=[8080]")
		case c == '.' || c == '=':
			if key.Len() == 0 && !quoted {
				return nil, "", fmt.Errorf("a key is empty; want KEY=VALUE, like image.user=nonroot")
			}
			path = append(path, key.String())
			key.Reset()
			quoted = false
			if c == '=' {
				return path, arg[i+1:], nil
			}
		default:
			key.WriteRune(c)
		}
	}
	if quote != 0 {
		return nil, "", fmt.Errorf("the quote %c is not closed", quote)
	}
	return nil, "", fmt.Errorf("no value; want KEY=VALUE, like image.user=nonroot")
}

// keyName writes a path as ParseSet reads it.
func keyName(path []string) string {
	name := ""
	for _, key := range path {
		name = joinKey(name, key)
	}
	return name
}

// document makes of an override a document that holds its path and value and
// nothing else, checked against the schema of an image.
func (o Override) document(s schemaSet) *document {
	d := &document{file: o.Source, places: map[string]place{}}
	here := place{key: keyName(o.Path)}
	value, err := o.node()
	switch {
	case len(o.Path) == 0:
		d.report(place{}, "sets no key")
	case o.Path[0] == "images":
		d.report(here, "images can only stand in the file; want a key of one image")
	case err != nil:
		d.report(here, "%s", err)
	}
	if len(d.problems) > 0 {
		d.broken = true
		return d
	}
	if o.Append && value.Kind != yaml.SequenceNode {
		value = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{value}}
	}
	for i := len(o.Path) - 1; i >= 0; i-- {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: o.Path[i]}
		value = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, value}}
	}
	d.read(value, s.image)
	d.check(s.image)
	// A flag has no lines to point at: within its value the key says where.
	for _, p := range d.problems {
		p.Line, p.Column = 0, 0
	}
	return d
}

// node returns the value as YAML.
func (o Override) node() (*yaml.Node, error) {
	text, ok := o.Value.(YAML)
	if !ok {
		data, err := json.Marshal(o.Value)
		if err != nil {
			return nil, fmt.Errorf("a value of type %T cannot be set: %w", o.Value, err)
		}
		text = YAML(data) // JSON is YAML
	}
	d := &document{}
	n := d.parse([]byte(text))
	if len(d.problems) > 0 {
		return nil, fmt.Errorf("the value %s %s", quoteShort(string(text)), d.problems[0].Problem)
	}
	return n, nil
}

// apply merges a checked override into an image.
func (o Override) apply(image any, d *document) any {
	if !o.Append {
		return mergeValues(image, d.value)
	}
	have, add := image, d.value
	for _, key := range o.Path {
		m, _ := have.(map[string]any)
		have = m[key]
		m, _ = add.(map[string]any)
		add = m[key]
	}
	old, _ := have.([]any)
	list, _ := add.([]any)
	var merged any = append(append([]any{}, old...), list...)
	for i := len(o.Path) - 1; i >= 0; i-- {
		merged = map[string]any{o.Path[i]: merged}
	}
	return mergeValues(image, merged)
}
