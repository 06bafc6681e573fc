package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/slipway-dev/slipway/pipelines/smoke"
)

// SchemaVersion is the version of the result document. It changes when a field
// loses its meaning or its place; fields may be added without.
const SchemaVersion = 1

// Result is the result document: what a pipeline made. Sizes are in bytes, times
// in whole milliseconds, digests like "sha256:…". A list that is empty is
// written as [], never as null.
type Result struct {
	// SchemaVersion is 1.
	SchemaVersion int `json:"schemaVersion"`
	// Engine says where the work was done.
	Engine Engine `json:"engine"`
	// Go says what compiled the binaries.
	Go Go `json:"go"`
	// Source is the folder that was built, as it was given.
	Source string `json:"source"`
	// Images are the images that were made, in the order of the configuration.
	Images []Image `json:"images"`
	// Timings are the steps that were done, in the order in which they ended.
	Timings []Timing `json:"timings"`
	// Warnings are what did not stop the pipeline, one line each, in the order in
	// which they came up.
	Warnings []string `json:"warnings"`
}

// Engine says where the work was done.
type Engine struct {
	// Name is "local" or "dagger".
	Name string `json:"name"`
	// Reason says why that engine was taken.
	Reason string `json:"reason"`
}

// Go says what compiled the binaries.
type Go struct {
	// Version is the exact release, like "1.26.8".
	Version string `json:"version"`
	// NamedBy says what asked for this release: a flag, a file, or the engine.
	NamedBy string `json:"namedBy"`
	// Builder is the image that compiled, by digest; absent where no image did.
	Builder string `json:"builder,omitempty"`
}

// Image is an image for one or several platforms.
type Image struct {
	// Name is the image's name in the configuration.
	Name string `json:"name"`
	// Digest is that of the image index.
	Digest string `json:"digest"`
	// MediaType is that of the image index.
	MediaType string `json:"mediaType"`
	// Size is that of the image index itself, without what it refers to.
	Size int64 `json:"size"`
	// Platforms are the images that the index refers to, in its order.
	Platforms []Platform `json:"platforms"`
	// References are where the image was published, by digest first, then by tag.
	References []string `json:"references"`
	// Outputs are where the image was written on this machine, as
	// TRANSPORT:PATH like "oci:dist/hello".
	Outputs []string `json:"outputs"`
	// Previous is the image that was published before; absent where nobody asked
	// for it, or where there is none.
	Previous *Previous `json:"previous,omitempty"`
}

// ByDigest returns the references by digest, one for each repository.
func (i Image) ByDigest() []string { return i.references(true) }

// ByTag returns the references by tag.
func (i Image) ByTag() []string { return i.references(false) }

func (i Image) references(byDigest bool) []string {
	var all []string
	for _, ref := range i.References {
		if strings.Contains(ref, "@") == byDigest {
			all = append(all, ref)
		}
	}
	return all
}

// Previous is an image that was published before.
type Previous struct {
	// Reference is the tag that it was found under, in full.
	Reference string `json:"reference"`
	// Digest is that of the image index.
	Digest string `json:"digest"`
	// Sizes are those of its platforms, by their names, as Platform.Size.
	Sizes map[string]int64 `json:"sizes"`
}

// Platform is an image for one platform.
type Platform struct {
	// Platform is OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT.
	Platform string `json:"platform"`
	// Digest is that of the image manifest.
	Digest string `json:"digest"`
	// Config is the digest of the image's config, which docker calls the image's ID.
	Config string `json:"config"`
	// Size is what a client without any of it downloads: manifest, config and
	// compressed layers.
	Size int64 `json:"size"`
	// Layers are the image's layers, the lowest first.
	Layers []Layer `json:"layers"`
	// Binaries are the programs that were compiled, the entrypoint first.
	Binaries []Binary `json:"binaries"`
	// Smoke has a verdict for each smoke test, in their order: name, status
	// ("passed", "failed" or "not run"), detail, output (stdout and stderr, of
	// those that failed) and milliseconds. It is empty where none was asked for.
	Smoke []smoke.Verdict `json:"smoke"`
}

// Layer is a layer of an image.
type Layer struct {
	// Digest is that of the compressed layer, as a registry keeps it.
	Digest string `json:"digest"`
	// DiffID is the digest of the uncompressed layer, as the config names it.
	DiffID string `json:"diffID"`
	// Size is that of the compressed layer.
	Size int64 `json:"size"`
	// Title says what the layer holds: "base", "assets" or "binary".
	Title string `json:"title"`
}

// Binary is a program in an image.
type Binary struct {
	// Path is where it stands in the image.
	Path string `json:"path"`
	// Size is that of the file.
	Size int64 `json:"size"`
	// SHA256 is the file's hash in hexadecimal.
	SHA256 string `json:"sha256"`
}

// Timing is how long a step took.
type Timing struct {
	// Step names the work, like "compile".
	Step string `json:"step"`
	// Image and Platform say whose step it was; either may be empty.
	Image    string `json:"image"`
	Platform string `json:"platform"`
	// Milliseconds is its duration.
	Milliseconds int64 `json:"milliseconds"`
}

// WriteJSON writes the document, indented by two spaces, with <, > and & as they
// are, and a newline at its end.
func (r *Result) WriteJSON(w io.Writer) error { return encode(w, r, "  ") }

type resultFields Result // Result without its methods

// MarshalJSON writes every list that is nil as an empty one.
func (r Result) MarshalJSON() ([]byte, error) {
	r.Timings = list(r.Timings, nil)
	r.Warnings = list(r.Warnings, nil)
	r.Images = list(r.Images, func(i *Image) {
		i.References = list(i.References, nil)
		i.Outputs = list(i.Outputs, nil)
		i.Platforms = list(i.Platforms, func(p *Platform) {
			p.Layers = list(p.Layers, nil)
			p.Binaries = list(p.Binaries, nil)
			p.Smoke = list(p.Smoke, nil)
		})
	})
	var b bytes.Buffer
	err := encode(&b, resultFields(r), "")
	return b.Bytes(), err
}

// list copies a list, never to nil, and applies each to what is in the copy.
func list[T any](l []T, each func(*T)) []T {
	out := append([]T{}, l...)
	if each != nil {
		for i := range out {
			each(&out[i])
		}
	}
	return out
}

func encode(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}
