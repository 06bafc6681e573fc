//go:build unix

package smoke

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// want is a verdict, but for what differs from run to run.
type want struct {
	status Status
	detail string // whole, with PORT for the port
	output string // a part of the shown output
}

// prove runs one case and checks its verdict.
func prove(t *testing.T, h *hostRunner, cases []Case, o Options, w want) {
	t.Helper()
	verdicts, err := Run(t.Context(), h, cases, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(verdicts) != 1 {
		t.Fatalf("%d verdicts, want 1", len(verdicts))
	}
	v := verdicts[0]
	if v.Status != w.status || v.Detail != w.detail {
		t.Errorf("got  %s: %s\nwant %s: %s", v.Status, v.Detail, w.status, w.detail)
	}
	if out := v.Output.String(); !strings.Contains(out, w.output) || w.status == Passed && out != "" {
		t.Errorf("output:\n%s\nwant in it: %q", out, w.output)
	}
	if v.Elapsed <= 0 {
		t.Error("no time elapsed")
	}
}

func text(s string) *string { return &s }

func TestRunCases(t *testing.T) {
	hello := Process{Args: []string{"hello", "world"}, Env: []string{"GREETING=salut\u200b"}, Stdin: "from stdin\n"}
	for _, tt := range []struct {
		name    string
		program string
		c       Case
		want    want
	}{
		{"exit code", "true", Case{}, want{Passed, "exit code 0", ""}},
		{"expected exit code", "three", Case{ExitCode: 3}, want{Passed, "exit code 3", ""}},
		{"other exit code", "three", Case{ExitCode: 4}, want{Failed, "ended with exit code 3, expected exit code 4", ""}},
		{"failure", "false", Case{}, want{Failed, "ended with exit code 1, expected exit code 0", "stderr:\n  no database"}},
		{"killed", "killed", Case{}, want{Failed, "was ended by SIGKILL, expected exit code 0", ""}},
		{"killed as expected", "killed", Case{ExitCode: 137}, want{Passed, "exit code 137", ""}},
		{"panic", "panic", Case{}, want{Failed, "ended with exit code 2, expected exit code 0: panic: boom", "goroutine 1 [running]"}},
		{"fatal", "fatal", Case{}, want{Failed, "ended with exit code 2, expected exit code 0: fatal error: sync: unlock of unlocked mutex", "fatal error"}},
		{"equal", "echo", Case{Process: hello, Stdout: &Match{Equals: text("\nhello world\nfrom stdin")}},
			want{Passed, "exit code 0, stdout as expected", ""}},
		{"not equal", "echo", Case{Process: hello, Stdout: &Match{Equals: text("hello world")}},
			want{Failed, `stdout: expected exactly "hello world", found "hello world\nfrom stdin"`, "stdout:\n  hello world\n  from stdin"}},
		{"empty is not no matter", "echo", Case{Process: hello, Stdout: &Match{Equals: text("")}},
			want{Failed, `stdout: expected exactly "", found "hello world\nfrom stdin"`, "from stdin"}},
		{"contained", "echo", Case{Process: hello, Stdout: &Match{Contains: "world\nfrom"}}, want{Passed, "exit code 0, stdout as expected", ""}},
		{"not contained", "echo", Case{Process: hello, Stdout: &Match{Contains: "welt"}},
			want{Failed, `stdout: expected to contain "welt", found "hello world\nfrom stdin"`, "hello"}},
		{"matched", "echo", Case{Process: hello, Stdout: &Match{Matches: regexp.MustCompile(`(?m)^from \w+$`)}}, want{Passed, "exit code 0, stdout as expected", ""}},
		{"not matched", "echo", Case{Process: hello, Stdout: &Match{Matches: regexp.MustCompile(`^\d+$`)}},
			want{Failed, `stdout: expected to match /^\d+$/, found "hello world\nfrom stdin"`, "hello"}},
		{"all must hold", "echo", Case{Process: hello, Stdout: &Match{Contains: "hello", Matches: regexp.MustCompile(`^\d+$`)}},
			want{Failed, `stdout: expected to match /^\d+$/, found "hello world\nfrom stdin"`, "hello"}},
		{"stderr too", "echo", Case{Process: hello, Stdout: &Match{Contains: "hello"}, Stderr: &Match{Contains: "salut"}},
			want{Passed, "exit code 0, stdout as expected, stderr as expected", ""}},
		{"invisible", "echo", Case{Process: hello, Stderr: &Match{Equals: text("salut")}},
			want{Failed, `stderr: expected exactly "salut", found "salut\u200b"`, `stderr:` + "\n" + `  salut\u200b`}},
		{"both streams", "echo", Case{Process: hello, Stdout: &Match{Contains: "x"}, Stderr: &Match{Contains: "y"}},
			want{Failed, `stdout: expected to contain "x", found "hello world\nfrom stdin" | stderr: expected to contain "y", found "salut\u200b"`, "salut"}},
		{"hang", "hang", Case{Timeout: 5 * time.Second}, want{Failed, "still running after 5s; killed", "stdout:\n  waiting"}},
		{"flood", "flood", Case{Stdout: &Match{Contains: "xxx"}}, want{Passed, "exit code 0, stdout as expected", ""}},
		{"beyond the flood", "flood", Case{Stdout: &Match{Contains: "end"}},
			want{Failed, `stdout: expected to contain "end", found "` + strings.Repeat("x", shortText) + `"… (only its first 1 MiB was kept)`,
				"[what came after the first 1 MiB was not kept]"}},
		{"escapes", "lines", Case{}, want{Failed, "ended with exit code 1, expected exit code 0", `stderr:` + "\n" + `  \x1b[31mred\x1b[0m`}},
		{"last lines", "lines", Case{}, want{Failed, "ended with exit code 1, expected exit code 0", "stdout:\n  [60 earlier lines left out]\n  line 60\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prove(t, &hostRunner{program: tt.program}, []Case{tt.c}, Options{}, tt.want)
		})
	}
}

func TestServeCases(t *testing.T) {
	get := func(path string, e Response) []Request { return []Request{{Path: path, Expect: e}} }
	for _, tt := range []struct {
		name    string
		program string
		c       Case
		serve   Serve
		want    want
	}{
		{"open port", "server", Case{}, Serve{}, want{Passed, "listened on port PORT, ended cleanly", ""}},
		{"slow start", "slow server", Case{}, Serve{}, want{Passed, "listened on port PORT, ended cleanly", ""}},
		{"one request", "server", Case{}, Serve{Requests: get("/", Response{})},
			want{Passed, "listened on port PORT, answered 1 request, ended cleanly", ""}},
		{"everything holds", "server", Case{Stdout: &Match{Equals: text("bye")}}, Serve{Requests: []Request{
			{Path: "/", Expect: Response{
				Headers: map[string]Match{"content-type": {Equals: text("application/json")}, "X-Many": {Equals: text("one, two")}},
				Body:    &Match{Equals: text(`{"ok":true}`)},
			}},
			{Method: "PUT", Path: "/echo?a=b", Headers: map[string]string{"X-Sent": "yes", "Host": "example.org"}, Body: "body",
				Expect: Response{Body: &Match{Equals: text("PUT a=b example.org yes body")}}},
			{Path: "/away", Expect: Response{Status: 302, Headers: map[string]Match{"Location": {Contains: "example.com"}}}},
			{Path: "/broken", Expect: Response{Status: 500}},
			{Path: "/flood", Expect: Response{Body: &Match{Contains: "x"}}},
			{Method: "HEAD", Path: "/"},
		}}, want{Passed, "listened on port PORT, answered 6 requests, ended cleanly", ""}},
		{"status", "server", Case{}, Serve{Requests: get("/broken", Response{})},
			want{Failed, `GET /broken: expected status 200, found 500 with body "no database"`, ""}},
		{"redirect", "server", Case{}, Serve{Requests: get("/away", Response{Status: 200, Body: &Match{}})},
			want{Failed, `GET /away: expected status 200, found 302 with body "<a href=\"https://example.com/\">Found</a>."`, ""}},
		{"header", "server", Case{}, Serve{Requests: get("/", Response{Headers: map[string]Match{"Content-Type": {Contains: "text/html"}}})},
			want{Failed, `GET /: header Content-Type: expected to contain "text/html", found "application/json"`, ""}},
		{"no header", "server", Case{}, Serve{Requests: get("/", Response{Headers: map[string]Match{"Cache-Control": {}}})},
			want{Failed, `GET /: header Cache-Control: expected, but the answer has none`, ""}},
		{"body", "server", Case{}, Serve{Requests: get("/", Response{Body: &Match{Contains: "false"}})},
			want{Failed, `GET /: body: expected to contain "false", found "{\"ok\":true}"`, ""}},
		{"flood", "server", Case{}, Serve{Requests: get("/flood", Response{Body: &Match{Matches: regexp.MustCompile("^y")}})},
			want{Failed, `GET /flood: body: expected to match /^y/, found "` + strings.Repeat("x", shortText) + `"… (only its first 1 MiB was kept)`, ""}},
		{"no answer", "server", Case{Timeout: 5 * time.Second}, Serve{Requests: get("/slow", Response{})},
			want{Failed, "GET /slow: no whole answer within 5s; killed", ""}},
		{"part of an answer", "server", Case{}, Serve{Requests: get("/short", Response{})},
			want{Failed, "GET /short: reading the answer's body: unexpected EOF", ""}},
		{"bad path", "server", Case{}, Serve{Requests: get("/%zz", Response{})},
			want{Failed, `GET /%zz: parse "http://localhost:PORT/%zz": invalid URL escape "%zz"`, ""}},
		{"crash", "server", Case{}, Serve{Requests: []Request{{Method: "POST", Path: "/crash"}}},
			want{Failed, "POST /crash: the program ended with exit code 2: panic: in a goroutine", "panic: in a goroutine"}},
		{"end between", "server", Case{}, Serve{Requests: []Request{{Path: "/exit"}, {Path: "/slow"}}},
			want{Failed, "GET /slow: the program ended with exit code 1", "lost its database"}},
		{"never listens", "hang", Case{Timeout: 5 * time.Second}, Serve{},
			want{Failed, "did not listen on port PORT within 5s; killed", "waiting"}},
		{"ends before", "false", Case{}, Serve{}, want{Failed, "ended with exit code 1 before it listened on port PORT", "no database"}},
		{"ends well before", "true", Case{}, Serve{}, want{Failed, "ended with exit code 0 before it listened on port PORT", ""}},
		{"panics before", "panic", Case{}, Serve{}, want{Failed, "ended with exit code 2 before it listened on port PORT: panic: boom", "goroutine 1"}},
		{"ignores its stop signal", "deaf server", Case{}, Serve{StopWithin: 200 * time.Millisecond},
			want{Failed, "still running 200ms after its stop signal; killed", ""}},
		{"dies of its stop signal", "mortal server", Case{}, Serve{},
			want{Failed, "did not end cleanly on its stop signal: ended by SIGTERM; a program that runs as process 1 must handle its stop signal", ""}},
		{"dies as expected", "mortal server", Case{ExitCode: 143}, Serve{}, want{Passed, "listened on port PORT, ended cleanly", ""}},
		{"exits with 2", "server 2", Case{}, Serve{},
			want{Failed, "did not end cleanly on its stop signal: exit code 2; a program that runs as process 1 must handle its stop signal", ""}},
		{"exits with 1", "server 1", Case{}, Serve{}, want{Failed, "did not end cleanly on its stop signal: exit code 1", "cannot save"}},
		{"exits with 1, not 3", "server 1", Case{ExitCode: 3}, Serve{}, want{Failed, "did not end cleanly on its stop signal: exit code 1, expected 3", "cannot save"}},
		{"panics at the end", "server that panics", Case{}, Serve{}, want{Failed, "did not end cleanly on its stop signal: exit code 2: panic: at the end", "goroutine"}},
		{"last words", "server", Case{Stdout: &Match{Equals: text("see you")}}, Serve{},
			want{Failed, `stdout: expected exactly "see you", found "bye"`, "bye"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := freePort(t)
			tt.serve.Port = port
			tt.c.Serve = &tt.serve
			tt.want.detail = strings.ReplaceAll(tt.want.detail, "PORT", strconv.Itoa(port))
			prove(t, &hostRunner{program: tt.program, port: port}, []Case{tt.c}, Options{}, tt.want)
		})
	}
}

func TestServeOnIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6 loopback: %v", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := Case{Serve: &Serve{Port: port, Requests: []Request{{Path: "/"}}}}
	prove(t, &hostRunner{program: "server on 6", port: port}, []Case{c}, Options{},
		want{Passed, "listened on port " + strconv.Itoa(port) + ", answered 1 request, ended cleanly", ""})
}

