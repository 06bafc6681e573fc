package registrytest

import (
	"os/exec"

	"github.com/slipway-dev/slipway/internal/toolstest"
)

const (
	// debianProgram is the registry as Debian packages it.
	debianProgram = "docker-registry"
	// sourcePackage is the registry's main package, at the release that the
	// module in internal/tools pins.
	sourcePackage = "github.com/distribution/distribution/v3/cmd/registry"
)

// program returns the path of a registry's program: Debian's, or the one that is
// built from source.
func program(fromSource bool) (string, error) {
	if !fromSource {
		if path, err := exec.LookPath(debianProgram); err == nil {
			return path, nil
		}
	}
	return toolstest.Program(sourcePackage)
}
