// Does nothing: what a call costs by itself.
package main

// Nothing does nothing.
type Nothing struct{}

// Does nothing, each time
//
// +cache="never"
func (*Nothing) Nothing() string { return "nothing" }
