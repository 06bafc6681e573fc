package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
)

// Load reads one configuration: data is the text of a slipway.yaml, name is the
// file's name in messages. It returns the one image that the file describes, or
// one for each entry of its list images, merged over what stands beside the
// list: mappings key by key, while lists and plain values are replaced. The
// overrides are applied to each image, in their order. No data at all makes one
// image with every default.
//
// Everything that is wrong is reported at once, as ConfigErrors.
func Load(name string, data []byte, overrides []Override) ([]Image, error) {
	s, err := schemas()
	if err != nil {
		return nil, err
	}
	d := parseYAML(name, data, s.file)
	d.check(s.file)

	var flagProblems []*ConfigError
	flags := make([]*document, len(overrides))
	for i, o := range overrides {
		flags[i] = o.document(s)
		flagProblems = append(flagProblems, flags[i].problems...)
	}

	var images []Image
	if len(d.problems)+len(flagProblems) == 0 {
		var written []Image // as they stand in the file
		for _, value := range imageValues(d.value) {
			image, err := decodeImage(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			written = append(written, image)
			for i, o := range overrides {
				value = o.apply(value, flags[i])
			}
			if image, err = decodeImage(value); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			images = append(images, image)
		}
		d.checkNames(written)
	}

	sortProblems(d.problems)
	if problems := append(d.problems, flagProblems...); len(problems) > 0 {
		return nil, ConfigErrors(problems)
	}
	return images, nil
}

// Locate finds where a value stands in a configuration, for what turns out to be
// wrong only when the value is put to use. image is the image's index in what
// Load returned, and key is written as in ConfigError: image.assets[0].from. It
// reports false for a key that the file does not set.
func Locate(data []byte, image int, key string) (line, column int, ok bool) {
	s, err := schemas()
	if err != nil {
		return 0, 0, false
	}
	d := parseYAML("", data, s.file)
	for _, name := range []string{fmt.Sprintf("images[%d].%s", image, key), key} {
		for _, p := range d.places {
			if p.key == name {
				return p.line, p.column, true
			}
		}
	}
	return 0, 0, false
}

// imageValues splits a checked file into its images.
func imageValues(file any) []any {
	top, ok := file.(map[string]any)
	if !ok {
		return []any{file}
	}
	entries, ok := top["images"].([]any)
	if !ok {
		return []any{top}
	}
	shared := maps.Clone(top)
	delete(shared, "images")
	var images []any
	for _, e := range entries {
		images = append(images, mergeValues(shared, e))
	}
	return images
}

// mergeValues lays one value over another: mappings are merged key by key,
// anything else is replaced. Neither is changed.
func mergeValues(under, over any) any {
	o, ok := over.(map[string]any)
	if !ok {
		return over
	}
	u, ok := under.(map[string]any)
	if !ok {
		return over
	}
	merged := maps.Clone(u)
	for key, value := range o {
		if below, ok := u[key]; ok {
			value = mergeValues(below, value)
		}
		merged[key] = value
	}
	return merged
}

// decodeImage turns checked values into an image. An error means that the
// schema allows what the types do not.
func decodeImage(value any) (Image, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return Image{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var image Image
	if err := decoder.Decode(&image); err != nil {
		return Image{}, err
	}
	return image, nil
}

// checkNames reports images that could not be told apart.
func (d *document) checkNames(images []Image) {
	if len(images) < 2 {
		return
	}
	first := map[string]int{}
	for i, image := range images {
		p := d.places[placeKey([]string{"images", fmt.Sprint(i)})]
		name := image.Name
		if name == "" && len(image.Packages) > 0 {
			name = binaryOf(image.Packages[0])
		}
		if name == "" {
			d.report(p, "has no name; one of several images needs a name, or packages to take it from")
			continue
		}
		if other, ok := first[name]; ok {
			d.report(p, "is called %s like images[%d]; give each a name of its own", quoteShort(name), other)
			continue
		}
		first[name] = i
	}
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// binaryOf guesses the name of a package's binary as go build would choose it,
// from the package's path alone: what a path like "." says is for later.
func binaryOf(pkg string) string {
	pkg = path.Clean(pkg)
	if dir, last := path.Split(pkg); dir != "" && majorVersion.MatchString(last) {
		pkg = path.Clean(dir)
	}
	return path.Base(pkg)
}
