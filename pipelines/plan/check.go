package plan

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// check checks a document against its schema and reports what is wrong in the
// words of its author, who knows keys and values but no schema.
func (d *document) check(schema *jsonschema.Schema) {
	if d.broken {
		return
	}
	err := schema.Validate(d.value)
	if err == nil {
		return
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		d.report(place{}, "%v", err)
		return
	}
	d.explain(schema, invalid)
}

// explain reports the leaves of a tree of errors: only they say something.
func (d *document) explain(schema *jsonschema.Schema, e *jsonschema.ValidationError) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			d.explain(schema, cause)
		}
		return
	}
	path := e.InstanceLocation
	for i := range len(path) + 1 {
		if d.places[placeKey(path[:i])].refused {
			return
		}
	}
	p := d.places[placeKey(path)]
	here := followRefs(schema)
	for _, name := range path {
		here = childSchema(here, name)
	}
	if here == nil {
		d.report(p, "is not allowed")
		return
	}

	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			q := d.places[placeKey(child(path, name))]
			q.line, q.column = q.keyLine, q.keyColumn
			d.report(q, "%s", unknownKey(schema, here, name))
		}
	case *kind.Required:
		p.line, p.column = p.keyLine, p.keyColumn
		for _, name := range k.Missing {
			d.report(p, "%s is missing", name)
		}
	case *kind.Type:
		d.report(p, "want %s, found %s%s", wanted(here), p.found, typeHint(here, p.found))
	case *kind.Enum, *kind.Pattern, *kind.Minimum, *kind.Maximum:
		d.report(p, "want %s, found %s", wanted(here), p.found)
	case *kind.Format:
		d.report(p, "is no regular expression: %s", strings.TrimPrefix(k.Err.Error(), "error parsing regexp: "))
	case *kind.MinItems:
		d.report(p, "must not be an empty list; leave it out for the default")
	case *kind.MinLength:
		d.report(p, "must not be empty")
	default:
		d.report(p, "found %s, which is not allowed here", p.found)
	}
}

// wanted says what a schema wants: "a whole number from 1 to 65535".
func wanted(s *jsonschema.Schema) string {
	switch {
	case s.Enum != nil:
		return "one of " + strings.Join(texts(s.Enum.Values), ", ")
	case s.Pattern != nil && len(s.Examples) > 0:
		return "text like " + listed(texts(s.Examples))
	case allows(s, "integer") && s.Minimum != nil && s.Maximum != nil && !allows(s, "string"):
		return fmt.Sprintf("a whole number from %s to %s", rat(s.Minimum), rat(s.Maximum))
	case isText(s):
		var also []string
		if allows(s, "number") || allows(s, "integer") {
			also = append(also, "a number")
		}
		if allows(s, "boolean") {
			also = append(also, "true/false")
		}
		return listed(append([]string{"text"}, also...))
	}
	words := []struct{ typ, words string }{
		{"string", "text"}, {"integer", "a whole number"}, {"number", "a number"},
		{"boolean", "true or false"}, {"array", "a list"}, {"object", "a mapping"},
	}
	for _, w := range words {
		if allows(s, w.typ) {
			return w.words
		}
	}
	return "nothing"
}

// typeHint says what would do, where a glance at what was found tells.
func typeHint(s *jsonschema.Schema, found string) string {
	compound := found == "a list" || found == "a mapping" || found == "nothing"
	switch {
	case allows(s, "array") && !compound:
		return fmt.Sprintf("; a list of one is written [%s]", found)
	case allows(s, "string") && !isText(s) && s.Pattern == nil && s.Enum == nil && !compound:
		return fmt.Sprintf("; put it in quotes: %q", found)
	}
	return ""
}

// unknownKey says that a key is not allowed, which one may have been meant, and
// which are allowed.
func unknownKey(root, here *jsonschema.Schema, name string) string {
	var allowed []string
	for key := range here.Properties {
		allowed = append(allowed, key)
	}
	slices.Sort(allowed)
	message := "unknown key"
	if meant := closest(name, allowed); meant != "" {
		message += fmt.Sprintf("; did you mean %q?", meant)
	} else if elsewhere := misplaced(root, name); elsewhere != "" {
		message += fmt.Sprintf("; did you mean %s?", elsewhere)
	} else {
		message += "."
	}
	return message + " Allowed: " + strings.Join(allowed, ", ")
}

// misplaced finds the place where a key is allowed.
func misplaced(root *jsonschema.Schema, name string) string {
	for _, key := range nestedKeys(root, "") {
		if key == name || strings.HasSuffix(key, "."+name) {
			return key
		}
	}
	return ""
}

// closest returns the candidate that a misspelt name was probably meant for, or
// nothing.
func closest(name string, candidates []string) string {
	fold := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(s))
	}
	if len(name) > 50 { // no key is that long
		return ""
	}
	best, least := "", min(2, len(name)/2)+1
	for _, c := range candidates {
		d := editDistance(fold(name), fold(c))
		if sameLetters(fold(name), fold(c)) {
			d = min(d, 1) // letters that changed places are one slip
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

func sameLetters(a, b string) bool {
	x, y := []rune(a), []rune(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// editDistance counts the letters to insert, remove or replace to make b of a
// (Levenshtein's distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// texts writes values as they would stand in the file.
func texts(values []any) []string {
	var s []string
	for _, v := range values {
		s = append(s, fmt.Sprint(v))
	}
	return s
}

// listed joins words: a, b or c.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func rat(r *big.Rat) string { return r.RatString() }
