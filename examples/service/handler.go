package main

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
)

// newHandler returns the server's pages. The templates are read once, here, so
// that a missing or broken one stops the start instead of a request.
func newHandler(log *slog.Logger, templates, static fs.FS) (http.Handler, error) {
	pages, err := template.ParseFS(templates, "*.html")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	index := pages.Lookup("index.html")
	if index == nil {
		return nil, fmt.Errorf("read templates: no index.html")
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		// A client that went away is no failure of ours.
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page := struct{ Title, Path, Host string }{"Slipway", r.URL.Path, r.Host}
		// Rendered first and sent then: half a page cannot become an error.
		var body bytes.Buffer
		if err := index.Execute(&body, page); err != nil {
			log.ErrorContext(r.Context(), "render", "page", index.Name(), "err", err)
			http.Error(w, "internal server error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = body.WriteTo(w)
	})
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	return mux, nil
}
