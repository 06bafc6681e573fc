package runnertest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// The stand-ins, each in the folder of the repository that it stands in for.
//
//go:embed standins
var standInFiles embed.FS

// standIns writes stand-ins for actions.
type standIns struct {
	// origin is the repository to check out, and cache where caches are kept.
	origin, cache string
}

// has tells whether there is a stand-in for a repository's actions.
func (standIns) has(repository string) bool {
	_, err := fs.Stat(standInFiles, path.Join("standins", repository))
	return err == nil
}

// write writes the stand-in for a repository into a folder.
func (s standIns) write(dir, repository string) error {
	root := path.Join("standins", repository)
	return fs.WalkDir(standInFiles, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := standInFiles.ReadFile(name)
		if err != nil {
			return err
		}
		for mark, folder := range map[string]string{`"@ORIGIN@"`: s.origin, `"@CACHE@"`: s.cache} {
			quoted, err := json.Marshal(folder) // which is YAML as well
			if err != nil {
				return err
			}
			content = bytes.ReplaceAll(content, []byte(mark), quoted)
		}
		to := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(name, root)))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
}

// Call is one use of an action that has a stand-in.
type Call struct {
	// Action is what was used, like "actions/cache/restore", and Ref which of it.
	Action, Ref string
	// With are its inputs, with the defaults and without those that are empty.
	With map[string]string
}

// record is the script with which a stand-in writes down a call. Its file begins
// with the time, for the order.
func record(calls string, a *action) string {
	return fmt.Sprintf("file=%s/$(date +%%s%%N)\necho %s >\"$file.uses\"\n%s",
		quote(calls), quote(a.standIn+"@"+a.ref), writeJSON(`"$file.json"`, "inputs"))
}

// readCalls reads what the stand-ins wrote down.
func (a *actions) readCalls(dir string) ([]Call, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var calls []Call
	for _, file := range files { // in the order of their names
		uses, err := os.ReadFile(strings.TrimSuffix(file, "json") + "uses")
		if err != nil {
			return nil, err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var inputs map[string]string
		if err := json.Unmarshal(content, &inputs); err != nil {
			return nil, fmt.Errorf("the inputs of %s: %w\n%s", uses, err, content)
		}
		name, ref, _ := strings.Cut(strings.TrimSpace(string(uses)), "@")
		call := Call{Action: name, Ref: ref, With: map[string]string{}}
		// act writes all names in lower case.
		for _, declared := range keys(get(a.read[name+"@"+ref].top, "inputs")) {
			if value := inputs[strings.ToLower(declared)]; value != "" {
				call.With[declared] = value
			}
		}
		calls = append(calls, call)
	}
	return calls, nil
}
