package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/pipelines/audit"
	"github.com/slipway-dev/slipway/pipelines/image"
	"github.com/slipway-dev/slipway/pipelines/platform"
	"github.com/slipway-dev/slipway/pipelines/registry"
	"github.com/slipway-dev/slipway/pipelines/report"
)

// inspection is what inspect prints as JSON.
type inspection struct {
	Digest    string           `json:"digest"`
	MediaType string           `json:"mediaType"`
	Platforms []inspectedImage `json:"platforms"`
}

type inspectedImage struct {
	Platform string           `json:"platform"`
	Digest   string           `json:"digest"`
	Size     int64            `json:"size"`
	Config   v1.Config        `json:"config"`
	Layers   []inspectedLayer `json:"layers"`
	Findings []audit.Finding  `json:"findings"`
}

type inspectedLayer struct {
	Digest string          `json:"digest"`
	Size   int64           `json:"size"`
	Files  []inspectedFile `json:"files"`
}

type inspectedFile struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Size int64  `json:"size"`
	Link string `json:"link,omitempty"`
}

func newInspect(e *edge) *cobra.Command {
	var (
		reg       registryFlags
		platforms []string
		asJSON    bool
	)
	cmd := &cobra.Command{
		Use:   "inspect IMAGE",
		Short: "List every file of an image, layer by layer",
		Long: `Inspect reads an image and shows its platforms, its config, every file of every
layer, and what an audit has to say of it. IMAGE is oci:DIR, oci-archive:FILE,
docker-archive:FILE, or a reference in a registry.`,
		Example: `  slipway inspect oci:.slipway/hello
  slipway inspect ghcr.io/acme/hello:latest --platform linux/arm64`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("want one image: oci:DIR, oci-archive:FILE, docker-archive:FILE or a registry's reference")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			var o registry.Options
			if err := reg.apply(e, &o); err != nil {
				return err
			}
			o.Keychain, o.Secret = e.keychain(), func(secret string) { e.mask(secret) }
			idx, closer, err := openImage(cmd, args[0], o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, closer()) }()
			in, err := inspect(idx, platforms)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(e.stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(in)
			}
			return in.print(e.stdout)
		},
	}
	reg.add(cmd.Flags())
	cmd.Flags().StringSliceVar(&platforms, "platform", nil, "platform to show (default all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// openImage reads an image from a file, a folder or a registry.
func openImage(cmd *cobra.Command, where string, o registry.Options) (v1.ImageIndex, func() error, error) {
	nothing := func() error { return nil }
	if out, err := image.ParseOutput(where); err == nil {
		if out.Transport != image.TransportDocker {
			return image.Read(cmd.Context(), out)
		}
		where = out.Reference
	}
	if _, err := os.Stat(filepath.Join(where, "oci-layout")); err == nil {
		return image.Read(cmd.Context(), image.Output{Transport: image.TransportOCI, Path: where})
	}
	fetched, err := registry.Fetch(cmd.Context(), where, o)
	if err != nil {
		return nil, nil, err
	}
	if fetched.Index != nil {
		return fetched.Index, nothing, nil
	}
	idx, err := image.Single(fetched.Image)
	return idx, nothing, err
}

func inspect(idx v1.ImageIndex, platforms []string) (*inspection, error) {
	wanted := map[string]bool{}
	for _, s := range platforms {
		p, err := platform.Parse(s)
		if err != nil {
			return nil, err
		}
		wanted[platform.String(p)] = true
	}
	digest, err := idx.Digest()
	if err != nil {
		return nil, err
	}
	mediaType, err := idx.MediaType()
	if err != nil {
		return nil, err
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	in := &inspection{Digest: digest.String(), MediaType: string(mediaType)}
	var have []string
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() || d.Platform == nil || d.Platform.OS == "unknown" {
			continue // an attestation, or something else that is no image
		}
		name := platform.String(*d.Platform)
		have = append(have, name)
		if len(wanted) > 0 && !wanted[name] {
			continue
		}
		img, err := idx.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		one, err := inspectImage(img, name, d.Digest)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), err)
		}
		in.Platforms = append(in.Platforms, *one)
	}
	if len(have) == 0 {
		return nil, usagef("the image has no platform: none of the %d entries of its index is an image for one", len(m.Manifests))
	}
	if len(in.Platforms) == 0 {
		return nil, usagef("--platform %s: the image has %s", strings.Join(platforms, ","), printable(strings.Join(have, ", ")))
	}
	return in, nil
}

