package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// released is the revision of the checkouts in these tests.
func released(context.Context, string) (Revision, error) {
	return Revision{Version: "v1.2.3", Commit: "0123abcd", Date: time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))}, nil
}

// unasked is a git that must not be asked.
func unasked(t *testing.T) func(context.Context, string) (Revision, error) {
	return func(context.Context, string) (Revision, error) {
		t.Error("git was asked for a revision that nothing needs")
		return Revision{}, nil
	}
}

// planned plans for an archive of files.
func planned(t *testing.T, archive string, o Options) (*Plan, error) {
	t.Helper()
	o.Source = unpack(t, archive)
	if o.Git == nil {
		o.Git = released
	}
	return New(context.Background(), o)
}

// configure plans for a program of one package with a configuration.
func configure(t *testing.T, config string, overrides ...Override) *Plan {
	t.Helper()
	p, err := planned(t, module+named+"-- slipway.yaml --\n"+config+"\n", Options{Overrides: overrides})
	if err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	return p
}

func TestDefaults(t *testing.T) {
	dir := unpack(t, "-- go.mod --\nmodule github.com/acme/hello\n\ngo 1.26\n-- main.go --\npackage main\n-- LICENSE --\n"+mit)
	p, err := New(context.Background(), Options{Source: dir, Git: unasked(t)})
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string]string{
		"org.opencontainers.image.title": "hello", "org.opencontainers.image.source": "https://github.com/acme/hello",
		"org.opencontainers.image.licenses": "MIT",
	}
	target := func(arch string) engine.Target {
		return engine.Target{Image: "hello", Package: ".", Name: "hello", Platform: v1.Platform{OS: "linux", Architecture: arch}, Ldflags: "-s -w"}
	}
	want := &Plan{
		Dir:    dir,
		Source: engine.Source{Root: dir, Module: ".", Modules: []string{"."}},
		Images: []ImagePlan{{
			Name:      "hello",
			Platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}},
			Packages:  []string{"."}, Binaries: []string{"hello"}, Targets: []engine.Target{target("amd64"), target("arm64")},
			User: image.Nobody, Config: v1.Config{User: "65534:65534", Entrypoint: []string{"/usr/local/bin/hello"}, Labels: facts},
			Annotations: facts, Created: time.Unix(0, 0).UTC(), Mozilla: true, Zones: true,
		}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// TestOptions has the effect of each key of the configuration.
