// Package image assembles OCI images, and is pure: the same files and the same
// config give the same bytes, hence the same digest, on every machine. It
// sorts entries, fixes modes, owners and times, and compresses with a library
// that go.sum pins, since the standard library's output may change with the Go
// release (https://go.dev/issue/23109 is one such change).
//
// A Layer is a blob in a Store on disk; nothing is held in memory, however
// large a binary is.
package image
