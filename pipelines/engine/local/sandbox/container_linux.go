package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// hostname is what every program finds as its host's name.
const hostname = "slipway"

// Container is an unpacked image, which can be run any number of times, also at
// the same time. It is a smoke.Runner.
type Container struct {
	dir    string // holds the root file system and is removed by Close
	config v1.Config
	user   user
	stop   process.Signal
	task   task // what all runs have in common
	note   func(string)

	mu      sync.Mutex
	closed  bool
	running map[*execution]bool
}

var _ smoke.Runner = (*Container)(nil)

// New unpacks an image. The caller closes the container. It fails with a
// *smoke.NotRunnableError where the folder for it does not allow programs to be
// executed, or the image is not for Linux.
func New(ctx context.Context, img v1.Image, opts Options) (*Container, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("image's config: %w", err)
	}
	name := platform.String(v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant})
	if config.OS != "linux" {
		return nil, &smoke.NotRunnableError{Reason: fmt.Sprintf("the image is for %q, and this is Linux", name)}
	}
	c := &Container{config: config.Config, running: map[*execution]bool{}}
	if c.stop, err = process.StopSignal(c.config); err != nil {
		return nil, err
	}
	if c.dir, err = tempDir(opts.TempDir); err != nil {
		return nil, err
	}
	c.task = task{Dir: process.Workdir(c.config), Platform: name, Architecture: config.Architecture}
	if opts.Note != nil {
		var once sync.Once // all the runs of a container lack the same
		c.note = func(text string) { once.Do(func() { opts.Note(text) }) }
	}
	if err := c.unpack(ctx, img); err != nil {
		return nil, errors.Join(fmt.Errorf("unpacking the image: %w", err), removeAll(c.dir))
	}
	return c, nil
}

// tempDir makes a folder in which programs may be executed.
func tempDir(in string) (string, error) {
	if in == "" {
		in = os.TempDir()
	}
	in, err := filepath.Abs(in)
	if err != nil {
		return "", err
	}
	var info unix.Statfs_t
	if err := unix.Statfs(in, &info); err != nil {
		return "", &fs.PathError{Op: "statfs", Path: in, Err: err}
	}
	if info.Flags&unix.ST_NOEXEC != 0 {
		return "", &smoke.NotRunnableError{
			Reason: fmt.Sprintf("the folder for temporary files, %s, is on a file system that is mounted noexec, so an image unpacked there cannot run", in),
			Help:   "choose another folder for temporary files",
		}
	}
	return os.MkdirTemp(in, "slipway-sandbox-")
}

// topDir is FS_TOPDIR_FL of linux/fs.h, the attribute T of chattr(1).
const topDir = 0x20000

// spread asks the file system to put what is made in a directory away from what
// lies around it. Where ext4 has no journal, it does not take a file's number
// again for a minute or more after the file went, and looks at each of those
// numbers nearby for every file that it makes (fs/ext4/ialloc.c, find_inode_bit):
// after some containers were closed, the next one's files would take twenty times
// as long. It is a hint, and most file systems do not know it.
func spread(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	fd := int(f.Fd())
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|topDir))
	}
}

