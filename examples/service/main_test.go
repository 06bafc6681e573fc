package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestPages(t *testing.T) {
	handler, err := newHandler(slog.New(slog.DiscardHandler), os.DirFS("templates"), os.DirFS("static"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path string
		status       int
		contentType  string
		body         string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "<h1>Slipway</h1>"},
		{"GET", "/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
		{"GET", "/static/style.css", 200, "text/css; charset=utf-8", "font-family"},
		{"GET", "/static/none.css", 404, "text/plain; charset=utf-8", "404 page not found"},
		{"GET", "/static/../main.go", 307, "", ""},
		{"GET", "/nowhere", 404, "text/plain; charset=utf-8", "404 page not found"},
		{"POST", "/", 405, "text/plain; charset=utf-8", "Method Not Allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(tt.method, tt.path, nil))
			if answer.Code != tt.status {
				t.Errorf("status %d, want %d", answer.Code, tt.status)
			}
			if got := answer.Header().Get("Content-Type"); tt.contentType != "" && got != tt.contentType {
				t.Errorf("content type %q, want %q", got, tt.contentType)
			}
			if !strings.Contains(answer.Body.String(), tt.body) {
				t.Errorf("body %q does not contain %q", answer.Body, tt.body)
			}
		})
	}
}

// TestEscapes checks that the page is rendered as HTML: what a client sends in
// its Host header is text.
func TestEscapes(t *testing.T) {
	handler, err := newHandler(slog.New(slog.DiscardHandler), os.DirFS("templates"), os.DirFS("static"))
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest("GET", "/", nil)
	request.Host = "<script>"
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if body := answer.Body.String(); strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("the host is not escaped:\n%s", body)
	}
}

func TestTemplatesMissing(t *testing.T) {
	for name, templates := range map[string]fstest.MapFS{
		"none":      {},
		"no index":  {"other.html": {Data: []byte("hello")}},
		"a bad one": {"index.html": {Data: []byte("{{.Title")}},
	} {
		if _, err := newHandler(slog.New(slog.DiscardHandler), templates, fstest.MapFS{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestStop ends the server while a request is under way, which must still get
// its answer, and checks that one that takes too long is cut off.
func TestStop(t *testing.T) {
	tests := []struct {
		name   string
		grace  time.Duration
		finish bool // the request ends by itself
	}{
		{"the request ends", time.Minute, true},
		{"the request does not", time.Millisecond, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			under, release := make(chan struct{}), make(chan struct{})
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(under)
				select {
				case <-release:
					_, _ = io.WriteString(w, "done")
				case <-r.Context().Done():
				}
			})
			ended := make(chan error, 1)
			go func() {
				ended <- serve(ctx, slog.New(slog.DiscardHandler), listener, handler, tt.grace)
			}()

			type answer struct {
				body string
				err  error
			}
			answered := make(chan answer, 1)
			go func() {
				resp, err := http.Get("http://" + listener.Addr().String())
				if err != nil {
					answered <- answer{err: err}
					return
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				answered <- answer{string(body), err}
			}()
			<-under
			stop()
			if tt.finish {
				close(release)
			}

			err, got := <-ended, <-answered
			if tt.finish {
				if err != nil {
					t.Errorf("serve ended with %v", err)
				}
				if got.err != nil || got.body != "done" {
					t.Errorf("the request got %q, %v", got.body, got.err)
				}
				return
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("serve ended with %v, want the deadline", err)
			}
			if got.err == nil {
				t.Errorf("the request got %q, want it cut off", got.body)
			}
		})
	}
}

func TestAddressTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = run(t.Context(), slog.New(slog.DiscardHandler), listener.Addr().String(), "templates", "static", time.Second)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want that the address is in use", err)
	}
}
