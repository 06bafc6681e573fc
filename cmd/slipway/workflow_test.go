package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdWorkflow makes the script a step of a workflow.
func cmdWorkflow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: workflow EVENT NAME REF")
	}
	checkout := ts.MkAbs("checkout")
	for _, git := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"remote", "add", "origin", "https://me:token@github.com/acme/prog"},
		{"add", "."},
		{"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=x"},
	} {
		ts.Check(ts.Exec("git", append([]string{"-C", checkout}, git...)...))
	}
	ts.Check(ts.Exec("git", "-C", checkout, "rev-parse", "HEAD"))
	for name, value := range map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": checkout, "GITHUB_ACTOR": "me",
		"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/prog",
		"GITHUB_EVENT_PATH": ts.MkAbs(args[0]), "GITHUB_EVENT_NAME": args[1], "GITHUB_REF": args[2],
		"GITHUB_SHA":    strings.TrimSpace(ts.ReadFile("stdout")),
		"GITHUB_OUTPUT": ts.MkAbs("github_output"), "GITHUB_STEP_SUMMARY": ts.MkAbs("github_summary"),
		"RUNNER_TEMP": ts.MkAbs("runner_temp"),
	} {
		ts.Setenv(name, value)
	}
	ts.Check(os.MkdirAll(ts.MkAbs("runner_temp"), 0o755))
}

func cmdAction(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: action CODE")
	}
	cmdExits(ts, false, []string{args[0], "sh", "-c", `printf %s "$INPUTS" | env -u INPUTS slipway action`})
}

// outputsOf reads a file of outputs as the runner does.
func outputsOf(text string) map[string]string {
	all := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok {
			continue
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		all[name] = strings.Join(value, "\n") // the last one of a name counts
	}
	return all
}

func cmdOutput(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: output NAME empty|same|matches [FILE|REGEXP]")
	}
	got, ok := outputsOf(ts.ReadFile("github_output"))[args[0]]
	switch {
	case !ok:
		ts.Fatalf("there is no output %s", args[0])
	case args[1] == "empty" && got != "":
		ts.Fatalf("output %s is %q, want nothing", args[0], got)
	case args[1] == "same" && got != strings.TrimSpace(ts.ReadFile(args[2])):
		ts.Fatalf("output %s is %q, want %q", args[0], got, ts.ReadFile(args[2]))
	case args[1] == "matches" && !regexp.MustCompile(strings.ReplaceAll(args[2], `\n`, "\n")).MatchString(got):
		ts.Fatalf("output %s is %q, want %s", args[0], got, args[2])
	}
}

// cmdReproduce runs what a summary says rebuilds the same digest, in a folder of
// its own. Two things of it cannot be had in a test and are replaced: where the
// repository is cloned from, and where go run finds slipway.
func cmdReproduce(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: reproduce")
	}
	summary := ts.ReadFile("github_summary")
	i := strings.LastIndex(summary, "```sh\n")
	if i < 0 {
		ts.Fatalf("the summary ends with no command:\n%s", summary)
	}
	command, rest, _ := strings.Cut(summary[i+len("```sh\n"):], "```")
	if strings.TrimSpace(rest) != "" {
		ts.Fatalf("the summary does not end with the command:\n%s", summary)
	}
	replaced := strings.NewReplacer(
		"https://github.com/acme/prog", "file://"+filepath.ToSlash(ts.Getenv("GITHUB_WORKSPACE")),
		"go run "+program+"@main", "slipway",
	).Replace(command)
	if strings.Count(replaced, "slipway build") != 1 || !strings.Contains(replaced, "file://") {
		ts.Fatalf("the command is not what was expected:\n%s", command)
	}
	dir := ts.MkAbs("laptop")
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Setenv("GITHUB_ACTIONS", "") // a laptop is no workflow
	defer ts.Setenv("GITHUB_ACTIONS", "true")
	ts.Check(ts.Exec("sh", "-c", "cd '"+dir+"' && "+replaced))
}
