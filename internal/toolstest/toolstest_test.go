package toolstest_test

import (
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/toolstest"
)

func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("no program is built from source in short mode")
	}
	var wg sync.WaitGroup
	paths := make([]string, 2)
	for i := range paths {
		wg.Go(func() {
			path, err := toolstest.Program("github.com/distribution/distribution/v3/cmd/registry")
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	wg.Wait()
	if paths[0] != paths[1] {
		t.Errorf("built twice: %q", paths)
	}
	out, err := exec.CommandContext(t.Context(), paths[0], "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "distribution") {
		t.Errorf("%s --version: %v\n%s", paths[0], err, out)
	}
}

func TestProgramThatIsNotPinned(t *testing.T) {
	_, err := toolstest.Program("example.com/none/cmd/none")
	if err == nil || !strings.Contains(err.Error(), "build example.com/none/cmd/none: ") || !strings.Contains(err.Error(), "no required module provides package") {
		t.Errorf("got %v", err)
	}
}
