package plan

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSet(t *testing.T) {
	tests := []struct {
		arg  string
		want Override
	}{
		{"image.tmp=true", Override{Path: []string{"image", "tmp"}, Value: YAML("true"), Source: "--set image.tmp"}},
		{"name=", Override{Path: []string{"name"}, Value: YAML(""), Source: "--set name"}},
		{"image.env.A=b=c", Override{Path: []string{"image", "env", "A"}, Value: YAML("b=c"), Source: "--set image.env.A"}},
		{
			`image.labels."a.b/c=d"=x`,
			Override{Path: []string{"image", "labels", "a.b/c=d"}, Value: YAML("x"), Source: `--set image.labels."a.b/c=d"`},
		},
		{
			`image.labels.a.b/c=x`,
			Override{Path: []string{"image", "labels", "a.b/c"}, Value: YAML("x"), Source: `--set image.labels."a.b/c"`},
		},
		{`'image'.tmp=true`, Override{Path: []string{"image", "tmp"}, Value: YAML("true"), Source: "--set image.tmp"}},
	}
	for _, test := range tests {
		got, err := ParseSet(test.arg)
		if err != nil {
			t.Errorf("%s: %v", test.arg, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.arg, diff)
		}
	}

	bad := map[string]string{
		"":               "--set : no value; want KEY=VALUE, like image.user=nonroot",
		"image.tmp":      "--set image.tmp: no value; want KEY=VALUE, like image.user=nonroot",
		"=x":             "--set : a key is empty; want KEY=VALUE, like image.user=nonroot",
		"image..tmp=x":   "--set image..tmp: a key is empty; want KEY=VALUE, like image.user=nonroot",
		`image."tmp=x`:   `--set image."tmp: the quote " is not closed`,
		"smoke[0].name=": "--set smoke[0].name: entries of a list cannot be set alone; set the whole list, like image.ports=[8080]",
	}
	for arg, want := range bad {
		_, err := ParseSet(arg)
		var e *ConfigError
		if !errors.As(err, &e) || e.Error() != want {
			t.Errorf("%q: got %v, want %s", arg, err, want)
		}
	}
}

