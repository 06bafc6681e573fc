package registrytest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/registrytest"
)

// programs are the ways to get a registry that this machine has.
func programs(t *testing.T) map[string]bool {
	ways := map[string]bool{}
	if _, err := exec.LookPath("docker-registry"); err == nil {
		ways["Debian"] = false
	} else {
		t.Log("Debian's docker-registry is not on PATH; only the one built from source is tested")
	}
	if testing.Short() && len(ways) > 0 {
		t.Log("the registry is not built from source in short mode")
	} else {
		ways["from source"] = true
	}
	return ways
}

// do sends a request and returns status and body.
func do(t *testing.T, client *http.Client, method, url, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

const helloDigest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"

// upload sends a blob in one piece and returns the status.
func upload(t *testing.T, client *http.Client, reg *registrytest.Registry, change func(*http.Request)) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, reg.URL+"/v2/a/b/blobs/uploads/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return resp.StatusCode
	}
	location := resp.Header.Get("Location")
	if !strings.HasPrefix(location, reg.URL) {
		t.Errorf("the upload continues at %s, want it below %s", location, reg.URL)
	}
	status, _ := do(t, client, http.MethodPut, location+"&digest="+helloDigest, "hello", change)
	return status
}

func TestStart(t *testing.T) {
	for way, fromSource := range programs(t) {
		t.Run(way, func(t *testing.T) {
			t.Run("open", func(t *testing.T) {
				reg := registrytest.Start(t, registrytest.Options{FromSource: fromSource})
				if status := upload(t, http.DefaultClient, reg, nil); status != http.StatusCreated {
					t.Fatalf("upload: %d", status)
				}
				status, body := do(t, http.DefaultClient, http.MethodGet, reg.URL+"/v2/a/b/blobs/"+helloDigest, "", nil)
				if status != http.StatusOK || body != "hello" {
					t.Errorf("got %d %q back", status, body)
				}
				want := []registrytest.Request{
					{Kind: registrytest.BlobStart, Method: "POST", Path: "/v2/a/b/blobs/uploads/", Status: 202},
					{Kind: registrytest.BlobCommit, Method: "PUT", Status: 201, Sent: 5},
					{Kind: registrytest.BlobGet, Method: "GET", Path: "/v2/a/b/blobs/" + helloDigest, Status: 200},
				}
				got := reg.Requests()
				if len(got) > 1 {
					got[1].Path = "" // the registry's own
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				if status, _ := do(t, http.DefaultClient, http.MethodDelete, reg.URL+"/v2/a/b/blobs/"+helloDigest, "", nil); status != http.StatusMethodNotAllowed {
					t.Errorf("delete: %d, want it refused", status)
				}
			})
			t.Run("password, TLS and delete", func(t *testing.T) {
				reg := registrytest.Start(t, registrytest.Options{FromSource: fromSource, Auth: true, TLS: true, Delete: true})
				roots := x509.NewCertPool()
				if !roots.AppendCertsFromPEM(reg.CA) {
					t.Fatal("the authority is no PEM")
				}
				transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
				defer transport.CloseIdleConnections()
				client := &http.Client{Transport: transport}

				if _, err := http.Get(reg.URL + "/v2/"); !errors.As(err, new(x509.UnknownAuthorityError)) {
					t.Errorf("a client with other roots got %v", err)
				}
				if status, _ := do(t, client, http.MethodGet, reg.URL+"/v2/", "", nil); status != http.StatusUnauthorized {
					t.Errorf("without a password: %d", status)
				}
				login := func(r *http.Request) { r.SetBasicAuth(registrytest.Username, registrytest.Password) }
				if status := upload(t, client, reg, login); status != http.StatusCreated {
					t.Fatalf("upload: %d", status)
				}
				if status, _ := do(t, client, http.MethodDelete, reg.URL+"/v2/a/b/blobs/"+helloDigest, "", login); status != http.StatusAccepted {
					t.Errorf("delete: %d", status)
				}
			})
		})
	}
}

func TestFaults(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Fail(registrytest.BlobCommit, http.StatusInternalServerError, 1)
	if status := upload(t, http.DefaultClient, reg, nil); status != http.StatusInternalServerError {
		t.Errorf("the upload that was to fail: %d", status)
	}
	reg.Forget()
	if status := upload(t, http.DefaultClient, reg, nil); status != http.StatusCreated {
		t.Errorf("the upload after it: %d", status)
	}
	if n := reg.Count(registrytest.BlobStart, registrytest.BlobCommit); n != 2 {
		t.Errorf("counted %d requests, want 2", n)
	}

	// Every time, because net/http by itself asks once more where a connection that
	// was used before breaks.
	reg.Cut(registrytest.BlobGet, -1)
	if _, err := http.Get(reg.URL + "/v2/a/b/blobs/" + helloDigest); err == nil {
		t.Error("the connection was to be cut")
	}
	if status, _ := do(t, http.DefaultClient, http.MethodGet, reg.URL+"/v2/", "", nil); status != http.StatusOK {
		t.Errorf("another kind of request: %d", status)
	}
}

// recorded is set-up code that keeps a failure to itself.
type recorded struct {
	*testing.T
	failure string
}

func (r *recorded) Fatalf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }

func TestStartSideBySide(t *testing.T) {
	var wg sync.WaitGroup
	hosts := make([]string, 4)
	for i := range hosts {
		wg.Go(func() {
			r := &recorded{T: t}
			reg := registrytest.Start(r, registrytest.Options{})
			if r.failure != "" {
				t.Error(r.failure)
				return
			}
			hosts[i] = reg.Host
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, host := range hosts {
		if seen[host] {
			t.Errorf("two registries listen on %s", host)
		}
		seen[host] = true
	}
}
