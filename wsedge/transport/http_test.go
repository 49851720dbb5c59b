package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// PROTOCOL 1.1: requests are told apart by the prefix of the raw URL.
func TestPaths(t *testing.T) {
	const query = "?EIO=4&transport=polling"
	for _, c := range []struct {
		path     string
		noSlash  bool
		ours     []string
		fallback []string
	}{
		{"/socket.io/", false, []string{"/socket.io/", "/socket.io/anything", "/socket.io//", "/socket.io/../x"},
			[]string{"/socket.io", "/socket.iofoo/", "/", "/x/socket.io/", "/Socket.io/", "/socket%2eio/", "//socket.io/"}},
		{"/socket.io", false, []string{"/socket.io/"}, []string{"/socket.io"}},
		{"/a/b", false, []string{"/a/b/c"}, []string{"/a/b", "/a/"}},
		{"/socket.io/", true, []string{"/socket.io", "/socket.io/", "/socket.iofoo"}, []string{"/socket.i", "/"}},
		{"/socket.io", true, []string{"/socket.io", "/socket.io/"}, []string{"/socketio"}},
		{"/caf%C3%A9", false, []string{"/caf%C3%A9/"}, []string{"/caf%c3%a9/", "/cafe/"}},
		{"/", false, []string{"/", "/x"}, nil},
		{"", false, []string{"/engine.io/"}, []string{"/socket.io/", "/engine.io"}},
	} {
		t.Run(fmt.Sprintf("%q/%v", c.path, c.noSlash), func(t *testing.T) {
			for _, fallback := range []bool{true, false} {
				s := newSite(t, func(cfg *Config) {
					cfg.Path, cfg.HTTP.DisableTrailingSlash = c.path, c.noSlash
					if fallback {
						cfg.Fallback = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
					}
				})
				for _, target := range c.ours {
					if r := s.ask(line("GET", target+query)); r.status != 200 || !strings.HasPrefix(r.body, "0{") {
						t.Errorf("%s: %d %s", target, r.status, r.body)
					}
					if r := s.ask(upgrade(target + "?EIO=4&transport=websocket")); r.status != 101 {
						t.Errorf("upgrade of %s: %d %s", target, r.status, r.body)
					}
				}
				for _, target := range c.fallback {
					r := s.ask(line("GET", target+query))
					if fallback && r.body != "app" || !fallback && r.status != 404 {
						t.Errorf("%s, fallback %v: %d %s", target, fallback, r.status, r.body)
					}
				}
			}
		})
	}
}

// PROTOCOL 1.1: a foreign upgrade is the application's; without one it costs its connection.
func TestForeignUpgrades(t *testing.T) {
	alone := newSite(t, nil)
	for name, ask := range map[string]func(string) reply{"new": alone.ask, "kept": alone.askKept} {
		if r := ask(upgrade("/other")); r.status != 404 || !r.closed {
			t.Errorf("%s: %d, closed %v", name, r.status, r.closed)
		}
	}
	if r := alone.ask(line("GET", "/other")); r.status != 404 || r.header.Get("Connection") == "close" {
		t.Errorf("plain: %d %v", r.status, r.header)
	}
	hosted := newSite(t, func(cfg *Config) {
		cfg.Fallback = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")
			_ = c.Close()
		})
	})
	for name, ask := range map[string]func(string) reply{"new": hosted.ask, "kept": hosted.askKept} {
		if r := ask(upgrade("/other")); r.status != 101 || r.header.Get("Upgrade") != "other" {
			t.Errorf("%s: %d %v", name, r.status, r.header)
		}
	}
}

// Upgrade counts only together with Connection, as in the reference's HTTP parser.
func TestUpgradeNeedsConnection(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct {
		name, raw string
		status    int
		body      string
	}{
		{"a poll that would speak HTTP/2", line("GET", pollingURL, "Upgrade: h2c"), 200, "0{"},
		{"a WebSocket through a careless proxy", line("GET", webSocketURL, "Upgrade: websocket"), 400, `{"code":3,"message":"Bad request"}`},
		{"no upgrade at all", line("GET", webSocketURL, "Connection: Upgrade"), 400, `{"code":3,"message":"Bad request"}`},
		{"another protocol", line("GET", pollingURL, "Upgrade: h2c", "Connection: keep-alive, upgrade"), 400, "Bad request"},
	} {
		if r := s.ask(c.raw); r.status != c.status || !strings.HasPrefix(r.body, c.body) {
			t.Errorf("%s: %d %s", c.name, r.status, r.body)
		}
	}
}

