package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/pipelines/image"
)

// serveBase serves a base image with what slipway's own base layer holds, for
// the contenders that want one, as long as the context lives. It returns the
// image's reference.
func serveBase(ctx context.Context, t toolchain, dir string) (string, error) {
	store, err := image.NewStore(dir)
	if err != nil {
		return "", err
	}
	certificates, err := image.Certificates(image.NamedPEM{Name: "Mozilla's roots", PEM: image.Mozilla()})
	if err != nil {
		return "", err
	}
	zones, err := image.Zones(filepath.Join(t.goroot, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return "", err
	}
	user, err := image.ParseUser("nobody")
	if err != nil {
		return "", err
	}
	files := append(append(image.Base(), certificates), append(zones, image.Account(user)...)...)
	layer, err := store.Layer(ctx, "base", files, time.Unix(0, 0))
	if err != nil {
		return "", err
	}
	var images []v1.Image
	for _, p := range platforms {
		img, err := image.Assemble(image.Spec{Platform: p, Layers: []*image.Layer{layer}, Config: v1.Config{User: "65534:65534"}, Created: time.Unix(0, 0)})
		if err != nil {
			return "", err
		}
		images = append(images, img)
	}
	index, err := image.Index(images, nil)
	if err != nil {
		return "", err
	}

	host, err := serveRegistry(ctx)
	if err != nil {
		return "", err
	}
	ref, err := name.ParseReference(host + "/base:latest")
	if err != nil {
		return "", err
	}
	return ref.String(), remote.WriteIndex(ref, index, remote.WithContext(ctx))
}
