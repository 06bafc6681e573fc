package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

const someDigest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func TestCheckRepository(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"ghcr.io/acme/hello", "docker.io/acme/hello", "localhost/x", "localhost:5000/x", "127.0.0.1:5000/a/b/c",
		"[::1]:5000/x", "registry.example.com:443/a__b/c.d/e-f--g", "REGISTRY.example/x",
	} {
		if err := registry.CheckRepository(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                                    "found nothing; want HOST/REPOSITORY",
		"hello":                               "found no registry",
		"acme/hello":                          "docker.io/… for Docker Hub",
		"hello:v1":                            "found no registry",
		"ghcr.io":                             "found a registry and no repository",
		"ghcr.io/":                            "is no repository's name",
		"ghcr.io/acme/hello:v1":               `found the tag "v1" in the repository; want ghcr.io/acme/hello, and the tag among the tags`,
		"localhost:5000/hello:v1":             "want localhost:5000/hello,",
		"ghcr.io/acme/hello@" + someDigest:    "found a digest, which the image itself decides; want ghcr.io/acme/hello",
		"ghcr.io/acme/hello:v1@" + someDigest: "found a digest",
		"ghcr.io/acme/hello@sha256:abc":       "is no digest",
		"https://ghcr.io/acme/hello":          "want it without https://, like ghcr.io/acme/hello",
		"ghcr.io/Acme/Hello":                  "small letters only; want ghcr.io/acme/hello",
		"ghcr.io/acme//hello":                 "is no repository's name",
		"ghcr.io/acme/hello/":                 "is no repository's name",
		"ghcr.io/acme/hel lo":                 "is no repository's name",
		"ghcr.io/acme/-hello":                 "is no repository's name",
		"gh_cr.io/acme/hello":                 `"gh_cr.io" is no host`,
		"ghcr.io:port/acme/hello":             `"ghcr.io:port" is no host`,
		"ghcr.io/" + strings.Repeat("a", 256): "at most 255 characters; found 256",
		"ghcr.io/acme/hello:":                 `"" is no tag`,
	} {
		err := registry.CheckRepository(bad)
		var e *registry.ReferenceError
		if !errors.As(err, &e) || e.Reference != bad {
			t.Errorf("%s: got %T, want *ReferenceError: %v", bad, err, err)
			continue
		}
		wantText(t, err, want)
	}
}

// TestReferenceSecret shows that a password in a reference is refused and not
// repeated, wherever it stands.
func TestReferenceSecret(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"captain:s3cr3t@ghcr.io/acme/hello",
		"https://captain:s3cr3t@ghcr.io/acme/hello",
		"captain:s3cr3t/with/slashes@ghcr.io/acme/hello:v1",
		"captain:s3cr3t@ghcr.io/acme/hello@" + someDigest,
		"s3cr3t@ghcr.io:5000/acme/hello",
	} {
		_, fetch := registry.Fetch(t.Context(), bad, registry.Options{})
		_, push := registry.Push(t.Context(), build(t, "linux/amd64"), bad, nil, registry.Options{})
		_, mount := registry.Push(t.Context(), build(t, "linux/amd64"), "ghcr.io/acme/hello", nil, registry.Options{MountFrom: []string{bad}})
		for _, err := range []error{fetch, push, mount, registry.CheckRepository(bad), registry.CheckTag(bad)} {
			var e *registry.ReferenceError
			if !errors.As(err, &e) {
				t.Errorf("%s: got %T, want *ReferenceError: %v", bad, err, err)
				continue
			}
			wantText(t, err, "not shown", "password")
			wantNoSecret(t, err, "s3cr3t", "captain")
		}
	}
}

func TestCheckTag(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"latest", "v1.2.3", "_x", "1", "A-b_c.d", strings.Repeat("a", 128)} {
		if err := registry.CheckTag(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                       "is no tag",
		".x":                     "not starting with",
		"-x":                     "not starting with",
		"v1+build":               "is no tag",
		"feature/x":              "is no tag",
		"a b":                    "is no tag",
		"ghcr.io/acme/hello:v1":  "found a whole reference in the place of a tag; want v1",
		strings.Repeat("a", 129): "up to 128",
	} {
		err := registry.CheckTag(bad)
		var e *registry.ReferenceError
		if !errors.As(err, &e) {
			t.Errorf("%s: got %T, want *ReferenceError: %v", bad, err, err)
			continue
		}
		wantText(t, err, want)
	}
}

// TestReferencesFirst shows that nothing is asked of the registry where a
// reference is bad.
func TestReferencesFirst(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	index := build(t, "linux/amd64")
	for _, err := range []error{
		func() error {
			_, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"good", "not good"}, registry.Options{})
			return err
		}(),
		func() error {
			_, err := registry.Push(t.Context(), index, reg.Repository("app"), nil, registry.Options{MountFrom: []string{"ghcr.io/acme/hello"}})
			return err
		}(),
		func() error {
			_, err := registry.DryRun(t.Context(), index, reg.Repository("app:v1"), nil, registry.Options{})
			return err
		}(),
	} {
		var e *registry.ReferenceError
		if !errors.As(err, &e) {
			t.Errorf("got %T, want *ReferenceError: %v", err, err)
		}
	}
	if got := reg.Requests(); len(got) > 0 {
		t.Errorf("the registry was asked: %v", got)
	}
}

// TestCheck shows that what Push would refuse is known without a registry.
func TestCheck(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{TLS: true})
	key := []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	good := registry.Options{CA: append(key, reg.CA...), MountFrom: []string{reg.Repository("base")}}
	if err := registry.Check(reg.Repository("app"), []string{"latest", "v1"}, good); err != nil {
		t.Error(err)
	}
	if err := registry.Check("ghcr.io/acme/hello", nil, registry.Options{}); err != nil {
		t.Error(err)
	}

	for _, tc := range []struct {
		name       string
		repository string
		tags       []string
		o          registry.Options
		want       string
	}{
		{"repository", "hello", nil, good, "found no registry"},
		{"tag", reg.Repository("app"), []string{"latest", "not good"}, good, "is no tag"},
		{"sister", reg.Repository("app"), nil, registry.Options{MountFrom: []string{"ghcr.io/acme/hello"}}, "is in another registry"},
	} {
		err := registry.Check(tc.repository, tc.tags, tc.o)
		var e *registry.ReferenceError
		if !errors.As(err, &e) {
			t.Errorf("%s: got %T, want *ReferenceError: %v", tc.name, err, err)
			continue
		}
		wantText(t, err, tc.want)
	}

	for _, bad := range [][]byte{[]byte("no PEM"), key} {
		o := registry.Options{CA: bad}
		_, push := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), nil, o)
		for _, err := range []error{registry.Check(reg.Repository("app"), nil, o), push} {
			var e *registry.CAError
			if !errors.As(err, &e) {
				t.Errorf("%s: got %T, want *CAError: %v", bad, err, err)
				continue
			}
			wantText(t, err, "the certificate authorities (--ca, publish.ca) hold no PEM certificate", "-----BEGIN CERTIFICATE-----")
		}
	}
	if got := reg.Requests(); len(got) > 0 {
		t.Errorf("the registry was asked: %v", got)
	}
}
