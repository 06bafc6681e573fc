package registry_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// clearHome lets nothing of the machine's own show, and returns a home folder
// that is XDG_RUNTIME_DIR too.
func clearHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "USERPROFILE": home, "XDG_RUNTIME_DIR": home, "XDG_CONFIG_HOME": "",
		"DOCKER_CONFIG": "", "DOCKER_AUTH_CONFIG": "", "REGISTRY_AUTH_FILE": "",
	} {
		t.Setenv(name, value)
	}
	return home
}

func write(t *testing.T, text string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// entries is a file of docker's or podman's. Each key's user is named and has the
// password "secret".
func entries(users map[string]string) string {
	var all []string
	for key, user := range users {
		all = append(all, fmt.Sprintf(`%q:{"auth":%q}`, key, base64.StdEncoding.EncodeToString([]byte(user+":secret"))))
	}
	return `{"auths":{` + strings.Join(all, ",") + `}}`
}

// userFor asks the keychain who logs in for a repository.
func userFor(t *testing.T, repository string) string {
	t.Helper()
	repo, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := registry.Keychain().Resolve(repo)
	if err != nil {
		t.Fatal(err)
	}
	c, err := auth.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	if (auth == authn.Anonymous) != (c.Username == "") {
		t.Errorf("%s: %v is half anonymous", repository, auth)
	}
	return c.Username
}

// TestKeychainOrder fills one place after the other, from the last to the first.
func TestKeychainOrder(t *testing.T) {
	home := clearHome(t)
	const repository = "registry.example/acme/hello"
	one := func(user string) string { return entries(map[string]string{"registry.example": user}) }
	want := func(user string) {
		t.Helper()
		if got := userFor(t, repository); got != user {
			t.Errorf("got user %q, want %q", got, user)
		}
	}
	want("")
	docker := write(t, `{"auths":{}}`, home, ".docker", "config.json")
	want("")
	write(t, one("config"), home, ".config", "containers", "auth.json")
	want("config")
	xdg := t.TempDir()
	write(t, one("xdg"), xdg, "containers", "auth.json")
	t.Setenv("XDG_CONFIG_HOME", xdg)
	want("xdg")
	runtimeFile := write(t, one("runtime"), home, "containers", "auth.json")
	want("runtime")
	write(t, one("docker"), docker)
	want("docker")
	elsewhere := t.TempDir()
	write(t, one("elsewhere"), elsewhere, "config.json")
	t.Setenv("DOCKER_CONFIG", elsewhere)
	want("elsewhere")
	named := filepath.Join(home, "named.json")
	t.Setenv("REGISTRY_AUTH_FILE", named)
	want("elsewhere")
	write(t, one("named"), named)
	want("named")

	// What has no credentials for the registry, or cannot be read, is in nobody's way.
	write(t, entries(map[string]string{"other.example": "other"}), named)
	want("elsewhere")
	write(t, "{", named)
	want("elsewhere")
	t.Setenv("REGISTRY_AUTH_FILE", home)
	want("elsewhere")
	write(t, "{", elsewhere, "config.json")
	want("runtime")
	write(t, `{"auths":{"registry.example":{"email":"captain@registry.example"}}}`, runtimeFile)
	want("xdg")
	t.Setenv("DOCKER_AUTH_CONFIG", one("variable"))
	want("variable")
}

// TestKeychainParts has entries for parts of registries, as podman makes them.
func TestKeychainParts(t *testing.T) {
	home := clearHome(t)
	write(t, entries(map[string]string{
		"registry.example/acme":       "acme",
		"registry.example/acme/hello": "hello",
		"registry.example/other":      "other",
		"both.example":                "host",
		"both.example/acme":           "acme",
		"https://url.example/v1/":     "url",
		"bare.example/v2/":            "bare",
		"docker.io/acme":              "hubacme",
		"docker.io":                   "hub",
	}), home, "containers", "auth.json")
	for repository, want := range map[string]string{
		"registry.example/acme/hello":       "hello",
		"registry.example/acme/hello/there": "hello",
		"registry.example/acme/world":       "acme",
		"registry.example/acmeish/world":    "",
		"registry.example/world":            "",
		"both.example/acme/hello":           "acme",
		"both.example/world":                "host",
		"url.example/acme":                  "url",
		"bare.example/acme":                 "bare",
		"docker.io/acme/hello":              "hubacme",
		"docker.io/world/hello":             "hub",
	} {
		if got := userFor(t, repository); got != want {
			t.Errorf("%s: got user %q, want %q", repository, got, want)
		}
	}
	write(t, entries(map[string]string{"https://index.docker.io/v1/": "dockerhub"}), home, ".docker", "config.json")
	if got := userFor(t, "docker.io/world/hello"); got != "dockerhub" {
		t.Errorf("got user %q, want what docker login stored", got)
	}
}

// TestKeychainOf finds what the text has, more than once, and nothing of this
// machine's own.
func TestKeychainOf(t *testing.T) {
	home := clearHome(t)
	write(t, entries(map[string]string{"elsewhere.example": "machine"}), home, ".docker", "config.json")
	k, err := registry.KeychainOf(strings.NewReader(entries(map[string]string{"reg.example": "all", "reg.example/team": "team"})))
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]string{
		"reg.example/app": "all", "reg.example/team/app": "team", "reg.example/other": "all", "elsewhere.example/app": "",
	} {
		repo, err := name.NewRepository(repository)
		if err != nil {
			t.Fatal(err)
		}
		found, err := k.Resolve(repo)
		if err != nil {
			t.Fatal(err)
		}
		got, err := found.Authorization()
		if err != nil || got.Username != want {
			t.Errorf("%s: %q, want %q (%v)", repository, got.Username, want, err)
		}
	}
	if _, err := registry.KeychainOf(strings.NewReader("no JSON")); err == nil {
		t.Error("a text that is no docker config is taken")
	}
}