func TestOptions(t *testing.T) {
	const base = "image: {base: 'example.com/base:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'"
	config := func(p *Plan) v1.Config { return p.Images[0].Config }
	for _, test := range []struct {
		config string
		get    func(p *Plan, ip ImagePlan) any
		want   any
	}{
		{"name: other", func(_ *Plan, ip ImagePlan) any {
			return []string{ip.Name, ip.Targets[0].Image, ip.Targets[0].Name, ip.Annotations["org.opencontainers.image.title"]}
		}, []string{"other", "other", "hello", "other"}},
		{"platforms: [linux/arm64/v8, linux/arm, linux/amd64, linux/arm64]", func(_ *Plan, ip ImagePlan) any { return platforms(ip) },
			[]string{"linux/amd64", "linux/arm/v7", "linux/arm64"}},
		{"platforms: [all, linux/amd64/v3]", func(_ *Plan, ip ImagePlan) any { return len(ip.Platforms) == len(platform.All())+1 }, true},
		{"go: go1.26.8", func(p *Plan, _ ImagePlan) any { return p.Source.Go }, "1.26.8"},
		{"go: 1.27rc1", func(p *Plan, _ ImagePlan) any { return p.Source.Go }, "1.27rc1"},
		{"build: {tags: [a, b]}", func(_ *Plan, ip ImagePlan) any { return ip.Targets[1].Tags }, []string{"a", "b"}},
		{"build: {ldflags: ['-X main.v={{.Version}}', '-X main.c={{ .Commit }}', '-X main.d={{.Date}}']}",
			func(_ *Plan, ip ImagePlan) any { return ip.Targets[1].Ldflags },
			"-s -w -X main.v=v1.2.3 -X main.c=0123abcd -X main.d=2026-02-03T03:05:06Z"},
		{"build: {env: {GOFIPS140: v1.0.0, GOEXPERIMENT: jsonv2}}", func(_ *Plan, ip ImagePlan) any { return ip.Targets[1].Env },
			[]string{"GOEXPERIMENT=jsonv2", "GOFIPS140=v1.0.0"}},

		{base + "}", func(_ *Plan, ip ImagePlan) any {
			return []any{ip.Base[:18], ip.Mozilla, ip.Zones, ip.Annotations["org.opencontainers.image.base.name"], ip.Config.Labels["org.opencontainers.image.base.digest"]}
		}, []any{"example.com/base:1", false, false, "example.com/base:1", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}},
		{base + ", zones: true, certificates: {bundle: mozilla, add: [ca.pem]}}", func(_ *Plan, ip ImagePlan) any {
			return []any{ip.Mozilla, ip.Zones, ip.Certificates}
		}, []any{true, true, []string{"ca.pem"}}},
		{"image: {zones: false, certificates: {bundle: none}}", func(_ *Plan, ip ImagePlan) any { return []bool{ip.Mozilla, ip.Zones} }, []bool{false, false}},
		{"image: {certificates: {bundle: none, add: [own.pem]}}", func(_ *Plan, ip ImagePlan) any { return []any{ip.Mozilla, ip.Certificates} }, []any{false, []string{"own.pem"}}},
		{"image: {certificates: {bundle: certs/own.pem}}", func(_ *Plan, ip ImagePlan) any { return []any{ip.Mozilla, ip.Certificates} }, []any{false, []string{"certs/own.pem"}}},
		{"image: {certificates: {add: [own.pem]}}", func(_ *Plan, ip ImagePlan) any { return []any{ip.Mozilla, ip.Certificates} }, []any{true, []string{"own.pem"}}},

		{"image: {user: 'app:1:2'}", func(p *Plan, ip ImagePlan) any { return []any{ip.User, config(p).User} }, []any{image.User{Name: "app", UID: 1, GID: 2}, "1:2"}},
		{"image: {user: 65532}", func(_ *Plan, ip ImagePlan) any { return ip.User }, image.NonRoot},
		{"image: {args: [serve, 8080], cmd: [--level, 1.10]}", func(p *Plan, _ ImagePlan) any { return [][]string{config(p).Entrypoint, config(p).Cmd} },
			[][]string{{"/usr/local/bin/hello", "serve", "8080"}, {"--level", "1.10"}}},
		{"image: {env: {B: 1.10, A: 'x=y'}}", func(p *Plan, _ ImagePlan) any { return config(p).Env }, []string{"A=x=y", "B=1.10"}},
		{"image: {workdir: /srv/../data/}", func(p *Plan, _ ImagePlan) any { return config(p).WorkingDir }, "/data"},
		{"image: {ports: [8080, 9090/udp, '8080/tcp']}", func(p *Plan, _ ImagePlan) any { return keys(config(p).ExposedPorts) }, []string{"8080/tcp", "9090/udp"}},
		{"image: {volumes: [/data/, /var/../cache]}", func(p *Plan, _ ImagePlan) any { return keys(config(p).Volumes) }, []string{"/cache", "/data"}},
		{"image: {stopSignal: SIGQUIT}", func(p *Plan, _ ImagePlan) any { return config(p).StopSignal }, "SIGQUIT"},
		{"image: {stopSignal: SIGRTMIN+3}", func(p *Plan, _ ImagePlan) any { return config(p).StopSignal }, "SIGRTMIN+3"},
		{"image: {tmp: true}", func(_ *Plan, ip ImagePlan) any { return ip.Tmp }, true},
		{"image: {labels: {a: '{{.Version}}', org.opencontainers.image.title: Hello}}", func(_ *Plan, ip ImagePlan) any { return []any{ip.Config.Labels, ip.Annotations} },
			[]any{map[string]string{"a": "v1.2.3", "org.opencontainers.image.title": "Hello"}, map[string]string{"org.opencontainers.image.title": "hello"}}},
		{"image: {annotations: {b: '{{.Commit}} {{.Date}}'}}", func(_ *Plan, ip ImagePlan) any { return []any{ip.Config.Labels, ip.Annotations} },
			[]any{map[string]string{"org.opencontainers.image.title": "hello"}, map[string]string{"b": "0123abcd 2026-02-03T03:05:06Z", "org.opencontainers.image.title": "hello"}}},
		{"image: {stamp: [revision, version, created]}", func(_ *Plan, ip ImagePlan) any { return []any{ip.Config.Labels, ip.Annotations, ip.Created.Unix()} },
			[]any{stamped, stamped, int64(0)}},
		{"image: {created: commit}", func(_ *Plan, ip ImagePlan) any { return ip.Created }, time.Date(2026, 2, 3, 3, 5, 6, 0, time.UTC)},
		{"image: {created: 1750000000}", func(_ *Plan, ip ImagePlan) any { return ip.Created }, time.Unix(1750000000, 0).UTC()},
		{"image: {created: 253402300799}", func(_ *Plan, ip ImagePlan) any { return ip.Created.Year() }, 9999},
		{"image: {assets: [{from: templates, to: /srv}, {from: a/b, to: /c/, mode: 755, owner: '7:8'}, {from: x, to: /x, owner: 7}]}",
			func(_ *Plan, ip ImagePlan) any { return ip.Assets },
			[]image.Asset{{From: "templates", To: "/srv"}, {From: "a/b", To: "/c/", Mode: 0o755, UID: 7, GID: 8}, {From: "x", To: "/x", UID: 7, GID: 7}}},

		{"audit: {maxSize: 1.5MB, allow: [shell, root]}", func(_ *Plan, ip ImagePlan) any { return []any{ip.MaxSize, ip.Allow} },
			[]any{int64(1_500_000), []audit.Rule{audit.RuleShell, audit.RuleRoot}}},
		{"publish: {to: ghcr.io/acme/hello, tags: [latest, '1.2']}", func(_ *Plan, ip ImagePlan) any { return ip.Publish },
			Publish{To: "ghcr.io/acme/hello", Tags: []string{"latest", "1.2"}}},
	} {
		p := configure(t, test.config)
		if diff := cmp.Diff(test.want, test.get(p, p.Images[0])); diff != "" {
			t.Errorf("%s: %s", test.config, diff)
		}
	}
}

