package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// allKeys is a configuration that uses every key but images.
const allKeys = `
name: hello
packages: [./cmd/hello, ./cmd/helper]
platforms: [linux/amd64, linux/arm/v7]
go: 1.26.8
build:
  tags: [osusergo, netgo]
  ldflags: ["-X main.version={{.Version}}"]
  env: {GOFIPS140: v1.0.0, GOEXPERIMENT: 1.10}
image:
  base: example.com/base@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  user: 1001
  args: [serve, 1.10]
  cmd: [--level, 3, true]
  env:
    DEBUG: true
    RATIO: 1.10
    MASK: 0022
    EMPTY: ""
    BIG: 12345678901234567890123
    HEX: 0x1F
    DATE: 2024-01-01
    YES: yes
    QUOTED: "0"
  workdir: /srv
  ports: [8080, 53/udp]
  volumes: [/data]
  stopSignal: SIGINT
  labels: {org.opencontainers.image.vendor: Acme, 1.10: x}
  annotations: {a.b/c: "1"}
  stamp: [revision, version, created]
  created: 1750000000
  certificates:
    bundle: none
    add: [ca.pem]
  zones: false
  tmp: true
  assets:
    - from: templates
      to: /templates
      mode: 0640
      owner: 65534:65534
    - {from: run.sh, to: /run.sh, mode: 755, owner: 0}
audit:
  maxSize: 10MB
  allow: [root, shell, setuid, credentials, writable]
smoke:
  - name: says hello
    args: [-n, 1e3]
    env: {A: b}
    stdin: |
      hi
    network: host
    timeout: 1m30s
    exitCode: 0
    stdout: {equals: "", contains: hello, matches: '(?i)^h\S+'}
    stderr: {equals: x, contains: y, matches: z}
  - serve:
      port: 8080
      stopWithin: 0.5s
      requests:
        - method: POST
          path: /healthz?x=1
          headers: {X-Count: 3}
          body: ping
          expect:
            status: 204
            headers:
              X-Any:
              Content-Type: {equals: a, contains: json, matches: b}
            body: {equals: ok, contains: o, matches: k}
publish:
  to: ghcr.io/acme/hello
  tags: [latest, "1.2"]
  plainHTTP: true
  ca: ca.pem
  mountFrom: [acme/base]
`

func ptr[T any](v T) *T { return &v }

func allKeysImage() Image {
	return Image{
		Name:      "hello",
		Packages:  []string{"./cmd/hello", "./cmd/helper"},
		Platforms: []string{"linux/amd64", "linux/arm/v7"},
		Go:        "1.26.8",
		Build: Build{
			Tags:    []string{"osusergo", "netgo"},
			Ldflags: []string{"-X main.version={{.Version}}"},
			Env:     map[string]Text{"GOFIPS140": "v1.0.0", "GOEXPERIMENT": "1.10"},
		},
		Image: Contents{
			Base: "example.com/base@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			User: "1001",
			Args: []Text{"serve", "1.10"},
			Cmd:  []Text{"--level", "3", "true"},
			Env: map[string]Text{
				"DEBUG": "true", "RATIO": "1.10", "MASK": "0022", "EMPTY": "", "BIG": "12345678901234567890123",
				"HEX": "0x1F", "DATE": "2024-01-01", "YES": "yes", "QUOTED": "0",
			},
			Workdir:      "/srv",
			Ports:        []Text{"8080", "53/udp"},
			Volumes:      []string{"/data"},
			StopSignal:   "SIGINT",
			Labels:       map[string]Text{"org.opencontainers.image.vendor": "Acme", "1.10": "x"},
			Annotations:  map[string]Text{"a.b/c": "1"},
			Stamp:        []string{"revision", "version", "created"},
			Created:      "1750000000",
			Certificates: Certificates{Bundle: "none", Add: []string{"ca.pem"}},
			Zones:        ptr(false),
			Tmp:          true,
			Assets: []Asset{
				{From: "templates", To: "/templates", Mode: "0640", Owner: "65534:65534"},
				{From: "run.sh", To: "/run.sh", Mode: "755", Owner: "0"},
			},
		},
		Audit: Audit{MaxSize: "10MB", Allow: []string{"root", "shell", "setuid", "credentials", "writable"}},
		Smoke: []Case{{
			Name: "says hello", Args: []Text{"-n", "1e3"}, Env: map[string]Text{"A": "b"}, Stdin: "hi\n", Network: "host",
			Timeout: "1m30s", ExitCode: ptr(0),
			Stdout: &Match{Equals: ptr(""), Contains: "hello", Matches: `(?i)^h\S+`},
			Stderr: &Match{Equals: ptr("x"), Contains: "y", Matches: "z"},
		}, {
			Serve: &Serve{Port: 8080, StopWithin: "0.5s", Requests: []Request{{
				Method: "POST", Path: "/healthz?x=1", Headers: map[string]Text{"X-Count": "3"}, Body: "ping",
				Expect: Response{
					Status:  204,
					Headers: map[string]Match{"X-Any": {}, "Content-Type": {Equals: ptr("a"), Contains: "json", Matches: "b"}},
					Body:    &Match{Equals: ptr("ok"), Contains: "o", Matches: "k"},
				},
			}}},
		}},
		Publish: Publish{To: "ghcr.io/acme/hello", Tags: []string{"latest", "1.2"}, PlainHTTP: true, CA: "ca.pem", MountFrom: []string{"acme/base"}},
	}
}

