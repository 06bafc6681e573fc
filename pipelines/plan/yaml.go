package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const (
	// maxFile bounds a configuration, in bytes.
	maxFile = 1 << 20
	// maxValues bounds what a configuration holds once its aliases are followed,
	// so that a few lines cannot expand to billions of values.
	maxValues = 100_000
	// maxDepth bounds how deep values stand in one another. The schema needs 8.
	maxDepth = 50
)

// document is a configuration as JSON values, as the schema wants them, and
// where each stood.
type document struct {
	file  string
	value any
	// places is keyed by placeKey.
	places   map[string]place
	problems []*ConfigError
	// broken means that value says nothing, and that a problem says why.
	broken bool
}

// place says where a value stands and how to speak of it.
type place struct {
	key          string // "smoke[0].exitCode"
	found        string // what stands there: `"zero"`, "a list"
	line, column int    // the value's, or its key's where there is no value
	// keyLine and keyColumn are the key's; the value's own for a list's entry.
	keyLine, keyColumn int
	// refused means that its problem has been reported.
	refused bool
}

func placeKey(path []string) string { return strings.Join(path, "\x00") }

// parseYAML reads the one YAML document in data as values of a schema.
func parseYAML(file string, data []byte, schema *jsonschema.Schema) *document {
	d := &document{file: file, places: map[string]place{}}
	if n := d.parse(data); n != nil {
		d.read(n, schema)
	}
	return d
}

// parse returns the one YAML document in data, which is null where there is
// nothing, or reports why there is none.
func (d *document) parse(data []byte) *yaml.Node {
	if len(data) > maxFile {
		d.report(place{}, "is larger than %d bytes, more than any configuration needs", maxFile)
		d.broken = true
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	if errors.Is(err, io.EOF) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}
	}
	if err == nil {
		if err = decoder.Decode(&second); errors.Is(err, io.EOF) && len(first.Content) == 1 {
			return first.Content[0]
		}
	}
	if err != nil {
		d.reportSyntax(data, err)
		return nil
	}
	d.report(place{line: second.Line, column: second.Column}, "a second document begins; put everything into one, without ---")
	d.broken = true
	return nil
}

// read converts a YAML node into the values of a schema.
func (d *document) read(n *yaml.Node, schema *jsonschema.Schema) {
	r := reader{document: d, open: map[*yaml.Node]bool{}}
	d.value = r.convert(n, followRefs(schema), nil, at(n))
}

func (d *document) report(p place, format string, args ...any) {
	d.problems = append(d.problems, &ConfigError{
		File: d.file, Line: p.line, Column: p.column, Key: p.key, Problem: fmt.Sprintf(format, args...),
	})
}

var syntaxLine = regexp.MustCompile(`^line ([0-9]+): `)