var stamped = map[string]string{
	"org.opencontainers.image.title": "hello", "org.opencontainers.image.revision": "0123abcd",
	"org.opencontainers.image.version": "v1.2.3", "org.opencontainers.image.created": "2026-02-03T03:05:06Z",
}

func platforms(ip ImagePlan) []string {
	var all []string
	for _, p := range ip.Platforms {
		all = append(all, platform.String(p))
	}
	return all
}

func TestSmokeCases(t *testing.T) {
	p := configure(t, `
smoke:
  - {name: a, args: [x, 1.10], env: {D: 4, B: 2, A: 1, C: 3, E: 5}, stdin: in, network: host, timeout: 1m30s, exitCode: 3, stdout: {equals: "", contains: b, matches: '^c+$'}}
  - {args: []}
  - serve:
      port: 8080
      stopWithin: 3s
      requests:
        - {path: /a, method: POST, headers: {X: 1}, body: b, expect: {status: 204, body: {contains: ok}, headers: {Y: {contains: z}}}}
`)
	got := p.Images[0].Smoke
	if len(got) != 3 {
		t.Fatalf("there are %d cases", len(got))
	}
	a := got[0]
	if a.Name != "a" || !slices.Equal(a.Args, []string{"x", "1.10"}) || !slices.Equal(a.Env, []string{"A=1", "B=2", "C=3", "D=4", "E=5"}) || a.Stdin != "in" || !a.HostNetwork ||
		a.Timeout != 90*time.Second || a.ExitCode != 3 || *a.Stdout.Equals != "" || a.Stdout.Contains != "b" || a.Stdout.Matches.String() != "^c+$" || a.Stderr != nil {
		t.Errorf("the first case is %+v", a)
	}
	if got[1].Args == nil || len(got[1].Args) != 0 || got[2].Args != nil {
		t.Errorf("no arguments are %#v, arguments that are not given %#v", got[1].Args, got[2].Args)
	}
	if diff := cmp.Diff(&smoke.Serve{Port: 8080, StopWithin: 3 * time.Second, Requests: []smoke.Request{{
		Method: "POST", Path: "/a", Headers: map[string]string{"X": "1"}, Body: "b",
		Expect: smoke.Response{Status: 204, Body: &smoke.Match{Contains: "ok"}, Headers: map[string]smoke.Match{"Y": {Contains: "z"}}},
	}}}, got[2].Serve); diff != "" {
		t.Error(diff)
	}
}

