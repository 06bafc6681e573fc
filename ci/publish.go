package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/slipway-dev/slipway/ci/internal/dagger"
	"github.com/slipway-dev/slipway/pipelines"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// publication says where images go and how their registry is talked to: the
// arguments of Build's Publish.
type publication struct {
	To           string
	Tag          []string
	Username     string
	Password     *dagger.Secret
	DockerConfig *dagger.Secret
	Registry     *dagger.Service
	PlainHTTP    bool
	CA           *dagger.File
	DryRun       bool
	NoSmoke      bool
}

// Builds, audits and proves the image, pushes it by digest and then moves the tags; gives REPOSITORY@DIGEST, a line for each image
//
// +cache="never"
func (m *Slipway) Publish(ctx context.Context, args struct {
	// folder of the program, or of a repository that holds it (see path)
	// +ignore=["**/.git", ".slipway"]
	Source *dagger.Directory
	// the program's folder within the source
	// +optional
	Path string
	// the configuration, a file of the source (default slipway.yaml in the program's folder, where there is one)
	// +optional
	Config string
	// main package to build, like ./cmd/hello; each becomes an image
	// +optional
	Package []string
	// image of the configuration to build (default all)
	// +optional
	Image []string
	// platform to build for, like linux/arm64, or all (default linux/amd64 and linux/arm64)
	// +optional
	Platform []string
	// exact Go release to compile with, like 1.26.8
	// +optional
	Go string
	// set any key of the configuration, like image.tmp=true; the value is YAML
	// +optional
	Set []string
	// what {{.Version}} and the version stamp become
	// +optional
	Version string
	// what {{.Commit}} and the revision stamp become
	// +optional
	Revision string
	// files of the source that the builder does not get, like docs/**
	// +optional
	Exclude []string
	// keep from the builder what git ignores
	// +optional
	Gitignore bool
	// repository to publish to, like ghcr.io/acme/hello (default publish.to of the configuration)
	// +optional
	To string
	// tag to move when the image is there
	// +optional
	Tag []string
	// user at the registry
	// +optional
	Username string
	// password or token at the registry, like env:TOKEN
	// +optional
	Password *dagger.Secret
	// docker's config.json with the credentials, like file:///home/me/.docker/config.json
	// +optional
	DockerConfig *dagger.Secret
	// registry that is reached as a service, like tcp://localhost:5000
	// +optional
	Registry *dagger.Service
	// allow plain HTTP to a registry that is not on this machine
	// +optional
	PlainHTTP bool
	// PEM file of certificate authorities for the registry, beside the system's
	// +optional
	CA *dagger.File
	// build and prove, then say what would be pushed, and push nothing
	// +optional
	DryRun bool
	// publish without running the image
	// +optional
	NoSmoke bool
},
) (string, error) {
	p := &Program{
		Source: args.Source, Path: args.Path, Config: args.Config, Package: args.Package, Image: args.Image,
		Platform: args.Platform, Go: args.Go, Set: args.Set, Version: args.Version, Revision: args.Revision,
		Exclude: args.Exclude, Gitignore: args.Gitignore,
	}
	return m.publish(ctx, p, "", publication{
		To: args.To, Tag: args.Tag, Username: args.Username, Password: args.Password, DockerConfig: args.DockerConfig,
		Registry: args.Registry, PlainHTTP: args.PlainHTTP, CA: args.CA, DryRun: args.DryRun, NoSmoke: args.NoSmoke,
	})
}

// Proves the image, pushes it by digest and then moves the tags; gives REPOSITORY@DIGEST, a line for each image
//
// +cache="never"
func (b *Build) Publish(ctx context.Context, args struct {
	// repository to publish to, like ghcr.io/acme/hello (default publish.to of the configuration)
	// +optional
	To string
	// tag to move when the image is there
	// +optional
	Tag []string
	// user at the registry
	// +optional
	Username string
	// password or token at the registry, like env:TOKEN
	// +optional
	Password *dagger.Secret
	// docker's config.json with the credentials, like file:///home/me/.docker/config.json
	// +optional
	DockerConfig *dagger.Secret
	// registry that is reached as a service, like tcp://localhost:5000
	// +optional
	Registry *dagger.Service
	// allow plain HTTP to a registry that is not on this machine
	// +optional
	PlainHTTP bool
	// PEM file of certificate authorities for the registry, beside the system's
	// +optional
	CA *dagger.File
	// build and prove, then say what would be pushed, and push nothing
	// +optional
	DryRun bool
	// publish without running the image
	// +optional
	NoSmoke bool
},
) (string, error) {
	return b.Slipway.publish(ctx, b.Program, b.Digest, publication(args))
}

