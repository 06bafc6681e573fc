package tags

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Result is what an image is called.
type Result struct {
	// Names are the tags, each once, by the priority of their rules; the latest of
	// type=semver comes last.
	Names []string
	// Version is what a label would call the image: the first name, and latest
	// only where there is no other. It is empty where there are no names.
	Version string
}

// Make gives the tags of an event: those of all its rules, by their priority,
// cleaned of what a tag cannot hold.
//
// existing are the names of the tags that the registry's repository or git
// already has; names that are no versions do not matter. Where they hold a
// higher version that has the same claim to a tag, the tag is left to it: 1.2.9
// after 1.3.0 takes 1.2, and neither 1 nor latest. Of a git tag with a folder
// before it, like cmd/hello/v1.2.3, the versions of other folders are none. An
// error is a *RuleError, for a {{date}} where the event has no time.
func Make(e Event, rules []Rule, existing []string) (Result, error) {
	ordered := slices.Clone(rules)
	slices.SortStableFunc(ordered, func(a, b Rule) int { return cmp.Compare(b.priority, a.priority) })
	var names, latest []string
	for _, r := range ordered {
		if !r.enabled(e) {
			continue
		}
		n, l, err := r.names(e, existing)
		if err != nil {
			return Result{}, r.fail("", "%v", err)
		}
		names, latest = append(names, n...), append(latest, l...)
	}
	var result Result
	for _, name := range slices.Concat(names, latest) {
		if !slices.Contains(result.Names, name) {
			result.Names = append(result.Names, name)
		}
	}
	if i := slices.IndexFunc(names, func(name string) bool { return name != "latest" }); i >= 0 {
		result.Version = names[i]
	} else if len(result.Names) > 0 {
		result.Version = result.Names[0]
	}
	return result, nil
}

// NeedsExisting tells whether what Make gives may depend on the existing tags,
// which cost a request: an enabled rule has a stable version to look at.
func NeedsExisting(e Event, rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		if r.kind != "semver" || !r.enabled(e) {
			return false
		}
		v, ok, err := r.version(e)
		return err == nil && ok && v.stable()
	})
}

func (r *Rule) enabled(e Event) bool {
	switch r.enable {
	case "is_default_branch":
		return e.onDefault()
	case "is_not_default_branch":
		return !e.onDefault()
	}
	return r.enable == "true"
}

// names gives the rule's tags, and apart from them its latest, which comes last.
func (r *Rule) names(e Event, existing []string) (names, latest []string, err error) {
	prefix, err := r.prefix.fill(e, version{})
	if err != nil {
		return nil, nil, err
	}
	suffix, err := r.suffix.fill(e, version{})
	if err != nil {
		return nil, nil, err
	}
	var values, last []string
	if r.kind == "semver" {
		values, last, err = r.versionValues(e, r.others(existing, prefix, suffix))
	} else {
		values, err = r.values(e)
	}
	if err != nil {
		return nil, nil, err
	}
	names = wrap(prefix, values, suffix)
	// The v of v1.2.3 is a way to write versions, and latest is none.
	if prefix == "v" {
		prefix = ""
	}
	return names, wrap(prefix, last, suffix), nil
}

