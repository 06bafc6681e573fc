package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Keychain finds credentials where docker and podman keep them: docker's
// config.json with its credential stores and helpers (docker-credential-…, which
// is also how the clouds' registries are logged in to), and where there is no
// such file podman's auth.json.
//
// Unlike everything else here it looks at the environment by itself: HOME,
// DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, and PATH
// for the helpers.
func Keychain() authn.Keychain { return authn.DefaultKeychain }

// credentials are how a client logs in.
type credentials struct {
	auth authn.Authenticator
	// user may be empty, with a token for one.
	user string
	// secrets are what must not be shown.
	secrets []string
}

// findCredentials takes the options' own, or asks the keychain.
func findCredentials(ctx context.Context, t *target, o Options) (*credentials, error) {
	fail := func(reason, help string) error {
		return &AuthError{Registry: t.host(), Repository: t.given, User: o.Username, Reason: reason, Help: help}
	}
	switch {
	case o.Username != "" && o.Password == "":
		return nil, fail(fmt.Sprintf("user %q has no password", o.Username), "give it on standard input or in the environment, or leave out --username to take stored credentials")
	case o.Username == "" && o.Password != "":
		return nil, fail("a password without a user", "give --username as well")
	}
	auth := authn.Anonymous
	switch {
	case o.Username != "":
		auth = &authn.Basic{Username: o.Username, Password: o.Password}
	case o.Keychain != nil:
		found, err := authn.Resolve(ctx, o.Keychain, t.repo)
		if err != nil {
			return nil, fail("stored credentials could not be read: "+oneLine(err.Error()), "repair docker's config.json or podman's auth.json, or give --username and its password")
		}
		auth = found
	}
	config, err := authn.Authorization(ctx, auth)
	if err != nil {
		return nil, errors.Join(ctx.Err(), fail("stored credentials could not be read: "+oneLine(err.Error()), "log in again with docker login "+t.host()))
	}
	c := &credentials{auth: auth, user: config.Username}
	if c.user == "<token>" { // how docker writes that there is an identity token
		c.user = ""
	}
	secrets := []string{config.Password, config.Auth, config.IdentityToken, config.RegistryToken}
	if config.Password != "" {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(config.Username+":"+config.Password)))
	}
	for _, secret := range secrets {
		if secret != "" {
			c.secrets = append(c.secrets, secret)
		}
	}
	return c, nil
}
