package dagger

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "dagger.io/dagger"

	"github.com/slipway-dev/slipway/internal/pipelinetest"
)

// lockedBuffer takes what an engine says from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// session opens a session of the test's own, or joins the one around it. Where
// the session is the test's own, said has all that the engine says.
func session(t testing.TB) (client *sdk.Client, said *lockedBuffer) {
	t.Helper()
	pipelinetest.NeedsDagger(t)
	said = &lockedBuffer{}
	// The test's context ends before its cleanups run.
	client, err := sdk.Connect(context.WithoutCancel(t.Context()), sdk.WithLogOutput(said), sdk.WithVerbosity(3))
	if err != nil {
		t.Fatalf("connect: %v\n%s", err, said)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, said
}

// options are what every engine of these tests needs on this machine.
func options(t testing.TB) Options {
	t.Helper()
	o := Options{Builder: os.Getenv("SLIPWAY_TEST_BUILDER"), TempDir: t.TempDir()}
	for _, name := range settings {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		if value := strings.TrimSpace(string(out)); value != "" {
			o.Settings = append(o.Settings, name+"="+value)
		}
	}
	return o
}

// anyToolchain is the container that compiles what wants no release in
// particular.
func anyToolchain(t testing.TB, e *Engine) *sdk.Container {
	t.Helper()
	image, err := e.image()
	if err != nil {
		t.Fatal(err)
	}
	return e.toolchain(image)
}

// fresh is text that no engine has seen yet.
func fresh() string { return fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()) }

// write writes a tree of files below a new folder of the test's.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
