// Package testprogram is the program that the tests of the engines put into images,
// see testdata/program.
package testprogram

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Seen is what the program prints as JSON for "report": what it sees.
type Seen struct {
	UID, GID, PID int
	Groups        []int
	Args, Env     []string
	Dir, Host     string
	Stdin         string
	Descriptors   []string
	Umask         int
	Status        map[string]string // of /proc/self/status
	Files         []string          // in the root directory
}

// programs holds what was compiled, by architecture.
var programs sync.Map

// Compile compiles the program for an architecture of Linux, once in a process. The
// error is an exec.ErrNotFound where there is no go command.
func Compile(arch string) (string, error) {
	once, _ := programs.LoadOrStore(arch, sync.OnceValues(func() (string, error) { return compile(arch) }))
	return once.(func() (string, error))()
}

func compile(arch string) (string, error) {
	dir, err := os.MkdirTemp("", "program-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "app")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, "-ldflags", "-s -w",
		"github.com/slipway-dev/slipway/pipelines/engine/internal/testprogram/testdata/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	content, err := os.ReadFile(out)
	return string(content), err
}
