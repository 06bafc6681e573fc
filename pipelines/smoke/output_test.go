package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLastLines(t *testing.T) {
	var lines strings.Builder
	for i := range 50 {
		fmt.Fprintf(&lines, "line %d\n", i)
	}
	long := strings.Repeat("0123456789", 100) // a line of 1000 bytes
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"one line", "hello\n", "hello"},
		{"windows", "a\r\nb\r\n", "a\nb"},
		{"controls", "\tcafé \x1b[1m\xff\u202e\x00 \uFFFD", "\tcafé \\x1b[1m\\xff\\u202e\\x00 \uFFFD"},
		{"many lines", lines.String(), "[10 earlier lines left out]\n" + strings.TrimSuffix(lines.String()[strings.Index(lines.String(), "line 10\n"):], "\n")},
		{"long lines", strings.Repeat(long+"\n", 6), "[2 earlier lines left out]\n" + strings.TrimSuffix(strings.Repeat(long+"\n", 4), "\n")},
		{"one long line", strings.Repeat("é", 3000), "[1904 earlier bytes left out]\n" + strings.Repeat("é", 2048)},
		{"a character cut", "x" + strings.Repeat("é", 3000) + "x", "[1907 earlier bytes left out]\n" + strings.Repeat("é", 2047) + "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lastLines([]byte(tt.in))); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := lastLines(bytes.Repeat([]byte("x\n"), MaxOutput/2)); !strings.HasSuffix(got, "x\n[what came after the first 1 MiB was not kept]") {
		t.Errorf("a full stream ends with %q", got[len(got)-80:])
	}
}

func TestLongMismatch(t *testing.T) {
	same := strings.Repeat("a", 1000)
	equals := same + "left" + same
	err := Match{Equals: &equals}.check(same + "right" + same)
	a := strings.Repeat("a", 20)
	want := fmt.Sprintf("expected exactly …%q…, found …%q…", a+"left"+same[:96], a+"right"+same[:95])
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestVerdictJSON(t *testing.T) {
	v := Verdict{Name: "says <hello>", Status: Failed, Detail: "no & never", Output: Output{Stderr: "gone"}, Elapsed: 1500 * time.Millisecond}
	for _, tt := range []struct {
		v    Verdict
		want string
	}{
		{v, `{"name":"says <hello>","status":"failed","detail":"no & never","output":{"stderr":"gone"},"milliseconds":1500}`},
		{Verdict{Name: "starts", Status: NotRun}, `{"name":"starts","status":"not run","detail":"","milliseconds":0}`},
	} {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(tt.v); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want+"\n", b.String()); diff != "" {
			t.Error(diff)
		}
		var back Verdict
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.v, back); diff != "" {
			t.Error(diff)
		}
	}
}