func TestLoadEveryKey(t *testing.T) {
	got, err := Load("slipway.yaml", []byte(allKeys), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Image{allKeysImage()}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// The test is only as good as the text: every key must be in it.
	s, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	d := parseYAML("", []byte(allKeys), s.file)
	for _, key := range schemaKeys(s.file, "") {
		if strings.HasPrefix(key, "images") {
			continue
		}
		if !hasKey(d, key) {
			t.Errorf("allKeys has no %s", key)
		}
	}
}

func TestLoadGood(t *testing.T) {
	env := func(pairs ...Text) map[string]Text {
		m := map[string]Text{}
		for i := 0; i < len(pairs); i += 2 {
			m[string(pairs[i])] = pairs[i+1]
		}
		return m
	}
	tests := []struct {
		name, text string
		want       []Image
	}{
		{"no data", "", []Image{{}}},
		{"only comments", "# nothing\n", []Image{{}}},
		{"null", "~\n", []Image{{}}},
		{"begins with ---", "---\nname: a\n", []Image{{Name: "a"}}},
		{"ends with ...", "name: a\n...\n", []Image{{Name: "a"}}},
		{"empty mappings", "image:\nbuild: {}\naudit: ~\n", []Image{{}}},
		{"an empty case", "smoke:\n  -\n", []Image{{Smoke: []Case{{}}}}},
		{"an empty match", "smoke:\n  - stdout:\n", []Image{{Smoke: []Case{{Stdout: &Match{}}}}}},
		{"JSON", `{"name": "a", "image": {"ports": [80]}}`, []Image{{Name: "a", Image: Contents{Ports: []Text{"80"}}}}},
		{"CRLF and BOM", "\ufeffname: a\r\ngo: 1.26.8\r\n", []Image{{Name: "a", Go: "1.26.8"}}},
		{"!!str", "image: {env: {A: !!str 1.10}}", []Image{{Image: Contents{Env: env("A", "1.10")}}}},
		{
			"an alias", "image: {env: &e {A: 1}}\nsmoke: [{env: *e}]",
			[]Image{{Image: Contents{Env: env("A", "1")}, Smoke: []Case{{Env: env("A", "1")}}}},
		},
		{
			"a merge key", "image: {env: &e {A: 1, B: 2}}\nsmoke: [{env: {<<: *e, B: 3}}]",
			[]Image{{Image: Contents{Env: env("A", "1", "B", "2")}, Smoke: []Case{{Env: env("A", "1", "B", "3")}}}},
		},
		{
			"merge keys", "image: {env: &e {A: 1, B: 2}}\nbuild: {env: &f {B: 4, C: 5}}\nsmoke: [{env: {<<: [*e, *f]}}]",
			[]Image{{
				Image: Contents{Env: env("A", "1", "B", "2")}, Build: Build{Env: env("B", "4", "C", "5")},
				Smoke: []Case{{Env: env("A", "1", "B", "2", "C", "5")}},
			}},
		},
		{
			"images over what is shared", `
name: shared
platforms: [linux/amd64, linux/arm64]
image: {env: {A: 1, B: 2}, ports: [80], certificates: {add: [ca.pem]}, tmp: true}
smoke: [{name: one}, {name: two}]
images:
  - name: web
    image: {env: {B: 3, C: 4}, ports: [8080], certificates: {bundle: none}, tmp: false}
  - name: worker
    platforms: [linux/riscv64]
    image:
    smoke: [{name: three}]
`,
			[]Image{{
				Name: "web", Platforms: []string{"linux/amd64", "linux/arm64"},
				Image: Contents{
					Env: env("A", "1", "B", "3", "C", "4"), Ports: []Text{"8080"},
					Certificates: Certificates{Bundle: "none", Add: []string{"ca.pem"}},
				},
				Smoke: []Case{{Name: "one"}, {Name: "two"}},
			}, {
				Name: "worker", Platforms: []string{"linux/riscv64"},
				Image: Contents{Env: env("A", "1", "B", "2"), Ports: []Text{"80"}, Certificates: Certificates{Add: []string{"ca.pem"}}, Tmp: true},
				Smoke: []Case{{Name: "three"}},
			}},
		},
		{
			"images named by their packages", "images: [{packages: [./cmd/a]}, {packages: [./cmd/b/v2]}, {packages: [./cmd/c/v2]}]",
			[]Image{{Packages: []string{"./cmd/a"}}, {Packages: []string{"./cmd/b/v2"}}, {Packages: []string{"./cmd/c/v2"}}},
		},
		{"one of images needs no name", "images: [{}]", []Image{{}}},
		{"an empty entry", "name: a\nimages:\n  -\n  - name: b\n", []Image{{Name: "a"}, {Name: "b"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Load("slipway.yaml", []byte(test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

const (
	topKeys      = "audit, build, go, image, images, name, packages, platforms, publish, smoke"
	entryKeys    = "audit, build, go, image, name, packages, platforms, publish, smoke"
	contentsKeys = "annotations, args, assets, base, certificates, cmd, created, env, labels, ports, stamp, stopSignal, tmp, user, volumes, workdir, zones"
)

func TestLoadBad(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{
			"unknown key", "name: a\nimage:\n  prots: [80]\n",
			`slipway.yaml:3:3: image.prots: unknown key; did you mean "ports"? Allowed: ` + contentsKeys,
		},
		{
			"unknown key in another spelling", "image:\n  stop_signal: SIGINT\n",
			`slipway.yaml:2:3: image.stop_signal: unknown key; did you mean "stopSignal"? Allowed: ` + contentsKeys,
		},
		{
			"key in the wrong place", "ports: [80]\n",
			`slipway.yaml:1:1: ports: unknown key; did you mean image.ports? Allowed: ` + topKeys,
		},
		{
			"key like no other", "colour: {a: 1}\n",
			`slipway.yaml:1:1: colour: unknown key. Allowed: ` + topKeys,
		},
		{
			"key that holds dots", "image: {a.b: 1}\n",
			`slipway.yaml:1:9: image."a.b": unknown key. Allowed: ` + contentsKeys,
		},
		{
			"images within images", "images:\n  - name: a\n    images: []\n",
			`slipway.yaml:3:5: images[0].images: unknown key; did you mean "image"? Allowed: ` + entryKeys,
		},
		{
			"number wanted", "smoke:\n  - args: [x]\n    exitCode: zero\n",
			`slipway.yaml:3:15: smoke[0].exitCode: want a whole number from 0 to 255, found "zero"`,
		},
		{
			"number in another base", "smoke: [{exitCode: 0x10}]",
			`slipway.yaml:1:20: smoke[0].exitCode: want a whole number from 0 to 255, found 0x10`,
		},
		{
			"fraction", "smoke: [{exitCode: 1.5}]",
			`slipway.yaml:1:20: smoke[0].exitCode: want a whole number from 0 to 255, found 1.5`,
		},
		{
			"number too small", "smoke: [{serve: {port: 0}}]",
			`slipway.yaml:1:24: smoke[0].serve.port: want a whole number from 1 to 65535, found 0`,
		},
		{
			"number too big", "smoke: [{serve: {port: 99999999999999999999999}}]",
			`slipway.yaml:1:24: smoke[0].serve.port: want a whole number from 1 to 65535, found 99999999999999999999999`,
		},
		{
			"required key", "smoke:\n  - name: a\n    serve: {stopWithin: 1s}\n",
			`slipway.yaml:3:5: smoke[0].serve: port is missing`,
		},
		{
			"required key of nothing", "smoke:\n  - name: a\n    serve:\n",
			`slipway.yaml:3:5: smoke[0].serve: want a mapping, found nothing`,
		},
		{
			"two required keys", "image:\n  assets:\n    - mode: 0644\n",
			"slipway.yaml:3:7: image.assets[0]: from is missing\n" +
				"slipway.yaml:3:7: image.assets[0]: to is missing",
		},
		{
			"not one of", "audit:\n  allow: [rooot]\n",
			`slipway.yaml:2:11: audit.allow[0]: want one of root, shell, setuid, credentials, writable, found "rooot"`,
		},
		{
			"not one of, nor text", "smoke: [{network: 1}]",
			`slipway.yaml:1:19: smoke[0].network: want one of none, host, found 1`,
		},
		{
			"list wanted", "packages: ./cmd/hello\n",
			`slipway.yaml:1:11: packages: want a list, found "./cmd/hello"; a list of one is written ["./cmd/hello"]`,
		},
		{
			"list wanted, found nothing", "image:\n  ports:\n",
			`slipway.yaml:2:3: image.ports: want a list, found nothing`,
		},
		{
			"empty list", "platforms: []\n",
			`slipway.yaml:1:12: platforms: must not be an empty list; leave it out for the default`,
		},
		{
			"mapping wanted", "image: [a]\n",
			`slipway.yaml:1:8: image: want a mapping, found a list`,
		},
		{
			"mapping wanted at the top", "- a\n",
			`slipway.yaml:1:1: want a mapping, found a list`,
		},
		{
			"text at the top", "hello\n",
			`slipway.yaml:1:1: want a mapping, found "hello"`,
		},
		{
			"text wanted", "publish:\n  tags: [1.20]\n",
			`slipway.yaml:2:10: publish.tags[0]: want text, found 1.20; put it in quotes: "1.20"`,
		},
		{
			"plain value wanted", "image:\n  env:\n    A: [1]\n",
			`slipway.yaml:3:8: image.env.A: want text, a number or true/false, found a list`,
		},
		{
			"plain value wanted, found nothing", "image:\n  env:\n    A:\n",
			`slipway.yaml:3:5: image.env.A: want text, a number or true/false, found nothing`,
		},
		{
			"nothing written out", "image: {workdir: ~}",
			`slipway.yaml:1:18: image.workdir: want text like /srv, found nothing`,
		},
		{
			"true or false wanted", "image:\n  tmp: yes\n",
			`slipway.yaml:2:8: image.tmp: want true or false, found "yes"`,
		},
		{
			"pattern", "image:\n  workdir: srv\n",
			`slipway.yaml:2:12: image.workdir: want text like /srv, found "srv"`,
		},
		{
			"pattern of an unquoted number", "image:\n  assets:\n    - {from: a, to: /a, mode: 999}\n",
			`slipway.yaml:3:31: image.assets[0].mode: want text like 0644, found "999"`,
		},
		{
			"pattern with several examples", "image: {user: Me}",
			`slipway.yaml:1:15: image.user: want text like nonroot, 1001 or app:1001:1001, found "Me"`,
		},
		{
			"release that is a series", "go: 1.30\n",
			`slipway.yaml:1:5: go: want text like 1.26.8, found 1.30`,
		},
		{
			"duration without a unit", "smoke: [{timeout: 30}]",
			`slipway.yaml:1:19: smoke[0].timeout: want text like 30s, found 30`,
		},
		{
			"empty text", "image: {assets: [{from: '', to: /a}]}",
			`slipway.yaml:1:25: image.assets[0].from: must not be empty`,
		},
		{
			"regular expression", "smoke:\n  - stdout:\n      matches: a(b\n",
			"slipway.yaml:3:16: smoke[0].stdout.matches: is no regular expression: missing closing ): `a(b`",
		},
		{
			"key twice", "image:\n  tmp: true\n  zones: true\n  tmp: false\n",
			`slipway.yaml:4:3: image.tmp: stands twice; the first is in line 2`,
		},
		{
			"key that is no text", "image:\n  ? [a]\n  : b\n",
			`slipway.yaml:2:5: image: a key must be plain text`,
		},
		{
			"key that is nothing", "image: {env: {~: b}}\n",
			`slipway.yaml:1:15: image.env: a key must be plain text`,
		},
		{
			"two documents", "name: a\n---\nname: b\n",
			`slipway.yaml:2:1: a second document begins; put everything into one, without ---`,
		},
		{
			"tab", "image:\n  tmp: true\n\tzones: true\n",
			`slipway.yaml:3:1: is not valid YAML: a tab cannot indent; use spaces`,
		},
		{
			"indentation", "name: a\nimage:\n  user: nobody\n tmp: true\npublish:\n  to: x\n",
			`slipway.yaml:4:2: is not valid YAML: did not find expected key`,
		},
		{
			"bracket left open", "name: a\npackages: [a,\nimage:\n  tmp: true\n",
			`slipway.yaml:2:1: is not valid YAML: did not find expected ',' or ']'`,
		},
		{
			"quote left open", "name: a\ngo: \"1.26\nimage:\n  tmp: true\n",
			`slipway.yaml:2:1: is not valid YAML: found unexpected end of stream`,
		},
		{
			"colon in plain text", "name: a\npublish:\n  to: a: b\n",
			`slipway.yaml:3:3: is not valid YAML: mapping values are not allowed in this context`,
		},
		{
			"unknown alias", "name: a\ngo: *release\n",
			`slipway.yaml:2:1: is not valid YAML: unknown anchor 'release' referenced`,
		},
		{
			"not UTF-8", "name: a\ngo: \xff\n",
			`slipway.yaml:2:1: is not valid YAML: invalid leading UTF-8 octet`,
		},
		{
			"alias to what is around it", "smoke: &s [*s]\n",
			`slipway.yaml:1:12: smoke[0]: the alias *s stands within its own value`,
		},
		{
			"merge key with itself", "image: {env: &e {<<: *e}}\n",
			`slipway.yaml:1:18: image.env: << wants a mapping whose own keys are plain text`,
		},
		{
			"merge key with text", "image: {env: {<<: a}}\n",
			`slipway.yaml:1:15: image.env: << wants a mapping, or a list of mappings`,
		},
		{
			"tag", "name: !!binary aGVsbG8=\n",
			`slipway.yaml:1:7: name: tags like !!binary are not supported; remove it`,
		},
		{
			"images without names", "images:\n  - name: a\n  - platforms: [all]\n",
			`slipway.yaml:3:5: images[1]: has no name; one of several images needs a name, or packages to take it from`,
		},
		{
			"images of one name", "images:\n  - name: a\n  - packages: [./cmd/a]\n",
			`slipway.yaml:3:5: images[1]: is called "a" like images[0]; give each a name of its own`,
		},
		{
			"images of one shared name", "name: a\nimages: [{}, {}]\n",
			`slipway.yaml:2:14: images[1]: is called "a" like images[0]; give each a name of its own`,
		},
		{
			"no images", "images: []\n",
			`slipway.yaml:1:9: images: must not be an empty list; leave it out for the default`,
		},
		{
			"several problems, by line", "image:\n  tmp: 1\n  tmp: 2\nnam: a\nsmoke:\n  - exitCode: x\n",
			"slipway.yaml:2:8: image.tmp: want true or false, found 1\n" +
				"slipway.yaml:3:3: image.tmp: stands twice; the first is in line 2\n" +
				`slipway.yaml:4:1: nam: unknown key; did you mean "name"? Allowed: ` + topKeys + "\n" +
				`slipway.yaml:6:15: smoke[0].exitCode: want a whole number from 0 to 255, found "x"`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load("slipway.yaml", []byte(test.text), nil)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			var e *ConfigError
			if !errors.As(err, &e) || e.File != "slipway.yaml" || e.Line == 0 || e.Column == 0 || e.Problem == "" {
				t.Errorf("not a ConfigError with a place: %#v", e)
			}
		})
	}
}

func TestLocate(t *testing.T) {
	const text = "platforms:\n  - a\n  - b\nimages:\n  - name: x\n  - platforms: [c]\n    image: {env: {A.B: 1}}\n"
	tests := []struct {
		image        int
		key          string
		line, column int
		ok           bool
	}{
		{0, "platforms[1]", 3, 5, true},
		{0, "name", 5, 11, true},
		{1, "platforms[0]", 6, 17, true},
		{1, "platforms[2]", 0, 0, false},
		{1, `image.env."A.B"`, 7, 24, true},
		{1, "go", 0, 0, false},
	}
	for _, test := range tests {
		line, column, ok := Locate([]byte(text), test.image, test.key)
		if line != test.line || column != test.column || ok != test.ok {
			t.Errorf("%d, %s: got %d:%d, %t", test.image, test.key, line, column, ok)
		}
	}
	if _, _, ok := Locate([]byte("a: ["), 0, "a"); ok {
		t.Error("found a key in what is no YAML")
	}
}

func TestLoadTooMuch(t *testing.T) {
	bomb := "image: {env: &a0 {A: 1}}\nsmoke:\n"
	for i := range 9 {
		bomb += fmt.Sprintf("  - &a%d [%s*a%d]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	tests := []struct{ name, text, want string }{
		{"a billion laughs", bomb, "more than 100000 values, aliases followed"},
		{"depth", "image: {env: " + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}", "stands too deep"},
		{"size", strings.Repeat("#", 1<<20+1), "slipway.yaml: is larger than 1048576 bytes, more than any configuration needs"},
		{"broken and big", strings.Repeat("# line\n", 100_000) + "a: [", "is not valid YAML"},
		{"a long number", "smoke: [{exitCode: " + strings.Repeat("9", 100_000) + "}]", "want a whole number"},
		{"an endless number", "smoke: [{exitCode: 1e999999999}]", "want a whole number"},
		{"a long key", "? " + strings.Repeat("k", 100_000) + "\n: 1", "kkk…\": unknown key. Allowed: " + topKeys},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load("slipway.yaml", []byte(test.text), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("want %q in the error, got %.1000v", test.want, err)
			}
			if len(err.Error()) > 10_000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	text := "image:\n  ports:\n" + strings.Repeat("    - x\n", 25)
	_, err := Load("slipway.yaml", []byte(text), nil)
	var all ConfigErrors
	if !errors.As(err, &all) || len(all) != 25 {
		t.Fatalf("want 25 problems, got %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "and 5 more" {
		t.Errorf("got %d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestTextUnmarshalJSON(t *testing.T) {
	for in, want := range map[string]Text{`"a"`: "a", `1.10`: "1.10", `true`: "true", `""`: ""} {
		var got Text
		if err := got.UnmarshalJSON([]byte(in)); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{`null`, `[]`, `{}`, `x`} {
		var got Text
		if err := got.UnmarshalJSON([]byte(in)); err == nil {
			t.Errorf("%s: got %q and no error", in, got)
		}
	}
}

// go test -fuzz FuzzLoad -fuzzminimizetime 50x ./pipelines/plan
// (minimising for longer leaves no time for fuzzing: the first seed is long)
func FuzzLoad(f *testing.F) {
	f.Add(allKeys, "image.tmp=true")
	f.Add("images: [{name: a}, {name: b, image: {env: {<<: {a: b}}}}]", `image.labels."a.b"=[1]`)
	f.Add("a: &a [*a]\n---\n\t- !!float x", "a=*a")
	f.Fuzz(func(t *testing.T, text, set string) {
		var overrides []Override
		if o, err := ParseSet(set); err == nil {
			overrides = append(overrides, o)
		}
		images, err := Load("slipway.yaml", []byte(text), overrides)
		var known ConfigErrors
		if err != nil && (!errors.As(err, &known) || err.Error() == "") {
			t.Fatalf("an error of another kind: %v", err)
		}
		if (err == nil) != (len(images) > 0) {
			t.Fatalf("%d images and the error %v", len(images), err)
		}
	})
}
