package plan

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:generate go run ./internal/generate schema schema.json
//go:generate go run ./internal/generate reference ../../docs/configuration.md

// SchemaURL is where editors find the schema of slipway.yaml, and its $id.
const SchemaURL = "https://raw.githubusercontent.com/slipway-dev/slipway/main/pipelines/plan/schema.json"

//go:embed schema.json
var schemaJSON []byte

// Schema returns the JSON schema (draft 2020-12) of slipway.yaml: the one that
// editors use and that Load checks against.
func Schema() []byte { return bytes.Clone(schemaJSON) }

// schemaSet is the compiled schema: of a whole file, and of one image, which is
// what overrides apply to.
type schemaSet struct{ file, image *jsonschema.Schema }

// schemas compiles the embedded schema. The result never changes, so that it is
// compiled once.
var schemas = sync.OnceValues(func() (schemaSet, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		return schemaSet{}, fmt.Errorf("schema.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	// The standard format "regex" means JavaScript's syntax, which editors apply.
	// They ignore a format that they do not know, and that is right here.
	c.RegisterFormat(&jsonschema.Format{Name: "go-regexp", Validate: checkRegexp})
	c.AssertFormat()
	if err := c.AddResource(SchemaURL, doc); err != nil {
		return schemaSet{}, fmt.Errorf("schema.json: %w", err)
	}
	var s schemaSet
	if s.file, err = c.Compile(SchemaURL); err != nil {
		return schemaSet{}, fmt.Errorf("schema.json: %w", err)
	}
	if s.image, err = c.Compile(SchemaURL + "#/$defs/Image"); err != nil {
		return schemaSet{}, fmt.Errorf("schema.json: %w", err)
	}
	return s, nil
})

func checkRegexp(v any) error {
	if s, ok := v.(string); ok {
		_, err := regexp.Compile(s)
		return err
	}
	return nil
}

// childSchema returns the schema of a mapping's key or of a list's entries; nil
// where there is none.
func childSchema(s *jsonschema.Schema, key string) *jsonschema.Schema {
	if s = followRefs(s); s == nil {
		return nil
	}
	if p, ok := s.Properties[key]; ok {
		return followRefs(p)
	}
	if p, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		return followRefs(p)
	}
	return followRefs(s.Items2020)
}

func followRefs(s *jsonschema.Schema) *jsonschema.Schema {
	for s != nil && s.Ref != nil {
		s = s.Ref
	}
	return s
}

// allows tells whether a schema names a JSON type.
func allows(s *jsonschema.Schema, typ string) bool {
	return s != nil && s.Types != nil && slices.Contains(s.Types.ToStrings(), typ)
}

// isText tells whether a schema is that of a Text: text that may stand without
// quotes where YAML would read a number or a boolean.
func isText(s *jsonschema.Schema) bool {
	return allows(s, "string") && (allows(s, "number") || allows(s, "integer") || allows(s, "boolean"))
}

// isTextMap tells whether a schema is that of a mapping with free keys and
// plain values, like labels.
func isTextMap(s *jsonschema.Schema) bool {
	if s = followRefs(s); s == nil {
		return false
	}
	values, ok := s.AdditionalProperties.(*jsonschema.Schema)
	return ok && allows(followRefs(values), "string")
}

// nestedKeys lists the keys that a schema allows, with dots, down to where lists
// and free keys begin: what a misplaced key may have been meant for.
func nestedKeys(s *jsonschema.Schema, prefix string) []string {
	if s = followRefs(s); s == nil {
		return nil
	}
	var keys []string
	for name, p := range s.Properties {
		keys = append(keys, prefix+name)
		keys = append(keys, nestedKeys(p, prefix+name+".")...)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if c := strings.Count(a, ".") - strings.Count(b, "."); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return keys
}
