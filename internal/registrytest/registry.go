// Package registrytest starts a real registry, the reference implementation of
// the OCI distribution specification, for tests to push to and pull from.
//
// The registry stands behind a small proxy that writes down every request and
// can make some of them fail (see Registry.Fail, Cut and Intercept).
package registrytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Username and Password are what a registry with Options.Auth asks for. They
// are fixed, because only their hash goes into the registry's htpasswd file.
const (
	Username = "captain"
	Password = "Gangway-plank-42"

	// passwordHash is Password under bcrypt, the only kind of hash that the
	// registry takes.
	passwordHash = "$2a$04$HBCvLU53M1/OH6yKBSGQ.eGcMEviEwlNMv.9xbjr5xeIfdZm/qlMy"
)

// patience is how long a registry may take to answer for the first time.
const patience = 30 * time.Second

// TB is the part of testing.TB that a registry needs. A testscript's set-up can
// offer it as well. Where it also has Failed() bool, the registry's log is shown
// after a failed test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	TempDir() string
}

// Options says what kind of registry to start. The zero value is a registry
// that speaks plain HTTP and lets everybody in.
type Options struct {
	// Auth makes the registry ask for Username and Password (HTTP basic).
	Auth bool
	// TLS makes the registry speak TLS with a certificate of a private authority,
	// Registry.CA.
	TLS bool
	// Names are more names that its certificate is for, for clients that reach it
	// through a proxy.
	Names []string
	// Delete lets clients delete blobs and manifests.
	Delete bool
	// FromSource builds the registry from its source even where Debian's
	// docker-registry is at hand.
	FromSource bool
}

// Registry is a registry that runs until its test ends.
type Registry struct {
	// Host is where it listens, "127.0.0.1:PORT": the first part of a reference.
	Host string
	// URL is its address with the scheme, "http://127.0.0.1:PORT".
	URL string
	// CA is the PEM of the authority that signed its certificate, or nil.
	CA []byte
	// Program is the path of the registry's program.
	Program string

	recorder
}

// Repository returns the full name of one of the registry's repositories.
func (r *Registry) Repository(name string) string { return r.Host + "/" + name }

// Start starts a registry, waits until it answers, and stops it when the test
// ends. Where something is in its way, the test fails.
func Start(t TB, o Options) *Registry {
	t.Helper()
	r, err := start(t, o)
	if err != nil {
		t.Fatalf("start a registry: %v", err)
	}
	return r
}

func start(t TB, o Options) (*Registry, error) {
	r := &Registry{}
	var err error
	if r.Program, err = program(o.FromSource); err != nil {
		return nil, err
	}

	// The real registry listens on a Unix socket, so that the port is taken once
	// and no other process can come in between. A socket's path is limited to
	// about a hundred bytes, which a test's own folder easily exceeds.
	run, err := os.MkdirTemp("", "registry")
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	socket := filepath.Join(run, "socket")

	var pair *keyPair
	if o.TLS {
		if pair, err = newKeyPair(o.Names); err != nil {
			return nil, err
		}
		r.CA = pair.ca
	}
	config, err := writeConfig(t.TempDir(), socket, o, pair)
	if err != nil {
		return nil, err
	}
	exited, err := launch(t, r.Program, config)
	if err != nil {
		return nil, err
	}

	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
	}
	scheme := "http"
	if pair != nil {
		scheme = "https"
		transport.TLSClientConfig = pair.client()
	}
	t.Cleanup(transport.CloseIdleConnections)
	if err := await(transport, scheme, exited); err != nil {
		return nil, err
	}
	return r, r.listen(t, scheme, transport, pair)
}

// launch starts the program and returns a channel that is closed when it ends.
func launch(t TB, program, config string) (<-chan struct{}, error) {
	log := &logBuffer{}
	cmd := exec.Command(program, "serve", config)
	cmd.Stdout, cmd.Stderr = log, log
	// The registry takes settings from REGISTRY_… as well, of which none may reach
	// it, and it must not look for a collector of traces.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "REGISTRY_")
	}), "OTEL_TRACES_EXPORTER=none")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log says why it ended, where it was not us
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		if f, ok := t.(interface{ Failed() bool }); ok && f.Failed() {
			t.Logf("log of %s:\n%s", program, log.String())
		}
	})
	return exited, nil
}

// await returns when the registry answers, whatever it answers.
func await(transport http.RoundTripper, scheme string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://127.0.0.1/v2/", nil)
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.Body.Close()
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-exited:
			return errors.New("the registry ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("the registry did not answer within %s: %w", patience, last)
		case <-tick.C:
		}
	}
}

// writeConfig writes the registry's configuration, as its documentation
// describes it (about/configuration). JSON is YAML too.
func writeConfig(dir, socket string, o Options, pair *keyPair) (string, error) {
	type object map[string]any
	web := object{"net": "unix", "addr": socket, "secret": "of no importance"}
	config := object{
		"version": "0.1",
		// The log of requests is written beside.
		"log": object{"level": "error"},
		"storage": object{
			"filesystem": object{"rootdirectory": filepath.Join(dir, "storage")},
			"delete":     object{"enabled": o.Delete},
		},
		"http": web,
	}
	if pair != nil {
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		if err := errors.Join(os.WriteFile(cert, pair.cert, 0o600), os.WriteFile(key, pair.key, 0o600)); err != nil {
			return "", err
		}
		web["tls"] = object{"certificate": cert, "key": key}
	}
	if o.Auth {
		path := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(path, []byte(Username+":"+passwordHash+"\n"), 0o600); err != nil {
			return "", err
		}
		config["auth"] = object{"htpasswd": object{"realm": "registry", "path": path}}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "config.yml")
	return path, os.WriteFile(path, text, 0o600)
}

// logBuffer keeps what the registry says; it is written and read at once.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Tags asks the registry for a repository's tags, as the distribution-spec has it
// ("Listing Tags"); a repository that is not there has none.
func (r *Registry) Tags(repository string) ([]string, error) {
	transport := &http.Transport{}
	if r.CA != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(r.CA)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, r.URL+"/v2/"+repository+"/tags/list", nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(Username, Password)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	var list struct{ Tags []string }
	return list.Tags, json.NewDecoder(resp.Body).Decode(&list)
}