// TestValuesThatWillNotDo has each thing that is found wrong only after the
// file was checked against its schema. Places are those of the configuration,
// or the flag that comes before it.
func TestValuesThatWillNotDo(t *testing.T) {
	for _, test := range []struct {
		config    string
		overrides []Override
		want      string // after "slipway.yaml:", or of the flag
	}{
		{"platforms: [linux/amd64, linux/x86]", nil, `1:26: platforms[1]: platform "linux/x86": Go has no port linux/x86; want one of ` + strings.Join(platform.Architectures(), ", ")},
		{"platforms: [linux/386]", []Override{Set("--platform", []string{"plan9/386"}, "platforms")}, `--platform: platforms[0]: platform "plan9/386": only linux images are built; want linux/386`},
		{"packages: [., ./]", nil, "1:11: packages: two packages give a binary named hello; they cannot stand in one image"},
		{"build:\n  tags: [a, 'b,c']", nil, `2:13: build.tags[1]: "b,c" is no build tag; write one tag an entry`},
		{"build:\n  tags: ['']", nil, `2:10: build.tags[0]: "" is no build tag; write one tag an entry`},
		{"build:\n  env: {CGO_ENABLED: 1, GOOS: x}", nil, "2:22: build.env.CGO_ENABLED: is not to be set; allowed: GOEXPERIMENT, GOFIPS140"},
		{"build:\n  ldflags: ['-X a={{.Foo}}']", nil, "2:13: build.ldflags[0]: {{.Foo}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}"},
		{"", []Override{Set("--ldflags", []string{"{{.Version"}, "build", "ldflags")}, `--ldflags: build.ldflags[0]: "{{.Version" has a {{ that is not closed; there are {{.Version}}, {{.Commit}} and {{.Date}}`},
		{"image:\n  labels: {a.b: '{{x}}'}", nil, `2:17: image.labels."a.b": {{x}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}`},
		{"image:\n  annotations: {ok: ok}", []Override{Set("--annotation", "{{x}}", "image", "annotations", "a.b")}, `--annotation: image.annotations."a.b": {{x}} is not known; there are {{.Version}}, {{.Commit}} and {{.Date}}`},
		{"image:\n  user: nobody:0", nil, `2:9: image.user: user "nobody:0": nobody is 65534:65534`},
		{"image:\n  user: 'nonroot:1:1'", nil, `2:9: image.user: user "nonroot:1:1": nonroot is 65532:65532`},
		{"image: {user: 1}", []Override{Set("--user", "4294967295", "image", "user")}, `--user: image.user: user "4294967295": want nobody, nonroot, root, UID, UID:GID or NAME:UID:GID with ids from 0 to 4294967294`},
		{"image:\n  base: x@sha256:" + strings.Repeat("0", 64) + "\n  certificates: {add: [a.pem]}", nil, "3:23: image.certificates.add: the certificates of a base image cannot be added to; say which bundle to take instead (image.certificates.bundle)"},
		{"image: {certificates: {bundle: ../ca.pem}}", nil, "1:32: image.certificates.bundle: ../ca.pem is outside the source; want mozilla, none or a PEM file of the source"},
		{"image: {certificates: {add: [ca.pem, /etc/ca.pem]}}", nil, "1:38: image.certificates.add[1]: /etc/ca.pem is outside the source; copy it into the source"},
		{"", []Override{Set("--set image.certificates.add", []string{"../x"}, "image", "certificates", "add")}, "--set image.certificates.add: image.certificates.add[0]: ../x is outside the source; copy it into the source"},
		{"image: {assets: [{from: ../x, to: /x}]}", nil, "1:25: image.assets[0].from: ../x is outside the source; name a file or folder inside it"},
		{"image: {assets: [{from: x, to: /x, owner: 4294967295}]}", nil, `1:43: image.assets[0].owner: user "4294967295": want nobody, nonroot, root, UID, UID:GID or NAME:UID:GID with ids from 0 to 4294967294`},
		{"image: {created: 253402300800}", nil, `1:18: image.created: "253402300800" is no time; want commit, or seconds since 1970 up to 253402300799`},
		{"image: {created: 5}", []Override{Set("SOURCE_DATE_EPOCH", "99999999999999999999", "image", "created")}, `SOURCE_DATE_EPOCH: image.created: "99999999999999999999" is no time; want commit, or seconds since 1970 up to 253402300799`},
		{"image: {stopSignal: SIGFOO}", nil, `1:21: image.stopSignal: "SIGFOO" is no signal; want one like SIGTERM, SIGINT, SIGQUIT or SIGHUP`},
		{"image: {env: {'A=B': c}}", nil, `1:22: image.env."A=B": "A=B" is no name for a variable`},
		{"", []Override{Set("--env", "a\x00b", "image", "env", "A")}, "--env: image.env.A: holds a zero byte, which no variable can"},
		{"image: {ports: [8080, 65536]}", nil, `1:23: image.ports[1]: "65536" is no port; want 1 to 65535, with /udp where it is not TCP`},
		{"image: {ports: [0/udp]}", nil, `1:17: image.ports[0]: "0/udp" is no port; want 1 to 65535, with /udp where it is not TCP`},
		{"image: {volumes: [/data, /..]}", nil, "1:26: image.volumes[1]: / holds the program itself; want a folder below it, like /data"},
		{"audit: {maxSize: 0MB}", nil, `1:18: audit.maxSize: "0MB" is no size that an image can have`},
		{"audit: {maxSize: 99999999TB}", nil, `1:18: audit.maxSize: "99999999TB" is no size that an image can have`},
		{"audit: {maxSize: 5iB}", nil, `1:18: audit.maxSize: "5iB" is no size; want one like 10MB or 8MiB`},
		{"smoke: [{timeout: 0s}]", nil, `1:19: smoke[0].timeout: "0s" is no time; want one like 30s`},
		{"smoke: [{serve: {port: 1, stopWithin: 99999999999h}}]", nil, `1:39: smoke[0].serve.stopWithin: "99999999999h" is no time; want one like 30s`},
		{"go: 1.26.8\nimages: [{name: a}, {name: b, go: 1.26.7}]", nil, "2:35: go: the images of one plan are compiled by one release, not by 1.26.8 and 1.26.7"},
		{"images: [{name: a, platforms: [linux/a]}, {name: b}]", nil, `1:32: platforms[0]: platform "linux/a": Go has no port linux/a; want one of ` + strings.Join(platform.Architectures(), ", ")},
		{"images: [{name: a}, {name: b, platforms: [linux/b]}]", nil, `1:43: platforms[0]: platform "linux/b": Go has no port linux/b; want one of ` + strings.Join(platform.Architectures(), ", ")},
	} {
		dir := unpack(t, module+named+"-- slipway.yaml --\n"+test.config+"\n")
		_, err := New(context.Background(), Options{Source: dir, Overrides: test.overrides, Git: released})
		want := test.want
		if len(test.overrides) == 0 {
			want = filepath.Join(dir, "slipway.yaml") + ":" + want
		}
		if _, ok := errors.AsType[*ValueError](err); !ok || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", test.config, err, want)
		}
	}
}

