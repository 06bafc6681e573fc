package dagger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/engine/dagger/internal/supervise/wire"
	"github.com/slipway-dev/slipway/pipelines/engine/process"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// Where the supervisor stands in an image's container, on top of its files.
const (
	supervisorPath = "/.slipway/supervise"
	socketPath     = "/.slipway/socket"
)

// container is an image that stands in the engine.
type container struct {
	base     *sdk.Container // the image, with the supervisor mounted
	client   *sdk.Client
	config   v1.Config
	platform string
	stop     process.Signal
	sockets  string // the folder of the sockets on which the supervisors call

	mu      sync.Mutex
	closed  bool
	last    int // number of the last socket
	running map[*execution]bool
}

// Load imports an image into the engine, and compiles the supervisor for it.
//
// The image's program runs under the image's user, environment and working
// directory, as the child of a supervisor that is process 1, and everything that
// it started ends with it. It differs from what the local engine gives in what a
// Dagger engine does not do: the root file system is writable (each run has its
// own), the network reaches outside, and the program is not process 1, so that a
// signal that it does not handle ends it. The root directory has a .slipway with
// the supervisor and its socket, and the engine's own certificate authorities may
// have been added to the image's.
//
// The emulators are those of the engine's machine: where it has none for the
// image's platform, running it fails with a *smoke.NotRunnableError. Where the
// image is at fault, the error is a *process.StartError.
func (e *Engine) Load(ctx context.Context, img v1.Image) (_ engine.Container, err error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("image's config: %w", err)
	}
	p := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	c := &container{client: e.client, config: config.Config, platform: platform.String(p), running: map[*execution]bool{}}
	if config.OS != "linux" {
		return nil, &smoke.NotRunnableError{Reason: fmt.Sprintf("the image is for %q, and a Dagger engine runs those for Linux", c.platform)}
	}
	if c.stop, err = process.StopSignal(c.config); err != nil {
		return nil, err
	}
	if c.sockets, err = socketDir(e.opts.TempDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(c.sockets))
		}
	}()

	var supervisor *sdk.File
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		c.base, err = e.load(groupCtx, img, p)
		if err == nil {
			err = c.checkUser(groupCtx)
		}
		if err == nil {
			err = c.furnish(groupCtx)
		}
		return err
	})
	group.Go(func() (err error) {
		supervisor, err = e.supervisor(groupCtx, p)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	c.base = c.base.WithWorkdir("/").WithMountedFile(supervisorPath, supervisor)
	return c, nil
}

// load imports an image as it is.
func (e *Engine) load(ctx context.Context, img v1.Image, p v1.Platform) (_ *sdk.Container, err error) {
	idx, err := image.Single(img)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(e.opts.TempDir, "slipway-image-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	archive := image.Output{Transport: image.TransportOCIArchive, Path: filepath.Join(dir, "image.tar")}
	if err := image.Write(ctx, idx, archive, p); err != nil {
		return nil, err
	}
	c, err := e.client.Container(sdk.ContainerOpts{Platform: sdk.Platform(platform.String(p))}).
		Import(e.client.Host().File(archive.Path)).Sync(ctx)
	if err != nil {
		return nil, plain(ctx, "importing the image", err)
	}
	return c, nil
}

// furnish adds what container runtimes make where the image does not have it:
// the working directory and the volumes, which are root's and empty.
func (c *container) furnish(ctx context.Context) error {
	for _, dir := range append(slices.Sorted(maps.Keys(c.config.Volumes)), c.config.WorkingDir) {
		dir = path.Clean("/" + dir)
		if dir == "/" {
			continue
		}
		there, err := c.base.Exists(ctx, dir)
		if err != nil {
			return plain(ctx, "looking for "+dir+" in the image", err)
		}
		if !there {
			c.base = c.base.WithMountedDirectory(dir, c.client.Directory())
		}
	}
	return nil
}

// maxSocketDir is what a folder's path may have, in bytes, so that the socket in
// it has an address: the shortest limit is macOS's, 103 (sys/un.h).
const maxSocketDir = 103 - len("/123456789")

// socketDir makes a folder for sockets, elsewhere than in one whose path is too long.
func socketDir(in string) (string, error) {
	const pattern = "slipway-run-"
	dir, err := os.MkdirTemp(in, pattern)
	if err != nil || len(dir) <= maxSocketDir {
		return dir, err
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	return os.MkdirTemp("", pattern)
}

// Run runs the image's program until it ends. See smoke.Runner.
func (c *container) Run(ctx context.Context, p smoke.Process) (smoke.Exit, error) {
	running, err := c.start(ctx, p)
	if err != nil {
		return smoke.Exit{}, err
	}
	<-running.done
	return running.exit, running.err
}

// Serve starts the image's program and returns while it runs. See smoke.Runner.
// The program is killed when ctx ends.
func (c *container) Serve(ctx context.Context, p smoke.Process) (smoke.Service, error) {
	running, err := c.start(ctx, p)
	if err != nil {
		return nil, err
	}
	return service{running, c.stop}, nil
}

// errClosed says that a container was closed while its program ran.
var errClosed = errors.New("the container was closed")

// start starts the image's program and returns when it runs.
func (c *container) start(ctx context.Context, p smoke.Process) (*execution, error) {
	if p.HostNetwork {
		return nil, &smoke.NotRunnableError{
			Reason: "a Dagger engine does not let a program use the host's network", Help: "use --engine local",
		}
	}
	t := wire.Task{
		Dir: process.Workdir(c.config), User: c.config.User, Platform: c.platform,
		Stdin: []byte(p.Stdin), MaxOutput: smoke.MaxOutput,
	}
	var err error
	if t.Args, err = process.Arguments(c.config, p); err != nil {
		return nil, err
	}
	if t.Env, err = process.Environment(c.config, p); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	running, err := c.launch(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := running.await(ctx); err != nil {
		return nil, err
	}
	return running, nil
}

// launch launches a process that Close knows of.
func (c *container) launch(ctx context.Context, t wire.Task) (*execution, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	c.last++
	socket := filepath.Join(c.sockets, fmt.Sprint(c.last))
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("a socket for the engine: %w", err)
	}
	// The word makes this run another one for the engine's cache.
	exec := c.base.
		WithUnixSocket(socketPath, c.client.Host().UnixSocket(socket), sdk.ContainerWithUnixSocketOpts{Owner: owner(c.config)}).
		WithExec([]string{supervisorPath, socketPath, rand.Text()}, sdk.ContainerWithExecOpts{Expect: sdk.ReturnTypeAny, NoInit: true})
	p := launch(ctx, func(ctx context.Context) (code int, said string, err error) {
		code, err = exec.ExitCode(ctx)
		if err == nil && code != 0 {
			said, err = exec.Stderr(ctx)
		}
		return code, said, err
	}, listener, t)
	c.running[p] = true
	go func() {
		<-p.gone
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.running, p)
	}()
	return p, nil
}

// owner is who may connect to the socket: the image's user, alone.
func owner(config v1.Config) string {
	name, _, _ := strings.Cut(config.User, ":")
	if name == "" {
		return ""
	}
	return name + ":0"
}

// Close kills what still runs, waits until the engine has ended it, and removes
// the sockets. Programs that were running end with an error that says so.
func (c *container) Close() error {
	c.mu.Lock()
	c.closed = true
	running := slices.Collect(maps.Keys(c.running))
	c.mu.Unlock()
	for _, p := range running {
		p.close()
	}
	for _, p := range running {
		<-p.gone
	}
	return os.RemoveAll(c.sockets)
}
