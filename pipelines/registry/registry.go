// Package registry pushes images to a registry by digest, and reads them back.
//
// Push sends blobs and manifests under their digests, reads everything back, and
// only then moves tags: whatever fails before leaves no tag behind. DryRun says
// what Push would do and writes nothing. Fetch and Base read images.
//
// The protocol is that of the OCI distribution specification; requests go
// through go-containerregistry.
package registry

import (
	"context"
	"net"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/slipway-dev/slipway/pipelines/report"
)

// Options says how to talk to a registry. The zero value talks TLS with the
// system's authorities (plain HTTP with a loopback address) and logs in nowhere.
//
// Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY and so on), as
// net/http does it.
type Options struct {
	// Username and Password log in, and come before Keychain. They are given both
	// or not at all.
	Username, Password string
	// Host is the registry that Username and Password are for, like "ghcr.io"; they
	// are never shown to another one, which gets what Keychain has. Empty is any
	// registry.
	Host string
	// Keychain finds credentials where there is no Username; see Keychain for the
	// usual one. Nil means none.
	Keychain authn.Keychain
	// Secret is told what logs in before it is used, so that a log can mask it: each
	// password and token, and the forms that it has on the wire. Nil tells nobody.
	Secret func(secret string)
	// PlainHTTP permits plain HTTP, which shows passwords to everybody on the way.
	// TLS is still tried first. Loopback addresses (localhost, *.localhost,
	// 127.0.0.0/8, ::1) may speak plain HTTP without it.
	PlainHTTP bool
	// CA is PEM with certificate authorities to trust beside the system's; at least
	// one certificate where it is not empty.
	CA []byte
	// MountFrom names repositories of the same registry, in full, whose blobs may
	// be mounted instead of sent.
	MountFrom []string
	// Known remembers from push to push where blobs are, so that they can be
	// mounted. It may be nil.
	Known *Known
	// Jobs is how many requests may be under way at once; 4 if it is not positive.
	Jobs int
	// UserAgent goes before the libraries' own, like "slipway/1.2.3".
	UserAgent string
	// Timeout is how long the registry may take to answer for the first time,
	// log-in included; 15 seconds if it is not positive. Later requests have longer,
	// since a registry may take a while to store a large blob.
	Timeout time.Duration
	// Progress is told about the steps "push", "verify" and "tag".
	Progress report.Sink
	// Image names the image in Progress; it may be empty.
	Image string

	// Dial connects to an address, where the usual way does not: to a registry that
	// has another address here than in its references, for one. No proxy is asked
	// then. Nil is the usual way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultJobs    = 4
	defaultTimeout = 15 * time.Second
)

func (o Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return defaultJobs
}

func (o Options) timeout() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return defaultTimeout
}