// reportSyntax reports that data is no YAML.
func (d *document) reportSyntax(data []byte, err error) {
	d.broken = true
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := syntaxLine.FindStringSubmatch(message); m != nil {
		message = message[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if n, ok := brokenLine(data, lines); ok {
		line = n
	}
	column := 1
	if line <= len(lines) {
		text := lines[line-1]
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		column += len(indent)
		if tab := bytes.IndexByte(indent, '\t'); tab >= 0 {
			column, message = tab+1, "a tab cannot indent; use spaces"
		}
	}
	d.report(place{line: line, column: column}, "is not valid YAML: %s", message)
}

// brokenLine returns the number of the line after the longest part of data, in
// whole lines, that is valid YAML: where what is broken begins. The parser
// itself names the line where the mapping around it begins, or none, or the
// last of the file where a quote or a bracket was never closed.
func brokenLine(data []byte, lines [][]byte) (int, bool) {
	size := len(data)
	for n, parsed := len(lines), 0; n > 0 && parsed < 4*maxFile; n-- {
		size -= len(lines[n-1])
		parsed += size
		if validYAML(data[:size]) {
			return n, true
		}
	}
	return 0, false
}

func validYAML(data []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := decoder.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// reader converts YAML nodes into JSON values.
type reader struct {
	*document
	values int
	// open holds the nodes around the one being read: an alias to one of them
	// would never end.
	open map[*yaml.Node]bool
}

// spent counts a value, and tells whether there are too many.
func (r *reader) spent(p place) bool {
	if r.values++; r.values > maxValues && !r.broken {
		r.report(p, "makes more than %d values, aliases followed, and more than any configuration needs", maxValues)
		r.broken = true
	}
	return r.broken
}

// convert returns the value of a node that stands at path and p, for a schema
// that may be nil.
func (r *reader) convert(n *yaml.Node, schema *jsonschema.Schema, path []string, p place) any {
	if r.spent(p) {
		return nil
	}
	refuse := func(format string, args ...any) any {
		r.report(p, format, args...)
		p.refused = true
		r.places[placeKey(path)] = p
		return nil
	}
	if len(path) > maxDepth {
		return refuse("stands too deep")
	}
	if n.Kind == yaml.AliasNode {
		if r.open[n.Alias] {
			return refuse("the alias *%s stands within its own value", n.Value)
		}
		return r.convert(n.Alias, schema, path, p)
	}
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str" {
		return refuse("tags like %s are not supported; remove it", n.Tag)
	}
	r.open[n] = true
	defer delete(r.open, n)

	switch n.Kind {
	case yaml.MappingNode:
		p.found = "a mapping"
		r.places[placeKey(path)] = p
		return r.mapping(n, schema, path, p.key)
	case yaml.SequenceNode:
		p.found = "a list"
		r.places[placeKey(path)] = p
		items := childSchema(schema, "")
		list := make([]any, 0, len(n.Content))
		for i, entry := range n.Content {
			q := at(entry)
			q.key = fmt.Sprintf("%s[%d]", p.key, i)
			list = append(list, r.convert(entry, items, child(path, strconv.Itoa(i)), q))
		}
		return list
	case yaml.ScalarNode:
		var value any
		value, p.found = scalar(n, schema)
		r.places[placeKey(path)] = p
		return value
	default:
		return refuse("is no value")
	}
}

// entry is a key and its value.
type entry struct{ key, value *yaml.Node }

// mapping converts a mapping, keys of merged ones ("<<") included.
func (r *reader) mapping(n *yaml.Node, schema *jsonschema.Schema, path []string, name string) any {
	entries, first := []entry{}, map[string]int{}
	var merged []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		q := at(key)
		q.key = name
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			r.report(q, "a key must be plain text")
		case key.ShortTag() == "!!merge":
			merged = append(merged, r.merged(value, q)...)
		case first[key.Value] > 0:
			q.key = joinKey(name, key.Value)
			r.report(q, "stands twice; the first is in line %d", first[key.Value])
		default:
			// Overrides have no lines, and no key twice.
			first[key.Value] = max(key.Line, 1)
			entries = append(entries, entry{key, value})
		}
	}
	// The mapping's own keys win over merged ones, and earlier ones over later.
	for _, e := range merged {
		if first[e.key.Value] == 0 {
			first[e.key.Value] = max(e.key.Line, 1)
			entries = append(entries, e)
		}
	}

	result := make(map[string]any, len(entries))
	for _, e := range entries {
		q := at(e.value)
		q.keyLine, q.keyColumn = e.key.Line, e.key.Column
		if e.value.Kind == yaml.ScalarNode && e.value.Value == "" && e.value.Style == 0 {
			q.line, q.column = q.keyLine, q.keyColumn
		}
		q.key = joinKey(name, e.key.Value)
		// A key that the schema does not know is reported as such, whatever it holds.
		result[e.key.Value] = r.convert(e.value, childSchema(schema, e.key.Value), child(path, e.key.Value), q)
	}
	return result
}

// merged lists the entries that a merge key brings: those of a mapping, or of
// each of a list of mappings.
func (r *reader) merged(value *yaml.Node, p place) []entry {
	for value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	sources := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		sources = value.Content
	}
	var entries []entry
	for _, source := range sources {
		for source.Kind == yaml.AliasNode {
			source = source.Alias
		}
		if source.Kind != yaml.MappingNode {
			r.report(p, "<< wants a mapping, or a list of mappings")
			continue
		}
		for i := 0; i+1 < len(source.Content); i += 2 {
			key := source.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || key.ShortTag() == "!!null" {
				r.report(p, "<< wants a mapping whose own keys are plain text")
				continue
			}
			if r.spent(p) {
				return nil
			}
			entries = append(entries, entry{key, source.Content[i+1]})
		}
	}
	return entries
}

var (
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$`)
	// A whole number is a plain decimal one: where 0644 is 420 to one reader and
	// 644 to another, it is better asked for again.
	wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,15})$`)
)

// scalar converts a scalar, and says how to speak of it.
func scalar(n *yaml.Node, schema *jsonschema.Schema) (value any, found string) {
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		if allows(schema, "null") {
			return map[string]any{}, "nothing"
		}
		return nil, "nothing"
	case tag != "!!int" && tag != "!!float" && tag != "!!bool":
		return n.Value, quoteShort(n.Value)
	case isText(schema):
		return n.Value, quoteShort(n.Value)
	case tag == "!!bool":
		return strings.EqualFold(n.Value, "true"), n.Value
	case allows(schema, "integer"):
		if wholeNumber.MatchString(n.Value) {
			return json.Number(n.Value), n.Value
		}
		return n.Value, n.Value
	case jsonNumber.MatchString(n.Value) && len(n.Value) < 20:
		return json.Number(n.Value), n.Value
	default:
		// A number to YAML, like 0x1F or .inf, where no number is wanted: any
		// number does to say so.
		return json.Number("0"), n.Value
	}
}

// at is the place of a node.
func at(n *yaml.Node) place {
	return place{line: n.Line, column: n.Column, keyLine: n.Line, keyColumn: n.Column}
}

// child is the path of a value within another's.
func child(path []string, name string) []string { return append(slices.Clip(path), name) }