// TestKeychainOfHelper refuses a text whose credentials are in a helper, as docker
// login leaves it where there is one, and no other.
func TestKeychainOfHelper(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       string // the helpers; empty is no error
	}{
		{"store", `{"auths":{"reg.example":{}},"credsStore":"harbour"}`, "docker-credential-harbour"},
		{"helpers", `{"credHelpers":{"a.example":"quay","b.example":"pier","c.example":"quay"}}`, "docker-credential-pier, docker-credential-quay"},
		{"both", `{"credsStore":"quay","credHelpers":{"a.example":"harbour"}}`, "docker-credential-harbour, docker-credential-quay"},
		{"store and credentials", `{"credsStore":"harbour","auths":{"reg.example":{"auth":"bWU6c2VjcmV0"}}}`, ""},
		{"helper and token", `{"credHelpers":{"a.example":"harbour"},"auths":{"reg.example":{"identitytoken":"secret"}}}`, ""},
		{"nothing", `{}`, ""},
	} {
		_, err := registry.KeychainOf(strings.NewReader(test.text))
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if want := "holds no credentials: they are in the helper " + test.want + "; give --username and --password"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", test.name, err, want)
		}
	}
}

// TestKeychainLinux looks at podman's place for whoever has no XDG_RUNTIME_DIR. It
// is not ours to write to.
func TestKeychainLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("podman has this place on Linux only")
	}
	clearHome(t)
	path := fmt.Sprintf("/run/containers/%d/auth.json", os.Getuid())
	for _, dir := range []string{"", "/run/user/1"} {
		t.Setenv("XDG_RUNTIME_DIR", dir)
		found := false
		for _, p := range registry.Places() {
			found = found || p == path
		}
		if found != (dir == "") {
			t.Errorf("with XDG_RUNTIME_DIR=%q we look at %q", dir, registry.Places())
		}
	}
}

// TestPodman reads what podman itself stores.
func TestPodman(t *testing.T) {
	podman, err := exec.LookPath("podman")
	if err != nil {
		t.Skip("podman is not on PATH")
	}
	reg := registrytest.Start(t, registrytest.Options{Auth: true})
	home := clearHome(t)
	write(t, `{"auths":{}}`, home, ".docker", "config.json")
	cmd := exec.CommandContext(t.Context(), podman, "login", "--tls-verify=false", "--username", registrytest.Username, "--password-stdin", reg.Host)
	cmd.Stdin = strings.NewReader(registrytest.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("podman cannot log in on this machine: %v\n%s", err, out)
	}
	o := registry.Options{Keychain: registry.Keychain()}
	if _, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), []string{"latest"}, o); err != nil {
		t.Error(err)
	}
}

// helper installs a credential helper, a shell script that has the question in
// $host, and returns the file that it writes the questions to.
func helper(t *testing.T, name, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	path := write(t, "#!/bin/sh\n[ \"$1\" = get ] || exit 1\nread -r host\necho \"$host\" >> "+asked+"\n"+script, dir, "docker-credential-"+name)
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return asked
}

