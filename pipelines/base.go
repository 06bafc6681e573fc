package pipelines

import (
	"archive/tar"
	"context"
	"io/fs"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// baseImages are the images to build on, for each platform; nil is scratch.
// Their layers are read when they are wanted, under ctx.
func baseImages(ctx context.Context, ip plan.ImagePlan, o Options) ([]v1.Image, error) {
	bases := make([]v1.Image, len(ip.Platforms))
	if ip.Base == "" {
		return bases, nil
	}
	for i, pf := range ip.Platforms {
		var err error
		if bases[i], err = registry.Base(ctx, ip.Base, pf, o.Registry); err != nil {
			return nil, err
		}
	}
	return bases, nil
}

// folders are those of a base image, by path. What is put into them must leave
// their modes and owners as they are.
type folders map[string]image.File

// baseFolders lists the folders of the first base image, which stands for all of
// its platforms: the layers of files are the same on each. It is nil on scratch.
func baseFolders(bases []v1.Image) (folders, error) {
	if len(bases) == 0 || bases[0] == nil {
		return nil, nil
	}
	entries, err := image.List(bases[0])
	if err != nil {
		return nil, err
	}
	all := folders{}
	for _, e := range entries {
		name := strings.TrimPrefix(e.Path, "/")
		if e.Type == tar.TypeDir {
			all[name] = image.File{Path: name, Mode: e.Mode & (fs.ModeDir | fs.ModeSticky | fs.ModePerm), UID: e.UID, GID: e.GID}
		} else {
			delete(all, name)
		}
	}
	return all, nil
}

// keep adds to files the folders of the base that they stand in, as the base
// has them: a layer has an entry for every folder on the way.
func (f folders) keep(files []image.File) []image.File {
	if len(f) == 0 {
		return files
	}
	have := map[string]bool{}
	for _, file := range files {
		have[file.Path] = true
	}
	out := files[:len(files):len(files)]
	for _, file := range files {
		for dir := path.Dir(file.Path); dir != "."; dir = path.Dir(dir) {
			if below, ok := f[dir]; ok && !have[dir] {
				have[dir] = true
				out = append(out, below)
			}
		}
	}
	return out
}
