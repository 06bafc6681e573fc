package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/registrytest"
	"github.com/slipway-dev/slipway/pipelines/registry"
)

// login are the right credentials for a registry of registrytest.
func login(o registry.Options) registry.Options {
	o.Username, o.Password = registrytest.Username, registrytest.Password
	return o
}

// wantNoSecret walks an error's whole chain and looks for secrets in every form
// that an error might show it in.
func wantNoSecret(t *testing.T, err error, secrets ...string) {
	t.Helper()
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%T shows the secret %q", err, secret)
				}
			}
		}
		switch e := any(err).(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
}

func TestAuth(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{Auth: true, TLS: true})
	index := build(t, "linux/amd64")
	trusting := registry.Options{CA: reg.CA}

	if _, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, login(trusting)); err != nil {
		t.Fatal(err)
	}
	reg.Forget()

	const wrong = "Hunter2-of-the-sea"
	asWrong := trusting
	asWrong.Username, asWrong.Password = "mallory", wrong
	for _, tc := range []struct {
		name string
		o    registry.Options
		want []string
	}{
		{"wrong password", asWrong, []string{`as user "mallory"`, "401 Unauthorized", "does not accept this user's password"}},
		{"none", trusting, []string{"without credentials", "401 Unauthorized", "docker login " + reg.Host}},
		{"no password", func() registry.Options { o := trusting; o.Username = "mallory"; return o }(), []string{`user "mallory" has no password`}},
		{"no user", func() registry.Options { o := trusting; o.Password = wrong; return o }(), []string{"a password without a user", "--username"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls := map[string]func() error{
				"Push": func() error {
					_, err := registry.Push(t.Context(), index, reg.Repository("other"), []string{"latest"}, tc.o)
					return err
				},
				"DryRun": func() error {
					_, err := registry.DryRun(t.Context(), index, reg.Repository("other"), []string{"latest"}, tc.o)
					return err
				},
				"Fetch": func() error {
					_, err := registry.Fetch(t.Context(), reg.Repository("app:latest"), tc.o)
					return err
				},
			}
			for name, call := range calls {
				t.Run(name, func(t *testing.T) {
					err := call()
					var auth *registry.AuthError
					if !errors.As(err, &auth) {
						t.Fatalf("got %T, want *AuthError: %v", err, err)
					}
					wantText(t, err, append(tc.want, reg.Host)...)
					if tc.o.Username != "" && strings.Contains(err.Error(), "docker login") {
						t.Errorf("whoever gives a user name is told to log in with docker: %v", err)
					}
					wantNoSecret(t, err, wrong, base64.StdEncoding.EncodeToString([]byte("mallory:"+wrong)))
				})
			}
		})
	}
	for _, r := range reg.Requests() {
		if r.Writes() && r.Status < 400 {
			t.Errorf("%s %s was let through", r.Method, r.Path)
		}
	}
}

// TestAuthEcho meets a registry that repeats the credentials in its answer.
func TestAuthEcho(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest} {
		reg := registrytest.Start(t, registrytest.Options{Auth: true})
		reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			// The answer to a HEAD request has no text to repeat anything in.
			if r.Header.Get("Authorization") == "" || r.Method == http.MethodHead {
				next.ServeHTTP(w, r)
				return
			}
			_, password, _ := r.BasicAuth()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			message, _ := json.Marshal("bad header " + r.Header.Get("Authorization") + " with " + password)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":%s}]}`, message)
		})
		_, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), nil, login(registry.Options{}))
		wantText(t, err, fmt.Sprint(status), "[secret]")
		wantNoSecret(t, err, registrytest.Password, base64.StdEncoding.EncodeToString([]byte(registrytest.Username+":"+registrytest.Password)))
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{TLS: true})
	index := build(t, "linux/amd64")

	_, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{})
	var unreachable *registry.UnreachableError
	if !errors.As(err, &unreachable) {
		t.Fatalf("got %T, want *UnreachableError: %v", err, err)
	}
	wantText(t, err, reg.Host, "certificate signed by unknown authority", "--ca", "publish.ca")

	got, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, registry.Options{CA: reg.CA})
	if err != nil {
		t.Fatal(err)
	}
	if got.BlobsSent != 3 {
		t.Errorf("%d blobs sent, want 3", got.BlobsSent)
	}

	_, err = registry.Fetch(t.Context(), got.Reference, registry.Options{CA: []byte("no PEM")})
	var ca *registry.CAError
	if !errors.As(err, &ca) {
		t.Fatalf("got %T, want *CAError: %v", err, err)
	}

	// The certificate is for 127.0.0.1 and localhost, and not for this name.
	o := registry.Options{CA: reg.CA, Dial: to(reg.Host)}
	_, err = registry.Fetch(t.Context(), "registry.example/app", o)
	if !errors.As(err, &unreachable) {
		t.Fatalf("got %T, want *UnreachableError: %v", err, err)
	}
	wantText(t, err, "certificate is not trusted", "registry.example")
}

