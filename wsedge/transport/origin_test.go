package transport

import (
	"strings"
	"testing"
)

func TestOriginList(t *testing.T) {
	allowed := []string{"https://app.example", "http://Localhost:3000", "https://*.app.example", "http://*.dev.example:8080", "http://[::1]:3000", "null"}
	l, err := newOriginList(allowed)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://app.example":                   true,
		"HTTPS://APP.example":                   true,
		"http://localhost:3000":                 true,
		"http://[::1]:3000":                     true,
		"null":                                  true,
		"https://a.app.example":                 true,
		"https://a.b.app.example":               true,
		"http://x.dev.example:8080":             true,
		"http://app.example":                    false,
		"https://app.example:444":               false,
		"https://app.example/":                  false,
		"https://app.example.evil.example":      false,
		"https://evilapp.example":               false,
		"https://.app.example":                  false,
		"https://..app.example":                 false,
		"https://evil.example/.app.example":     false,
		"https://evil.example:80.app.example":   false,
		"https://[::1].app.example":             false,
		"https://[.app.example":                 false,
		"https://evil.example?.app.example":     false,
		"https://u@evil.example#.app.example":   false,
		"https://a.app.example:8443":            false,
		"http://a.app.example":                  false,
		"http://dev.example:8080":               false,
		"http://x.dev.example":                  false,
		"https://a.app.example, https://b":      false,
		"https://evil.example, https://x.app.e": false,
		"file://":                               false,
		"x":                                     false,
	} {
		if got := l.allows(origin); got != want {
			t.Errorf("%s: %v", origin, got)
		}
	}
	if star, err := newOriginList([]string{"*"}); err != nil || !star.allows("x") {
		t.Errorf("*: %v", err)
	}
}

// CVE-2019-13611: a page of another origin must not get a session with the visitor's cookies, by polling or WebSocket, by
// either way in, nor use one that exists.
func TestCVE_2019_13611_OriginOfWebSockets(t *testing.T) {
	for _, require := range []bool{false, true} {
		s := newSite(t, func(cfg *Config) {
			cfg.HTTP.AllowedOrigins = []string{"https://app.example", "https://*.app.example"}
			cfg.HTTP.RequireOrigin = require
		})
		opened := s.ask(line("GET", pollingURL, "Origin: https://app.example"))
		sid := opened.body[len(`0{"sid":"`):][:20]
		for _, c := range []struct {
			origin string
			taken  bool
		}{
			{"", !require}, {"Origin: https://app.example", true}, {"Origin: https://x.app.example", true}, {"Origin: https://evil.example", false},
			{"Origin: null", false}, {"Origin:", !require}, {"Origin: https://app.example\r\nOrigin: https://evil.example", false},
		} {
			var headers []string
			if c.origin != "" {
				headers = []string{c.origin}
			}
			before := s.srv.Stats().RefusedFor[RefusedOrigin].Load()
			polling := s.ask(line("GET", pollingURL, headers...))
			posted := s.ask(line("POST", pollingURL+"&sid="+sid, append(headers, "Content-Length: 1")...) + "4")
			for name, r := range map[string]reply{"handshake": polling, "POST": posted} {
				if (r.status == 200) != c.taken || !c.taken && (r.status != 403 || r.body != `{"code":4,"message":"Forbidden"}`) {
					t.Errorf("require %v, %q: %s: %d %s", require, c.origin, name, r.status, r.body)
				}
			}
			for _, target := range []string{webSocketURL, webSocketURL + "&sid=" + sid} {
				fresh, kept := s.ask(upgrade(target, headers...)), s.askKeptFrom(upgrade(target, headers...))
				for way, r := range map[string]reply{"new": fresh, "kept": kept} {
					if (r.status == 101) != c.taken || !c.taken && (r.status != 400 || r.body != "Forbidden" || !r.closed) {
						t.Errorf("require %v, %q: WebSocket, %s: %d %s", require, c.origin, way, r.status, r.body)
					}
				}
			}
			if n := s.srv.Stats().RefusedFor[RefusedOrigin].Load() - before; n != 6 && !c.taken || n != 0 && c.taken {
				t.Errorf("require %v, %q: %d refusals counted", require, c.origin, n)
			}
		}
		// 2 or 3 kinds of origin are taken on 2 targets each; of those all but the header without a value are clean.
		if n := s.fast(); n < 4 {
			t.Errorf("%d took the fast way", n)
		}
	}
}

// askKeptFrom is askKept for a server that may want an Origin.
func (s *site) askKeptFrom(raw string) reply {
	s.t.Helper()
	c := s.dial()
	if r := s.askOn(c, line("GET", "/elsewhere")); r.status != 404 {
		s.t.Fatal(r.status)
	}
	return s.askOn(c, raw)
}

// Nothing of the list is asked of files and of what is not Engine.IO's.
func TestOriginListIsForSessionsOnly(t *testing.T) {
	s := newSite(t, func(cfg *Config) { cfg.HTTP.AllowedOrigins = []string{"https://app.example"} })
	if r := s.ask(line("GET", "/elsewhere", "Origin: https://evil.example")); r.status != 404 || !strings.Contains(r.body, "not found") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
