// Package toolstest builds the programs that the module in internal/tools pins,
// for tests that need a real part which this machine does not have.
package toolstest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// toolsModule is where the programs are pinned, from the top of the tree.
const toolsModule = "internal/tools"

// Program compiles a main package once and returns the path of the program. It
// stays in the user's cache folder, named by everything that it is made of. The
// lock makes other test processes wait for the one that builds.
func Program(mainPackage string) (string, error) {
	tools, err := findTools()
	if err != nil {
		return "", err
	}
	name := path.Base(mainPackage)
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder to keep %s in: %w", name, err)
	}
	dir := filepath.Join(cache, "slipway", "tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	key, err := buildKey(tools)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, name+"-"+key)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}

	unlock, err := lockedfile.MutexAt(filepath.Join(dir, name+".lock")).Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	partial := program + ".partial"
	cmd := exec.Command("go", "build", "-C", tools, "-trimpath", "-o", partial, mainPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", mainPackage, err, out)
	}
	return program, os.Rename(partial, program)
}

// findTools looks for internal/tools above the folder that the test runs in,
// which is its package's.
func findTools() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		tools := filepath.Join(dir, filepath.FromSlash(toolsModule))
		if _, err := os.Stat(filepath.Join(tools, "go.mod")); err == nil {
			return tools, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %s above %s", toolsModule, start)
		}
	}
}

// buildKey hashes what decides the programs: the pinned modules and the platform.
func buildKey(tools string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.GOOS, runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(tools, name))
		if err != nil {
			return "", err
		}
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
