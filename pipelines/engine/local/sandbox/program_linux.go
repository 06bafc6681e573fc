package sandbox

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
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// find returns the file to execute, as seen from inside: a name without a slash
// is looked for in the PATH of the program's own environment, as runtimes do.
func (t task) find() (string, error) {
	name := t.Args[0]
	if name == "" {
		return "", &failure{Blame: blameImage, Text: "the entrypoint's first word is empty"}
	}
	if strings.Contains(name, "/") {
		return name, notOurs(name)
	}
	var dirs string
	for _, setting := range t.Env {
		if value, ok := strings.CutPrefix(setting, "PATH="); ok {
			dirs = value
		}
	}
	for _, dir := range filepath.SplitList(dirs) {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		if info, err := os.Stat(file); err == nil && !info.IsDir() && unix.Access(file, unix.X_OK) == nil {
			return file, notOurs(file)
		}
	}
	if f := t.noShell(name); f != nil {
		return "", f
	}
	return "", &failure{
		Blame: blameImage, Errno: syscall.ENOENT,
		Text: fmt.Sprintf("the image has no such program in its PATH (%s)", dirs),
		Help: "name the program by its absolute path",
	}
}

// notOurs refuses a path through the magic links of /proc, which lead to files
// outside of the image: until the program runs, /proc/self/exe is our own
// executable. A script's interpreter is a second way there.
func notOurs(name string) error {
	for _, file := range []string{name, interpreterOf(name)} {
		if file == "" {
			continue
		}
		fd, err := unix.Openat2(unix.AT_FDCWD, file, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS,
		})
		if err == nil {
			_ = unix.Close(fd)
		}
		if errors.Is(err, unix.ELOOP) {
			return &failure{Blame: blameImage, Errno: unix.ELOOP, Text: file + " leads out of the image"}
		}
		// What else is wrong with the file, exec says; an old kernel cannot tell.
	}
	return nil
}

// interpreterOf returns the interpreter that a script names, or "".
func interpreterOf(name string) string {
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

// noShell explains a missing shell, which is what a shell-form command finds in an
// image from scratch.
func (t task) noShell(name string) *failure {
	if !slices.Contains([]string{"sh", "bash", "ash", "dash"}, path.Base(name)) {
		return nil
	}
	return &failure{
		Blame: blameImage, Errno: syscall.ENOENT,
		Text: "the image has no shell",
		Help: `use the exec form, a list of words that begins with the program, like ["/app", "--flag"]`,
	}
}

// explain says why a file could not be executed. The kernel's own error is the
// same for several causes that call for different cures.
func (t task) explain(file string, err error) *failure {
	f := &failure{Blame: blameImage, Text: "it cannot be executed", Errno: errnoOf(err)}
	switch f.Errno {
	case syscall.ENOENT:
		return t.explainMissing(file, f)
	case syscall.ENOEXEC:
		return t.explainFormat(file, f)
	case syscall.EACCES:
		f.Text = fmt.Sprintf("user %d:%d may not execute it", t.UID, t.GID)
		if info, err := os.Stat(file); err == nil {
			switch {
			case info.IsDir():
				f.Text = "it is a directory"
			case !info.Mode().IsRegular():
				f.Text = "it is no regular file"
			case info.Mode().Perm()&0o111 == 0:
				f.Help = "its mode needs an execute bit"
			}
		}
	case syscall.ELIBBAD, syscall.EINVAL:
		f.Text = "the kernel takes it for a broken program"
	case syscall.E2BIG:
		f.Text = "its arguments and environment are too long"
	}
	return f
}

// explainMissing tells a missing file from a missing interpreter.
func (t task) explainMissing(file string, f *failure) *failure {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if f := t.noShell(file); f != nil {
			return f
		}
		f.Text = "the image has no such file"
		return f
	}
	if script := interpreterOf(file); script != "" {
		f.Text = fmt.Sprintf("it is a script for %s, which is not in the image", script)
		return f
	}
	program, err := elf.Open(file)
	if err != nil {
		return f
	}
	defer func() { _ = program.Close() }()
	if loader := loaderOf(program); loader != "" {
		if _, err := os.Stat(loader); err != nil {
			f.Text = fmt.Sprintf("it is linked dynamically and needs %s, which is not in the image: the C library is missing", loader)
			f.Help = "build with CGO_ENABLED=0"
			return f
		}
	}
	if t.Architecture != runtime.GOARCH {
		f.Blame = blamePlatform
		f.Text = "the emulator registered for " + t.Platform + " is not to be found inside an image"
		f.Help = "register it with the F flag, as Debian's qemu-user-static does"
	}
	return f
}

// loaderOf returns the loader that a dynamic program names, or "".
func loaderOf(program *elf.File) string {
	for _, segment := range program.Progs {
		if segment.Type != elf.PT_INTERP || segment.Filesz > unix.PathMax {
			continue
		}
		name, err := io.ReadAll(segment.Open())
		if err == nil {
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}

// explainFormat tells a foreign program from one that is none.
func (t task) explainFormat(file string, f *failure) *failure {
	program, err := elf.Open(file)
	if err != nil {
		f.Text = "it is no program: neither ELF nor a script"
		return f
	}
	defer func() { _ = program.Close() }()
	if t.Architecture == runtime.GOARCH {
		f.Text = fmt.Sprintf("it is a program for %s, and the image says that it is for %s", program.Machine, t.Platform)
		return f
	}
	f.Blame = blamePlatform
	f.Text = "no emulator is registered for " + t.Platform
	f.Help = "install qemu-user-static (Debian, Ubuntu), or run docker run --privileged --rm tonistiigi/binfmt --install all"
	return f
}
