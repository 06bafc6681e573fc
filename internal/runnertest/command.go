package runnertest

import (
	"slices"
	"strings"
)

// Command is a workflow command, a line of output that begins with "::".
type Command struct {
	// Name is what it does, like "error", "group" or "add-mask".
	Name string
	// Properties are like file, line and title; nil where there are none.
	Properties map[string]string
	// Data is what follows, unescaped: the message of an error, the secret of a mask.
	Data string
}

// commandNames are the commands that the runner knows. A line that names none of
// them is output like any other.
var commandNames = []string{
	"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group",
	"notice", "remove-matcher", "save-state", "set-env", "set-output", "warning",
	stopCommands,
}

// stopCommands turns off commands until the token comes that is its data.
const stopCommands = "stop-commands"

// In the runner's order, with the percent sign last.
var (
	unescapeData     = []string{"%0D", "\r", "%0A", "\n", "%25", "%"}
	unescapeProperty = []string{"%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%"}
)

// parseCommand reads a line as the runner does (ActionCommand.TryParseV2 of
// actions/runner). Token is one more name, of the command that ends stop-commands.
func parseCommand(line, token string) (Command, bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "::")
	if !ok {
		return Command{}, false
	}
	info, data, ok := strings.Cut(rest, "::")
	if !ok {
		return Command{}, false
	}
	name, properties, _ := strings.Cut(info, " ")
	name = strings.ToLower(name)
	if !slices.Contains(commandNames, name) && (token == "" || name != strings.ToLower(token)) {
		return Command{}, false
	}
	c := Command{Name: name, Data: unescape(data, unescapeData)}
	for property := range strings.SplitSeq(strings.TrimSpace(properties), ",") {
		key, value, _ := strings.Cut(property, "=")
		if key == "" || value == "" {
			continue
		}
		if c.Properties == nil {
			c.Properties = map[string]string{}
		}
		c.Properties[key] = unescape(value, unescapeProperty)
	}
	return c, true
}

// unescape replaces one sequence after the other, which is not the same as all at
// once: "%250A" becomes "%0A".
func unescape(s string, pairs []string) string {
	for pair := range slices.Chunk(pairs, 2) {
		s = strings.ReplaceAll(s, pair[0], pair[1])
	}
	return s
}
