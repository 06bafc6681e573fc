package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
)

// credentials are how a client logs in.
type credentials struct {
	auth authn.Authenticator
	// user may be empty, with a token for one.
	user string
	// typed tells that they come from the options and not from the keychain.
	typed bool
	// passedOver is where the keychain could not look and found none elsewhere.
	passedOver string
	// secrets are what must not be shown.
	secrets []string
}

// findCredentials takes the options' own, or asks the keychain.
func findCredentials(ctx context.Context, t *target, o Options) (*credentials, error) {
	if o.Host != "" && o.Host != t.host() {
		o.Username, o.Password = "", ""
	}
	fail := func(reason, help string) error {
		return &AuthError{Registry: t.host(), Repository: t.given, User: o.Username, Reason: reason, Help: help}
	}
	switch {
	case o.Username != "" && o.Password == "":
		return nil, fail(fmt.Sprintf("user %q has no password", o.Username), "give it on standard input or in the environment, or leave out --username to take stored credentials")
	case o.Username == "" && o.Password != "":
		return nil, fail("a password without a user", "give --username as well")
	}
	c := &credentials{auth: authn.Anonymous}
	switch {
	case o.Username != "":
		c.auth = &authn.Basic{Username: o.Username, Password: o.Password}
		c.typed = true
	case o.Keychain != nil:
		found, err := authn.Resolve(ctx, o.Keychain, t.repo)
		var passedOver *passedOverError
		switch {
		case errors.As(err, &passedOver):
			c.passedOver = oneLine(passedOver.Error())
		case err != nil:
			return nil, fail("stored credentials could not be read: "+oneLine(err.Error()), "repair that, or give --username and its password")
		default:
			c.auth = found
		}
	}
	config, err := authn.Authorization(ctx, c.auth)
	if err != nil {
		return nil, errors.Join(ctx.Err(), fail("stored credentials could not be read: "+oneLine(err.Error()), "log in again with docker login "+t.host()))
	}
	c.user = config.Username
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
			if o.Secret != nil {
				o.Secret(secret)
			}
		}
	}
	return c, nil
}

// TellSecrets tells Options.Secret what Push would log in with, and asks no
// registry: a log can mask it before anything else is done. Errors are
// *ReferenceError and *AuthError.
func TellSecrets(ctx context.Context, repository string, o Options) error {
	t, err := newTarget(repository, nil, Options{PlainHTTP: o.PlainHTTP})
	if err != nil {
		return err
	}
	_, err = findCredentials(ctx, t, o)
	return err
}
