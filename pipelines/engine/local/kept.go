package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

// keptBinary is where the binary of a target is kept between builds. The go
// command does not link again where what it would write is there already, with
// the build id that says so. Flags and tags are not part of the place, so that
// what changes with every commit does not keep a binary for each.
func (e *Engine) keptBinary(src engine.Source, t engine.Target) (string, error) {
	key, err := json.Marshal([]string{src.Root, src.Module, t.Image, t.Package, platform.String(t.Platform)})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(key)
	dir := filepath.Join(e.opts.CacheDir, "binaries", hex.EncodeToString(sum[:12]))
	return filepath.Join(dir, t.Name), os.MkdirAll(dir, 0o755)
}

// lock takes a lock on a file, and gives up when ctx ends.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	type result struct {
		unlock func()
		err    error
	}
	got := make(chan result, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(file).Lock()
		got <- result{unlock, err}
	}()
	select {
	case r := <-got:
		return r.unlock, r.err
	case <-ctx.Done():
		go func() {
			if r := <-got; r.err == nil {
				r.unlock()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// The go command believes the build id in a file's header. The hash of the whole
// file beside it tells what a full disk or somebody's hand made of the rest.

// noteHash writes down what a kept binary is.
func noteHash(kept string) error {
	sum, err := hashOf(kept)
	if err != nil {
		return err
	}
	return os.WriteFile(kept+".sha256", sum, 0o644)
}

// dropDamaged removes a kept binary that is not what was written down.
func dropDamaged(kept string) error {
	want, err := os.ReadFile(kept + ".sha256")
	if err == nil {
		var have []byte
		if have, err = hashOf(kept); err == nil && bytes.Equal(want, have) {
			return nil
		}
	}
	if err := os.RemoveAll(kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func hashOf(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// link gives a file a second name, or copies it where that cannot be.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Close())
}
