package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// UnreachableError says that a registry cannot be talked to: no such host,
// nobody listens, its certificate is not trusted, or it does not speak TLS.
type UnreachableError struct {
	Registry string
	Reason   string
	// Help says what would help, where we know.
	Help string
	Err  error
}

func (e *UnreachableError) Error() string {
	s := fmt.Sprintf("registry %s cannot be reached: %s", e.Registry, e.Reason)
	if e.Help != "" {
		s += "; " + e.Help
	}
	return s
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// CAError says that Options.CA cannot be used. Nothing was asked of a registry.
type CAError struct{ Reason string }

func (e *CAError) Error() string {
	return "the certificate authorities (--ca, publish.ca) " + e.Reason + "; give a PEM file that begins with -----BEGIN CERTIFICATE-----"
}

// AuthError says that a registry does not let somebody in, or not do what they
// wanted. It never holds a password.
type AuthError struct {
	Registry   string
	Repository string
	// User is empty where no credentials were found, or where they have no name.
	User string
	// Status is the HTTP status, 401 or 403; 0 where the registry was not asked.
	Status int
	Reason string
	Help   string
}

func (e *AuthError) Error() string { return fmt.Sprintf("%s: %s; %s", e.Repository, e.Reason, e.Help) }

// Failure is what a registry did not do, and why.
type Failure struct {
	Repository string
	// Doing is what was tried: "send blob sha256:…".
	Doing string
	// Status is the HTTP status of the answer, or 0 where there was none.
	Status int
	Reason string
	Err    error
}

// Error is one sentence.
func (f *Failure) Error() string { return fmt.Sprintf("%s: %s: %s", f.Repository, f.Doing, f.Reason) }

// Unwrap returns the cause, which is nil where it was the registry's answer.
func (f *Failure) Unwrap() error { return f.Err }

// PushError says that an image was not pushed, for a reason that is neither
// *ReferenceError, *CAError, *UnreachableError nor *AuthError. No tag was moved.
type PushError struct{ Failure }

// FetchError says that an image was not read, for a reason that is neither
// *ReferenceError, *CAError, *UnreachableError, *AuthError nor *PlatformError.
type FetchError struct{ Failure }

// TagError says that the image is in the registry by its digest, and that not
// every tag was moved to it.
type TagError struct {
	// Reference is the image by digest.
	Reference string
	// Tag is the one that failed. It may have been moved where the registry's
	// answer was lost.
	Tag string
	// Moved are the tags that were moved before, in their order.
	Moved []string
	Err   error
}

func (e *TagError) Error() string {
	moved := "no tag was moved before"
	if len(e.Moved) > 0 {
		moved = "moved before: " + strings.Join(e.Moved, ", ")
	}
	return fmt.Sprintf("%s is pushed, but tag %s failed (%s): %v", e.Reference, e.Tag, moved, e.Err)
}

func (e *TagError) Unwrap() error { return e.Err }

// sourceError is a failure to read what is to be sent, which is no fault of the
// registry's.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// plainHTTPError says that a request would have gone out without TLS.
type plainHTTPError struct{ host string }

func (e *plainHTTPError) Error() string { return "refused to speak plain HTTP with " + e.host }

// errNoAnswer is the cause of the end of a first contact that took too long.
var errNoAnswer = errors.New("no answer")

const (
	helpCA        = "give its root certificate with --ca or publish.ca"
	helpPlainHTTP = "if it really has no TLS, permit that with --plain-http or publish.plainHTTP"
)

// explain makes one of this package's errors of what the libraries below say.
// Texts that come from the registry are cut to one line without secrets. Causes
// stay in the chain only where they cannot hold one: an HTTP answer may repeat
// what was sent, and a *url.Error has the URL with its signature.
func (c *client) explain(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %s: %w", c.given, doing, ctx.Err())
	}
	var source *sourceError
	if errors.As(err, &source) {
		return c.failure(Failure{Repository: c.given, Doing: doing, Reason: c.clean(source.Error()), Err: source.err})
	}
	unreachable := func(reason, help string, cause error) error {
		return &UnreachableError{Registry: c.host, Reason: reason, Help: help, Err: cause}
	}

	// TLS comes first: where plain HTTP is permitted, the error may also hold the
	// answer that a TLS server gives to a client without.
	var (
		verification *tls.CertificateVerificationError
		unknown      x509.UnknownAuthorityError
		header       tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return unreachable("certificate signed by unknown authority", helpCA, unknown)
	case errors.As(err, &verification):
		return unreachable("its certificate is not trusted: "+strings.TrimPrefix(oneLine(verification.Err.Error()), "x509: "), "", verification.Err)
	}

	var answer *transport.Error
	if errors.As(err, &answer) {
		return c.explainAnswer(doing, answer)
	}

	var plain *plainHTTPError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return unreachable("server gave HTTP response to HTTPS client", helpPlainHTTP, http.ErrSchemeMismatch)
	case errors.As(err, &header):
		return unreachable("it does not speak TLS", helpPlainHTTP, header)
	case errors.As(err, &plain) && plain.host != c.host:
		return unreachable("it sends us to "+plain.host+" without TLS", helpPlainHTTP, plain)
	}

	var (
		dns *net.DNSError
		op  *net.OpError
		nt  net.Error
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return unreachable(fmt.Sprintf("no such host %q", dns.Name), "look at the name", dns)
	case errors.As(err, &dns):
		return unreachable(fmt.Sprintf("host %q could not be looked up: %s", dns.Name, oneLine(dns.Err)), "", dns)
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "remote error"):
		reason := strings.TrimPrefix(oneLine(op.Err.Error()), "connect: ")
		if op.Timeout() {
			reason = "no answer in time"
		}
		return unreachable(reason, "", op.Err)
	case errors.As(err, &plain):
		return unreachable("it does not answer over TLS", helpPlainHTTP, plain)
	case errors.As(err, &nt) && nt.Timeout():
		return unreachable("no answer in time", "", nil)
	}
	cause := bare(err)
	return c.failure(Failure{Repository: c.given, Doing: doing, Reason: c.clean(cause.Error()), Err: cause})
}