// TestStarts runs the default proof.
func TestStarts(t *testing.T) {
	const advice = "; a smoke case can say which arguments and variables it needs"
	for _, tt := range []struct {
		program string
		starts  int
		moment  time.Duration
		want    want
	}{
		{"true", 1, 0, want{Passed, "exits cleanly (code 0)", ""}},
		{"hang", 1, 100 * time.Millisecond, want{Passed, "still running after 100ms", ""}},
		{"deaf server", 1, 100 * time.Millisecond, want{Passed, "still running after 100ms", ""}},
		{"helpful", 2, 0, want{Passed, "prints its help (--help, code 0)", ""}},
		{"silent", 2, 0, want{Passed, "exits cleanly with --help (code 0)", ""}},
		{"flags", 2, 0, want{Passed, "prints its help (--help, code 2)", ""}},
		{"refuses", 2, 0, want{Failed, "ended with exit code 2, and does not answer --help either" + advice, "not defined"}},
		{"false", 2, 0, want{Failed, "ended with exit code 1, and does not answer --help either" + advice, "no database"}},
		{"panic on help", 2, 0, want{Failed, "ended with exit code 1, and does not answer --help either" + advice, ""}},
		{"panic", 1, 0, want{Failed, "ended with exit code 2: panic: boom", "goroutine 1"}},
		{"fatal", 1, 0, want{Failed, "ended with exit code 2: fatal error: sync: unlock of unlocked mutex", "fatal error"}},
		{"killed", 1, 0, want{Failed, "was ended by SIGKILL", ""}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			if tt.moment == 0 {
				tt.moment = time.Minute // what ends, ends earlier
			}
			h := &hostRunner{program: tt.program, port: freePort(t)}
			prove(t, h, nil, Options{Moment: tt.moment}, tt.want)
			if h.starts != tt.starts {
				t.Errorf("%d processes, want %d", h.starts, tt.starts)
			}
		})
	}
}