// wrap makes names of values. One of which nothing can be kept is none.
func wrap(prefix string, values []string, suffix string) (names []string) {
	for _, value := range values {
		if name := clean(prefix + value + suffix); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// values gives what a rule of any type but semver makes, before its prefix.
func (r *Rule) values(e Event) ([]string, error) {
	one := func(value string) ([]string, error) { return []string{value}, nil }
	switch r.kind {
	case "schedule":
		if e.Name != "schedule" {
			return nil, nil
		}
		value, err := r.patterns[0].fill(e, version{})
		return []string{value}, err
	case "match":
		text, err := r.source(e)
		if err != nil || text == "" {
			return nil, err
		}
		m := r.match.FindStringSubmatchIndex(text)
		// A group that had no part in the match begins at -1.
		if m == nil || m[2*r.group] < 0 {
			return nil, nil
		}
		return one(text[m[2*r.group]:m[2*r.group+1]])
	case "edge":
		if branch := e.branch(); branch != "" && (branch == r.branch || r.branch == "" && e.onDefault()) {
			return one("edge")
		}
	case "ref":
		if value := r.refValue(e); value != "" {
			return one(value)
		}
	case "raw":
		value, err := r.value.fill(e, version{})
		return []string{value}, err
	case "sha":
		if sha := e.sha(); sha != "" && r.long {
			return one(sha)
		} else if sha != "" {
			return one(e.shortSHA())
		}
	}
	return nil, nil
}

func (r *Rule) refValue(e Event) string {
	switch {
	case r.event == "branch":
		return e.branch()
	case r.event == "tag" && !(r.unlessVersion && e.Release()):
		return e.tag()
	case r.event == "pr" && e.pull() > 0:
		return strconv.Itoa(e.pull())
	}
	return ""
}

// source is the text that type=semver and type=match look at: their value, or
// the git tag where that is empty.
func (r *Rule) source(e Event) (string, error) {
	value, err := r.value.fill(e, version{})
	if err != nil || value != "" {
		return value, err
	}
	return e.tag(), nil
}

// version is the one that type=semver makes tags of, if there is one.
func (r *Rule) version(e Event) (version, bool, error) {
	text, err := r.source(e)
	if err != nil {
		return version{}, false, err
	}
	v, ok := r.read(text)
	return v, ok, nil
}

// read reads a version as the rule's match says, or as it stands.
func (r *Rule) read(name string) (version, bool) {
	if r.match == nil {
		return parseVersion(name)
	}
	m := r.match.FindStringSubmatch(name)
	if m == nil {
		return version{}, false
	}
	folder, _ := splitFolder(name)
	return newVersion(folder, m[r.group])
}

// others are the stable versions among the existing names: as git has them, or
// as this rule gives them to an image.
func (r *Rule) others(existing []string, prefix, suffix string) []version {
	prefix, suffix = strings.TrimLeft(replace(prefix), ".-"), replace(suffix)
	// With its suffix, 1.3.0-debug looks like a prerelease.
	bare := func(name string) (version, bool) {
		return parseVersion(strings.TrimSuffix(strings.TrimPrefix(name, prefix), suffix))
	}
	var all []version
	for _, name := range existing {
		for _, read := range []func(string) (version, bool){r.read, bare} {
			if v, ok := read(name); ok && v.stable() {
				all = append(all, v)
				break
			}
		}
	}
	return all
}

// versionValues gives what type=semver makes of the event's version, and apart
// from it latest. A prerelease has its own name and none that moves.
func (r *Rule) versionValues(e Event, others []version) (values, latest []string, err error) {
	v, ok, err := r.version(e)
	if err != nil || !ok {
		return nil, nil, err
	}
	higher := slices.DeleteFunc(others, func(w version) bool {
		return !v.less(w) || w.folder != "" && w.folder != v.folder
	})
	for _, pattern := range r.patterns {
		if !v.stable() && !pattern.uses("version", "raw") {
			pattern = fullPattern
		}
		value, ok, err := take(pattern, e, v, higher)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			values = append(values, value)
		}
	}
	if r.latest && v.stable() {
		value, ok, err := take(latestPattern, e, v, higher)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			latest = append(latest, value)
		}
	}
	return values, latest, nil
}

// take fills a pattern, and tells whether the version may have the tag: none of
// the higher ones has the same by this pattern, and it is not the tag of all
// versions before the first major one, which promise each other nothing.
func take(pattern template, e Event, v version, higher []version) (string, bool, error) {
	value, err := pattern.fill(e, v)
	if err != nil {
		return "", false, err
	}
	if v.major == "0" && pattern.uses("major") && !pattern.uses("minor", "patch", "version", "raw") {
		return "", false, nil
	}
	for _, w := range higher {
		theirs, err := pattern.fill(e, w)
		if err != nil {
			return "", false, err
		}
		if theirs == value {
			return "", false, nil
		}
	}
	return value, true, nil
}