// explainAnswer explains an HTTP status that is not what was wanted.
func (c *client) explainAnswer(doing string, answer *transport.Error) error {
	said := ""
	if len(answer.Errors) > 0 {
		d := answer.Errors[0]
		if said = c.clean(d.Message); said == "" {
			said = c.clean(string(d.Code))
		}
		said = fmt.Sprintf(" (%s)", said)
	}
	status := strings.TrimSpace(fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode)))
	if answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden {
		return c.failure(Failure{Repository: c.given, Doing: doing, Status: answer.StatusCode,
			Reason: "the registry answered " + status + said})
	}
	e := &AuthError{Registry: c.host, Repository: c.given, User: c.user, Status: answer.StatusCode}
	who := "without credentials"
	if c.passedOver != "" {
		who += fmt.Sprintf(" (stored ones could not be read: %s)", c.passedOver)
	}
	if c.user != "" {
		who = fmt.Sprintf("as user %q", c.user)
	} else if len(c.secrets) > 0 {
		who = "with a stored token"
	}
	e.Reason = fmt.Sprintf("registry %s refused to %s %s: %s%s", c.host, doing, who, status, said)
	forbidden := answer.StatusCode == http.StatusForbidden
	switch {
	case c.typed && forbidden:
		e.Help = "ask for the right to do so, or give another --username and its password"
	case c.typed:
		e.Help = "the registry does not accept this user's password; check both, and whether the user may use this repository"
	case forbidden && len(c.secrets) > 0:
		e.Help = "ask for the right to do so, or log in as somebody else: docker login " + c.host
	default:
		e.Help = fmt.Sprintf("log in with docker login %[1]s or podman login %[1]s, or give --username and its password", c.host)
	}
	return e
}

// bare takes the URL off an error: it may carry a signature.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// clean is a text of somebody else's on one line, without secrets.
func (c *client) clean(s string) string {
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "[secret]")
	}
	return oneLine(s)
}

// oneLine is the first line of a text, at most 200 characters of it.
func oneLine(s string) string {
	const most = 200
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