// What cannot work is refused when the server is made, all of it at once.
func TestHTTPConfigIsChecked(t *testing.T) {
	cookie := func(edit func(*http.Cookie)) HTTPConfig {
		c := DefaultCookie()
		edit(c)
		return HTTPConfig{Cookie: c}
	}
	for name, c := range map[string]struct {
		http  HTTPConfig
		words []string
	}{
		"GHSA-pxg6-pf52-xh8x name":      {cookie(func(c *http.Cookie) { c.Name = "userName=<script>alert(1)</script>; a" }), []string{"cookie"}},
		"GHSA-pxg6-pf52-xh8x no name":   {cookie(func(c *http.Cookie) { c.Name = "" }), []string{"cookie"}},
		"GHSA-pxg6-pf52-xh8x line end":  {cookie(func(c *http.Cookie) { c.Name = "io\r\nX: y" }), []string{"cookie"}},
		"GHSA-pxg6-pf52-xh8x path":      {cookie(func(c *http.Cookie) { c.Path = "/; Domain=evil.example" }), []string{"cookie"}},
		"GHSA-pxg6-pf52-xh8x path line": {cookie(func(c *http.Cookie) { c.Path = "/\n" }), []string{"cookie"}},
		"GHSA-pxg6-pf52-xh8x domain":    {cookie(func(c *http.Cookie) { c.Domain = "a.example; Secure" }), []string{"cookie"}},
		"cookie partitioned, insecure":  {cookie(func(c *http.Cookie) { c.Partitioned = true }), []string{"cookie"}},
		"cookie SameSite":               {cookie(func(c *http.Cookie) { c.SameSite = 9 }), []string{"SameSite"}},
		"CORS line end":                 {HTTPConfig{CORS: &CORS{ExposedHeaders: []string{"X\r\nY: z"}}}, []string{"header"}},
		"CORS told twice":               {HTTPConfig{CORS: &CORS{Origin: "*", AnyOrigin: true}}, []string{"more than one"}},
		"CORS nil pattern":              {HTTPConfig{CORS: &CORS{OriginPatterns: []*regexp.Regexp{nil}}}, []string{"nil pattern"}},
		"patience":                      {HTTPConfig{AdmitTimeout: time.Minute}, []string{"AdmitTimeout", "30s"}},
		"time before the question":      {HTTPConfig{AdmitTimeout: -1}, []string{"AdmitTimeout"}},
		"nobody to ask":                 {HTTPConfig{Asks: func() bool { return true }}, []string{"Asks"}},
		"nothing to require":            {HTTPConfig{RequireOrigin: true}, []string{"RequireOrigin"}},
		"origins": {
			HTTPConfig{AllowedOrigins: []string{"app.example", "https://a/", "https://*", "https://a.*.example", "://a", "https://*.", "https://:80"}},
			[]string{`"app.example"`, `"https://a/"`, `"https://*"`, `"https://a.*.example"`, `"://a"`, `"https://*."`, `"https://:80"`},
		},
	} {
		_, err := NewServer(Config{OnSession: func(*Session) Handler { return nil }, HTTP: c.http})
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not tell of %s", name, err, word)
			}
		}
	}
	for _, path := range []string{"socket.io/", "/a?b/", "/a b/", "/a#/", "/a\r\n/", "/\u00e9/"} {
		if _, err := NewServer(Config{OnSession: func(*Session) Handler { return nil }, Path: path}); err == nil {
			t.Errorf("path %q: taken", path)
		}
	}
}

// DESIGN 4: the two ways in answer the same bytes the same way, whatever is configured. A hook that does nothing sends
// WebSockets through net/http, and changes nothing that can be seen.
func TestTwoWaysInAnswerTheSame(t *testing.T) {
	nothing := func(http.Header, *http.Request) {}
	configs := map[string]HTTPConfig{
		"plain":      {},
		"CORS":       {CORS: &CORS{AnyOrigin: true, Credentials: true}},
		"origins":    {AllowedOrigins: []string{"https://app.example"}},
		"cookie":     {Cookie: DefaultCookie()},
		"headers":    {Headers: nothing, InitialHeaders: nothing},
		"asks not":   {Admit: func(context.Context, *http.Request) error { return errors.New("asked") }, Asks: func() bool { return false }},
		"admit":      {Admit: func(context.Context, *http.Request) error { return nil }},
		"middleware": {Middleware: func(next http.Handler) http.Handler { return next }},
	}
	requests := map[string]string{
		"WebSocket":    upgrade(webSocketURL),
		"base64":       upgrade(webSocketURL + "&b64=1&t=x"),
		"origin":       upgrade(webSocketURL, "Origin: https://app.example"),
		"subprotocol":  upgrade(webSocketURL, "Sec-WebSocket-Protocol: a, b"),
		"extension":    upgrade(webSocketURL, "Sec-WebSocket-Extensions: x-unknown"),
		"unknown sid":  upgrade(webSocketURL + "&sid=no"),
		"unknown":      upgrade("/socket.io/?EIO=4&transport=no"),
		"polling":      upgrade(pollingURL),
		"revision 9":   upgrade("/socket.io/?EIO=9&transport=websocket"),
		"a POST":       "POST" + strings.TrimPrefix(upgrade(webSocketURL), "GET"),
		"other file":   upgrade("/socket.io/anything?EIO=4&transport=websocket"),
		"old version":  strings.Replace(upgrade(webSocketURL), "13", "8", 1),
		"body":         upgrade(webSocketURL, "Content-Length: 0"),
		"user's query": upgrade(webSocketURL + "&token=%20a%26b"),
	}
	date := regexp.MustCompile(`(?m)^Date: .*$`)
	plain := make(map[string]string)
	for _, config := range []string{"plain", "CORS", "origins", "cookie", "headers", "asks not", "admit", "middleware"} {
		s := newSite(t, func(cfg *Config) { cfg.HTTP = configs[config] })
		sid := s.open()
		requests["candidate"] = upgrade(webSocketURL + "&sid=" + sid)
		for name, raw := range requests {
			c := s.dial()
			s.askOn(c, line("GET", "/elsewhere"))
			for way, r := range map[string]reply{"new": s.ask(raw), "kept": s.askOn(c, raw)} {
				got := date.ReplaceAllString(r.head, "Date") + "\n" + r.body
				like := name
				if config == "CORS" { // whose headers are in the 101
					like += ", CORS"
				}
				if plain[like] == "" {
					plain[like] = got
				}
				if got != plain[like] {
					t.Errorf("%s, %s, %s:\n%s\nelsewhere:\n%s", config, name, way, got, plain[like])
				}
			}
		}
		fast := s.fast()
		if hooked := s.srv.cfg.HTTP.hooked(); hooked && fast != 0 || !hooked && fast < 6 {
			t.Errorf("%s: %d took the fast way", config, fast)
		}
	}
}
