package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/slipway-dev/slipway/pipelines/plan"
)

// schema reflects plan.File; the descriptions are the comments of source, a Go
// file in the working directory.
func schema(source string) ([]byte, error) {
	texts := map[*jsonschema.Schema]bool{}
	r := jsonschema.Reflector{
		ExpandedStruct: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t != reflect.TypeFor[plan.Text]() {
				return nil
			}
			// A string for now, so that the tags of strings are read.
			s := &jsonschema.Schema{Type: "string"}
			texts[s] = true
			return s
		},
	}
	if err := r.AddGoComments(reflect.TypeFor[plan.File]().PkgPath(), filepath.Clean(source)); err != nil {
		return nil, fmt.Errorf("read the comments of %s: %w", source, err)
	}
	root := r.Reflect(plan.File{})
	root.ID = plan.SchemaURL
	root.Title = "slipway.yaml"
	if err := finish(root, texts); err != nil {
		return nil, err
	}
	for _, def := range root.Definitions {
		if err := finish(def, texts); err != nil {
			return nil, err
		}
	}

	raw, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// finish says what reflection cannot: which values of other types a text may
// be, and that a mapping with no required key may be left empty ("image:" and
// nothing else), which YAML calls null.
func finish(s *jsonschema.Schema, texts map[*jsonschema.Schema]bool) error {
	if s == nil {
		return nil
	}
	s.Description = strings.Join(strings.Fields(s.Description), " ")
	switch {
	case texts[s]:
		types, err := textTypes(s.Pattern)
		if err != nil {
			return err
		}
		setTypes(s, types)
	case s.Type == "object" && len(s.Required) == 0:
		setTypes(s, []string{"object", "null"})
	}
	if s.Properties != nil {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			if err := finish(p.Value, texts); err != nil {
				return fmt.Errorf("%s: %w", p.Key, err)
			}
		}
	}
	if err := finish(s.Items, texts); err != nil {
		return err
	}
	if s.AdditionalProperties != jsonschema.FalseSchema {
		return finish(s.AdditionalProperties, texts)
	}
	return nil
}

// textTypes lists the JSON types that a text without quotes may come as. A
// pattern constrains only strings, so that a type none of whose values could
// match it is left out.
func textTypes(pattern string) ([]string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	types := []string{"string"}
	switch {
	case re.MatchString("1.5"):
		types = append(types, "number")
	case re.MatchString("100"):
		types = append(types, "integer")
	}
	if re.MatchString("true") {
		types = append(types, "boolean")
	}
	return types, nil
}

// setTypes sets several types, for which the library's field has no room.
func setTypes(s *jsonschema.Schema, types []string) {
	if len(types) == 1 {
		s.Type = types[0]
		return
	}
	s.Type = ""
	if s.Extras == nil {
		s.Extras = map[string]any{}
	}
	s.Extras["type"] = types
}
