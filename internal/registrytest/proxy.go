package registrytest

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
)

// Kind tells what a request is about, in the terms of the distribution
// specification's list of end-points.
type Kind string

// The kinds of requests.
const (
	Ping           Kind = "ping"            // GET /v2/
	BlobHead       Kind = "blob head"       // HEAD …/blobs/DIGEST
	BlobGet        Kind = "blob get"        // GET …/blobs/DIGEST
	BlobStart      Kind = "blob start"      // POST …/blobs/uploads/
	BlobMount      Kind = "blob mount"      // POST …/blobs/uploads/?mount=DIGEST&from=REPOSITORY
	BlobData       Kind = "blob data"       // PATCH …/blobs/uploads/ID
	BlobCommit     Kind = "blob commit"     // PUT …/blobs/uploads/ID?digest=DIGEST
	ManifestHead   Kind = "manifest head"   // HEAD …/manifests/DIGEST
	ManifestGet    Kind = "manifest get"    // GET …/manifests/DIGEST
	ManifestPut    Kind = "manifest put"    // PUT …/manifests/DIGEST
	ManifestDelete Kind = "manifest delete" // DELETE …/manifests/DIGEST
	TagHead        Kind = "tag head"        // HEAD …/manifests/TAG
	TagGet         Kind = "tag get"         // GET …/manifests/TAG
	TagPut         Kind = "tag put"         // PUT …/manifests/TAG
	TagDelete      Kind = "tag delete"      // DELETE …/manifests/TAG
	TagList        Kind = "tag list"        // GET …/tags/list
	Other          Kind = "other"
)

// KindOf tells what a request is about.
func KindOf(r *http.Request) Kind {
	path := r.URL.Path
	switch {
	case path == "/v2/":
		return Ping
	case strings.Contains(path, "/blobs/uploads/"):
		switch r.Method {
		case http.MethodPost:
			if r.URL.Query().Has("mount") {
				return BlobMount
			}
			return BlobStart
		case http.MethodPatch:
			return BlobData
		case http.MethodPut:
			return BlobCommit
		}
	case strings.Contains(path, "/blobs/"):
		switch r.Method {
		case http.MethodHead:
			return BlobHead
		case http.MethodGet:
			return BlobGet
		}
	case strings.Contains(path, "/manifests/"):
		kinds := map[string]Kind{http.MethodHead: TagHead, http.MethodGet: TagGet, http.MethodPut: TagPut, http.MethodDelete: TagDelete}
		if strings.Contains(path, "/manifests/sha256:") {
			kinds = map[string]Kind{http.MethodHead: ManifestHead, http.MethodGet: ManifestGet, http.MethodPut: ManifestPut, http.MethodDelete: ManifestDelete}
		}
		if kind, ok := kinds[r.Method]; ok {
			return kind
		}
	case strings.HasSuffix(path, "/tags/list"):
		return TagList
	}
	return Other
}

// Request is a request that the registry got, with its answer.
type Request struct {
	Kind   Kind
	Method string
	// Path is the URL's path, "/v2/NAME/blobs/DIGEST".
	Path string
	// Status is the answer's, or 0 where the connection was cut.
	Status int
	// Sent is the size of the request's body as far as it was read, in bytes.
	Sent int64
}

// Writes tells whether a request is there to change something.
func (r Request) Writes() bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// Interceptor stands between a client and the registry: it answers a request
// itself, or passes it on to next, changed or not.
type Interceptor func(w http.ResponseWriter, r *http.Request, next http.Handler)

// recorder is the proxy in front of a registry.
type recorder struct {
	mu       sync.Mutex
	requests []*Request
	handler  http.Handler
}

// Requests returns what the registry was asked so far, in the order in which it
// was asked. A client that has its answer finds its request complete.
func (p *recorder) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Request
	for _, r := range p.requests {
		all = append(all, *r)
	}
	return all
}

// Count tells how many requests of these kinds there were so far.
func (p *recorder) Count(kinds ...Kind) int {
	n := 0
	for _, r := range p.Requests() {
		if slices.Contains(kinds, r.Kind) {
			n++
		}
	}
	return n
}

// Forget empties the list of requests.
func (p *recorder) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// Intercept puts an interceptor in front of everything that is there already.
func (p *recorder) Intercept(f Interceptor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.handler
	p.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, next) })
}

// Fail answers the next requests of a kind with a status and a page of HTML, as
// the proxies in front of registries do, as often as times says, and passes on
// the others. A negative number never stops.
func (p *recorder) Fail(kind Kind, status, times int) {
	p.first(kind, times, func(w http.ResponseWriter, r *http.Request) {
		// Reading the body first lets the client finish sending, as it would with a
		// registry whose storage fails.
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body><h1>made to fail</h1></body></html>")
	})
}

// Cut closes the connection in the middle of the next requests of a kind, as
// often as times says, and passes on the others. A negative number never stops.
func (p *recorder) Cut(kind Kind, times int) {
	p.first(kind, times, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		panic(http.ErrAbortHandler)
	})
}

func (p *recorder) first(kind Kind, times int, f http.HandlerFunc) {
	var mu sync.Mutex
	p.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		hit := KindOf(r) == kind && times != 0
		if hit {
			times--
		}
		mu.Unlock()
		if hit {
			f(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP writes a request down and passes it through the interceptors.
func (p *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &Request{Kind: KindOf(r), Method: r.Method, Path: r.URL.Path}
	p.mu.Lock()
	p.requests = append(p.requests, seen)
	handler := p.handler
	p.mu.Unlock()

	change := func(f func(*Request)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		f(seen)
	}
	r.Body = &countingBody{ReadCloser: r.Body, change: change}
	handler.ServeHTTP(&statusWriter{ResponseWriter: w, change: change}, r)
}

// listen serves the proxy on a free port of the loopback address until the test
// ends.
func (r *Registry) listen(t TB, scheme string, transport http.RoundTripper, pair *keyPair) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.Host = l.Addr().String()
	r.URL = scheme + "://" + r.Host
	if pair != nil {
		config, err := pair.server()
		if err != nil {
			return errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, config)
	}
	// What a client does to a connection is the test's business, no line of log.
	quiet := log.New(io.Discard, "", 0)
	r.handler = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			// The registry makes its Location headers from the host and scheme that the
			// client used.
			p.Out.URL.Scheme, p.Out.URL.Host = scheme, r.Host
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      quiet,
	}
	server := &http.Server{Handler: &r.recorder, ErrorLog: quiet}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // always ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return nil
}

// countingBody counts what is read of a request's body.
type countingBody struct {
	io.ReadCloser
	change func(func(*Request))
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.change(func(r *Request) { r.Sent += int64(n) })
	return n, err
}

// statusWriter notes the answer's status before the client can see it.
type statusWriter struct {
	http.ResponseWriter
	change func(func(*Request))
	known  bool
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= 200 { // not the informational ones, which may come before
		w.known = true
		w.change(func(r *Request) { r.Status = status })
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if !w.known {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
