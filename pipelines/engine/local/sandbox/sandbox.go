// Package sandbox runs an OCI image on Linux with nothing but the kernel:
// no daemon, no helper program, and no privilege where the machine lets an
// ordinary user make namespaces.
//
// New unpacks an image's layers into a directory of its own. Each Run or Serve
// starts the image's program there in fresh namespaces: it is process 1, has
// the image's user, environment and working directory, sees the image's files
// read-only with /tmp (where the image has one) and the declared volumes
// writable, and has a loopback device and nothing else for a network.
//
// # How a program is started
//
// The running executable starts itself again, twice. The first child, the
// supervisor, has its own user and network namespace; it lends its view of the
// network to the parent, passes signals on, and ends everything when its parent
// goes. The second, process 1 of a new process namespace, mounts what a
// container has, gives up every privilege and becomes the image's program.
// Because this happens in the package's init function, every program that
// imports the package can run images, tests included.
//
// # Where it differs from a container runtime
//
// As root, owners and modes of files are the image's. An ordinary user owns one
// numeric id only, which is mapped to the image's user, so that every file
// belongs to that user; what the image's user may do with each file is kept,
// because those permissions are put in the owner's place. Supplementary groups
// exist as root only. Extended attributes of layers (file capabilities) are
// left out; they would have no effect, since no program gains privileges here.
// There is no /sys and no terminal, no limit on memory or processes, and no
// filter of system calls: the sandbox keeps a program's surroundings honest, it
// is no defence against a hostile one.
package sandbox

// Options says how images are unpacked and run. The zero value will do.
type Options struct {
	// TempDir is the folder in which images are unpacked; it must allow programs
	// to be executed. Empty means os.TempDir().
	TempDir string
	// Note, where it is set, gets one line of text for each thing that a sandbox
	// has to do without on this machine. It may be called from many goroutines.
	Note func(text string)
}
