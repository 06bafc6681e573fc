package workflows

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/modfile"
)

// dependabot is as much of the configuration's format as we use; anything else in
// it is a mistake, since GitHub tells nobody of one before the file is on main.
type dependabot struct {
	Version int
	Updates []struct {
		Ecosystem   string `yaml:"package-ecosystem"`
		Directory   string
		Directories []string
		Schedule    struct{ Interval, Day string }
		Allow       []struct {
			Name string `yaml:"dependency-name"`
			Type string `yaml:"dependency-type"`
		}
		Groups map[string]struct{ Patterns []string }
	}
}

func TestDependabot(t *testing.T) {
	var d dependabot
	decoder := yaml.NewDecoder(strings.NewReader(read(t, ".github/dependabot.yml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.Version != 2 {
		t.Errorf("version %d, want 2", d.Version)
	}
	manifests := map[string]string{"gomod": "go.mod", "github-actions": "action.yml", "docker": "Dockerfile"}
	kept := map[string][]string{}
	for _, u := range d.Updates {
		if u.Schedule.Interval != "weekly" || manifests[u.Ecosystem] == "" {
			t.Errorf("%s, %s: want a known ecosystem, weekly", u.Ecosystem, u.Schedule.Interval)
		}
		directories := u.Directories
		if u.Directory != "" {
			directories = append(directories, u.Directory)
		}
		for _, directory := range directories {
			manifest := path.Join(strings.TrimPrefix(directory, "/"), manifests[u.Ecosystem])
			text := read(t, manifest)
			kept[u.Ecosystem] = append(kept[u.Ecosystem], manifest)
			if u.Ecosystem != "gomod" {
				continue
			}
			mod, err := modfile.Parse(manifest, []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, tool := range mod.Tool {
				allowed := false
				for _, a := range u.Allow {
					allowed = allowed || a.Type == "all" && strings.HasPrefix(tool.Path+"/", a.Name+"/")
				}
				if !allowed {
					t.Errorf("%s: the module of the tool %s is not allowed, and so not updated", manifest, tool.Path)
				}
			}
		}
		for name, group := range u.Groups {
			if len(group.Patterns) == 0 {
				t.Errorf("%s: group %s has no patterns", u.Ecosystem, name)
			}
		}
	}
	for ecosystem := range manifests {
		if len(kept[ecosystem]) == 0 {
			t.Errorf("%s is not kept up to date", ecosystem)
		}
	}
	// Every module but the examples, and what tests are made of.
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == "examples" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if entry.Name() == "go.mod" && !slices.Contains(kept["gomod"], name) {
			t.Errorf("%s is in no directory of .github/dependabot.yml", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
