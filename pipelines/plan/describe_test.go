package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// described plans for a folder of an archive, and writes the plan as text and as
// JSON, with DIR for the archive's folder.
func described(t *testing.T, archive, folder string, o Options) (d *Description, text, document string) {
	t.Helper()
	dir := unpack(t, archive)
	o.Source, o.Git = filepath.Join(dir, folder), released
	p, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = p.Describe(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := d.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	clean := strings.NewReplacer(dir, "DIR")
	return d, clean.Replace(b.String()), clean.Replace(string(data))
}

func TestDescribeADefault(t *testing.T) {
	_, text, document := described(t, module, ".", Options{})
	if diff := cmp.Diff(`source  DIR
module  .
go      the engine's own

image           hello
  packages      .
  platforms     linux/amd64 linux/arm64
  ldflags       -s -w
  base          scratch
  user          65534:65534
  entrypoint    /usr/local/bin/hello
  certificates  mozilla
  zones         true
  label         org.opencontainers.image.title=hello
  smoke         starts
`, text); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(`{
  "source": "DIR",
  "module": ".",
  "vendor": false,
  "images": [
    {
      "name": "hello",
      "packages": [
        "."
      ],
      "platforms": [
        "linux/amd64",
        "linux/arm64"
      ],
      "tags": [],
      "ldflags": "-s -w",
      "buildEnv": [],
      "base": "scratch",
      "user": "65534:65534",
      "entrypoint": [
        "/usr/local/bin/hello"
      ],
      "cmd": [],
      "env": [],
      "workdir": "",
      "ports": [],
      "volumes": [],
      "stopSignal": "SIGTERM",
      "certificates": [
        "mozilla"
      ],
      "zones": true,
      "tmp": false,
      "assets": [],
      "labels": {
        "org.opencontainers.image.title": "hello"
      },
      "annotations": {
        "org.opencontainers.image.title": "hello"
      },
      "created": "1970-01-01T00:00:00Z",
      "smoke": [
        "starts"
      ],
      "publish": {
        "to": "",
        "tags": []
      }
    }
  ],
  "warnings": []
}`, document); diff != "" {
		t.Error(diff)
	}
}

const everything = `
-- go.work --
go 1.26

toolchain go1.26.7

use ./app
-- vendor/modules.txt --
-- app/go.mod --
module github.com/acme/app
-- app/cmd/a/main.go --
package main
-- app/cmd/b/main.go --
package main
-- app/files/files.go --
package files

import _ "embed"

//go:embed all:static *.txt
var X string
-- app/slipway.yaml --
name: app
build:
  tags: [netgo]
  ldflags: ["-X main.version={{.Version}}"]
  env: {GOFIPS140: v1.0.0}
image:
  user: app:1001:1001
  args: [serve]
  cmd: ["false"]
  env: {LEVEL: "[debug]"}
  workdir: /srv
  ports: [80]
  volumes: [/data]
  stopSignal: SIGINT
  labels: {note: "[in brackets]"}
  certificates: {add: [ca.pem]}
  zones: false
  tmp: true
  assets: [{from: files, to: /srv}]
audit: {maxSize: 5MB}
smoke: [{name: says hello}, {args: [-v]}, {serve: {port: 80}}]
publish: {to: ghcr.io/acme/app, tags: [latest]}
images:
  - {name: a, packages: [./cmd/a]}
  - {name: b, packages: [./cmd/b, ./cmd/a], platforms: [linux/arm]}
`

func TestDescribeEverything(t *testing.T) {
	d, text, _ := described(t, everything+"-- app/ca.pem --\n"+rootPEM, "app", Options{Images: []string{"b"}})
	if diff := cmp.Diff(`source             DIR
module             app
workspace          go.work
vendored           true
configuration      DIR/app/slipway.yaml
go                 1.26.7 (go.work)
embeds in ./files  *.txt all:static

image           b
  packages      ./cmd/b ./cmd/a
  platforms     linux/arm/v7
  tags          netgo
  ldflags       -s -w -X main.version=v1.2.3
  base          scratch
  user          1001:1001
  entrypoint    /usr/local/bin/b serve
  cmd           false
  env           LEVEL=[debug]
  workdir       /srv
  ports         80/tcp
  volumes       /data
  certificates  mozilla ca.pem
  tmp           true
  assets        files -> /srv
  label         note=[in brackets]
  label         org.opencontainers.image.source=https://github.com/acme/app
  label         org.opencontainers.image.title=b
  smoke         says hello, runs with -v, serves on port 80
  publish       ghcr.io/acme/app latest

warning: b: port 80 is below 1024, which a user other than root (1001:1001) cannot listen on everywhere; take a port above
`, text); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"./files": {"*.txt", "all:static"}}, d.Embeds); diff != "" {
		t.Error(diff)
	}
	ip := d.Images[0]
	if ip.MaxSize != 5_000_000 || ip.StopSignal != "SIGINT" || len(ip.BuildEnv) != 1 || ip.BuildEnv[0] != "GOFIPS140=v1.0.0" {
		t.Errorf("the document says %d, %s, %v", ip.MaxSize, ip.StopSignal, ip.BuildEnv)
	}
}

func TestDescribeASourceThatIsGone(t *testing.T) {
	p, err := planned(t, module, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(p.Dir); err != nil {
		t.Fatal(err)
	}
	if d, err := p.Describe(); err == nil {
		t.Errorf("got %+v", d)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteTextThatFails(t *testing.T) {
	p, err := planned(t, module, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Describe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteText(full{}); err == nil {
		t.Error("a writer that takes nothing made no error")
	}
}