func set(t *testing.T, args ...string) []Override {
	t.Helper()
	var all []Override
	for _, arg := range args {
		o, err := ParseSet(arg)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func TestOverrides(t *testing.T) {
	const text = `
image:
  user: root
  env: {A: 1, B: 2}
  ports: [80]
smoke: [{name: a}]
`
	base := func(change func(*Image)) Image {
		i := Image{
			Image: Contents{User: "root", Env: map[string]Text{"A": "1", "B": "2"}, Ports: []Text{"80"}},
			Smoke: []Case{{Name: "a"}},
		}
		change(&i)
		return i
	}
	tests := []struct {
		name      string
		overrides []Override
		want      Image
	}{
		{"none", nil, base(func(*Image) {})},
		{"text", []Override{Set("--user", "1001", "image", "user")}, base(func(i *Image) { i.Image.User = "1001" })},
		{"number", []Override{Set("--user", 1001, "image", "user")}, base(func(i *Image) { i.Image.User = "1001" })},
		{"text that looks like a number", []Override{Set("--to", "1.10", "publish", "to")}, base(func(i *Image) { i.Publish.To = "1.10" })},
		{"true", []Override{Set("--tmp", true, "image", "tmp")}, base(func(i *Image) { i.Image.Tmp = true })},
		{"list", []Override{Set("--platform", []string{"all"}, "platforms")}, base(func(i *Image) { i.Platforms = []string{"all"} })},
		{
			"an entry of a mapping", []Override{Set("--env", "x=y", "image", "env", "B"), Set("--env", "true", "image", "env", "C.D")},
			base(func(i *Image) { i.Image.Env = map[string]Text{"A": "1", "B": "x=y", "C.D": "true"} }),
		},
		{
			"a mapping", []Override{Set("--env", map[string]string{"B": "3", "C": "4"}, "image", "env")},
			base(func(i *Image) { i.Image.Env = map[string]Text{"A": "1", "B": "3", "C": "4"} }),
		},
		{
			"append", []Override{
				Append("--port", "81", "image", "ports"), Append("--port", []int{82, 83}, "image", "ports"),
				Append("--tag", "v1", "publish", "tags"),
			},
			base(func(i *Image) {
				i.Image.Ports = []Text{"80", "81", "82", "83"}
				i.Publish.Tags = []string{"v1"}
			}),
		},
		{"append after a replacement", append(set(t, "image.ports=[1]"), Append("--port", 2, "image", "ports")), base(func(i *Image) { i.Image.Ports = []Text{"1", "2"} })},
		{
			"YAML", set(t, "image.tmp=true", "image.ports=[1.10, 53/udp]", "image.env={A: 0644}", "go=1.26.8", "smoke=[]", "image.labels.a.b=c d"),
			base(func(i *Image) {
				i.Image.Tmp = true
				i.Image.Ports = []Text{"1.10", "53/udp"}
				i.Image.Env["A"] = "0644"
				i.Go = "1.26.8"
				i.Smoke = []Case{}
				i.Image.Labels = map[string]Text{"a.b": "c d"}
			}),
		},
		{"the last wins", set(t, "image.user=1", "image.user=2"), base(func(i *Image) { i.Image.User = "2" })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Load("slipway.yaml", []byte(text), test.overrides)
			if test.name == "YAML" {
				// 1.10 is no port; it shows that numbers stay as they are written.
				if err == nil || err.Error() != `--set image.ports: image.ports[0]: want text like 8080 or 53/udp, found "1.10"` {
					t.Fatalf("got %v", err)
				}
				test.overrides[1].Value = YAML("[110, 53/udp]")
				test.want.Image.Ports[0] = "110"
				got, err = Load("slipway.yaml", []byte(text), test.overrides)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Image{test.want}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOverridesOfSeveralImages(t *testing.T) {
	const text = "image: {ports: [1]}\nimages: [{name: a, image: {user: root}}, {name: b, image: {ports: [2]}}]"
	got, err := Load("slipway.yaml", []byte(text), []Override{
		Set("--user", "nonroot", "image", "user"), Append("--port", 3, "image", "ports"),
	})
	want := []Image{
		{Name: "a", Image: Contents{User: "nonroot", Ports: []Text{"1", "3"}}},
		{Name: "b", Image: Contents{User: "nonroot", Ports: []Text{"2", "3"}}},
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// One name for all of them is no mistake of the file's: perhaps one is built.
	if _, err := Load("slipway.yaml", []byte(text), []Override{Set("--name", "x", "name")}); err != nil {
		t.Error(err)
	}
}

func TestBadOverrides(t *testing.T) {
	tests := []struct {
		name     string
		override Override
		want     string
	}{
		{
			"unknown key", set(t, "image.prots=[80]")[0],
			`--set image.prots: unknown key; did you mean "ports"? Allowed: ` + contentsKeys,
		},
		{
			"unknown key on the way", set(t, "imag.user=root")[0],
			`--set imag.user: imag: unknown key; did you mean "image"? Allowed: ` + entryKeys,
		},
		{
			"unknown key in the value", set(t, "image={prots: [80]}")[0],
			`--set image: image.prots: unknown key; did you mean "ports"? Allowed: ` + contentsKeys,
		},
		{"images", set(t, "images=[{}]")[0], `--set images: images can only stand in the file; want a key of one image`},
		{"wrong type", set(t, "image.tmp=perhaps")[0], `--set image.tmp: want true or false, found "perhaps"`},
		{"nothing", set(t, "image.user=")[0], `--set image.user: want text like nonroot, 1001 or app:1001:1001, found nothing`},
		{"no YAML", set(t, "image.ports=[80")[0], `--set image.ports: the value "[80" is not valid YAML: did not find expected ',' or ']'`},
		{"twice", set(t, "image.env={A: 1, A: 2}")[0], `--set image.env: image.env.A: stands twice; the first is in line 1`},
		{"plain value, not a mapping", set(t, "image.user.name=x")[0], `--set image.user.name: image.user: want text like nonroot, 1001 or app:1001:1001, found a mapping`},
		{"flag of its own", Set("--user", "No One", "image", "user"), `--user: image.user: want text like nonroot, 1001 or app:1001:1001, found "No One"`},
		{"appended", Append("--port", "http", "image", "ports"), `--port: image.ports[0]: want text like 8080 or 53/udp, found "http"`},
		{"appended to no list", Append("--user", "1", "image", "user"), `--user: image.user: want text like nonroot, 1001 or app:1001:1001, found a list`},
		{"no path", Set("--x", "1"), `--x: sets no key`},
		{"no value for YAML", Set("--x", func() {}, "name"), `--x: name: a value of type func() cannot be set: json: unsupported type: func()`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load("slipway.yaml", nil, []Override{test.override})
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFileAndOverrideProblemsTogether(t *testing.T) {
	_, err := Load("slipway.yaml", []byte("name: A\n"), set(t, "image.tmp=1", "go=x"))
	const want = `slipway.yaml:1:7: name: want text like hello, found "A"
--set image.tmp: want true or false, found 1
--set go: want text like 1.26.8, found "x"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