func TestCredentialHelper(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{Auth: true})
	open := registrytest.Start(t, registrytest.Options{})
	index := build(t, "linux/amd64")
	push := func(reg *registrytest.Registry) error {
		_, err := registry.Push(t.Context(), index, reg.Repository("acme/app"), []string{"latest"}, registry.Options{Keychain: registry.Keychain()})
		return err
	}
	// One that has an error of its own for what it does not know.
	answers := fmt.Sprintf("[ \"$host\" = %s ] || { echo 'no such account'; exit 1; }\necho '{\"ServerURL\":%q,\"Username\":%q,\"Secret\":%q}'\n",
		reg.Host, reg.Host, registrytest.Username, registrytest.Password)

	for _, config := range []string{`{"credsStore":"harbour"}`, fmt.Sprintf(`{"credHelpers":{%q:"harbour"}}`, reg.Host)} {
		t.Run(config[2:12], func(t *testing.T) {
			home := clearHome(t)
			asked := helper(t, "harbour", answers)
			write(t, config, home, ".docker", "config.json")
			if err := push(reg); err != nil {
				t.Error(err)
			}
			got, err := os.ReadFile(asked)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(reg.Host+"\n", string(got)); diff != "" {
				t.Errorf("what the helper was asked (-want +got):\n%s", diff)
			}
			if err := push(open); err != nil {
				t.Errorf("a registry that the helper does not know: %v", err)
			}
		})
	}
	t.Run("one that fails", func(t *testing.T) {
		home := clearHome(t)
		helper(t, "harbour", "echo 'the vault is sealed'\nexit 1\n")
		write(t, `{"credsStore":"harbour"}`, home, ".docker", "config.json")
		if err := push(open); err != nil {
			t.Errorf("a registry without log-in: %v", err)
		}
		err := push(reg)
		var auth *registry.AuthError
		if !errors.As(err, &auth) {
			t.Fatalf("got %T, want *AuthError: %v", err, err)
		}
		wantText(t, err, "401", "without credentials", "the vault is sealed", "docker login "+reg.Host)

		write(t, fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.Host,
			base64.StdEncoding.EncodeToString([]byte(registrytest.Username+":"+registrytest.Password))), home, "containers", "auth.json")
		if err := push(reg); err != nil {
			t.Errorf("podman's auth.json has credentials: %v", err)
		}
	})
	t.Run("one that is missing", func(t *testing.T) {
		home := clearHome(t)
		write(t, fmt.Sprintf(`{"credHelpers":{%q:"atlantis"}}`, reg.Host), home, ".docker", "config.json")
		err := push(reg)
		var auth *registry.AuthError
		if !errors.As(err, &auth) {
			t.Fatalf("got %T, want *AuthError: %v", err, err)
		}
		wantText(t, err, "docker-credential-atlantis")
	})
}

// TestKeychainPush logs in with what is stored, or cannot.
func TestKeychainPush(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{Auth: true})
	index := build(t, "linux/amd64")
	push := func(o registry.Options) error {
		o.Keychain = registry.Keychain()
		_, err := registry.Push(t.Context(), index, reg.Repository("app"), nil, o)
		return err
	}

	t.Run("a wrong password", func(t *testing.T) {
		home := clearHome(t)
		write(t, entries(map[string]string{reg.Host: "mallory"}), home, ".docker", "config.json")
		err := push(registry.Options{})
		wantText(t, err, `as user "mallory"`, "401", "docker login "+reg.Host, "podman login")
		wantNoSecret(t, err, "secret", base64.StdEncoding.EncodeToString([]byte("mallory:secret")))
		if err := push(login(registry.Options{})); err != nil {
			t.Errorf("the right one is given: %v", err)
		}
	})
	t.Run("none", func(t *testing.T) {
		clearHome(t)
		err := push(registry.Options{})
		wantText(t, err, "without credentials: 401")
	})
	t.Run("files that cannot be read", func(t *testing.T) {
		home := clearHome(t)
		t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(home, "named.json"))
		wantText(t, push(registry.Options{}), "without credentials (stored ones could not be read: open ", "named.json")
		t.Setenv("REGISTRY_AUTH_FILE", "")
		write(t, "{", home, "containers", "auth.json")
		wantText(t, push(registry.Options{}), "without credentials (stored ones", filepath.Join("containers", "auth.json"))
	})
}
