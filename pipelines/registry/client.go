package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	// connectTimeout is for a TCP connection, and again for the TLS handshake.
	connectTimeout = 10 * time.Second
	// answerTimeout is for an answer to begin once the request is sent. A registry
	// may take as long to move a large blob to where it belongs.
	answerTimeout = 2 * time.Minute
)

// backoff is for what may go better the next time: four attempts.
var backoff = remote.Backoff{Duration: 300 * time.Millisecond, Factor: 2.5, Jitter: 0.1, Steps: 4}

// client talks to one repository, logged in.
type client struct {
	*credentials
	given string
	host  string
	repo  name.Repository
	// failure makes what is left to explain a *PushError or a *FetchError.
	failure func(Failure) error

	puller *remote.Puller
	pusher *remote.Pusher
	// sisters is a puller and mounter a pusher that log in for other repositories
	// of the registry too. They stand apart, so that a repository that we may not
	// read cannot stop a push.
	sisters *remote.Puller
	mounter *remote.Pusher
	// close ends the connections that are not in use.
	close func()
}

func pushFailure(f Failure) error  { return &PushError{f} }
func fetchFailure(f Failure) error { return &FetchError{f} }

// connect makes the first contact with a registry and logs in for an action,
// transport.PushScope or transport.PullScope.
func connect(ctx context.Context, t *target, action string, failure func(Failure) error, o Options) (*client, error) {
	c := &client{given: t.given, host: t.host(), repo: t.repo, failure: failure}
	roots, err := trust(o.CA)
	if err != nil {
		return nil, err
	}
	if c.credentials, err = findCredentials(ctx, t, o); err != nil {
		return nil, err
	}
	wire := newWire(o, roots)
	c.close = wire.CloseIdleConnections
	retry := transport.NewRetry(guard{inner: wire, plainHTTP: o.PlainHTTP},
		transport.WithRetryBackoff(backoff),
		transport.WithRetryPredicate(retryable),
		transport.WithRetryStatusCodes(http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout))
	base := transport.NewUserAgent(retry, o.UserAgent)

	first, cancel := context.WithTimeoutCause(ctx, o.timeout(), errNoAnswer)
	defer cancel()
	loggedIn, err := transport.NewWithContext(first, t.repo.Registry, c.auth, base, []string{t.repo.Scope(action)})
	if err != nil {
		c.close()
		if ctx.Err() == nil && errors.Is(context.Cause(first), errNoAnswer) {
			return nil, &UnreachableError{Registry: c.host, Reason: "no answer within " + o.timeout().String(), Err: errNoAnswer}
		}
		return nil, c.explain(ctx, "log in", err)
	}

	common := []remote.Option{remote.WithJobs(o.jobs()), remote.WithRetryBackoff(backoff), remote.WithRetryPredicate(retryable)}
	own := append(slices.Clone(common), remote.WithTransport(loggedIn))
	others := append(slices.Clone(common), remote.WithTransport(base), remote.WithAuth(c.auth))
	err = func() (err error) {
		if c.puller, err = remote.NewPuller(own...); err != nil {
			return err
		}
		if c.pusher, err = remote.NewPusher(own...); err != nil {
			return err
		}
		if c.sisters, err = remote.NewPuller(others...); err != nil {
			return err
		}
		c.mounter, err = remote.NewPusher(others...)
		return err
	}()
	if err != nil {
		c.close()
		return nil, c.explain(ctx, "log in", err)
	}
	return c, nil
}

// trust returns the system's authorities and those of some PEM. The error is a
// *CAError.
func trust(pem []byte) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		// A machine without any authorities can still trust the ones that are given.
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, &CAError{Reason: "hold no PEM certificate"}
	}
	return roots, nil
}

func newWire(o Options, roots *x509.CertPool) *http.Transport {
	dial, proxy := o.Dial, http.ProxyFromEnvironment
	if dial != nil {
		proxy = nil // Dial knows where an address is
	} else {
		dial = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           dial,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          2 * o.jobs(),
		MaxIdleConnsPerHost:   o.jobs(),
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
}

// guard lets no request out over plain HTTP unless that is permitted. The library
// above would try it by itself with private addresses (RFC 1918), and follow a
// registry that sends it elsewhere.
//
// It also opens each request's body anew: where a token runs out, the library
// sends the same request again with a body that is used up.
type guard struct {
	inner     http.RoundTripper
	plainHTTP bool
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.plainHTTP && !loopback(r.URL.Host) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &plainHTTPError{host: r.URL.Host}
	}
	if r.Body != nil && r.GetBody != nil {
		body, err := r.GetBody()
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		r = r.WithContext(r.Context()) // a copy: the request is not ours to change
		r.Body = body
	}
	resp, err := g.inner.RoundTrip(r)
	if err == nil && resp.StatusCode >= 400 && !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		// A page that a proxy made for browsers says nothing in an error message.
		_ = resp.Body.Close()
		resp.Body = http.NoBody
	}
	return resp, err
}

// retryable tells whether to try again: the registry is overloaded or stumbled,
// or the connection broke off. A registry that cannot be reached at all, and a
// file that cannot be read, will not come back by themselves.
func retryable(err error) bool {
	var (
		source *sourceError
		op     *net.OpError
		answer *transport.Error
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &source):
		return false
	case errors.As(err, &op) && op.Op == "dial":
		return false
	case errors.As(err, &answer):
		switch answer.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return answer.Temporary()
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// headBlob asks for a blob's size in a repository. It is -1 where the registry
// has the blob and does not tell.
func headBlob(ctx context.Context, p *remote.Puller, repo name.Repository, digest v1.Hash) (int64, error) {
	layer, err := p.Layer(ctx, repo.Digest(digest.String()))
	if err != nil {
		return 0, err
	}
	return layer.Size()
}

// absent tells whether an error says that something is not there. Some registries
// answer 403 instead of 404.
func absent(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusForbidden)
}
