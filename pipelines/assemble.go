package pipelines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/engine"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/plan"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// Binary is a compiled program in an image.
type Binary struct {
	Path   string // in the image, absolute
	Size   int64  // bytes
	SHA256 string // of its content, hexadecimal
}

// part is a layer and the files that were put into it.
type part struct {
	layer *image.Layer
	files []image.File
}

// assemble puts one image together, its platforms side by side.
func assemble(ctx context.Context, p *plan.Plan, ip plan.ImagePlan, compiled *engine.Compiled, binaries []string, o Options) (*Image, error) {
	bases, err := baseImages(ctx, ip, o)
	if err != nil {
		return nil, err
	}
	below, err := baseFolders(bases)
	if err != nil {
		return nil, err
	}
	shared, err := sharedParts(ctx, p, ip, compiled, below, o)
	if err != nil {
		return nil, err
	}
	img := &Image{Plan: ip, Variants: make([]*Variant, len(ip.Platforms))}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(o.Jobs)
	perPlatform := len(ip.Packages)
	for i, pf := range ip.Platforms {
		group.Go(func() error {
			step := o.Progress.Start("assemble", label(p, ip), platform.String(pf))
			v, size, err := assembleVariant(groupCtx, ip, pf, bases[i], below, binaries[i*perPlatform:(i+1)*perPlatform], shared, o)
			step.End(report.Bytes(size), err)
			img.Variants[i] = v
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	images := make([]v1.Image, len(img.Variants))
	for i, v := range img.Variants {
		images[i] = v.Image
	}
	if img.Index, err = image.Index(images, ip.Annotations); err != nil {
		return nil, err
	}
	img.Digest, err = img.Index.Digest()
	return img, err
}

// label names an image in progress where there are several.
func label(p *plan.Plan, ip plan.ImagePlan) string {
	if len(p.Images) > 1 {
		return ip.Name
	}
	return ""
}

// sharedParts makes the layers that are the same on every platform: the base
// layer, the same blob for every program too, and the image's own files.
func sharedParts(ctx context.Context, p *plan.Plan, ip plan.ImagePlan, compiled *engine.Compiled, below folders, o Options) ([]part, error) {
	base, err := baseFiles(p, ip, compiled)
	if err != nil {
		return nil, err
	}
	own, err := ownFiles(p, ip, below)
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, l := range []struct {
		title string
		files []image.File
	}{{"base", base}, {"files", own}} {
		if len(l.files) == 0 {
			continue
		}
		files := below.keep(l.files)
		layer, err := o.Store.Layer(ctx, l.title, files, ip.Created)
		if err != nil {
			return nil, fmt.Errorf("%s layer: %w", l.title, err)
		}
		parts = append(parts, part{layer, files})
	}
	return parts, nil
}

// baseFiles are certificates, zones, and where nothing else brings them the
// accounts.
func baseFiles(p *plan.Plan, ip plan.ImagePlan, compiled *engine.Compiled) ([]image.File, error) {
	var files []image.File
	if ip.Base == "" {
		files = image.Base()
	}
	var bundles []image.NamedPEM
	if ip.Mozilla {
		bundles = append(bundles, image.NamedPEM{Name: "Mozilla's roots", PEM: image.Mozilla()})
	}
	for _, name := range ip.Certificates {
		data, err := p.ReadFile(name)
		if err != nil {
			return nil, &plan.ValueError{Place: p.Config, Key: "image.certificates", Problem: err.Error()}
		}
		bundles = append(bundles, image.NamedPEM{Name: name, PEM: data})
	}
	if len(bundles) > 0 {
		f, err := image.Certificates(bundles...)
		if err != nil {
			return nil, &plan.ValueError{Place: p.Config, Key: "image.certificates", Problem: err.Error()}
		}
		files = append(files, f)
	}
	if ip.Zones {
		zones, err := image.Zones(compiled.Zoneinfo)
		if err != nil {
			return nil, fmt.Errorf("%w; the Go toolchain should have it: take one from https://go.dev/dl/, or leave zones out (image.zones: false)", err)
		}
		files = append(files, zones...)
	}
	return files, nil
}

// ownFiles are what this image has beside its binaries: its user's accounts,
// /tmp, the folders that its config names, and the assets.
func ownFiles(p *plan.Plan, ip plan.ImagePlan, below folders) ([]image.File, error) {
	files, err := image.Assets(p.Dir, ip.Assets)
	if err != nil {
		return nil, err
	}
	if ip.Base == "" {
		files = append(files, image.Account(ip.User)...)
	}
	if ip.Tmp {
		files = append(files, image.Tmp())
	}
	have := map[string]bool{}
	for _, f := range files {
		have[f.Path] = true
	}
	folder := func(name string, uid, gid int) {
		name = strings.Trim(name, "/")
		if _, ok := below[name]; name != "" && !have[name] && !ok {
			have[name] = true
			files = append(files, image.File{Path: name, Mode: fs.ModeDir | 0o755, UID: uid, GID: gid})
		}
	}
	// A new volume takes its owner from the folder that it is mounted over.
	for v := range ip.Config.Volumes {
		folder(v, ip.User.UID, ip.User.GID)
	}
	if ip.Config.WorkingDir != "" {
		folder(ip.Config.WorkingDir, 0, 0)
	}
	return files, nil
}

func assembleVariant(ctx context.Context, ip plan.ImagePlan, pf v1.Platform, base v1.Image, below folders, binaries []string, shared []part, o Options) (*Variant, int64, error) {
	v := &Variant{Platform: pf}
	var files []image.File
	for i, path := range binaries {
		f, err := image.Binary(plan.BinaryPath(ip.Binaries[i]), path)
		if err != nil {
			return nil, 0, err
		}
		sum, err := hashFile(path)
		if err != nil {
			return nil, 0, err
		}
		for _, part := range shared {
			if slices.ContainsFunc(part.files, func(other image.File) bool { return other.Path == f.Path }) {
				return nil, 0, &image.ConflictError{Path: f.Path}
			}
		}
		files = append(files, f)
		v.Binaries = append(v.Binaries, Binary{Path: "/" + f.Path, Size: f.Size, SHA256: sum})
	}
	files = below.keep(files)
	layer, err := o.Store.Layer(ctx, "program", files, ip.Created)
	if err != nil {
		return nil, 0, fmt.Errorf("program layer: %w", err)
	}
	var own [][]image.File
	for _, part := range append(shared[:len(shared):len(shared)], part{layer, files}) {
		v.Layers = append(v.Layers, part.layer)
		own = append(own, part.files)
	}
	v.Image, err = image.Assemble(image.Spec{
		Platform: pf, Base: base, Layers: v.Layers, Config: ip.Config, Annotations: ip.Annotations, Created: ip.Created,
	})
	if err != nil {
		return nil, 0, err
	}
	if err := auditVariant(v.Image, ip, own); err != nil {
		return nil, 0, err
	}
	size, err := audit.Size(v.Image)
	return v, size, err
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
