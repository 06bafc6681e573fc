package registrytest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

const (
	// debianProgram is the registry as Debian packages it.
	debianProgram = "docker-registry"
	// sourcePackage is the registry's main package, at the release that the
	// module in internal/tools pins.
	sourcePackage = "github.com/distribution/distribution/v3/cmd/registry"
	toolsModule   = "internal/tools"
)

// program returns the path of a registry's program: Debian's, or the one that is
// built from source.
func program(fromSource bool) (string, error) {
	if !fromSource {
		if path, err := exec.LookPath(debianProgram); err == nil {
			return path, nil
		}
	}
	return build()
}

// build compiles the registry once and keeps it in the user's cache folder,
// named by everything that it is made of. The lock makes other test processes
// wait for the one that builds.
func build() (string, error) {
	tools, err := findTools()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder to keep the registry in: %w", err)
	}
	dir := filepath.Join(cache, "slipway", "tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	key, err := buildKey(tools)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "registry-"+key)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}

	unlock, err := lockedfile.MutexAt(filepath.Join(dir, "registry.lock")).Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	partial := path + ".partial"
	cmd := exec.Command("go", "build", "-C", tools, "-trimpath", "-o", partial, sourcePackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", sourcePackage, err, out)
	}
	return path, os.Rename(partial, path)
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

// buildKey hashes what decides the program: the pinned modules and the platform.
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
