package plan

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSurvey(t *testing.T) {
	serve := func(address string) string {
		return "-- go.mod --\nmodule example.com/Web_Server/v2\n-- main.go --\npackage main\n\nconst layout, redis = \"15:04\", \"redis:6379\"\n\nvar address = " + address + "\n"
	}
	info := func(port int) StarterInfo {
		return StarterInfo{Name: "web-server", Packages: []string{"."}, Platforms: []string{"linux/amd64", "linux/arm64"}, Port: port}
	}
	several := info(9000)
	several.Name, several.Packages, several.Commands = "", nil, []string{"./cmd/a", "./cmd/b"}
	assets := info(0)
	assets.Assets = []string{"templates", "static"}
	for name, test := range map[string]struct {
		archive string
		want    StarterInfo
	}{
		"a program":          {serve(`"x"`), info(0)},
		"a server":           {serve(`":8080"`), info(8080)},
		"a server on all":    {serve("`0.0.0.0:8081`"), info(8081)},
		"a server on IPv6":   {serve(`"[::]:8082"`), info(8082)},
		"no port":            {serve(`":99999"`), info(0)},
		"any port":           {serve(`":0"`), info(0)},
		"a client":           {serve(`"localhost:5432"`), info(0)},
		"the port of a test": {serve(`"x"`) + "-- main_test.go --\npackage main\n\nvar x = \":1234\"\n", info(0)},
		"of another system":  {serve(`"x"`) + "-- main_windows.go --\npackage main\n\nvar y = \":1234\"\n", info(0)},
		"a broken file":      {serve(`":8080"`) + "-- a.go --\npackage main\n\nfunc (\n", info(8080)},
		"several":            {strings.Replace(serve(`":9000"`), "-- main.go", "-- cmd/a/main.go", 1) + "-- cmd/b/main.go --\npackage main\n", several},
		"assets":             {serve(`"x"`) + "-- static/a --\n-- templates/b --\n-- assets --\n-- other/c --\n", assets},
	} {
		got, err := Survey(unpack(t, test.archive))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// What a survey finds makes a configuration that plans.
	archive := strings.Replace(serve(`":9000"`), "-- main.go", "-- cmd/a/main.go", 1) + "-- cmd/b/main.go --\npackage main\n-- static/a --\n"
	found, err := Survey(unpack(t, archive))
	if err != nil {
		t.Fatal(err)
	}
	text, err := Starter(found)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := planned(t, archive+"-- slipway.yaml --\n"+string(text), Options{}); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestSurveyOfNothing(t *testing.T) {
	dir := unpack(t, "-- go.mod --\nmodule a\n-- lib.go --\npackage lib\n")
	for source, want := range map[string]string{
		dir:                           "DIR: holds no main package for linux; name the folder of a program (--source)",
		filepath.Join(dir, "missing"): "DIR/missing: does not exist; name the folder of a Go program (--source)",
	} {
		_, err := Survey(source)
		if want := strings.ReplaceAll(want, "DIR", dir); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, ok := errors.AsType[*SourceError](err); !ok {
			t.Errorf("%v is no SourceError", err)
		}
	}
}
