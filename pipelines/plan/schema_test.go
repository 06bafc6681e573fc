package plan

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaKeys lists every key of a schema, with [] for a list's entries and NAME
// for free keys.
func schemaKeys(s *jsonschema.Schema, prefix string) []string {
	var keys []string
	eachSchema(s, prefix, func(key string, _ *jsonschema.Schema) { keys = append(keys, key) })
	slices.Sort(keys)
	return keys
}

// eachSchema calls visit for every key of a schema.
func eachSchema(s *jsonschema.Schema, prefix string, visit func(string, *jsonschema.Schema)) {
	s = followRefs(s)
	for name, p := range s.Properties {
		key := strings.TrimPrefix(prefix+"."+name, ".")
		visit(key, followRefs(p))
		eachSchema(p, key, visit)
	}
	if values, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		eachSchema(values, prefix+".NAME", visit)
	}
	if s.Items2020 != nil {
		eachSchema(s.Items2020, prefix+"[]", visit)
	}
}

var indexed = regexp.MustCompile(`\[[0-9]+\]`)

// hasKey tells whether a document has a value for a key of schemaKeys.
func hasKey(d *document, key string) bool {
	pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(key), "NAME", ".+") + "$")
	for _, p := range d.places {
		if pattern.MatchString(indexed.ReplaceAllString(p.key, "[]")) {
			return true
		}
	}
	return false
}

// Messages show examples in place of patterns, and JSON's numbers have no bounds
// where Go's have.
func TestSchemaHasExamplesAndBounds(t *testing.T) {
	s, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	var check func(key string, s *jsonschema.Schema)
	check = func(key string, s *jsonschema.Schema) {
		if s.Pattern != nil {
			checked++
			if len(s.Examples) == 0 {
				t.Errorf("%s: a pattern without an example", key)
			}
			for _, e := range s.Examples {
				if !s.Pattern.MatchString(fmt.Sprint(e)) {
					t.Errorf("%s: the example %v does not match", key, e)
				}
			}
		}
		if allows(s, "integer") && !allows(s, "string") {
			checked++
			if s.Minimum == nil || s.Maximum == nil {
				t.Errorf("%s: a number without bounds", key)
			}
		}
		if s.Items2020 != nil {
			check(key+"[]", followRefs(s.Items2020))
		}
	}
	eachSchema(s.file, "", func(key string, s *jsonschema.Schema) {
		if s.Description == "" && !strings.Contains(key, "images") && s.Properties == nil {
			t.Errorf("%s: no description", key)
		}
		check(key, s)
	})
	if checked < 20 {
		t.Errorf("only %d patterns and numbers were found", checked)
	}
}

// An editor sees the embedded Image of File as keys at the top.
func TestSchemaIsFlat(t *testing.T) {
	s, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	if keys := schemaKeys(s.file, ""); !slices.Contains(keys, "image.ports") || !slices.Contains(keys, "images[].image.ports") || slices.Contains(keys, "image.image") {
		t.Errorf("got %q", keys)
	}
}

func TestReferenceHasEveryKey(t *testing.T) {
	s, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	table := Reference()
	for _, key := range schemaKeys(s.file, "") {
		if !strings.HasPrefix(key, "images[]") && !strings.Contains(table, "\n| `"+key+"` | ") {
			t.Errorf("no row for %s", key)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// The examples of the documentation are valid, and its table is up to date.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if os.IsNotExist(err) {
		t.Skip("docs/configuration.md is not here")
	} else if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Errorf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		if _, err := Load("example", b[1], nil); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
	if !strings.Contains(string(text), "<!-- keys -->\n\n"+Reference()+"\n<!-- /keys -->\n") {
		t.Error("the table of keys is out of date; run go generate ./pipelines/plan")
	}
}