// to dials one address, whatever is asked for.
func to(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	index := build(t, "linux/amd64")

	// A port that takes connections and never says a word.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })

	for _, tc := range []struct {
		name, host string
		o          registry.Options
		want       string
	}{
		{"nobody listens", "127.0.0.1:1", registry.Options{}, "refused"},
		{"no such host", "registry.invalid", registry.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "registry.invalid", IsNotFound: true}}
		}}, `no such host "registry.invalid"`},
		{"nobody answers", silent.Addr().String(), registry.Options{Timeout: 300 * time.Millisecond}, "no answer within 300ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := registry.Push(t.Context(), index, tc.host+"/app", []string{"latest"}, tc.o)
			var unreachable *registry.UnreachableError
			if !errors.As(err, &unreachable) {
				t.Fatalf("got %T, want *UnreachableError: %v", err, err)
			}
			wantText(t, err, tc.host, tc.want)
		})
	}
}

// TestPlainHTTP has registries without TLS under names that are, and are not,
// this machine's. The names are real, only their addresses are not.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{Auth: true})
	index := build(t, "linux/amd64")
	var once sync.Mutex

	for _, tc := range []struct {
		host      string
		plainHTTP bool
		ok        bool
	}{
		{host: "127.0.0.1:5000", ok: true},
		{host: "127.8.8.8:5000", ok: true},
		{host: "localhost:5000", ok: true},
		{host: "localhost", ok: true},
		{host: "registry.localhost:5000", ok: true},
		{host: "[::1]:5000", ok: true},
		{host: "10.1.2.3:5000"},
		{host: "172.16.0.9"},
		{host: "192.168.1.1:5000"},
		{host: "169.254.1.1:5000"},
		{host: "registry.local:5000"},
		{host: "registry.example"},
		{host: "localhost.example:5000"},
		{host: "127.0.0.1.example:5000"},
		{host: "[fd00::1]:5000"},
		{host: "10.1.2.3:5000", plainHTTP: true, ok: true},
		{host: "registry.example", plainHTTP: true, ok: true},
		{host: "[fd00::1]:5000", plainHTTP: true, ok: true},
	} {
		t.Run(fmt.Sprintf("%s %v", tc.host, tc.plainHTTP), func(t *testing.T) {
			once.Lock()
			defer once.Unlock()
			reg.Forget()
			o := login(registry.Options{PlainHTTP: tc.plainHTTP, Dial: to(reg.Host)})
			_, err := registry.Push(t.Context(), index, tc.host+"/app", nil, o)
			if tc.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var unreachable *registry.UnreachableError
			if !errors.As(err, &unreachable) {
				t.Fatalf("got %T, want *UnreachableError: %v", err, err)
			}
			wantText(t, err, tc.host, "server gave HTTP response to HTTPS client", "--plain-http", "publish.plainHTTP")
			wantNoSecret(t, err, registrytest.Password)
			if got := reg.Requests(); len(got) > 0 {
				t.Errorf("requests went out without TLS: %v", got)
			}
		})
	}
}