func inspectImage(img v1.Image, name string, digest v1.Hash) (*inspectedImage, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	size, err := audit.Size(img)
	if err != nil {
		return nil, err
	}
	entries, err := image.List(img)
	if err != nil {
		return nil, err
	}
	findings, err := audit.Listed(img, entries, audit.Policy{})
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	one := &inspectedImage{Platform: name, Digest: digest.String(), Size: size, Config: config.Config, Findings: append([]audit.Finding{}, findings...)}
	for i, l := range m.Layers {
		layer := inspectedLayer{Digest: l.Digest.String(), Size: l.Size, Files: []inspectedFile{}}
		for _, e := range entries {
			if e.Layer == i {
				layer.Files = append(layer.Files, inspectedFile{e.Path, modeText(e), e.UID, e.GID, e.Size, e.Link})
			}
		}
		one.Layers = append(one.Layers, layer)
	}
	return one, nil
}

// modeText is a mode as ls shows it, with h for a hard link.
func modeText(e image.Entry) string {
	mode := e.Mode
	text := []byte(mode.Perm().String())
	switch e.Type {
	case tar.TypeDir:
		text[0] = 'd'
	case tar.TypeSymlink:
		text[0] = 'l'
	case tar.TypeLink:
		text[0] = 'h'
	}
	if mode&fs.ModeSticky != 0 {
		text[9] = 't'
	}
	if mode&fs.ModeSetuid != 0 {
		text[3] = 's'
	}
	if mode&fs.ModeSetgid != 0 {
		text[6] = 's'
	}
	return string(text)
}

func (in *inspection) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s  %s\n", in.Digest, printable(in.MediaType))
	for _, p := range in.Platforms {
		fmt.Fprintf(w, "\n%s  %s  %s compressed\n", printable(p.Platform), p.Digest, report.Bytes(p.Size))
		printConfig(w, p.Config)
		for i, l := range p.Layers {
			fmt.Fprintf(w, "  layer %d  %s  %s  %d entries\n", i, l.Digest, report.Bytes(l.Size), len(l.Files))
			for _, f := range l.Files {
				link := ""
				if f.Link != "" {
					link = " -> " + printable(f.Link)
					if f.Mode[0] == 'h' {
						link = " = " + printable("/"+f.Link)
					}
				}
				fmt.Fprintf(w, "    %s\t%d:%d\t%d\t%s%s\n", f.Mode, f.UID, f.GID, f.Size, printable(f.Path), link)
			}
		}
		for _, f := range p.Findings {
			f.Path = printable(f.Path)
			fmt.Fprintf(w, "  audit: %s\n", f)
		}
		if len(p.Findings) == 0 {
			fmt.Fprintln(w, "  audit: nothing found")
		}
	}
	return w.Flush()
}

// printable joins texts of an image with spaces. One that would move the cursor,
// end the line or hide something is quoted, so that no image can fake a listing.
func printable(texts ...string) string {
	shown := make([]string, len(texts))
	for i, s := range texts {
		shown[i] = s
		if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			shown[i] = strconv.Quote(s)
		}
	}
	return strings.Join(shown, " ")
}

// printConfig writes what of a config is set.
func printConfig(w io.Writer, c v1.Config) {
	line := func(key string, values ...string) {
		if text := printable(values...); text != "" {
			fmt.Fprintf(w, "  %s  %s\n", key, text)
		}
	}
	line("user", c.User)
	line("entrypoint", c.Entrypoint...)
	line("cmd", c.Cmd...)
	line("env", c.Env...)
	line("workdir", c.WorkingDir)
	line("ports", slices.Sorted(maps.Keys(c.ExposedPorts))...)
	line("volumes", slices.Sorted(maps.Keys(c.Volumes))...)
	line("stop signal", c.StopSignal)
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		line("label", key+"="+c.Labels[key])
	}
}
