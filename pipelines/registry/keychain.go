package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Keychain finds credentials where docker and podman keep them. It looks into
// these files, and the first one with credentials for the registry wins:
//
//   - the one that REGISTRY_AUTH_FILE names, which is podman's variable;
//   - docker's config.json, in DOCKER_CONFIG or else ~/.docker;
//   - podman's auth.json in XDG_RUNTIME_DIR/containers, or without that variable
//     in /run/containers/UID, which is for Linux only;
//   - podman's auth.json in XDG_CONFIG_HOME/containers or else ~/.config/containers.
//
// In a file, an entry for a part of a registry, like ghcr.io/acme, comes before
// the registry's own (containers-auth.json(5)). Those are also asked of credential
// stores and helpers (docker-credential-…, which is how the clouds' registries are
// logged in to), and come from DOCKER_AUTH_CONFIG first where docker has that set.
//
// A file that cannot be read and a helper that fails are passed over. Where
// nothing is found then, this package goes to the registry without credentials,
// and says what was passed over should the registry want some.
//
// Unlike everything else here the keychain looks at the environment by itself:
// at the variables above, HOME, and PATH for the helpers.
func Keychain() authn.Keychain { return keychain{} }

// KeychainOf finds credentials in the text of docker's config.json or podman's
// auth.json alone, wherever it comes from. A text that names a credential store or
// helper and holds no credentials itself is an error: the helper has them, on
// another machine perhaps.
func KeychainOf(text io.Reader) (authn.Keychain, error) {
	file, err := config.LoadFromReader(text)
	if err != nil {
		return nil, fmt.Errorf("no docker config: %w", err)
	}
	if helpers := helpersOf(file); len(helpers) > 0 && !holdsCredentials(file) {
		return nil, fmt.Errorf("holds no credentials: they are in the helper %s; give --username and --password", strings.Join(helpers, ", "))
	}
	return fileKeychain{file}, nil
}

// helpersOf are the programs that a file leaves its credentials to.
func helpersOf(file *configfile.ConfigFile) []string {
	names := slices.Collect(maps.Values(file.CredentialHelpers))
	if file.CredentialsStore != "" {
		names = append(names, file.CredentialsStore)
	}
	for i, name := range names {
		names[i] = "docker-credential-" + name
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func holdsCredentials(file *configfile.ConfigFile) bool {
	for _, entry := range file.AuthConfigs {
		if pick(entry) != (authn.AuthConfig{}) {
			return true
		}
	}
	return false
}

type fileKeychain struct{ file *configfile.ConfigFile }

// Resolve implements authn.Keychain.
func (k fileKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	found, err := findIn(k.file, target)
	if err != nil {
		return nil, &passedOverError{err.Error()}
	}
	return authn.FromConfig(found), nil
}

type keychain struct{}

// Resolve implements authn.Keychain. Its error is a *passedOverError.
func (keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	var passedOver []string
	for _, p := range places() {
		found, err := p.find(target)
		switch {
		case err != nil:
			passedOver = append(passedOver, err.Error())
		case found != authn.AuthConfig{}:
			return authn.FromConfig(found), nil
		}
	}
	if len(passedOver) > 0 {
		return nil, &passedOverError{strings.Join(passedOver, "; ")}
	}
	return authn.Anonymous, nil
}

// passedOverError says that no credentials were found, and where there may be some.
type passedOverError struct{ reason string }

func (e *passedOverError) Error() string { return e.reason }

// place is a file with credentials. Docker's and podman's have the same form.
type place struct {
	path   string
	docker bool
	// named tells that somebody asked for this file, so that it should be there.
	named bool
}

func places() []place {
	env := os.Getenv //nolint:forbidigo // docker and podman name these places in the environment
	var all []place
	if file := env("REGISTRY_AUTH_FILE"); file != "" {
		all = append(all, place{path: file, named: true})
	}
	home, _ := os.UserHomeDir() // without one, its places are left out

	if dir := env("DOCKER_CONFIG"); dir != "" {
		all = append(all, place{path: filepath.Join(dir, config.ConfigFileName), docker: true})
	} else if home != "" {
		all = append(all, place{path: filepath.Join(home, ".docker", config.ConfigFileName), docker: true})
	}

	podman := func(elements ...string) {
		all = append(all, place{path: filepath.Join(append(elements, "containers", "auth.json")...)})
	}
	if dir := env("XDG_RUNTIME_DIR"); dir != "" {
		podman(dir)
	} else if runtime.GOOS == "linux" {
		all = append(all, place{path: filepath.Join("/run/containers", strconv.Itoa(os.Getuid()), "auth.json")})
	}
	if dir := env("XDG_CONFIG_HOME"); dir != "" {
		podman(dir)
	} else if home != "" {
		podman(home, ".config")
	}
	return all
}

func (p place) load() (*configfile.ConfigFile, error) {
	if p.docker {
		// An absent file is like an empty one to it.
		return config.Load(filepath.Dir(p.path))
	}
	f, err := os.Open(p.path)
	if errors.Is(err, fs.ErrNotExist) && !p.named {
		return config.LoadFromReader(strings.NewReader("{}"))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := config.LoadFromReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}
	return file, nil
}

// find looks for a repository's credentials, and returns empty ones where the
// place has none.
func (p place) find(target authn.Resource) (authn.AuthConfig, error) {
	file, err := p.load()
	if err != nil {
		return authn.AuthConfig{}, err
	}
	return findIn(file, target)
}

func findIn(file *configfile.ConfigFile, target authn.Resource) (authn.AuthConfig, error) {
	hosts := []string{target.RegistryStr()}
	if hosts[0] == name.DefaultRegistry {
		// The key that docker has for its Hub, and podman's.
		hosts = []string{authn.DefaultAuthKey, "docker.io", name.DefaultRegistry}
	}

	repository := strings.TrimPrefix(strings.TrimPrefix(target.String(), target.RegistryStr()), "/")
	for part := repository; part != "" && part != "."; part = path.Dir(part) {
		for _, host := range hosts {
			if found := pick(file.AuthConfigs[host+"/"+part]); found != (authn.AuthConfig{}) {
				return found, nil
			}
		}
	}
	// Docker's library takes any key that begins with the host for the host's own,
	// since once they were URLs. It would log in with what is meant for another part
	// of the registry.
	own := *file
	own.AuthConfigs = maps.Clone(file.AuthConfigs)
	maps.DeleteFunc(own.AuthConfigs, func(key string, _ types.AuthConfig) bool {
		_, rest, _ := strings.Cut(key, "/")
		return !strings.Contains(key, "://") && !slices.Contains([]string{"", "v1", "v2"}, strings.TrimSuffix(rest, "/"))
	})

	// Credential stores and helpers are asked for the registry and not for parts of
	// it: they know nothing else, and some have an error for what they do not know.
	stored, err := own.GetAuthConfig(hosts[0])
	if err != nil {
		return authn.AuthConfig{}, err
	}
	found := pick(stored)
	for _, host := range hosts[1:] {
		if found == (authn.AuthConfig{}) {
			found = pick(own.AuthConfigs[host])
		}
	}
	return found, nil
}

// pick takes what logs in out of an entry, which may have an address besides.
func pick(c types.AuthConfig) authn.AuthConfig {
	return authn.AuthConfig{
		Username: c.Username, Password: c.Password, Auth: c.Auth,
		IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	}
}
