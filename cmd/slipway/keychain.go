package main

import (
	"cmp"
	"context"
	"net/url"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// keychain finds credentials: what docker or podman stored and, in a workflow,
// the job's own token for the registry that belongs to GitHub.
func (e *edge) keychain() authn.Keychain {
	stored := registry.Keychain()
	if e.workflow == nil {
		return stored
	}
	return jobKeychain{stored: stored, host: packagesHost(e.env("GITHUB_SERVER_URL")), user: e.env("GITHUB_ACTOR"), token: e.jobToken()}
}

// jobToken is the token of the job: what the action passes on, which the programs
// that are started do not see, or what the workflow has in the environment.
func (e *edge) jobToken() string { return cmp.Or(e.env("SLIPWAY_GITHUB_TOKEN"), e.env("GITHUB_TOKEN")) }

// jobKeychain logs in with the job's token where nothing else does.
type jobKeychain struct {
	stored            authn.Keychain
	host, user, token string
}

// Resolve implements authn.Keychain.
func (k jobKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	found, err := k.stored.Resolve(target)
	if (err == nil && found != authn.Anonymous) || k.token == "" || target.RegistryStr() != k.host {
		return found, err
	}
	// GitHub takes any name with a token.
	return &authn.Basic{Username: k.user, Password: k.token}, nil
}

// maskLogins masks in a workflow what the images will be published with, before a
// program that is tested could print it.
func (s *session) maskLogins(ctx context.Context, destinations []pipelines.To) error {
	if s.workflow == nil {
		return nil
	}
	for _, to := range destinations {
		repositories, err := pipelines.Repositories(s.plan, to, s.options.Registry)
		if err != nil {
			return err
		}
		if err := maskLogin(ctx, repositories, s.options.Registry); err != nil {
			return err
		}
	}
	return nil
}

// maskLogin masks what some repositories are logged in to with.
func maskLogin(ctx context.Context, repositories []string, o registry.Options) error {
	for _, repository := range repositories {
		if err := registry.TellSecrets(ctx, repository, o); err != nil {
			return err
		}
	}
	return nil
}

// packagesHost is the container registry of a GitHub server: ghcr.io, or that of
// an enterprise's own server
// (https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry).
func packagesHost(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "github.com" || u.Hostname() == "" {
		return "ghcr.io"
	}
	return "containers." + u.Host
}
