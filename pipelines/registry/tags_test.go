package registry_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

func TestTags(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{Auth: true})
	var secrets []string
	o := registry.Options{Username: registrytest.Username, Password: registrytest.Password, Secret: func(s string) { secrets = append(secrets, s) }}
	repository := reg.Repository("tags")
	if tags, err := registry.Tags(t.Context(), repository, o); err != nil || len(tags) > 0 {
		t.Errorf("a repository that is not there: %v, %v", tags, err)
	}
	if _, err := registry.Push(t.Context(), build(t, "linux/amd64"), repository, []string{"v1", "latest"}, o); err != nil {
		t.Fatal(err)
	}
	tags, err := registry.Tags(t.Context(), repository, o)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tags)
	if !slices.Equal(tags, []string{"latest", "v1"}) {
		t.Errorf("the tags are %v", tags)
	}
	if !slices.Contains(secrets, registrytest.Password) {
		t.Error("nobody was told the password")
	}
	_, err = registry.Tags(t.Context(), repository, registry.Options{})
	if _, ok := errors.AsType[*registry.AuthError](err); !ok {
		t.Errorf("without a password: %v", err)
	}
}

// TestTellSecrets wants the secrets without a registry being asked.
func TestTellSecrets(t *testing.T) {
	var secrets []string
	o := registry.Options{Username: "me", Password: "open sesame", Secret: func(s string) { secrets = append(secrets, s) }}
	if err := registry.TellSecrets(t.Context(), "registry.invalid/prog", o); err != nil {
		t.Fatal(err)
	}
	// As HTTP's basic authentication has them (RFC 7617).
	if want := []string{"open sesame", "bWU6b3BlbiBzZXNhbWU="}; !slices.Equal(secrets, want) {
		t.Errorf("told %q, want %q", secrets, want)
	}
	err := registry.TellSecrets(t.Context(), "nowhere", o)
	if _, ok := errors.AsType[*registry.ReferenceError](err); !ok {
		t.Errorf("no registry: %v", err)
	}
}