// TestPlainHTTPElsewhere has a registry on this machine that sends uploads to
// another one without TLS.
func TestPlainHTTPElsewhere(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if registrytest.KindOf(r) == registrytest.BlobStart {
			w.Header().Set("Location", "http://elsewhere.example/upload?signature=s3cr3t")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		next.ServeHTTP(w, r)
	})
	_, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), []string{"latest"}, registry.Options{})
	var unreachable *registry.UnreachableError
	if !errors.As(err, &unreachable) {
		t.Fatalf("got %T, want *UnreachableError: %v", err, err)
	}
	wantText(t, err, "it sends us to elsewhere.example without TLS")
	wantNoSecret(t, err, "s3cr3t")
	wantNoTags(t, reg, "app")
}

// tokens is an authority for tokens as the big registries have one
// (distribution's "Token authentication"), in front of a registry without. A
// token is the list of its scopes; each runs out after some requests.
type tokens struct {
	mu       sync.Mutex
	left     map[string]int
	lifetime int
	issued   []string
	deny     string
}

func (a *tokens) intercept(reg *registrytest.Registry) registrytest.Interceptor {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if r.URL.Path == "/token" {
			if user, password, _ := r.BasicAuth(); user != registrytest.Username || password != registrytest.Password {
				http.Error(w, "<html>who are you?</html>", http.StatusUnauthorized)
				return
			}
			scopes := strings.Join(r.URL.Query()["scope"], " ")
			if a.deny != "" && strings.Contains(scopes, a.deny) {
				http.Error(w, "<html>not there</html>", http.StatusForbidden)
				return
			}
			a.issued = append(a.issued, scopes)
			token := fmt.Sprintf("%d %s", len(a.issued), scopes)
			a.left[token] = a.lifetime
			_ = json.NewEncoder(w).Encode(map[string]string{"token": base64.StdEncoding.EncodeToString([]byte(token))})
			return
		}
		raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		token := string(raw)
		repository, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
		repository, _, _ = strings.Cut(repository, "/manifests/")
		action := "pull"
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			action = "push"
		}
		granted := func(repository, action string) bool {
			for _, scope := range strings.Fields(token) {
				if name, actions, ok := strings.Cut(strings.TrimPrefix(scope, "repository:"), ":"); ok && name == repository && strings.Contains(actions, action) {
					return true
				}
			}
			return false
		}
		need := ""
		if r.URL.Path != "/v2/" && !granted(repository, action) {
			need = fmt.Sprintf("repository:%s:%s", repository, action)
		}
		if from := r.URL.Query().Get("from"); from != "" && !granted(from, "pull") {
			need = fmt.Sprintf("repository:%s:pull", from)
		}
		if token == "" || need != "" || a.left[token] <= 0 {
			// A body that is on its way is not waited for, as real ones do not either.
			challenge := fmt.Sprintf(`Bearer realm="%s/token",service="test"`, reg.URL)
			if need != "" {
				challenge += fmt.Sprintf(`,scope=%q`, need)
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		a.left[token]--
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, a *tokens) *registrytest.Registry {
		reg := registrytest.Start(t, registrytest.Options{})
		a.left = map[string]int{}
		reg.Intercept(a.intercept(reg))
		return reg
	}
	index := build(t, "linux/amd64", "linux/arm64")

	t.Run("mount", func(t *testing.T) {
		t.Parallel()
		a := &tokens{lifetime: 1000}
		reg := start(t, a)
		o := login(registry.Options{MountFrom: []string{reg.Repository("first")}})
		if _, err := registry.Push(t.Context(), index, reg.Repository("first"), []string{"latest"}, o); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"repository:first:push,pull"}, a.issued); diff != "" {
			t.Errorf("tokens for the first push (-want +got):\n%s", diff)
		}
		got, err := registry.Push(t.Context(), index, reg.Repository("second"), []string{"latest"}, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([3]int{0, 5, 0}, counts(got)); diff != "" {
			t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
		}
	})
	t.Run("a sister that we may not read", func(t *testing.T) {
		t.Parallel()
		a := &tokens{lifetime: 1000, deny: "repository:secret:"}
		reg := start(t, a)
		o := login(registry.Options{MountFrom: []string{reg.Repository("secret")}})
		got, err := registry.Push(t.Context(), index, reg.Repository("app"), nil, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([3]int{5, 0, 0}, counts(got)); diff != "" {
			t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
		}
	})
	t.Run("tokens run out", func(t *testing.T) {
		t.Parallel()
		a := &tokens{lifetime: 3}
		reg := start(t, a)
		got, err := registry.Push(t.Context(), index, reg.Repository("app"), []string{"latest"}, login(registry.Options{Jobs: 1}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([3]int{5, 0, 0}, counts(got)); diff != "" {
			t.Errorf("sent, mounted, present (-want +got):\n%s", diff)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		t.Parallel()
		reg := start(t, &tokens{lifetime: 1000})
		_, err := registry.Push(t.Context(), index, reg.Repository("app"), nil, registry.Options{Username: "mallory", Password: "Hunter2-of-the-sea"})
		var auth *registry.AuthError
		if !errors.As(err, &auth) || auth.User != "mallory" || auth.Status != http.StatusUnauthorized {
			t.Fatalf("got %T, want *AuthError: %v", err, err)
		}
		wantText(t, err, reg.Host, `as user "mallory"`, "does not accept this user's password")
		wantNoSecret(t, err, "Hunter2-of-the-sea")
	})
	t.Run("no right to push", func(t *testing.T) {
		t.Parallel()
		reg := start(t, &tokens{lifetime: 1000, deny: "repository:app:push"})
		_, err := registry.Push(t.Context(), index, reg.Repository("app"), nil, login(registry.Options{}))
		var auth *registry.AuthError
		if !errors.As(err, &auth) || auth.Status != http.StatusForbidden {
			t.Fatalf("got %T, want *AuthError: %v", err, err)
		}
		wantText(t, err, "403 Forbidden", "ask for the right")
	})
}

// TestUserAgent shows that requests say whose they are.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{})
	var others atomic.Int32
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasPrefix(r.UserAgent(), "slipway/1.2.3 ") {
			others.Add(1)
		}
		next.ServeHTTP(w, r)
	})
	if _, err := registry.Push(t.Context(), build(t, "linux/amd64"), reg.Repository("app"), []string{"latest"}, registry.Options{UserAgent: "slipway/1.2.3"}); err != nil {
		t.Fatal(err)
	}
	if n := others.Load(); n > 0 {
		t.Errorf("%d requests under another name", n)
	}
}

