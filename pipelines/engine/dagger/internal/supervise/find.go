//go:build linux

package main

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/slipway-dev/slipway/pipelines/engine/dagger/supervise/wire"
)

// The words here are those of the local engine's sandbox, which explains the same
// failures: a user should not see which engine it was.

// surroundings is the program's environment, with what only the inside knows.
func surroundings(t wire.Task) []string {
	set := func(name string) bool {
		for _, setting := range t.Env {
			if strings.HasPrefix(setting, name+"=") {
				return true
			}
		}
		return false
	}
	var own []string
	if host, err := os.Hostname(); err == nil && !set("HOSTNAME") {
		own = append(own, "HOSTNAME="+host)
	}
	if !set("HOME") {
		own = append(own, "HOME="+home(t.User))
	}
	return append(own, t.Env...)
}

// home is the home directory of a user, given as an image's config names it: that
// of its entry in passwd(5), or the root.
func home(user string) string {
	name, _, _ := strings.Cut(user, ":")
	if _, err := strconv.Atoi(name); name == "" || err == nil {
		name = ""
	}
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return "/"
	}
	for _, line := range strings.Split(string(text), "\n") {
		entry := strings.Split(strings.TrimSpace(line), ":")
		if len(entry) < 7 || entry[5] == "" {
			continue
		}
		if name != "" && entry[0] == name || name == "" && entry[2] == strconv.Itoa(os.Getuid()) {
			return entry[5]
		}
	}
	return "/"
}

// find returns the file to execute: a name without a slash is looked for in the
// PATH of the program's own environment, as runtimes do.
func find(t wire.Task) (string, *wire.NotStarted) {
	name := t.Args[0]
	if name == "" {
		return "", &wire.NotStarted{Reason: "the entrypoint's first word is empty"}
	}
	if strings.Contains(name, "/") {
		return name, notOurs(name)
	}
	var dirs string
	for _, setting := range t.Env {
		if strings.HasPrefix(setting, "PATH=") {
			dirs = strings.TrimPrefix(setting, "PATH=")
		}
	}
	const executable = 1 // X_OK of access(2)
	for _, dir := range filepath.SplitList(dirs) {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		if info, err := os.Stat(file); err == nil && !info.IsDir() && syscall.Access(file, executable) == nil {
			return file, notOurs(file)
		}
	}
	if failure := noShell(name); failure != nil {
		return "", failure
	}
	return "", &wire.NotStarted{
		Reason: fmt.Sprintf("the image has no such program in its PATH (%s)", dirs),
		Help:   "name the program by its absolute path", Errno: int(syscall.ENOENT),
	}
}

// notOurs refuses the supervisor itself, which a path can lead to, or a script's
// interpreter: it is not of the image.
func notOurs(name string) *wire.NotStarted {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil
	}
	for _, file := range []string{name, interpreterOf(name)} {
		if info, err := os.Stat(file); err == nil && os.SameFile(info, self) {
			return &wire.NotStarted{Reason: file + " leads out of the image", Errno: int(syscall.ELOOP)}
		}
	}
	return nil
}

// interpreterOf returns the interpreter that a script names, or "".
func interpreterOf(name string) string {
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
	if err != nil && !errors.Is(err, io.EOF) || !strings.HasPrefix(line, "#!") {
		return ""
	}
	if words := strings.Fields(line[2:]); len(words) > 0 {
		return words[0]
	}
	return ""
}

// noShell explains a missing shell, which is what a shell-form command finds in an
// image from scratch.
func noShell(name string) *wire.NotStarted {
	switch path.Base(name) {
	case "sh", "bash", "ash", "dash":
		return &wire.NotStarted{
			Reason: "the image has no shell", Errno: int(syscall.ENOENT),
			Help: `use the exec form, a list of words that begins with the program, like ["/app", "--flag"]`,
		}
	}
	return nil
}

// closedDir explains a working directory that cannot be entered.
func closedDir(dir string, err error) *wire.NotStarted {
	return &wire.NotStarted{
		Reason: fmt.Sprintf("user %d:%d cannot enter the working directory %s", os.Getuid(), os.Getgid(), dir),
		Errno:  number(err),
	}
}

// explain says why a file could not be executed. The kernel's own error is the
// same for several causes that call for different cures.
func explain(t wire.Task, file string, err error) *wire.NotStarted {
	f := &wire.NotStarted{Reason: "it cannot be executed", Errno: number(err)}
	switch syscall.Errno(f.Errno) {
	case 0:
		f.Reason += ": " + err.Error()
	case syscall.ENOENT:
		explainMissing(f, file)
	case syscall.ENOEXEC:
		explainFormat(f, t, file)
	case syscall.EACCES:
		f.Reason = fmt.Sprintf("user %d:%d may not execute it", os.Getuid(), os.Getgid())
		if info, err := os.Stat(file); err == nil {
			switch {
			case info.IsDir():
				f.Reason = "it is a directory"
			case !info.Mode().IsRegular():
				f.Reason = "it is no regular file"
			case info.Mode().Perm()&0o111 == 0:
				f.Help = "its mode needs an execute bit"
			}
		}
	case syscall.ELIBBAD, syscall.EINVAL:
		f.Reason = "the kernel takes it for a broken program"
	case syscall.E2BIG:
		f.Reason = "its arguments and environment are too long"
	}
	return f
}

// explainMissing tells a missing file from a missing interpreter.
func explainMissing(f *wire.NotStarted, file string) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if shell := noShell(file); shell != nil {
			*f = *shell
			return
		}
		f.Reason = "the image has no such file"
		return
	}
	if script := interpreterOf(file); script != "" {
		f.Reason = fmt.Sprintf("it is a script for %s, which is not in the image", script)
		return
	}
	program, err := elf.Open(file)
	if err != nil {
		return
	}
	defer func() { _ = program.Close() }()
	if loader := loaderOf(program); loader != "" {
		if _, err := os.Stat(loader); err != nil {
			f.Reason = fmt.Sprintf("it is linked dynamically and needs %s, which is not in the image: the C library is missing", loader)
			f.Help = "build with CGO_ENABLED=0"
		}
	}
}

// loaderOf returns the loader that a dynamic program names, or "".
func loaderOf(program *elf.File) string {
	for _, segment := range program.Progs {
		if segment.Type != elf.PT_INTERP || segment.Filesz > syscall.PathMax {
			continue
		}
		if name, err := io.ReadAll(segment.Open()); err == nil {
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}

// explainFormat tells a foreign program from one that is none. This process is of
// the image's architecture, and runs.
func explainFormat(f *wire.NotStarted, t wire.Task, file string) {
	program, err := elf.Open(file)
	if err != nil {
		f.Reason = "it is no program: neither ELF nor a script"
		return
	}
	defer func() { _ = program.Close() }()
	f.Reason = fmt.Sprintf("it is a program for %s, and the image says that it is for %s", program.Machine, t.Platform)
}

func number(err error) int {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return int(errno)
	}
	return 0
}
