package plan

import (
	"encoding/json"
	"fmt"

	"github.com/invopop/jsonschema"
)

// Text is a plain value written with or without quotes: in YAML 8080, 1.26 and
// true are no strings, but as a port, a release or a variable's value they are
// meant as they are written, to the letter.
type Text string

// UnmarshalJSON takes a string, a number or a boolean.
func (t *Text) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(t))
	}
	switch string(data) {
	case "null":
		return fmt.Errorf("no value")
	}
	*t = Text(data)
	return nil
}

// JSONSchema allows what UnmarshalJSON takes.
func (Text) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
}