// unpack makes the image's root file system, and reads from it what the config
// refers to.
func (c *Container) unpack(ctx context.Context, img v1.Image) (err error) {
	spread(c.dir)
	if c.task.Rootfs, err = os.MkdirTemp(c.dir, "rootfs-"); err != nil {
		return err
	}
	t, err := openTree(c.task.Rootfs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.unpack(ctx, img); err != nil {
		return err
	}
	if c.user, err = lookup(t, c.config.User); err != nil {
		return err
	}
	if c.task.OneID, err = oneID(c.user, t.attrs); err != nil {
		return err
	}
	c.task.UID, c.task.GID, c.task.Groups = c.user.uid, c.user.gid, c.user.groups
	if c.task.Writable, err = furnish(t, c.config); err != nil {
		return err
	}
	return t.finish(c.user, c.task.OneID)
}

// furnish adds what a runtime puts into every container: the places to mount to,
// the working directory, the host's name. It returns the directories that are
// writable, parents first.
func furnish(t *tree, config v1.Config) ([]string, error) {
	for _, dir := range []string{"proc", "dev"} {
		// What a layer has in their place would not be seen.
		if err := t.remove(dir); err != nil {
			return nil, err
		}
		if _, err := t.mkdirAll(dir); err != nil {
			return nil, err
		}
	}
	if dir := process.Workdir(config); dir != "/proc" && !strings.HasPrefix(dir, "/proc/") {
		if _, err := t.mkdirAll(dir); err != nil {
			return nil, fmt.Errorf("working directory %s: %w", dir, err)
		}
	}
	etc, err := t.mkdirAll("etc")
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{
		"hosts":    "127.0.0.1\tlocalhost " + hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n",
		"hostname": hostname + "\n",
		// There is no name server. In the host's network, the host's file is shown.
		"resolv.conf": "",
	} {
		file := path.Join(etc, name)
		if err := t.write(file, strings.NewReader(content), attr{mode: 0o644, modTime: time.Unix(0, 0)}); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}

	var writable []string
	for _, volume := range slices.Sorted(maps.Keys(config.Volumes)) {
		dir, err := t.mkdirAll(volume)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", volume, err)
		}
		switch first, _, _ := strings.Cut(dir, "/"); first {
		case ".", "proc", "dev":
			return nil, fmt.Errorf("volume %s: the image's config may not declare a volume there", volume)
		}
		writable = append(writable, dir)
	}
	tmp, err := t.resolve("tmp", true)
	if err != nil {
		return nil, err
	}
	if info, err := t.root.Stat(tmp); err == nil && info.IsDir() {
		writable = append(writable, tmp)
	}
	for i := range writable {
		writable[i] = "/" + writable[i]
	}
	slices.Sort(writable)
	return slices.Compact(writable), nil
}

// Run runs the image's program until it ends. See smoke.Runner. It fails with a
// *process.StartError where the image is at fault, and with a *smoke.NotRunnableError
// where image and machine do not fit.
func (c *Container) Run(ctx context.Context, p smoke.Process) (smoke.Exit, error) {
	running, err := c.start(ctx, p)
	if err != nil {
		return smoke.Exit{}, err
	}
	<-running.done
	return running.exit, running.err
}

// Serve starts the image's program and returns while it runs. See smoke.Runner;
// the errors are those of Run. The program is killed when ctx ends.
func (c *Container) Serve(ctx context.Context, p smoke.Process) (smoke.Service, error) {
	running, err := c.start(ctx, p)
	if err != nil {
		return nil, err
	}
	return service{running, c.stop}, nil
}

// errClosed says that a container was closed while its program ran.
var errClosed = errors.New("the container was closed")

// start starts the image's program and returns when it runs.
func (c *Container) start(ctx context.Context, p smoke.Process) (*execution, error) {
	t := c.task
	t.HostNetwork = p.HostNetwork
	var err error
	if t.Args, err = process.Arguments(c.config, p); err != nil {
		return nil, err
	}
	if t.Env, err = process.Environment(c.config, p, "HOSTNAME="+hostname, "HOME="+c.user.home); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	running, err := c.launch(t, p.Stdin)
	if err != nil {
		return nil, err
	}
	if err := running.await(ctx); err != nil {
		return nil, err
	}
	return running, nil
}

// launch launches a process that Close knows of.
func (c *Container) launch(t task, stdin string) (*execution, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	p, err := launch(t, stdin, c.note)
	if err != nil {
		return nil, err
	}
	c.running[p] = true
	go func() {
		<-p.done
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.running, p)
	}()
	return p, nil
}

// Close kills what still runs and removes the unpacked image. Programs that were
// running end with an error that says so.
func (c *Container) Close() error {
	c.mu.Lock()
	c.closed = true
	running := slices.Collect(maps.Keys(c.running))
	c.mu.Unlock()
	for _, p := range running {
		p.kill(errClosed)
	}
	for _, p := range running {
		<-p.done
	}
	return removeAll(c.dir)
}
