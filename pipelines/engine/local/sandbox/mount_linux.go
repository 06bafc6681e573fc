package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// The host's files that a program in the host's network shares.
var networkFiles = []string{"/etc/hosts", "/etc/resolv.conf"}

// mount makes the image's root file system this process's own root, with what a
// container has mounted in it. Paths inside the root hold no symbolic links, and
// nobody else writes there.
func (t task) mount(note func(string) error) error {
	// Nothing that is mounted here shows up outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return failed("making mounts private", err)
	}
	if err := bind(t.Rootfs, t.Rootfs); err != nil {
		return failed("mounting the root file system", err)
	}
	if err := t.mountProc(note); err != nil {
		return err
	}
	if err := t.mountDev(); err != nil {
		return err
	}
	for _, dir := range t.Writable {
		if err := t.mountWritable(dir); err != nil {
			return err
		}
	}
	if t.HostNetwork {
		for _, file := range networkFiles {
			if err := t.share(file); err != nil {
				return failed("sharing the host's "+file, err)
			}
		}
	}
	if err := restrict(t.Rootfs, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV); err != nil {
		return failed("making the root file system read-only", err)
	}
	return t.pivot()
}

// pivot makes the root file system the root, and lets go of the host's. Both are
// stacked at the same place for a moment, so that no directory is needed for the
// old one (pivot_root(2), "pivot_root(".", ".")").
func (t task) pivot() error {
	if err := os.Chdir(t.Rootfs); err != nil {
		return failed("entering the root file system", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return failed("changing the root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return failed("letting go of the host's root", err)
	}
	if err := os.Chdir("/"); err != nil {
		return failed("entering the new root", err)
	}
	return nil
}

// The parts of /proc that tell of or change the whole machine, as container
// runtimes treat them (moby, oci/defaults.go): a program that runs as the real
// root could write to them even without any capability.
var (
	procMasked = []string{
		"acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats",
		"sched_debug", "scsi",
	}
	procReadOnly = []string{"bus", "fs", "irq", "sys", "sysrq-trigger"}
)

// mountProc mounts the process namespace's own /proc. The kernel refuses it where
// the caller's own /proc is covered in part, as in most containers.
func (t task) mountProc(note func(string) error) error {
	proc := path.Join(t.Rootfs, "proc")
	err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if errors.Is(err, unix.EPERM) {
		return note("the kernel refuses a /proc of its own here, so programs find /proc empty")
	}
	if err != nil {
		return failed("mounting /proc", err)
	}
	for _, name := range procMasked {
		if err := mask(path.Join(proc, name)); err != nil {
			return failed("covering /proc/"+name, err)
		}
	}
	for _, name := range procReadOnly {
		dir := path.Join(proc, name)
		err := bind(dir, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = restrict(dir, unix.MS_RDONLY)
		}
		if err != nil {
			return failed("making /proc/"+name+" read-only", err)
		}
	}
	return nil
}

// mask puts nothing in place of a file or directory, if there is one.
func mask(name string) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return unix.Mount("tmpfs", name, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=555")
	}
	return bind(os.DevNull, name)
}

// mountDev makes a /dev with the host's harmless devices (runtime-spec,
// config-linux.md, "Default Devices", without the terminals).
func (t task) mountDev() error {
	dev := path.Join(t.Rootfs, "dev")
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755"); err != nil {
		return failed("mounting /dev", err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := bindDevice("/dev/"+name, path.Join(dev, name)); err != nil {
			return failed("lending /dev/"+name, err)
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, path.Join(dev, name)); err != nil {
			return failed("linking /dev/"+name, err)
		}
	}
	shm := path.Join(dev, "shm")
	if err := os.Mkdir(shm, 0o755); err != nil {
		return failed("making /dev/shm", err)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("shm", shm, "tmpfs", flags, "mode=1777,size=64m"); err != nil {
		return failed("mounting /dev/shm", err)
	}
	if err := restrict(dev, unix.MS_RDONLY); err != nil {
		return failed("making /dev read-only", err)
	}
	return nil
}

// bindDevice lends a device of the host, if the host has it.
func bindDevice(device, name string) error {
	info, err := os.Stat(device)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeCharDevice == 0 {
		return fmt.Errorf("%s is no character device", device)
	}
	if err := os.WriteFile(name, nil, 0o666); err != nil {
		return err
	}
	return bind(device, name)
}

// mountWritable puts a file system in memory over a directory, and what the image
// has in the directory into it.
func (t task) mountWritable(dir string) (err error) {
	name := filepath.Join(t.Rootfs, dir)
	image, err := os.OpenRoot(name)
	if err != nil {
		return failed("opening "+dir, err)
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	if err := unix.Mount("tmpfs", name, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return failed("mounting a writable "+dir, err)
	}
	fresh, err := os.OpenRoot(name)
	if err != nil {
		return failed("opening "+dir, err)
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	if err := copyTree(image, fresh); err != nil {
		return &failure{Blame: blameMachine, Text: fmt.Sprintf("filling the writable %s: %v", dir, err)}
	}
	return nil
}

// copyTree copies files with their owners, modes and times.
func copyTree(from, to *os.Root) error {
	return fs.WalkDir(from.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case name == ".":
		case d.IsDir():
			err = to.Mkdir(name, 0o700)
		case d.Type() == fs.ModeSymlink:
			err = copyLink(from, to, name)
		default:
			err = copyFile(from, to, name)
		}
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		if err := to.Lchown(name, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			return nil
		}
		if err := to.Chmod(name, info.Mode()&^fs.ModeType); err != nil {
			return err
		}
		return to.Chtimes(name, info.ModTime(), info.ModTime())
	})
}

func copyLink(from, to *os.Root, name string) error {
	target, err := from.Readlink(name)
	if err != nil {
		return err
	}
	return to.Symlink(target, name)
}

func copyFile(from, to *os.Root, name string) (err error) {
	r, err := from.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	_, err = io.Copy(w, r)
	return err
}

// share shows the host's file at the same place inside, read-only, if the host
// has it.
func (t task) share(file string) error {
	name := filepath.Join(t.Rootfs, file)
	err := bind(file, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return restrict(name, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
}

// bind shows a file or directory at a second place.
func bind(from, at string) error { return unix.Mount(from, at, "", unix.MS_BIND, "") }

// restrict adds flags to a mount. It names those that the mount has already: in a
// user namespace, the kernel does not let a flag that came from outside be
// dropped (mount_namespaces(7)), and dropping is what leaving it out would mean.
func restrict(name string, flags uintptr) error {
	var now unix.Statfs_t
	if err := unix.Statfs(name, &now); err != nil {
		return err
	}
	// Flags has a type of its own on each architecture.
	for of, flag := range map[int64]uintptr{
		unix.ST_RDONLY: unix.MS_RDONLY, unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV,
		unix.ST_NOEXEC: unix.MS_NOEXEC, unix.ST_NOATIME: unix.MS_NOATIME,
		unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME,
	} {
		if int64(now.Flags)&of != 0 {
			flags |= flag
		}
	}
	return unix.Mount("", name, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "")
}
