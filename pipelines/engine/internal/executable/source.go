// Package executable finds the file that an image's command line names, and says
// why it cannot be executed, in the words of every engine: a user should not see
// which one it was. It sees what the process sees that is to become the program,
// inside of the image.
//
// Source lets others compile the package apart from its module. So it needs nothing
// beside the standard library, and a Go release may do that is older than the rest
// of the module's.
package executable

import "embed"

// Source is the package's own, beside its tests, which its readers leave out.
//
//go:embed *.go
var Source embed.FS
