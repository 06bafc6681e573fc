package registry

import (
	"context"
	"net"
)

// WithDial lets a test say where an address really is.
func (o Options) WithDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Options {
	o.dial = dial
	return o
}

// Places are the files that the keychain looks into, in their order.
func Places() []string {
	var paths []string
	for _, p := range places() {
		paths = append(paths, p.path)
	}
	return paths
}
