package plan

import (
	"encoding/json"
	"fmt"
)

// Text is a plain value written with or without quotes: in YAML 8080, 1.10 and
// true are no strings, but as a port or a variable's value they are meant as they
// are written, to the letter.
type Text string

// UnmarshalJSON takes a string, a number or a boolean.
func (t *Text) UnmarshalJSON(data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	switch value := value.(type) {
	case string:
		*t = Text(value)
	case float64, bool:
		*t = Text(data)
	default:
		return fmt.Errorf("want text, a number or true/false, found %s", data)
	}
	return nil
}
