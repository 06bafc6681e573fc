package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/platform"
)

// room is a contender's own place: a copy of the source, caches that nobody else
// warms, and what it makes. Only Go's module cache is everybody's.
type room struct {
	contender
	dir string
	// size is that of the image for the first platform: its compressed layers, in
	// bytes. 0 where no image is written.
	size int64
}

func (r room) source() string  { return filepath.Join(r.dir, "source") }
func (r room) out() string     { return filepath.Join(r.dir, "out") }
func (r room) cache() string   { return filepath.Join(r.dir, "cache") }
func (r room) goCache() string { return filepath.Join(r.dir, "gocache") }

func (r room) binary(p v1.Platform) string {
	return filepath.Join(r.out(), strings.ReplaceAll(platform.String(p), "/", "-"))
}

// env is this process's environment without what would make the contenders
// differ from one another, or from what is described.
func (r room) env() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "SOURCE_DATE_EPOCH" || strings.HasPrefix(name, "DAGGER_SESSION_") || strings.HasPrefix(name, "KO") || strings.HasPrefix(name, "SLIPWAY_")
	})
	return append(env, "PWD="+r.source(), "GOFLAGS=", "GOWORK=off", "GOCACHE="+r.goCache(), "SLIPWAY_CACHE_DIR="+r.cache())
}

// furnish makes a room for each contender and runs each once, so that all caches
// are warm and it is known that all of them work.
func furnish(ctx context.Context, contenders []contender, source, work string, progress io.Writer) ([]room, error) {
	var rooms []room
	for i, c := range contenders {
		r := room{contender: c, dir: filepath.Join(work, fmt.Sprint("room-", i))}
		fmt.Fprintf(progress, "warm up: %s\n", c.Name)
		if err := os.CopyFS(r.source(), os.DirFS(source)); err != nil {
			return nil, err
		}
		if i > 0 && !c.remote { // compiled once and copied: a build cache names no folder
			if err := os.CopyFS(r.goCache(), os.DirFS(rooms[0].goCache())); err != nil {
				return nil, err
			}
		}
		stdout, _, err := c.run(ctx, r)
		if err != nil {
			return nil, err
		}
		if r.size, err = r.check(ctx, stdout); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		rooms = append(rooms, r)
	}
	return rooms, nil
}

// edit appends one line to main.go. The compiler cannot leave it out, so that the
// binary is another one, and it changes nothing that the program does.
func (r room) edit(text string) error {
	f, err := os.OpenFile(filepath.Join(r.source(), "main.go"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, editedLine(text))
	return errors.Join(err, f.Close())
}

func editedLine(text string) string {
	return fmt.Sprintf("\nfunc init() { if recover() != nil { println(%q) } }\n", text)
}

// forget removes what the contender made and what it keeps between builds.
func (r room) forget() error {
	return errors.Join(os.RemoveAll(r.out()), os.RemoveAll(r.cache()))
}

// forgetAll forgets, and empties Go's build cache.
func (r room) forgetAll() error { return errors.Join(r.forget(), os.RemoveAll(r.goCache())) }

var digest = regexp.MustCompile(`sha256:[0-9a-f]{64}\s*$`)

// result identifies what a run made: an image's digest, which its contender
// prints, or a hash of the binaries.
func (r room) result(stdout string) (string, error) {
	switch r.makes {
	case nothing:
		return stdout, nil
	case images, published:
		if d := digest.FindString(stdout); d != "" {
			return strings.TrimSpace(d), nil
		}
		return "", fmt.Errorf("no digest at the end of its output: %q", stdout)
	}
	h := sha256.New()
	for _, p := range platforms {
		data, err := os.ReadFile(r.binary(p))
		if err != nil {
			return "", err
		}
		h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// check looks whether the contender made what it should: a static binary, or an
// image in the layout or the registry, for each platform. It returns the room's
// size.
func (r room) check(ctx context.Context, stdout string) (int64, error) {
	result, err := r.result(stdout)
	if err != nil {
		return 0, err
	}
	var index v1.ImageIndex
	switch r.makes {
	case nothing:
		return 0, nil
	case binaries:
		for _, p := range platforms {
			err = errors.Join(err, engine.CheckStatic(r.binary(p), p))
		}
		return 0, err
	case published:
		ref, err := name.ParseReference(strings.TrimSpace(stdout))
		if err != nil {
			return 0, err
		}
		if index, err = remote.Index(ref, remote.WithContext(ctx)); err != nil {
			return 0, err
		}
	case images:
		if _, err := os.Stat(r.out()); errors.Is(err, fs.ErrNotExist) {
			return 0, nil // it writes none
		}
		hash, err := v1.NewHash(result)
		if err != nil {
			return 0, err
		}
		root, err := layout.ImageIndexFromPath(r.out())
		if err != nil {
			return 0, err
		}
		if index, err = root.ImageIndex(hash); err != nil {
			return 0, err
		}
	}
	var total int64
	for _, want := range slices.Backward(platforms) {
		if total, err = layersOf(index, want); err != nil {
			return 0, fmt.Errorf("%s in %s: %w", platform.String(want), result, err)
		}
	}
	return total, nil
}

// layersOf adds up the compressed layers of an index's image.
func layersOf(index v1.ImageIndex, want v1.Platform) (int64, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(manifest.Manifests, func(d v1.Descriptor) bool { return d.Platform != nil && d.Platform.Equals(want) })
	if i < 0 {
		return 0, errors.New("there is no such image")
	}
	img, err := index.Image(manifest.Manifests[i].Digest)
	if err != nil {
		return 0, err
	}
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	var total int64
	for _, layer := range m.Layers {
		total += layer.Size
	}
	return total, nil
}
