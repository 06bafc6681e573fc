package registrytest

import (
	"io"
	"net"
	"net/http"
)

// Tunnel is an HTTPS proxy that leads to the registry whoever wants a host, one of
// Options.Names, and nobody elsewhere (RFC 9110, section 9.3.6).
func (r *Registry) Tunnel(host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodConnect || req.Host != host+":443" {
			http.Error(w, "this proxy leads to "+host, http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = there.Close() }()
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = here.Close() }()
		go func() { _, _ = io.Copy(there, buffered) }()
		_, _ = io.Copy(here, there)
	})
}
