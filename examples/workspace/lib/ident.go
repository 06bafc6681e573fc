// Package lib gives names an id that is the same everywhere.
package lib

import "github.com/google/uuid"

// ID returns the UUID of a domain name (RFC 9562, version 5 in the name space
// of DNS): the same name has the same id on every machine.
func ID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)).String()
}
