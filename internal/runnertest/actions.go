package runnertest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// remoteUses is what a step uses from another repository: owner/name, a folder in
// it, and a branch, tag or commit.
var remoteUses = regexp.MustCompile(`^([^/@]+/[^/@]+)((?:/[^@]*)?)@(.+)$`)

// actions finds what steps use, and hands copies of it to act.
type actions struct {
	given map[string]string
	// workspace is where actions of the repository itself are looked for.
	workspace string
	standIns  standIns
	// dir holds the copies, and copies names them by repository and ref.
	dir    string
	copies map[string]string
	// read are the actions that were looked at, by what uses named.
	read map[string]*action
	// unexpected are warnings as GitHub would give them.
	unexpected []string
}

// action is one action.yml.
type action struct {
	file string
	top  *yaml.Node
	// standIn is the name and ref of the action that it stands in for, or nothing.
	standIn, ref string
	// extra are inputs that are given and not declared.
	extra []string
}

func (a *action) steps() []*yaml.Node {
	if list := get(get(a.top, "runs"), "steps"); list != nil {
		return list.Content
	}
	return nil
}

// resolve goes through steps and through those of the actions that they use.
func (a *actions) resolve(steps []*yaml.Node) error {
	for _, step := range steps {
		uses := text(step, "uses")
		if uses == "" {
			continue
		}
		found, err := a.find(uses)
		if err != nil {
			return err
		}
		if err := a.checkInputs(found, uses, keys(get(step, "with"))); err != nil {
			return err
		}
	}
	return nil
}

// find returns the action that a step uses, and goes through its own steps when
// it is seen for the first time.
func (a *actions) find(uses string) (*action, error) {
	if found, ok := a.read[uses]; ok {
		return found, nil
	}
	found := &action{}
	var dir string
	if match := remoteUses.FindStringSubmatch(uses); match != nil {
		repository, folder, ref := match[1], match[2], match[3]
		copied, standIn, err := a.copy(repository, ref)
		if err != nil {
			return nil, fmt.Errorf("uses: %s: %w", uses, err)
		}
		dir = filepath.Join(copied, filepath.FromSlash(folder))
		if standIn {
			found.standIn, found.ref = repository+folder, ref
		}
	} else if local, ok := strings.CutPrefix(uses, "./"); ok {
		dir = filepath.Join(a.workspace, filepath.FromSlash(local))
	} else {
		return nil, fmt.Errorf("uses: %s: only actions of this repository and of others are played here", uses)
	}

	var content []byte
	err := fs.ErrNotExist
	for _, name := range []string{"action.yml", "action.yaml"} {
		if errors.Is(err, fs.ErrNotExist) {
			found.file = filepath.Join(dir, name)
			content, err = os.ReadFile(found.file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("uses: %s: %w", uses, err)
	}
	if found.top, err = parseYAML(uses, content); err != nil {
		return nil, err
	}
	a.read[uses] = found
	return found, a.resolve(found.steps())
}

// copy makes a copy of an action's repository that act may have.
func (a *actions) copy(repository, ref string) (dir string, standIn bool, err error) {
	key := repository + "@" + ref
	given, isGiven := a.given[key]
	if dir, ok := a.copies[key]; ok {
		return dir, !isGiven, nil
	}
	dir = filepath.Join(a.dir, fmt.Sprint(len(a.copies)))
	switch {
	case isGiven:
		err = copyFiles(dir, given)
	case a.standIns.has(repository):
		err = a.standIns.write(dir, repository)
	default:
		err = errors.New("the test gives no folder for it, and there is no stand-in")
	}
	a.copies[key] = dir
	return dir, !isGiven, err
}

// copyFiles copies what a commit of the folder would hold, if it is one of git's,
// and the whole of it otherwise.
func copyFiles(to, from string) error {
	out, err := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return errors.Join(os.CopyFS(to, os.DirFS(from)), os.RemoveAll(filepath.Join(to, ".git")))
	}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(to, name), filepath.Join(from, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}

// checkInputs compares what a step gives with what the action declares. GitHub
// warns of an input that is not declared, and a composite action gets it anyway,
// in ${{ inputs }}; act drops it. So act sees it declared.
func (a *actions) checkInputs(found *action, uses string, with []string) error {
	declared := keys(get(found.top, "inputs"))
	for _, name := range with {
		if slices.Contains(declared, name) {
			continue
		}
		for _, other := range declared {
			if strings.EqualFold(name, other) {
				return fmt.Errorf("uses: %s: the input %s is written %s, which act does not understand", uses, other, name)
			}
		}
		if found.standIn != "" {
			return fmt.Errorf("uses: %s: there is no input %s; there are %s", uses, name, strings.Join(declared, ", "))
		}
		if !slices.Contains(found.extra, name) {
			found.extra = append(found.extra, name)
		}
		a.unexpected = append(a.unexpected, fmt.Sprintf("Unexpected input(s) '%s', valid inputs are ['%s']", name, strings.Join(declared, "', '")))
	}
	return nil
}

// patch changes the copies, so that act treats them as GitHub does. Stand-ins
// write down what they are called with.
func (a *actions) patch(calls string) error {
	for uses, found := range a.read {
		if strings.HasPrefix(uses, "./") || text(get(found.top, "runs"), "using") != "composite" {
			continue
		}
		for _, name := range found.extra {
			inputs := get(found.top, "inputs")
			if inputs == nil {
				inputs = &yaml.Node{Kind: yaml.MappingNode}
				found.top.Content = append(found.top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "inputs"}, inputs)
			}
			inputs.Content = append(inputs.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &yaml.Node{Kind: yaml.MappingNode})
		}
		steps := get(get(found.top, "runs"), "steps")
		if found.standIn != "" {
			steps.Content = append([]*yaml.Node{scriptStep("Write down the call", record(calls, found))}, steps.Content...)
		}
		// act reads the files of commands once more for the step that uses the
		// action, as its last step left them. This one leaves them empty.
		steps.Content = append(steps.Content, scriptStep("Nothing", ":"))
		if err := writeYAML(found.file, found.top); err != nil {
			return err
		}
	}
	return nil
}