func TestPublishValues(t *testing.T) {
	for config, key := range map[string]string{
		"publish: {to: 'https://ghcr.io/a'}":           "1:15: publish.to: ",
		"publish: {to: ghcr.io/a/b, tags: [ok, '-x']}": "1:39: publish.tags[1]: ",
	} {
		_, err := planned(t, module+named+"-- slipway.yaml --\n"+config+"\n", Options{})
		if _, ok := errors.AsType[*ValueError](err); !ok || !strings.Contains(err.Error(), "slipway.yaml:"+key) {
			t.Errorf("%s: got %v, want one at %s", config, err, key)
		}
	}
}

func TestRevisionIsAskedOnce(t *testing.T) {
	asked := 0
	p, err := planned(t, module+named+"-- slipway.yaml --\nimage: {stamp: [revision, version, created], labels: {a: '{{.Date}}'}, created: commit}\n", Options{
		Git: func(ctx context.Context, dir string) (Revision, error) { asked++; return released(ctx, dir) },
	})
	if err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	if p != nil && p.Images[0].Config.Labels["a"] != "2026-02-03T03:05:06Z" {
		t.Errorf("the label is %s", p.Images[0].Config.Labels["a"])
	}

	// What is given is not asked for.
	p, err = planned(t, module+named+"-- slipway.yaml --\nimage: {stamp: [revision, version, created], created: commit}\n", Options{
		Git: unasked(t), Revision: Revision{Version: "1.0", Commit: "c", Date: time.Unix(3600, 0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{
		"org.opencontainers.image.title": "hello", "org.opencontainers.image.revision": "c",
		"org.opencontainers.image.version": "1.0", "org.opencontainers.image.created": "1970-01-01T01:00:00Z",
	}, p.Images[0].Annotations); diff != "" {
		t.Error(diff)
	}
	if p.Images[0].Created.Unix() != 3600 {
		t.Errorf("created %v", p.Images[0].Created)
	}
}

func TestRevisionThatIsNotKnown(t *testing.T) {
	away := func(context.Context, string) (Revision, error) { return Revision{}, errors.New("git is away") }
	for config, want := range map[string]string{
		"build: {ldflags: ['{{.Version}}']}": "1:19: build.ldflags[0]: git is away",
		"image: {labels: {a: '{{.Date}}'}}":  "1:21: image.labels.a: git is away",
		"image: {stamp: [created]}":          "1:16: image.stamp: git is away",
		"image: {created: commit}":           "1:18: image.created: git is away",
	} {
		_, err := planned(t, module+named+"-- slipway.yaml --\n"+config+"\n", Options{Git: away})
		if _, ok := errors.AsType[*ValueError](err); !ok || !strings.HasSuffix(err.Error(), "slipway.yaml:"+want) {
			t.Errorf("%s: got %v, want %s", config, err, want)
		}
	}
}

// TestRevisionOfACheckout asks git itself.
func TestRevisionOfACheckout(t *testing.T) {
	dir, git := repository(t, module+"-- slipway.yaml --\nimage: {stamp: [revision], created: commit}\n")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	p, err := New(context.Background(), Options{Source: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Images[0].Annotations["org.opencontainers.image.revision"], git("rev-parse", "HEAD"); got != want {
		t.Errorf("the revision is %s, want %s", got, want)
	}
	if got, want := p.Images[0].Created, time.Date(2026, 2, 3, 3, 5, 6, 0, time.UTC); !got.Equal(want) {
		t.Errorf("created %v, want %v", got, want)
	}
}

func TestSourceDateEpoch(t *testing.T) {
	p := configure(t, "image: {created: commit}", Set("SOURCE_DATE_EPOCH", "1600000000", "image", "created"))
	if got := p.Images[0].Created.Unix(); got != 1600000000 {
		t.Errorf("created %d", got)
	}
}

func TestWarnings(t *testing.T) {
	for config, want := range map[string][]string{
		"image: {ports: [1024, 8080]}":          nil,
		"image: {ports: [80, 443], user: root}": nil,
		"image: {ports: [8080, 80, 53/udp], user: 7}": {
			"hello: port 80 is below 1024, which a user other than root (7:7) cannot listen on everywhere; take a port above",
			"hello: port 53 is below 1024, which a user other than root (7:7) cannot listen on everywhere; take a port above",
		},
	} {
		if got := configure(t, config).Warnings; !slices.Equal(got, want) {
			t.Errorf("%s: warned %q, want %q", config, got, want)
		}
	}
	p, err := planned(t, module+"-- vendor/modules.txt --\n-- .dockerignore --\nvendor\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{".dockerignore leaves the vendor folder out, which the build needs: a checkout or a build context without it builds something else"}; !slices.Equal(p.Warnings, want) {
		t.Errorf("warned %q, want %q", p.Warnings, want)
	}
}

// TestGoRelease has who may name it, first those that come before the others.
func TestGoRelease(t *testing.T) {
	mod := func(toolchain string) string {
		return "-- go.mod --\nmodule example.com/hello\n\ngo 1.26\n" + toolchain + "\n-- main.go --\npackage main\n"
	}
	const config = "-- slipway.yaml --\ngo: 1.26.7\n"
	for name, test := range map[string]struct {
		archive    string
		overrides  []Override
		want, from string
	}{
		"nobody":            {mod(""), nil, "", ""},
		"go.mod":            {mod("toolchain go1.26.8"), nil, "1.26.8", "go.mod"},
		"go.mod by default": {mod("toolchain default"), nil, "", ""},
		"the file":          {mod("toolchain go1.26.8") + config, nil, "1.26.7", "DIR/slipway.yaml"},
		"a flag":            {mod("toolchain go1.26.8") + config, []Override{Set("--go", "go1.26.6", "go")}, "1.26.6", "--go"},
		"every image":       {mod("") + "-- slipway.yaml --\nimages: [{name: a, go: 1.26.7}, {name: b, go: go1.26.7}]\n", nil, "1.26.7", "DIR/slipway.yaml"},
		"one image":         {mod("toolchain go1.26.8") + "-- slipway.yaml --\nimages: [{name: a}, {name: b, go: go1.26.7}]\n", nil, "1.26.7", "DIR/slipway.yaml"},
	} {
		dir := unpack(t, test.archive)
		p, err := New(context.Background(), Options{Source: dir, Overrides: test.overrides})
		if want := strings.ReplaceAll(test.from, "DIR", dir); err != nil || p.Source.Go != test.want || p.GoFrom != want {
			t.Errorf("%s: got %s from %s, %v, want %s from %s", name, p.Source.Go, p.GoFrom, err, test.want, want)
		}
	}
	for toolchain, want := range map[string]string{
		"toolchain go1.26":       `go.mod: toolchain: "1.26" is no exact release; want one like 1.26.8`,
		"toolchain go1.26.8-own": `go.mod: toolchain: "1.26.8-own" is no exact release; want one like 1.26.8`,
	} {
		if _, err := planned(t, mod(toolchain), Options{}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", toolchain, err, want)
		}
		// Where somebody else names the release, go.mod's does not matter.
		if _, err := planned(t, mod(toolchain)+config, Options{}); err != nil {
			t.Errorf("%s: %v", toolchain, err)
		}
	}
}

const two = "-- go.mod --\nmodule example.com/two\n-- cmd/a/main.go --\npackage main\n-- cmd/b/main.go --\npackage main\n-- lib/lib.go --\npackage lib\n"

// chosen writes a plan's images as NAME(BINARY ...).
func chosen(p *Plan) string {
	var all []string
	for _, ip := range p.Images {
		all = append(all, fmt.Sprintf("%s(%s)", ip.Name, strings.Join(ip.Binaries, " ")))
	}
	return strings.Join(all, " ")
}

func TestWhichImages(t *testing.T) {
	const listed = "-- slipway.yaml --\nimages: [{packages: [./cmd/a]}, {name: bee, packages: [./cmd/b]}, {name: both, packages: [./cmd/b, ./cmd/a]}]\n"
	for _, test := range []struct {
		archive          string
		packages, images []string
		want             string
	}{
		{module, nil, nil, "hello(hello)"},
		{module, nil, []string{"hello"}, "hello(hello)"},
		{module + "-- slipway.yaml --\nname: greeter\n", nil, []string{"greeter"}, "greeter(hello)"},
		{two, []string{"./cmd/a"}, nil, "a(a)"},
		{two, []string{"./cmd/b", "example.com/two/cmd/a"}, nil, "b(b) a(a)"},
		{two + "-- slipway.yaml --\nname: x\n", []string{"./cmd/b"}, nil, "x(b)"},
		{two + "-- slipway.yaml --\nname: x\n", []string{"./cmd/b", "./cmd/a"}, nil, "b(b) a(a)"},
		{two + "-- slipway.yaml --\npackages: [./cmd/a, ./cmd/b]\n", nil, nil, "a(a b)"},
		{two + listed, nil, nil, "a(a) bee(b) both(b a)"},
		{two + listed, nil, []string{"both", "a"}, "both(b a) a(a)"},
		{two + listed, []string{"cmd/b"}, nil, "bee(b)"},
		{two + listed, []string{"example.com/two/cmd/b", "./cmd/a/"}, nil, "bee(b) a(a)"},
		{two + listed, []string{"./cmd/a"}, []string{"both"}, "both(a)"},
	} {
		p, err := planned(t, test.archive, Options{Packages: test.packages, Images: test.images})
		if err != nil {
			t.Errorf("--package %v --image %v: %v", test.packages, test.images, err)
		} else if got := chosen(p); got != test.want {
			t.Errorf("--package %v --image %v: got %s, want %s", test.packages, test.images, got, test.want)
		}
	}
	for _, test := range []struct {
		archive          string
		packages, images []string
		want             string
	}{
		{two, nil, nil, "DIR: holds several main packages: ./cmd/a, ./cmd/b; choose with --package, or name them in slipway.yaml (packages, images)"},
		{"-- go.mod --\nmodule a\n", nil, nil, "DIR: holds no main package for linux; name the folder of a program (--source)"},
		{two, []string{"./lib"}, nil, "package ./lib: is package lib, not a main package"},
		{two + "-- slipway.yaml --\npackages: [./cmd/c]\n", nil, nil, "package ./cmd/c: there is no such folder in DIR"},
		{two, []string{"./cmd/a", "cmd/a"}, nil, "--package: a: two packages give images of this name; build one after the other with --name, or name them in slipway.yaml (images)"},
		{two + listed, nil, []string{"c"}, "--image: c: is no image of DIR/slipway.yaml; there are: a, bee, both"},
		{two, nil, []string{"c"}, "--image: c: is no image of DIR/slipway.yaml; there are: (without a name)"},
		{two + listed, []string{"./lib"}, nil, "--package: ./lib: no image of DIR/slipway.yaml is made of this package alone; choose one with --image"},
	} {
		dir := unpack(t, test.archive)
		_, err := New(context.Background(), Options{Source: dir, Packages: test.packages, Images: test.images})
		if want := strings.ReplaceAll(test.want, "DIR", dir); err == nil || err.Error() != want {
			t.Errorf("--package %v --image %v:\n got %v\nwant %s", test.packages, test.images, err, want)
		}
	}
}

// TestTargets has a binary of each package for each platform, in this order.
func TestTargets(t *testing.T) {
	p, err := planned(t, two+"-- slipway.yaml --\npackages: [./cmd/b, ./cmd/a]\nname: x\nplatforms: [linux/s390x, linux/386]\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range p.Images[0].Targets {
		got = append(got, strings.Join([]string{target.Image, target.Package, target.Name, platform.String(target.Platform)}, " "))
	}
	want := []string{"x ./cmd/b b linux/386", "x ./cmd/a a linux/386", "x ./cmd/b b linux/s390x", "x ./cmd/a a linux/s390x"}
	if !slices.Equal(got, want) {
		t.Errorf("the targets are %q, want %q", got, want)
	}
	if got := p.Images[0].Config.Entrypoint; !slices.Equal(got, []string{"/usr/local/bin/b"}) {
		t.Errorf("the entrypoint is %v", got)
	}
}

func TestConfigFiles(t *testing.T) {
	dir := unpack(t, module+named+"-- slipway.yaml --\nname: one\n-- other.yaml --\nname: two\n-- empty.yaml --\n")
	for config, want := range map[string]string{"": "one", "other.yaml": "two", "empty.yaml": "hello"} {
		o, file := Options{Source: dir}, filepath.Join(dir, ConfigName)
		if config != "" {
			file = filepath.Join(dir, config)
			o.Config = file
		}
		p, err := New(context.Background(), o)
		if err != nil {
			t.Errorf("%q: %v", config, err)
		} else if p.Images[0].Name != want || p.Config != file {
			t.Errorf("%q: got %s from %s, want %s", config, p.Images[0].Name, p.Config, want)
		}
	}
	missing := filepath.Join(dir, "missing.yaml")
	_, err := New(context.Background(), Options{Source: dir, Config: missing})
	if want := missing + ": the configuration cannot be read: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	// Without a source, it is the working folder.
	t.Chdir(dir)
	p, err := New(context.Background(), Options{})
	if err != nil || p.Dir != dir || p.Config != "slipway.yaml" {
		t.Errorf("in the working folder: got %+v, %v", p, err)
	}
	if err := os.Remove(filepath.Join(dir, "slipway.yaml")); err != nil {
		t.Fatal(err)
	}
	if p, err = New(context.Background(), Options{}); err != nil || p.Config != "" {
		t.Errorf("without a configuration: got %+v, %v", p, err)
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "10B": 10, "500kB": 500_000, "500KB": 500_000, "10MB": 10_000_000, "10 MB": 10_000_000, "10M": 10_000_000,
		"1.5GB": 1_500_000_000, "8MiB": 8 << 20, "8Mi": 8 << 20, "0.5KiB": 512, "2TB": 2_000_000_000_000,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MB", "-1MB", "1mb", "1e3", "0", "0.1B", "5iB", "1,5MB", "10000000TB"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("%q: got %d", in, got)
		}
	}
}
