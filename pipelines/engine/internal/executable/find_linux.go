package executable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Failure says why a program cannot be started because of what is in its image.
type Failure struct {
	Reason string        // "the image has no such file"
	Help   string        // what would do, or empty
	Errno  syscall.Errno // the system's own error, or 0
	// Whole tells that the file is a program, and that all which it names is there:
	// what it lacks is a machine, or an emulator that runs it.
	Whole bool
}

// Find returns the file to execute: a name without a slash is looked for in the
// PATH of the program's own environment, as runtimes do.
func Find(name string, env []string) (string, *Failure) {
	if name == "" {
		return "", &Failure{Reason: "the entrypoint's first word is empty"}
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	var dirs string
	for _, setting := range env {
		if value, ok := strings.CutPrefix(setting, "PATH="); ok {
			dirs = value
		}
	}
	const executable = 1 // X_OK of access(2)
	for _, dir := range filepath.SplitList(dirs) {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		if info, err := os.Stat(file); err == nil && !info.IsDir() && syscall.Access(file, executable) == nil {
			return file, nil
		}
	}
	if f := noShell(name); f != nil {
		return "", f
	}
	return "", &Failure{
		Reason: fmt.Sprintf("the image has no such program in its PATH (%s)", dirs),
		Help:   "name the program by its absolute path", Errno: syscall.ENOENT,
	}
}

// noShell explains a missing shell, which is what a shell-form command finds in an
// image from scratch.
func noShell(name string) *Failure {
	switch path.Base(name) {
	case "sh", "bash", "ash", "dash":
		return &Failure{
			Reason: "the image has no shell", Errno: syscall.ENOENT,
			Help: `use the exec form, a list of words that begins with the program, like ["/app", "--flag"]`,
		}
	}
	return nil
}

// Interpreter returns the interpreter that a script names, or "".
func Interpreter(name string) string {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() { // opening a pipe would wait
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	// The kernel looks at the first 256 bytes (binfmts.h, BINPRM_BUF_SIZE).
	line, err := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	words, ok := strings.CutPrefix(line, "#!")
	if fields := strings.Fields(words); ok && len(fields) > 0 {
		return fields[0]
	}
	return ""
}
