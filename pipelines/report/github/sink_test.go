package github_test

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/pipelines/report"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func event(state report.State, step, platform, text string) report.Event {
	return report.Event{Time: noon.Add(2 * time.Second), Step: step, Platform: platform, State: state, Text: text, Elapsed: 2 * time.Second}
}

func TestStepsAreGroups(t *testing.T) {
	s, r := start(t)
	sink, end := r.Sink(report.Options{})
	begin := event(report.Started, "compile", "linux/amd64", "")
	begin.Time = noon
	sink(begin)
	sink(event(report.Started, "test", "", ""))
	sink(event(report.Log, "test", "", "ok  \ta\n::error::not me\n"))
	sink(event(report.Done, "compile", "linux/amd64", "1.9 MB"))
	sink(event(report.Warning, "compile", "linux/amd64", "something, 100%"))
	sink(event(report.Done, "test", "", ""))
	sink(event(report.Skipped, "smoke", "linux/arm64", "no emulator"))
	sink(event(report.Log, "dry run", "", "would push"))
	end()
	got := s.log.String()
	const compile = "::group::compile   linux/amd64    1.9 MB  2.0s\n    from 12:00:00 to 12:00:02 UTC\n::endgroup::\n" +
		"::warning title=slipway compile linux/amd64::something, 100%25\n" +
		"::group::test                     2.0s\n::stop-commands::"
	if !strings.HasPrefix(got, compile) {
		t.Errorf("the log begins\n%s\nwant\n%s", got, compile)
	}
	const rest = "::endgroup::\n::group::smoke     linux/arm64    skipped: no emulator\n::endgroup::\n::group::dry run\n    would push\n::endgroup::\n"
	if !strings.HasSuffix(got, rest) {
		t.Errorf("the log ends\n%s\nwant\n%s", got, rest)
	}
	if strings.Count(got, "::group::") != strings.Count(got, "::endgroup::") {
		t.Errorf("groups are not ended:\n%s", got)
	}
}

func TestFailuresAreNotFoldedAway(t *testing.T) {
	s, r := start(t)
	sink, end := r.Sink(report.Options{Quiet: true})
	sink(event(report.Started, "test", "", ""))
	sink(event(report.Log, "test", "", "--- FAIL: TestX"))
	sink(event(report.Failed, "test", "", ""))
	sink(event(report.Started, "compile", "linux/amd64", ""))
	sink(event(report.Done, "compile", "linux/amd64", "1.9 MB"))
	sink(event(report.Started, "smoke", "linux/amd64", ""))
	sink(event(report.Log, "smoke", "linux/amd64", "half-way"))
	end()
	end()
	const want = "test                     failed  2.0s\n    --- FAIL: TestX\n    half-way\n"
	if got := s.log.String(); got != want {
		t.Errorf("the log has\n%q\nwant\n%q", got, want)
	}
}
