package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// retry is how often a port is tried until it accepts.
const retry = 25 * time.Millisecond

// serve proves a server: its port accepts, its answers are right, and it ends
// cleanly after its stop signal.
func (c Case) serve(ctx context.Context, r Runner) (string, Exit, error) {
	return serving(ctx, r, c.Process, c.timeout(), func(limit context.Context, svc Service) (string, Exit, error) {
		if err := c.ask(limit, svc); err != nil {
			return "", kill(svc), err
		}
		exit, err := c.stop(ctx, svc)
		if err != nil {
			return "", exit, err
		}
		proved := fmt.Sprintf("listened on port %d", c.Serve.Port)
		switch n := len(c.Serve.Requests); n {
		case 0:
		case 1:
			proved += ", answered 1 request"
		default:
			proved += fmt.Sprintf(", answered %d requests", n)
		}
		return proved + ", ended cleanly", exit, nil
	})
}

// serving starts a program and hands it to use, which stops it. The context that
// use gets ends with the timeout, the program's own only with ctx: it may live
// longer, to be asked to end.
func serving(ctx context.Context, r Runner, p Process, timeout time.Duration,
	use func(limit context.Context, svc Service) (string, Exit, error)) (string, Exit, error) {
	live, end := context.WithCancel(ctx)
	defer end()
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	started := context.AfterFunc(limit, end)
	svc, err := r.Serve(live, p)
	if inTime := started(); !inTime {
		var exit Exit
		if err == nil {
			exit = kill(svc)
		}
		return "", exit, fmt.Errorf("did not start within %s", timeout)
	}
	if err != nil {
		return "", Exit{}, err
	}
	return use(limit, svc)
}

// kill ends a program at once. Stop's only error here is that of the context
// which tells it not to wait.
func kill(svc Service) Exit {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	exit, _ := svc.Stop(now)
	return exit
}

// stop asks a program to end, and checks how it did.
func (c Case) stop(ctx context.Context, svc Service) (Exit, error) {
	byItself := hasEnded(svc)
	within := c.Serve.stopWithin()
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	exit, err := svc.Stop(limit)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && limit.Err() != nil:
		return exit, fmt.Errorf("still running %s after its stop signal; killed", within)
	case err != nil:
		return exit, err
	case exit.Code == c.ExitCode:
		return exit, c.checkStreams(exit)
	case byItself:
		return exit, fmt.Errorf("%s before it was asked to%s", ending(exit), crashNote(exit))
	}
	how := fmt.Sprintf("exit code %d", exit.Code)
	if exit.Signal != "" {
		how = "ended by " + exit.Signal
	}
	if c.ExitCode != 0 {
		how += fmt.Sprintf(", expected %d", c.ExitCode)
	}
	err = fmt.Errorf("did not end cleanly on its stop signal: %s%s", how, crashNote(exit))
	// Go's runtime exits with 2 where the signal's own action does nothing, as
	// for process 1; a process with another number dies of the signal.
	if crash(exit) == "" && (exit.Code == 2 || exit.Signal != "") {
		err = fmt.Errorf("%w; a program that runs as process 1 must handle its stop signal", err)
	}
	return exit, err
}

// hasEnded tells whether a program has ended.
func hasEnded(svc Service) bool {
	select {
	case <-svc.Done():
		return true
	default:
		return false
	}
}

