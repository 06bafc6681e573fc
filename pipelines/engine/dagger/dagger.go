// Package dagger is the engine that compiles and runs images on a Dagger
// engine, local or remote, through dagger.io/dagger. It works in a program that
// called dagger.Connect and in a module's function alike.
package dagger

import (
	"strings"
	"sync/atomic"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/pipelines/engine"
)

// Version is the release of Dagger that this package is made for: that of the
// engine, of its command line and of dagger.io/dagger.
const Version = "0.21.8"

// Options say where the engine compiles and what its builder may use.
type Options struct {
	// Builder is the image that compiles: a repository, which gets the Go release
	// as its tag, or a whole reference, by tag or by digest, whose Go release has
	// to be the one that the source names. Empty is DefaultImage().
	Builder string
	// Username and Password log in at the builder image's registry. Without them
	// the engine takes what docker login stored where the client runs.
	Username string
	Password *sdk.Secret
	// Tree is the source where the engine has it already, as a module's function
	// does; nil uploads it from this machine.
	Tree *Tree
	// Exclude are patterns of what the builder does not need, beside .git and the
	// .slipway of the source's root; they are those of Dagger's directories.
	// Gitignore leaves out what the source's .gitignore files name.
	Exclude   []string
	Gitignore bool
	// Settings are variables of the go command that say where modules come from,
	// NAME=value: GOPROXY, GOPRIVATE, GONOSUMDB and the like. Others are left out, and
	// of GOFLAGS it is said: what a build gives is the plan's. GOAUTH, and a value
	// that may hold a password (GOPROXY's URLs), are passed as secrets.
	Settings []string
	// Netrc holds the credentials for module proxies and for git over HTTPS.
	Netrc *sdk.Secret
	// Token lets git log in, over HTTPS, at the hosts of GOPRIVATE.
	Token *sdk.Secret
	// SSH is an agent's socket; git then takes SSH for the hosts of GOPRIVATE.
	SSH *sdk.Socket
	// CA is PEM with certificate authorities that the builder trusts beside its
	// image's.
	CA []byte
	// Jobs bounds how many targets are compiled at once; 0 leaves it to the engine.
	Jobs int
	// TempDir is where binaries and images stand for a while; empty is os.TempDir.
	TempDir string
}

// Tree is a source that stands in the Dagger engine.
type Tree struct {
	// Directory is the tree.
	Directory *sdk.Directory
	// At is the folder of this machine that holds a copy of it, which the plan was
	// made from. Absolute.
	At string
}

// Engine is a Dagger engine.
type Engine struct {
	client *sdk.Client
	opts   Options
	// resolved is the builder image of the last source, by digest: an image that
	// compiled is at hand for other work.
	resolved atomic.Pointer[string]
	// volumes begins the names of the cache volumes.
	volumes string
	// hidden takes passwords of the settings out of what is shown.
	hidden *strings.Replacer
}

var _ engine.Engine = (*Engine)(nil)

// New returns an engine on a client's session, which stays the caller's to close.
func New(client *sdk.Client, opts Options) *Engine {
	return &Engine{client: client, opts: opts, volumes: "slipway", hidden: hiding(opts.Settings)}
}

// Name is "dagger".
func (*Engine) Name() string { return "dagger" }
