package transport

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// PROTOCOL 1.10: where there is a middleware, nobody comes past it by WebTransport.
func TestWebTransportIsRefusedWithMiddleware(t *testing.T) {
	for name, middleware := range map[string]func(http.Handler) http.Handler{
		"none": nil,
		"one":  func(next http.Handler) http.Handler { return next },
	} {
		s := newSite(t, func(cfg *Config) { cfg.HTTP.Middleware = middleware })
		refusal := s.srv.verifyWebTransport(httptest.NewRequest("CONNECT", "https://x/socket.io/", nil))
		if refused := refusal != nil; refused != (middleware != nil) {
			t.Errorf("%s: refused %t", name, refused)
		}
		if n := s.srv.Stats().RefusedFor[RefusedHandshake].Load(); n != 0 != (middleware != nil) {
			t.Errorf("%s: %d refusals were counted", name, n)
		}
	}
}
