package plan

import (
	"bytes"
	_ "embed"
	"text/template"

	"go.yaml.in/yaml/v3"
)

//go:embed starter.yaml.tmpl
var starterText string

// StarterInfo is what was found out about a program: the keys that its
// slipway.yaml begins with. Everything may be empty.
type StarterInfo struct {
	// Name is the image's name.
	Name string
	// Packages are the main packages, relative to the module: ./cmd/hello.
	Packages []string
	// Commands are main packages that become an image each. Name and Packages are
	// of no use with them.
	Commands []string
	// Platforms to build for: linux/amd64.
	Platforms []string
	// Assets are folders of the source that the program seems to read as it runs,
	// relative and slash-separated: templates, static.
	Assets []string
	// Port is where the program seems to listen; 0 where it is no server.
	Port int
}

// Starter writes a slipway.yaml for a program: what was found out is set, and
// every other key stands there commented out and explained. A line that begins
// with # and no space, or more than one, is a key; without its # it is valid.
func Starter(info StarterInfo) ([]byte, error) {
	t, err := template.New("slipway.yaml").Funcs(template.FuncMap{
		"yaml":   flowYAML,
		"schema": func() string { return SchemaURL },
	}).Parse(starterText)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, info); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// flowYAML writes a value in one line, to stand anywhere in YAML.
func flowYAML(value any) (string, error) {
	var n yaml.Node
	if err := n.Encode(value); err != nil {
		return "", err
	}
	// A list around it makes its texts safe for use within lists, too.
	list := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{&n}}
	n.Style |= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode {
		n.Style &^= yaml.FlowStyle
	}
	text, err := yaml.Marshal(&list)
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	return string(text[1 : len(text)-1]), nil
}