// TestNoRegistry talks to a web server that is no registry.
func TestNoRegistry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html><body>"+strings.Repeat("nothing here\n", 100))
	}))
	t.Cleanup(server.Close)
	_, err := registry.Push(t.Context(), build(t, "linux/amd64"), strings.TrimPrefix(server.URL, "http://")+"/app", nil, registry.Options{})
	var failed *registry.PushError
	if !errors.As(err, &failed) || failed.Status != http.StatusNotFound {
		t.Fatalf("got %T, want *PushError: %v", err, err)
	}
	wantText(t, err, "log in: the registry answered 404 Not Found")
}

// TestSkopeo reads a pushed image with a client that is not ours.
func TestSkopeo(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not on PATH")
	}
	t.Parallel()
	reg := registrytest.Start(t, registrytest.Options{Auth: true, TLS: true})
	got, err := registry.Push(t.Context(), build(t, "linux/amd64", "linux/arm64"), reg.Repository("app"), nil, login(registry.Options{CA: reg.CA}))
	if err != nil {
		t.Fatal(err)
	}
	certs := t.TempDir()
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), reg.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--raw", "--cert-dir", certs,
		"--creds", registrytest.Username+":"+registrytest.Password, "docker://"+got.Reference).Output()
	if err != nil {
		t.Fatal(err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(out, &index); err != nil || len(index.Manifests) != 2 {
		t.Errorf("skopeo sees %s, %v", out, err)
	}
}
