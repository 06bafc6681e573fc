package registry

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// ReferenceError says that a repository, tag or reference cannot be used.
type ReferenceError struct {
	// Reference is what was given. It is empty where that may hold a password.
	Reference string
	// Reason says what is wrong and what would do.
	Reason string
}

func (e *ReferenceError) Error() string {
	if e.Reference == "" {
		return "reference: " + e.Reason
	}
	return fmt.Sprintf("reference %q: %s", e.Reference, e.Reason)
}

// The grammar of the OCI distribution specification, "Pulling manifests".
var (
	pathGrammar   = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagGrammar    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestGrammar = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)
	// digestLike is what somebody meant as a digest, right or wrong.
	digestLike  = regexp.MustCompile(`^sha[0-9]+:`)
	hostGrammar = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(:[0-9]{1,5})?$`)
)

const exampleRepository = "ghcr.io/acme/hello"

// reference is a reference in its parts: HOST/PATH, then :TAG or @DIGEST or both.
type reference struct {
	host, path, tag, digest string
}

// repository is the reference without tag and digest, as it was written.
func (r reference) repository() string { return r.host + "/" + r.path }

// split reads a reference. The registry must be named: what goes to Docker Hub
// because its name was left out goes there by accident.
func split(s string) (reference, error) {
	fail := func(format string, args ...any) (reference, error) {
		return reference{}, &ReferenceError{Reference: s, Reason: fmt.Sprintf(format, args...)}
	}
	rest, digest, hasDigest := strings.Cut(s, "@")
	if hasDigest && (!digestLike.MatchString(digest) || strings.Contains(digest, "@")) {
		// What stands before an @ may be USER:PASSWORD, so none of it is shown.
		return reference{}, &ReferenceError{Reason: "found an @ that no digest follows, and what stands before it is not shown, since it may hold a password; want HOST/REPOSITORY like " + exampleRepository + " and credentials apart from it"}
	}
	if scheme, after, ok := strings.Cut(rest, "://"); ok {
		return fail("found a URL; want it without %s://, like %s", scheme, after)
	}
	host, path, ok := strings.Cut(rest, "/")
	switch {
	case s == "":
		return reference{}, &ReferenceError{Reason: "found nothing; want HOST/REPOSITORY like " + exampleRepository}
	case !ok && (strings.ContainsAny(host, ".[") || host == "localhost"):
		return fail("found a registry and no repository; want HOST/REPOSITORY like %s", exampleRepository)
	case !ok || !strings.ContainsAny(host, ".:") && host != "localhost":
		return fail("found no registry; want HOST/REPOSITORY like %s, and docker.io/… for Docker Hub", exampleRepository)
	case !hostGrammar.MatchString(host):
		return fail("%q is no host, or host and port; want HOST/REPOSITORY like %s", host, exampleRepository)
	}
	path, tag, hasTag := strings.Cut(path, ":")
	switch {
	case path != strings.ToLower(path):
		return fail("a repository's name has small letters only; want %s/%s", host, strings.ToLower(path))
	case !pathGrammar.MatchString(path):
		return fail("%q is no repository's name: want parts of small letters and digits, joined by one of . _ __ -, with / between them", path)
	case len(path) > 255:
		return fail("a repository's name has at most 255 characters; found %d", len(path))
	case hasTag && !tagGrammar.MatchString(tag):
		return fail("%q is no tag: %s", tag, tagHelp)
	case hasDigest && !digestGrammar.MatchString(digest):
		return fail("%q is no digest: want sha256: and 64 hexadecimal digits", digest)
	}
	return reference{host: host, path: path, tag: tag, digest: digest}, nil
}

const tagHelp = "want up to 128 letters, digits and . _ -, not starting with . or -"

// CheckRepository tells whether Push would take a repository: HOST/PATH with
// neither tag nor digest. The error is a *ReferenceError.
func CheckRepository(repository string) error {
	_, err := splitRepository(repository)
	return err
}

func splitRepository(s string) (reference, error) {
	r, err := split(s)
	switch {
	case err != nil:
		return r, err
	case r.digest != "":
		return r, &ReferenceError{Reference: s, Reason: fmt.Sprintf("found a digest, which the image itself decides; want %s", r.repository())}
	case r.tag != "":
		return r, &ReferenceError{Reference: s, Reason: fmt.Sprintf("found the tag %q in the repository; want %s, and the tag among the tags", r.tag, r.repository())}
	}
	return r, nil
}

// CheckTag tells whether Push would take a tag. The error is a *ReferenceError.
func CheckTag(tag string) error {
	if tagGrammar.MatchString(tag) {
		return nil
	}
	if strings.Contains(tag, "@") {
		return &ReferenceError{Reason: "found an @ in a tag, which is not shown, since it may hold a password; " + tagHelp}
	}
	if i := strings.LastIndex(tag, ":"); i >= 0 && tagGrammar.MatchString(tag[i+1:]) {
		return &ReferenceError{Reference: tag, Reason: fmt.Sprintf("found a whole reference in the place of a tag; want %s", tag[i+1:])}
	}
	return &ReferenceError{Reference: tag, Reason: "is no tag: " + tagHelp}
}

// target is where a push goes.
type target struct {
	// given is the repository as it was written; repo is it for the library.
	given string
	repo  name.Repository
	// tags are without doubles, in their order.
	tags []string
	// mountFrom are sister repositories.
	mountFrom []name.Repository
}

// host is the registry as it was written.
func (t *target) host() string {
	host, _, _ := strings.Cut(t.given, "/")
	return host
}

func newTarget(repository string, tags []string, o Options) (*target, error) {
	r, err := splitRepository(repository)
	if err != nil {
		return nil, err
	}
	t := &target{given: r.repository()}
	if t.repo, err = r.name(o.PlainHTTP); err != nil {
		return nil, err
	}
	for _, tag := range tags {
		if err := CheckTag(tag); err != nil {
			return nil, err
		}
		if !slices.Contains(t.tags, tag) {
			t.tags = append(t.tags, tag)
		}
	}
	for _, from := range o.MountFrom {
		sister, err := splitRepository(from)
		if err != nil {
			return nil, err
		}
		if sister.host != r.host {
			return nil, &ReferenceError{Reference: from, Reason: fmt.Sprintf("is in another registry than %s, and blobs can be mounted within one registry only", t.given)}
		}
		repo, err := sister.name(o.PlainHTTP)
		if err != nil {
			return nil, err
		}
		t.mountFrom = append(t.mountFrom, repo)
	}
	return t, nil
}

// name is the repository for the library, which tries plain HTTP after TLS where
// that is permitted.
func (r reference) name(plainHTTP bool) (name.Repository, error) {
	var opts []name.Option
	if plainHTTP || loopback(r.host) {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(r.repository(), opts...)
	if err != nil {
		return repo, &ReferenceError{Reference: r.repository(), Reason: err.Error()}
	}
	return repo, nil
}

// loopback tells whether a host, with or without a port, is this machine by its
// name alone: localhost and what is below it (RFC 6761, section 6.3), 127.0.0.0/8
// and ::1.
func loopback(host string) bool {
	if strings.HasPrefix(host, "[") {
		host, _, _ = strings.Cut(host[1:], "]")
	} else if strings.Count(host, ":") == 1 {
		host, _, _ = strings.Cut(host, ":")
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
