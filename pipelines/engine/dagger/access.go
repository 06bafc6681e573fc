package dagger

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	sdk "dagger.io/dagger"
)

// Where the builder finds what lets it in.
const (
	netrcFile      = "/run/slipway/netrc"
	sshSocket      = "/run/slipway/ssh.sock"
	trustFile      = "/run/slipway/ca.pem"
	systemTrust    = "/etc/ssl/certs/ca-certificates.crt" // Debian's and Alpine's
	tokenVariable  = "SLIPWAY_GIT_TOKEN"
	credentialTool = `!f() { test "$1" = get && echo username=x-access-token && echo "password=$` + tokenVariable + `"; }; f`
)

// settings are those variables of the go command that say where modules come
// from. They cannot change what a build gives: go.sum has the last word.
var settings = []string{"GOAUTH", "GOINSECURE", "GONOPROXY", "GONOSUMDB", "GOPRIVATE", "GOPROXY", "GOSUMDB", "GOVCS"}

// Settings are the names of the variables that Options.Settings takes.
func Settings() []string { return slices.Clone(settings) }

// AccessError says that an option which lets the builder in somewhere does not
// do alone.
type AccessError struct{ Option, Reason string }

func (e *AccessError) Error() string { return e.Option + ": " + e.Reason }

// secret tells whether a setting may hold a password. GOPROXY's addresses may,
// with or without a scheme; GOAUTH may name headers.
func secret(name, value string) bool {
	return name == "GOAUTH" && value != "netrc" || strings.Contains(value, "@")
}

// shortest is how long a login or password is at least for it to be hidden
// wherever it stands, and not before an @ alone: less would take parts out of
// other words.
const shortest = 8

// hiding replaces what stands before an @ in the settings' addresses. The engine
// hides a secret as a whole; the go command and git show parts of it.
func hiding(settings []string) *strings.Replacer {
	var pairs []string
	for _, s := range settings {
		_, value, _ := strings.Cut(s, "=")
		for address := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == '|' }) {
			at := strings.LastIndex(address, "@")
			if at < 0 {
				continue
			}
			login := address[:at]
			if _, rest, ok := strings.Cut(login, "://"); ok {
				login = rest
			}
			pairs = append(pairs, login+"@", "***@")
			_, password, _ := strings.Cut(login, ":")
			for _, word := range []string{login, password} {
				if len(word) >= shortest {
					pairs = append(pairs, word, "***")
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// withAccess lets the go command of a container reach modules: the proxies, the
// private repositories, the certificates. Secrets are mounted or set as secrets:
// they are in no layer and no cache key.
func (e *Engine) withAccess(ctx context.Context, c *sdk.Container) (*sdk.Container, error) {
	private := ""
	for _, s := range e.opts.Settings {
		key, value, _ := strings.Cut(s, "=")
		switch {
		case !slices.Contains(settings, key):
			continue
		case secret(key, value):
			c = c.WithSecretVariable(key, e.client.SetSecret("slipway-"+key, value))
		default:
			c = c.WithEnvVariable(key, value)
		}
		if key == "GOPRIVATE" {
			private = value
		}
	}
	if e.opts.Netrc != nil {
		// The go command takes $NETRC, git's HTTP library ~/.netrc.
		c = c.WithMountedSecret(netrcFile, e.opts.Netrc).WithEnvVariable("NETRC", netrcFile).
			WithMountedSecret("/root/.netrc", e.opts.Netrc)
	}
	var git gitConfig
	hosts := privateHosts(private)
	if e.opts.Token != nil {
		if len(hosts) == 0 {
			return nil, &AccessError{"token", "which host it is for is said by GOPRIVATE, which is empty; set it, like GOPRIVATE=github.com/acme/*"}
		}
		c = c.WithSecretVariable(tokenVariable, e.opts.Token)
		for _, host := range hosts {
			git.add("credential.https://"+host+".helper", credentialTool)
		}
	}
	if e.opts.SSH != nil {
		if len(hosts) == 0 {
			return nil, &AccessError{"ssh", "which hosts are reached over SSH is said by GOPRIVATE, which is empty; set it, like GOPRIVATE=github.com/acme/*"}
		}
		c = c.WithUnixSocket(sshSocket, e.opts.SSH).WithEnvVariable("SSH_AUTH_SOCK", sshSocket).
			// A builder knows no host yet, and nobody is there to be asked.
			WithEnvVariable("GIT_SSH_COMMAND", "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes")
		for _, host := range hosts {
			if strings.ContainsAny(host, "*?[") {
				return nil, &AccessError{"ssh", "GOPRIVATE has the host " + host + ", and git takes SSH for hosts by name; name them"}
			}
			git.add("url.ssh://git@"+host+"/.insteadOf", "https://"+host+"/")
		}
	}
	c = git.in(c)
	if len(e.opts.CA) > 0 {
		system, err := c.File(systemTrust).Contents(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, &AccessError{"certificates", "the builder image has no " + systemTrust + " to add them to"}
		}
		all := bytes.Join([][]byte{[]byte(system), e.opts.CA}, []byte("\n"))
		c = c.WithNewFile(trustFile, string(all)).
			WithEnvVariable("SSL_CERT_FILE", trustFile).WithEnvVariable("GIT_SSL_CAINFO", trustFile)
	}
	return c, nil
}

// privateHosts are the hosts of GOPRIVATE's patterns, which are import paths:
// https://go.dev/ref/mod#private-modules.
func privateHosts(goprivate string) []string {
	var hosts []string
	for pattern := range strings.SplitSeq(goprivate, ",") {
		host, _, _ := strings.Cut(strings.TrimSpace(pattern), "/")
		if host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// gitConfig is configuration that git takes from its environment
// (https://git-scm.com/docs/git-config#ENVIRONMENT).
type gitConfig [][2]string

func (g *gitConfig) add(key, value string) { *g = append(*g, [2]string{key, value}) }

func (g gitConfig) in(c *sdk.Container) *sdk.Container {
	if len(g) == 0 {
		return c
	}
	c = c.WithEnvVariable("GIT_CONFIG_COUNT", fmt.Sprint(len(g)))
	for i, pair := range g {
		c = c.WithEnvVariable(fmt.Sprintf("GIT_CONFIG_KEY_%d", i), pair[0]).
			WithEnvVariable(fmt.Sprintf("GIT_CONFIG_VALUE_%d", i), pair[1])
	}
	return c
}
