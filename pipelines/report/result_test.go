package report

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

func TestResultJSON(t *testing.T) {
	full := &Result{
		SchemaVersion: SchemaVersion,
		Engine:        Engine{Name: "local", Reason: "no Dagger engine is there"},
		Go:            Go{Version: "1.26.8", NamedBy: "go.mod"},
		Source:        "examples/hello & <more>",
		Images: []Image{{
			Name: "hello", Digest: "sha256:01", MediaType: "application/vnd.oci.image.index.v1+json", Size: 491,
			Platforms: []Platform{{
				Platform: "linux/arm/v7", Digest: "sha256:02", Config: "sha256:06", Size: 1050000,
				Layers:   []Layer{{Digest: "sha256:03", DiffID: "sha256:04", Size: 180000, Title: "base"}},
				Binaries: []Binary{{Path: "/hello", Size: 1500000, SHA256: "05"}},
				Smoke: []smoke.Verdict{
					{Name: "starts", Status: smoke.Passed, Detail: "exits cleanly (code 0)", Elapsed: 12 * time.Millisecond},
					{Name: "says <hello>", Status: smoke.Failed, Detail: "ended with exit code 1, expected exit code 0",
						Output: smoke.Output{Stdout: "a && b"}, Elapsed: 1500 * time.Millisecond},
				},
			}},
			References: []string{"example.com/hello@sha256:01"},
			Outputs:    []string{"oci:dist"},
			Previous:   &Previous{Reference: "example.com/hello:v1", Digest: "sha256:07", Sizes: map[string]int64{"linux/arm/v7": 1040000}},
		}},
		Timings:  []Timing{{Step: "compile", Platform: "linux/arm/v7", Milliseconds: 2100}},
		Warnings: []string{"port 80 is below 1024"},
	}
	for _, tt := range []struct {
		name string
		r    *Result
		want string
	}{
		{"full", full, `{
  "schemaVersion": 1,
  "engine": {
    "name": "local",
    "reason": "no Dagger engine is there"
  },
  "go": {
    "version": "1.26.8",
    "namedBy": "go.mod"
  },
  "source": "examples/hello & <more>",
  "images": [
    {
      "name": "hello",
      "digest": "sha256:01",
      "mediaType": "application/vnd.oci.image.index.v1+json",
      "size": 491,
      "platforms": [
        {
          "platform": "linux/arm/v7",
          "digest": "sha256:02",
          "config": "sha256:06",
          "size": 1050000,
          "layers": [
            {
              "digest": "sha256:03",
              "diffID": "sha256:04",
              "size": 180000,
              "title": "base"
            }
          ],
          "binaries": [
            {
              "path": "/hello",
              "size": 1500000,
              "sha256": "05"
            }
          ],
          "smoke": [
            {
              "name": "starts",
              "status": "passed",
              "detail": "exits cleanly (code 0)",
              "milliseconds": 12
            },
            {
              "name": "says <hello>",
              "status": "failed",
              "detail": "ended with exit code 1, expected exit code 0",
              "output": {
                "stdout": "a && b"
              },
              "milliseconds": 1500
            }
          ]
        }
      ],
      "references": [
        "example.com/hello@sha256:01"
      ],
      "outputs": [
        "oci:dist"
      ],
      "previous": {
        "reference": "example.com/hello:v1",
        "digest": "sha256:07",
        "sizes": {
          "linux/arm/v7": 1040000
        }
      }
    }
  ],
  "timings": [
    {
      "step": "compile",
      "image": "",
      "platform": "linux/arm/v7",
      "milliseconds": 2100
    }
  ],
  "warnings": [
    "port 80 is below 1024"
  ]
}
`},
		{"empty lists", &Result{SchemaVersion: 1, Images: []Image{{Platforms: []Platform{{}}}, {}}}, `{
  "schemaVersion": 1,
  "engine": {
    "name": "",
    "reason": ""
  },
  "go": {
    "version": "",
    "namedBy": ""
  },
  "source": "",
  "images": [
    {
      "name": "",
      "digest": "",
      "mediaType": "",
      "size": 0,
      "platforms": [
        {
          "platform": "",
          "digest": "",
          "config": "",
          "size": 0,
          "layers": [],
          "binaries": [],
          "smoke": []
        }
      ],
      "references": [],
      "outputs": []
    },
    {
      "name": "",
      "digest": "",
      "mediaType": "",
      "size": 0,
      "platforms": [],
      "references": [],
      "outputs": []
    }
  ],
  "timings": [],
  "warnings": []
}
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := *tt.r
			var b strings.Builder
			if err := tt.r.WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, *tt.r); diff != "" {
				t.Errorf("writing changed the document: %s", diff)
			}
		})
	}

	var b strings.Builder
	if err := full.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*full, back); diff != "" {
		t.Errorf("read back: %s", diff)
	}
}

func TestWriteJSONFails(t *testing.T) {
	if err := new(Result).WriteJSON(gone{}); err == nil {
		t.Error("no error of a writer that fails")
	}
}

func TestRecorder(t *testing.T) {
	var r Recorder
	var seen []State
	sink := Tee(nil, r.Sink(), func(e Event) { seen = append(seen, e.State) })
	for _, e := range story {
		sink.Send(e)
	}
	sink.Send(Event{Step: "smoke", Platform: "linux/arm64", State: Warning, Text: "careful"})
	sink.Send(Event{Step: "smoke", Platform: "linux/arm64", State: Warning, Text: "careful"}) // said once
	if diff := cmp.Diff(len(story)+2, len(seen)); diff != "" {
		t.Error(diff)
	}
	timings := []Timing{
		{"modules", "", "", 1200},
		{"compile", "hello", "linux/arm64", 2100},
		{"compile", "hello", "linux/amd64", 90_000},
		{"compile", "service", "linux/arm/v7", 1000},
		{"test", "", "", 300},
		{"push", "hello", "", 12},
		{"tag", "hello", "", 12},
	}
	if diff := cmp.Diff(timings, r.Timings()); diff != "" {
		t.Error(diff)
	}
	warnings := []string{
		"port 80 is below 1024",
		"hello linux/mips64le/softfloat: no emulator\nis registered",
		"linux/arm64: careful",
	}
	if diff := cmp.Diff(warnings, r.Warnings()); diff != "" {
		t.Error(diff)
	}
}

func TestStepEnd(t *testing.T) {
	var got []Event
	sink := Sink(func(e Event) { e.Elapsed = 0; e.Time = time.Time{}; got = append(got, e) })
	sink.Start("push", "hello", "").End("", errors.New("refused"))
	Sink(nil).Start("push", "", "").End("", nil) // drops everything
	if len(got) != 2 || got[1].State != Failed || got[1].Image != "hello" {
		t.Errorf("got %+v", got)
	}
}
