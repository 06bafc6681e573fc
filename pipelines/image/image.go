package image

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// Annotation keys of the OCI image-spec (annotations.md, "Pre-Defined Annotation Keys").
const (
	AnnotationTitle      = "org.opencontainers.image.title"
	AnnotationSource     = "org.opencontainers.image.source"
	AnnotationLicenses   = "org.opencontainers.image.licenses"
	AnnotationRevision   = "org.opencontainers.image.revision"
	AnnotationVersion    = "org.opencontainers.image.version"
	AnnotationCreated    = "org.opencontainers.image.created"
	AnnotationBaseName   = "org.opencontainers.image.base.name"
	AnnotationBaseDigest = "org.opencontainers.image.base.digest"
	annotationRefName    = "org.opencontainers.image.ref.name"
)

// Spec says what one platform's image consists of.
type Spec struct {
	Platform v1.Platform
	// Base is the image below the layers; nil is scratch.
	Base   v1.Image
	Layers []*Layer
	// Config is what the image says of how to run it. Over a base, the base's
	// environment and labels remain where Config does not set them. The
	// annotations of its manifest do not, as they describe the base alone.
	Config      v1.Config
	Annotations map[string]string
	// Created is the time in the config and its history.
	Created time.Time
}

// Assemble makes the image of one platform.
func Assemble(s Spec) (v1.Image, error) {
	config, adds, err := below(s)
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: s.Created.UTC()}
	for _, l := range s.Layers {
		adds = append(adds, mutate.Addendum{Layer: l, MediaType: types.OCILayer})
		config.History = append(config.History, v1.History{Created: created, CreatedBy: "slipway", Comment: l.Title})
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, adds...); err != nil {
		return nil, err
	}
	appended, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.RootFS = appended.RootFS
	config.OS, config.Architecture, config.Variant = s.Platform.OS, s.Platform.Architecture, s.Platform.Variant
	config.Created = created
	// What a builder leaves of itself in a base's config says nothing of this image.
	config.Author, config.Container = "", ""
	config.Config = overlay(config.Config, s.Config)
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	if len(s.Annotations) > 0 {
		img = mutate.Annotations(img, s.Annotations).(v1.Image)
	}
	return img, nil
}

// below returns the base's config and its layers, in OCI's media types whatever
// the base's are: a manifest does not mix them.
func below(s Spec) (*v1.ConfigFile, []mutate.Addendum, error) {
	if s.Base == nil {
		return &v1.ConfigFile{}, nil, nil
	}
	fail := func(err error) (*v1.ConfigFile, []mutate.Addendum, error) {
		return nil, nil, fmt.Errorf("base image: %w", err)
	}
	config, err := s.Base.ConfigFile()
	if err != nil {
		return fail(err)
	}
	if config.OS != s.Platform.OS || config.Architecture != s.Platform.Architecture {
		return nil, nil, fmt.Errorf("base image is for %s/%s, not for %s", config.OS, config.Architecture, platform.String(s.Platform))
	}
	manifest, err := s.Base.Manifest()
	if err != nil {
		return fail(err)
	}
	layers, err := s.Base.Layers()
	if err != nil {
		return fail(err)
	}
	adds := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		desc := manifest.Layers[i]
		adds[i] = mutate.Addendum{Layer: l, Annotations: desc.Annotations, URLs: desc.URLs, MediaType: desc.MediaType}
		if oci, ok := ociTypes[desc.MediaType]; ok {
			adds[i].Layer, adds[i].MediaType = retyped{l, oci}, oci
		}
	}
	return config.DeepCopy(), adds, nil
}

// ociTypes are OCI's names for Docker's kinds of layers: the bytes are the same.
var ociTypes = map[types.MediaType]types.MediaType{
	types.DockerLayer:             types.OCILayer,
	types.DockerUncompressedLayer: types.OCIUncompressedLayer,
	types.DockerForeignLayer:      types.OCIRestrictedLayer,
}

// retyped is a layer by another media type.
type retyped struct {
	v1.Layer
	mediaType types.MediaType
}

// MediaType is the new one.
func (r retyped) MediaType() (types.MediaType, error) { return r.mediaType, nil }

// overlay puts ours over the base's config, as a Dockerfile's instructions do
// after FROM: an entrypoint resets the cmd, maps and environment are merged.
func overlay(base, ours v1.Config) v1.Config {
	out := ours
	out.Env = mergeEnv(base.Env, ours.Env)
	out.Labels = merge(base.Labels, ours.Labels)
	out.ExposedPorts = merge(base.ExposedPorts, ours.ExposedPorts)
	out.Volumes = merge(base.Volumes, ours.Volumes)
	if out.WorkingDir == "" {
		out.WorkingDir = base.WorkingDir
	}
	if out.StopSignal == "" {
		out.StopSignal = base.StopSignal
	}
	return out
}

func merge[V any](base, ours map[string]V) map[string]V {
	if len(base)+len(ours) == 0 {
		return nil
	}
	out := map[string]V{}
	maps.Copy(out, base)
	maps.Copy(out, ours)
	return out
}

func mergeEnv(base, ours []string) []string {
	var out []string
	for _, e := range base {
		name, _, _ := strings.Cut(e, "=")
		if !slices.ContainsFunc(ours, func(o string) bool { return strings.HasPrefix(o, name+"=") }) {
			out = append(out, e)
		}
	}
	return append(out, ours...)
}

// Index puts images under one index, ordered by platform, whatever their order
// was.
func Index(images []v1.Image, annotations map[string]string) (v1.ImageIndex, error) {
	adds := make([]mutate.IndexAddendum, len(images))
	for i, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		adds[i] = mutate.IndexAddendum{Add: noArtifact{img}, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant},
		}}
	}
	slices.SortFunc(adds, func(a, b mutate.IndexAddendum) int {
		return platform.Compare(*a.Platform, *b.Platform)
	})
	idx := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), adds...)
	if len(annotations) > 0 {
		idx = mutate.Annotations(idx, annotations).(v1.ImageIndex)
	}
	return idx, nil
}

// noArtifact is an image that is no artifact. go-containerregistry would write
// the config's media type as the descriptor's artifactType, which the image-spec
// has for artifacts (descriptor.md, "artifactType").
type noArtifact struct{ v1.Image }

// ArtifactType is empty, which leaves the property out.
func (noArtifact) ArtifactType() (string, error) { return "", nil }
