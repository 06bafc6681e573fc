//go:build unix

package main

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/slipway-dev/slipway/internal/registrytest"
)

// TestInterruptedBetweenTags interrupts a publication when one of its tags has
// moved: what is there is said.
func TestInterruptedBetweenTags(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/v2") {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
	var stdout, stderr bytes.Buffer
	args := []string{"publish", "--quiet", "--no-smoke", "--source", "../../examples/hello", "--platform", "linux/amd64", "--to", reg.Host + "/hello", "--tag", "v1,v2,v3"}
	code := run(args, strings.NewReader(""), &stdout, &stderr, append(os.Environ(), "GITHUB_ACTIONS=", "SLIPWAY_CACHE_DIR="+t.TempDir()))
	if code != exitInterrupted || stdout.Len() > 0 {
		t.Errorf("exit code %d, standard output %q", code, stdout.String())
	}
	if got := stderr.String(); !strings.Contains(got, "slipway: interrupted: ") || !strings.Contains(got, "moved before: v1") {
		t.Errorf("it does not say what is there:\n%s", got)
	}
	if tags, err := reg.Tags("hello"); err != nil || len(tags) != 1 || tags[0] != "v1" {
		t.Errorf("the registry has %v, %v", tags, err)
	}
}
