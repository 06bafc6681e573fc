package sandbox

import (
	"errors"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/internal/executable"
)

// find returns the file to execute, as seen from inside.
func (t task) find() (string, error) {
	file, f := executable.Find(t.Args[0], t.Env)
	if f == nil {
		f = notOurs(file)
	}
	if f != nil {
		return "", imageFailure(f)
	}
	return file, nil
}

// notOurs refuses a path through the magic links of /proc, which lead to files
// outside of the image: until the program runs, /proc/self/exe is our own
// executable. A script's interpreter is a second way there.
func notOurs(name string) *executable.Failure {
	for _, file := range []string{name, executable.Interpreter(name)} {
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
			return executable.LeadsOut(file)
		}
		// What else is wrong with the file, exec says; an old kernel cannot tell.
	}
	return nil
}

// explain says why a file could not be executed: what the image or, for another
// architecture than this machine's, the machine lacks.
func (t task) explain(file string, err error) *failure {
	f := executable.Explain(file, t.Platform, err)
	switch {
	case !f.Whole || t.Architecture == runtime.GOARCH:
		return imageFailure(f)
	case f.Errno == syscall.ENOENT:
		return &failure{
			Blame: blamePlatform, Errno: f.Errno,
			Text: "the emulator registered for " + t.Platform + " is not to be found inside an image",
			Help: "register it with the F flag, as Debian's qemu-user-static does",
		}
	}
	return &failure{
		Blame: blamePlatform, Errno: f.Errno,
		Text: "no emulator is registered for " + t.Platform,
		Help: "install qemu-user-static (Debian, Ubuntu), or run docker run --privileged --rm tonistiigi/binfmt --install all",
	}
}

// imageFailure makes a failure of the image.
func imageFailure(f *executable.Failure) *failure {
	return &failure{Blame: blameImage, Text: f.Reason, Help: f.Help, Errno: f.Errno}
}