// publish builds and pushes. want is what the digests have to be, where that is
// known.
func (m *Slipway) publish(ctx context.Context, p *Program, want string, args publication) (_ string, err error) {
	s, err := m.open(ctx, p)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	to := pipelines.To{Repository: args.To, Tags: args.Tag}
	s.options.Registry.Host = loginHost(s, args.To)
	if err := args.apply(ctx, &s.options.Registry); err != nil {
		return "", err
	}
	s.options.SkipSmoke = args.NoSmoke
	if err := pipelines.CheckTo(s.plan, to, s.options.Registry); err != nil {
		return "", err
	}
	built, err := s.build(ctx, want)
	if err != nil {
		return "", err
	}
	if args.DryRun {
		err = built.DryRun(ctx, to)
	} else {
		err = built.Publish(ctx, to)
	}
	if err != nil {
		return "", args.explain(err)
	}
	lines := make([]string, len(built.Images))
	for i, img := range built.Images {
		lines[i] = img.References[0]
	}
	return strings.Join(lines, "\n"), nil
}

// loginHost is the registry that the user and the service are for: the one that
// is published to. A base image's registry is none of their business.
func loginHost(s *session, repository string) string {
	if repository == "" && len(s.plan.Images) > 0 {
		repository = s.plan.Images[0].Publish.To
	}
	host, _, _ := strings.Cut(repository, "/")
	return host
}

// apply adds what the arguments say of a registry, whose host is in the options.
func (p publication) apply(ctx context.Context, o *registry.Options) error {
	o.PlainHTTP, o.Username = p.PlainHTTP, p.Username
	if (p.Username == "") != (p.Password == nil) {
		return errors.New("--username and --password: want both or neither")
	}
	if p.Password != nil {
		password, err := p.Password.Plaintext(ctx)
		if err != nil {
			return fmt.Errorf("--password: %w", err)
		}
		o.Password = strings.TrimRight(password, "\r\n")
	}
	if p.DockerConfig != nil {
		text, err := p.DockerConfig.Plaintext(ctx)
		if err != nil {
			return fmt.Errorf("--docker-config: %w", err)
		}
		if o.Keychain, err = registry.KeychainOf(strings.NewReader(text)); err != nil {
			return fmt.Errorf("--docker-config: %w", err)
		}
	}
	if p.CA != nil {
		pem, err := p.CA.Contents(ctx)
		if err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
		o.CA = []byte(pem)
	}
	if p.Registry != nil {
		return throughService(ctx, p.Registry, o)
	}
	return nil
}

// throughService makes requests to the registry's host go to a service, whatever
// that name means elsewhere.
func throughService(ctx context.Context, service *dagger.Service, o *registry.Options) error {
	started, err := service.Start(ctx)
	if err != nil {
		return fmt.Errorf("--registry: %w", err)
	}
	endpoint, err := started.Endpoint(ctx)
	if err != nil {
		return fmt.Errorf("--registry: %w", err)
	}
	host := o.Host
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if isAddressOf(host, address) {
			address = endpoint
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return nil
}

// explain says of a registry that does not answer where it was looked for. The
// engine accepts every connection to a service of the host, and ends it where
// nobody listens there.
func (p publication) explain(err error) error {
	_, unreachable := errors.AsType[*registry.UnreachableError](err)
	if p.Registry == nil || !unreachable && !errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("%w; it was looked for at the service that --registry names", err)
}

// isAddressOf tells whether an address, which has a port, is a registry's: where
// its name has no port, that is HTTPS' or HTTP's.
func isAddressOf(registry, address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(address, registry) {
		return true
	}
	return strings.EqualFold(host, strings.Trim(registry, "[]")) && (port == "443" || port == "80")
}
