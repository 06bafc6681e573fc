package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFetch(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	private := httptest.NewTLSServer(handler) // its authority is known to nobody
	defer private.Close()

	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // parts of each; empty means nothing may be written
	}{
		{"any status is an answer", []string{plain.URL}, 0, "HTTP/1.1 418 I'm a teapot\n", ""},
		{"unknown authority", []string{private.URL}, 1, "", "x509: certificate signed by unknown authority"},
		{"too slow", []string{"-timeout", "1ns", plain.URL}, 1, "", "context deadline exceeded"},
		{"not a URL", []string{"http://[::1"}, 1, "", "missing ']'"},
		{"no URL", nil, 2, "", "usage:"},
		{"both forms at once", []string{"-roots", plain.URL}, 2, "", "usage:"},
		{"unknown flag", []string{"-root"}, 2, "", "-root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			check(t, "stdout", stdout.String(), tt.stdout)
			check(t, "stderr", stderr.String(), tt.stderr)
		})
	}
}

func check(t *testing.T, stream, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s is %q, want %q", stream, got, want)
	}
}

func TestCountRoots(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "roots.pem")

	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(append(append([]byte("# a comment\n"), block...), block...))
	if got, err := countRoots(file); err != nil || !strings.HasPrefix(got, "2 certificates in ") {
		t.Errorf("two certificates: got %q, %v", got, err)
	}
	write([]byte("nothing that is PEM\n"))
	if got, err := countRoots(file); err == nil {
		t.Errorf("no certificates: got %q, want an error", got)
	}
	if got, err := countRoots(file + ".absent"); err == nil {
		t.Errorf("no file: got %q, want an error", got)
	}
}