func TestRunGoesOnAfterAFailure(t *testing.T) {
	var observed []string
	cases := []Case{
		{Name: "first", ExitCode: 1},
		{Process: Process{Args: []string{"a", "b\nc"}}},
		{Serve: &Serve{Port: 1}},
		{},
	}
	verdicts, err := Run(t.Context(), &hostRunner{program: "true"}, cases, Options{
		Observe: func(v Verdict) { observed = append(observed, v.Name+": "+string(v.Status)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(observed, "\n")
	want := "first: failed\nruns with a b | c: passed\nserves on port 1: failed\nruns: passed"
	if got != want || len(verdicts) != 4 {
		t.Errorf("%d verdicts, observed:\n%s\nwant:\n%s", len(verdicts), got, want)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	port := freePort(t)
	for _, tt := range []struct {
		name    string
		program string
		cases   []Case
	}{
		{"run", "hang", []Case{{}, {}}},
		{"serve", "hang", []Case{{Serve: &Serve{Port: port}}}},
		{"request", "server", []Case{{Serve: &Serve{Port: port, Requests: []Request{{Path: "/slow"}}}}}},
		{"stop", "deaf server", []Case{{Serve: &Serve{Port: port, StopWithin: time.Hour}}}},
		{"starts", "hang", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			h := &hostRunner{program: tt.program, port: port}
			verdicts, err := Run(ctx, h, tt.cases, Options{Moment: time.Hour})
			if !errors.Is(err, context.DeadlineExceeded) || len(verdicts) != 0 || h.starts != 1 {
				t.Errorf("%d verdicts, %d processes, error %v; want none, 1 and the context's", len(verdicts), h.starts, err)
			}
		})
	}
}

// brokenRunner is a machine, or an image, that nothing runs on: faults that no
// host process gives on demand.
type brokenRunner struct{ err error }

func (b brokenRunner) Run(context.Context, Process) (Exit, error)      { return Exit{}, b.err }
func (b brokenRunner) Serve(context.Context, Process) (Service, error) { return nil, b.err }

func TestRunnerErrors(t *testing.T) {
	foreign := &NotRunnableError{Reason: "no emulator is registered for linux/arm64", Help: "install qemu-user-static"}
	for _, tt := range []struct {
		name string
		err  error
		want want
	}{
		{"not runnable", foreign, want{NotRun, "no emulator is registered for linux/arm64; install qemu-user-static", ""}},
		{"wrapped", errors.Join(foreign), want{NotRun, "no emulator is registered for linux/arm64; install qemu-user-static", ""}},
		{"other", errors.New("no /bin/sh in the image:\n\texec format"), want{Failed, "no /bin/sh in the image: | exec format", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, cases := range [][]Case{nil, {{}, {Serve: &Serve{Port: 1}}}} {
				verdicts, err := Run(t.Context(), brokenRunner{tt.err}, cases, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if len(verdicts) != max(1, len(cases)) {
					t.Errorf("%d verdicts on %d cases", len(verdicts), len(cases))
				}
				for _, v := range verdicts {
					if v.Status != tt.want.status || v.Detail != tt.want.detail {
						t.Errorf("got %s: %s\nwant %s: %s", v.Status, v.Detail, tt.want.status, tt.want.detail)
					}
				}
			}
		})
	}
}

// stuckRunner never gets a program started.
type stuckRunner struct{}

func (stuckRunner) Run(ctx context.Context, _ Process) (Exit, error) {
	<-ctx.Done()
	return Exit{}, ctx.Err()
}

func (stuckRunner) Serve(ctx context.Context, _ Process) (Service, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestStuckStart(t *testing.T) {
	c := Case{Timeout: 50 * time.Millisecond, Serve: &Serve{Port: 1}}
	verdicts, err := Run(t.Context(), stuckRunner{}, []Case{c}, Options{})
	if err != nil || len(verdicts) != 1 || verdicts[0].Status != Failed || verdicts[0].Detail != "did not start within 50ms" {
		t.Errorf("got %+v, %v", verdicts, err)
	}
}
