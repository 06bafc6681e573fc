// Ships Go programs: compiles for every platform in a builder, assembles a
// minimal image, proves by running it that it works, and publishes it by digest.
//
//	dagger call build --source . digest
//	dagger call smoke --source .
//	dagger call publish --source . --to ghcr.io/acme/hello --tag latest --username me --password env:TOKEN
//
// The same source and Go release give the same digest as slipway's command line
// gives anywhere else.
package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
	builder "github.com/slipway-dev/slipway/pipelines/engine/dagger"
)

// Slipway ships Go programs.
type Slipway struct {
	// The image that compiles.
	// +private
	BuilderImage string
	// +private
	BuilderUsername string
	// +private
	BuilderPassword *dagger.Secret
	// Variables of the go command, NAME=value.
	// +private
	Settings []string
	// +private
	Netrc *dagger.Secret
	// +private
	Token *dagger.Secret
	// +private
	SSH *dagger.Socket
	// +private
	Certificates *dagger.File
}

// New says where the builder comes from and what it may reach; all of it is
// optional.
func New(
	// image that compiles, like golang, which gets the Go release as its tag, or golang@sha256:…
	// +optional
	builder string,
	// user at the builder image's registry (default what docker login stored)
	// +optional
	builderUsername string,
	// password at the builder image's registry
	// +optional
	builderPassword *dagger.Secret,
	// where modules come from, as GOPROXY has it
	// +optional
	goproxy string,
	// import paths that are private, as GOPRIVATE has it
	// +optional
	goprivate string,
	// import paths whose hashes are not asked of the database, as GONOSUMDB has it
	// +optional
	gonosumdb string,
	// database of hashes, as GOSUMDB has it
	// +optional
	gosumdb string,
	// further settings of where modules come from, NAME=value, like GOINSECURE=example.com
	// +optional
	goSettings []string,
	// netrc file with the credentials for module proxies and for git over HTTPS
	// +optional
	netrc *dagger.Secret,
	// token that git logs in with at the hosts of goprivate
	// +optional
	token *dagger.Secret,
	// SSH agent's socket, for the hosts of goprivate
	// +optional
	ssh *dagger.Socket,
	// PEM file of certificate authorities that the builder trusts beside its image's
	// +optional
	certificates *dagger.File,
) (*Slipway, error) {
	settings, err := goEnv([]setting{
		{"--goproxy", "GOPROXY", goproxy}, {"--goprivate", "GOPRIVATE", goprivate},
		{"--gonosumdb", "GONOSUMDB", gonosumdb}, {"--gosumdb", "GOSUMDB", gosumdb},
	}, goSettings)
	if err != nil {
		return nil, err
	}
	m := &Slipway{
		BuilderImage: builder, BuilderUsername: builderUsername, BuilderPassword: builderPassword,
		Settings: settings, Netrc: netrc, Token: token, SSH: ssh, Certificates: certificates,
	}
	return m, m.check()
}

func (m *Slipway) check() error {
	if m.BuilderImage != "" {
		if err := builder.CheckBuilder(m.BuilderImage); err != nil {
			return err
		}
	}
	if (m.BuilderUsername == "") != (m.BuilderPassword == nil) {
		return fmt.Errorf("--builder-username and --builder-password: want both or neither")
	}
	return nil
}

// setting is a variable of the go command, and the argument that gives it.
type setting struct{ flag, name, value string }

// goEnv lists the settings of the go command that were given. An error does not
// repeat a value, which may hold a password.
func goEnv(named []setting, further []string) ([]string, error) {
	for _, s := range further {
		name, value, _ := strings.Cut(s, "=")
		named = append(named, setting{"--go-settings", name, value})
	}
	// GOAUTH's own purpose is to say passwords, or what gets them.
	names := slices.DeleteFunc(builder.Settings(), func(name string) bool { return name == "GOAUTH" })
	var all []string
	for _, s := range named {
		switch {
		case s.name == "GOAUTH" || strings.Contains(s.name+s.value, "@"):
			return nil, fmt.Errorf("%s: a password in an argument is in every log and trace of the call; pass it as a secret, with --netrc or --token", s.flag)
		case !slices.Contains(names, s.name):
			return nil, fmt.Errorf("%s: want NAME=value, the name one of %s", s.flag, strings.Join(names, ", "))
		case s.value != "":
			all = append(all, s.name+"="+s.value)
		}
	}
	return all, nil
}
