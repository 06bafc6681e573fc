package runnertest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A shell that stands between act and the real one, so that a script finds what
// it would find on GitHub.
const shell = `#!BASH
# What act sets and GitHub does not goes.
drop=()
while IFS= read -r -d '' variable; do
  case $variable in
    INPUT_* | ACT=* | ACT_* | DOCKER_HOST=* | GITHUB_ACTION_REF=* | GITHUB_ACTION_REPOSITORY=* | GITHUB_ACTION_PATH=)
      drop+=(-u "${variable%%=*}") ;;
  esac
done < <(env -0)
PATH=${PATH//HERE:/}
# act gives a step a terminal, on which programs show off.
env "${drop[@]}" REAL "$@" </dev/null 2>&1 | cat
code=${PIPESTATUS[0]}
for file in "$GITHUB_ENV" "$GITHUB_OUTPUT"; do
  [ ! -s "$file" ] || cp "$file" "$(mktemp FILES/XXXXXXXX)"
done
# act does not wait for the last words of a step that fails. The file goes when
# its name was read in act's log.
if [ "$code" != 0 ]; then
  mark=$(mktemp MARKS/XXXXXXXX)
  echo "READ$mark"
  for ((i = 0; i < 600; i++)); do
    [ -e "$mark" ] || break
    sleep 0.05
  done
fi
exit "$code"
`

// sudo stands in for the program of that name. A test's step may not change the
// machine that it runs on.
const sudo = `#!/bin/sh
echo 'sudo: there is none in a test' >&2
exit 1
`

// readUpTo begins the last line of a step that fails; a mark's name follows.
const readUpTo = "runnertest: read up to "

// writeShells writes the shells into a folder. They leave copies of what steps
// write to $GITHUB_ENV and $GITHUB_OUTPUT in another one, and marks in a third.
func writeShells(dir, files, marks string) error {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(files, 0o755), os.Mkdir(marks, 0o755)); err != nil {
		return err
	}
	for _, name := range []string{"bash", "sh"} {
		program, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		text := strings.NewReplacer("BASH", bash, "HERE", quote(dir), "REAL", quote(program), "FILES", quote(files), "MARKS", quote(marks), "READ", readUpTo).Replace(shell)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// quote quotes a string for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// checkMarks looks for marks that nobody read.
func checkMarks(dir string) error {
	left, err := os.ReadDir(dir)
	if len(left) > 0 {
		return errors.New("the last output of a step that failed is lost")
	}
	return err
}

// checkFiles looks for values that act does not carry as they are.
func checkFiles(dir string) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		return checkFile(string(text))
	})
}

// checkFile reads a file of NAME=VALUE and NAME<<DELIMITER.
func checkFile(text string) error {
	if strings.Contains(text, "\r\n") {
		return errors.New("a step set a value with a carriage return at the end of a line, which act drops and GitHub keeps")
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok || strings.Contains(name, "=") {
			continue
		}
		first := i + 1
		for i = first; i < len(lines) && lines[i] != delimiter; i++ {
		}
		if i > first+1 && lines[first] == "" {
			return errors.New("a step set " + name + " to a value that begins with an empty line, which act drops and GitHub keeps")
		}
	}
	return nil
}
