// Package tools pins the programs that the tests build from source. It is a
// module of its own, so that what those programs need burdens nobody who uses
// slipway as a library.
package tools
