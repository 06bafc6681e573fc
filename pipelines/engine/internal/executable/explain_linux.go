package executable

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// LeadsOut says that a file is not the image's, though it is found there.
func LeadsOut(file string) *Failure {
	return &Failure{Reason: file + " leads out of the image", Errno: syscall.ELOOP}
}

// ClosedDir explains a working directory that this process cannot enter.
func ClosedDir(dir string, err error) *Failure {
	return &Failure{
		Reason: fmt.Sprintf("user %d:%d cannot enter the working directory %s", os.Getuid(), os.Getgid(), dir),
		Errno:  errnoOf(err),
	}
}

// Explain says why this process could not execute a file of an image for a
// platform ("linux/amd64"). The kernel's own error is the same for several causes
// that call for different cures.
func Explain(file, platform string, err error) *Failure {
	f := &Failure{Reason: "it cannot be executed", Errno: errnoOf(err)}
	switch f.Errno {
	case 0:
		f.Reason += ": " + err.Error()
	case syscall.ENOENT:
		f.missing(file)
	case syscall.ENOEXEC:
		f.format(file, platform)
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

// missing tells a missing file from a missing interpreter.
func (f *Failure) missing(file string) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if shell := noShell(file); shell != nil {
			*f = *shell
			return
		}
		f.Reason = "the image has no such file"
		return
	}
	if script := Interpreter(file); script != "" {
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
			return
		}
	}
	f.Whole = true
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

// format tells a foreign program from one that is none.
func (f *Failure) format(file, platform string) {
	program, err := elf.Open(file)
	if err != nil {
		f.Reason = "it is no program: neither ELF nor a script"
		return
	}
	defer func() { _ = program.Close() }()
	f.Reason = fmt.Sprintf("it is a program for %s, and the image says that it is for %s", program.Machine, platform)
	f.Whole = true
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	_ = errors.As(err, &errno)
	return errno
}