// ask waits for the port and sends the requests.
func (c Case) ask(ctx context.Context, svc Service) error {
	address, err := listening(ctx, svc, c.Serve.Port)
	if err != nil {
		if ctx.Err() != nil && !hasEnded(svc) {
			err = fmt.Errorf("did not listen on port %d within %s; killed", c.Serve.Port, c.timeout())
		}
		return err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return svc.Dial(ctx, "tcp", address)
		},
		DisableKeepAlives: true,
		// What the server sends is what is checked.
		DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, r := range c.Serve.Requests {
		if err := r.send(ctx, client, c.Serve.Port); err != nil {
			what := r.method() + " " + visible(r.Path)
			if failure, ok := errors.AsType[*requestError](err); ok {
				switch exit, ended := endedMeanwhile(ctx, svc); {
				case ended:
					return fmt.Errorf("%s: the program %s%s", what, ending(exit), crashNote(exit))
				case ctx.Err() != nil:
					return fmt.Errorf("%s: no whole answer within %s; killed", what, c.timeout())
				}
				err = failure.err
			}
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// loopback are the addresses that a program is reached at from inside alone.
var loopback = []string{"127.0.0.1", "::1"}

// listening waits until the port accepts where others can reach it, and returns
// the address that does. Where the program shares the host's network, that is
// the loopback device's.
func listening(ctx context.Context, svc Service, port int) (string, error) {
	p := strconv.Itoa(port)
	again := time.NewTicker(retry)
	defer again.Stop()
	hosts := []string{svc.Host()}
	inside := loopback
	if slices.Contains(loopback, svc.Host()) {
		hosts, inside = loopback, nil
	}
	for {
		for _, host := range hosts {
			if address := net.JoinHostPort(host, p); accepts(ctx, svc, address) {
				return address, nil
			}
		}
		for _, host := range inside {
			// A program that listens in several places may have come only this far.
			if accepts(ctx, svc, net.JoinHostPort(host, p)) && !accepts(ctx, svc, net.JoinHostPort(svc.Host(), p)) {
				return "", fmt.Errorf("listens on port %d of %s alone, where nobody outside of its container reaches it; listen on :%d", port, host, port)
			}
		}
		select {
		case <-svc.Done():
			exit, err := svc.Stop(ctx)
			if err != nil {
				return "", err
			}
			return "", fmt.Errorf("%s before it listened on port %d%s", ending(exit), port, crashNote(exit))
		case <-ctx.Done():
			return "", ctx.Err()
		case <-again.C:
		}
	}
}

// accepts tells whether somebody listens at an address.
func accepts(ctx context.Context, svc Service, address string) bool {
	conn, err := svc.Dial(ctx, "tcp", address)
	if err != nil {
		return false
	}
	// Nothing was sent, so closing has nothing to lose.
	_ = conn.Close()
	return true
}

// endedMeanwhile tells whether the program's end is why a request failed. The
// connection breaks a little before the end is known.
func endedMeanwhile(ctx context.Context, svc Service) (Exit, bool) {
	select {
	case <-svc.Done():
	case <-ctx.Done():
		return Exit{}, false
	case <-time.After(time.Second):
		return Exit{}, false
	}
	exit, err := svc.Stop(ctx)
	return exit, err == nil
}

// requestError says that there was no whole answer, as against a wrong one.
type requestError struct{ err error }

func (e *requestError) Error() string { return e.err.Error() }
func (e *requestError) Unwrap() error { return e.err }

func (r Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// send sends the request and checks the answer. Where there is no whole answer,
// the error is a *requestError.
func (r Request) send(ctx context.Context, client *http.Client, port int) error {
	target := fmt.Sprintf("http://localhost:%d%s", port, r.Path)
	req, err := http.NewRequestWithContext(ctx, r.method(), target, strings.NewReader(r.Body))
	if err != nil {
		return err
	}
	for name, value := range r.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the method and the address are said already
		}
		return &requestError{err}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxOutput))
	_ = resp.Body.Close() // an error of reading says more
	if err != nil {
		return &requestError{fmt.Errorf("reading the answer's body: %w", err)}
	}
	return r.Expect.check(resp, body)
}

// check says what of an answer is wrong.
func (e Response) check(resp *http.Response, body []byte) error {
	want := e.Status
	if want == 0 {
		want = http.StatusOK
	}
	if resp.StatusCode != want {
		return fmt.Errorf("expected status %d, found %d with body %s", want, resp.StatusCode, short(string(body)))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		values := resp.Header.Values(name)
		if len(values) == 0 {
			return fmt.Errorf("header %s: expected, but the answer has none", name)
		}
		if err := e.Headers[name].check(strings.Join(values, ", ")); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return checkStream("body", e.Body, body)
}
