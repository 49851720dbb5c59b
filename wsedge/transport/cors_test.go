package transport

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// corsOptions are the options of testdata/cors.mjs in our words.
var corsOptions = map[string]*CORS{
	"empty":   {},
	"star":    {Origin: "*"},
	"fixed":   {Origin: "https://app.example"},
	"reflect": {AnyOrigin: true},
	"off":     nil,
	"list":    {Origins: []string{"https://app.example", "https://b.example"}},
	"pattern": {OriginPatterns: []*regexp.Regexp{regexp.MustCompile(`^https://[a-z]+\.example$`)}},
	"mixed":   {Origins: []string{"https://app.example"}, OriginPatterns: []*regexp.Regexp{regexp.MustCompile(`\.test$`)}},
	"function": {OriginFunc: func(origin string) bool {
		return origin == "https://app.example"
	}},
	"credentials": {AnyOrigin: true, Credentials: true},
	"everything": {
		Origin: "https://app.example", Credentials: true, Methods: []string{"GET", "POST"}, AllowedHeaders: []string{"X-A", "X-B"},
		ExposedHeaders: []string{"X-C", "X-D"}, MaxAge: 10 * time.Minute,
	},
	"zeroAge": {AnyOrigin: true, MaxAge: -1},
}

// PROTOCOL 1.9: header by header what the reference answers, for every kind of option, on handshakes, refusals, files and
// preflights.
func TestCORSAnswersAsTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/cors.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Options, Request, From, Method, Path string
		Sent, Headers                        map[string]string
		Status                               int
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	sites := make(map[string]*site)
	for name, options := range corsOptions {
		sites[name] = newSite(t, func(cfg *Config) {
			cfg.HTTP.CORS = options
			cfg.Files = func(w http.ResponseWriter, r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".js") }
		})
	}
	for _, row := range rows {
		var headers []string
		for name, value := range row.Sent {
			headers = append(headers, name+": "+value)
		}
		r := sites[row.Options].ask(line(row.Method, row.Path, headers...))
		got := make(map[string]string)
		for name := range r.header {
			lower := strings.ToLower(name)
			if strings.HasPrefix(lower, "access-control-") || lower == "vary" || lower == "content-length" && r.status == 204 {
				got[lower] = strings.Join(r.header.Values(name), "|")
			}
		}
		name := row.Options + "/" + row.Request + "/" + row.From
		if r.status != row.Status || len(got) != len(row.Headers) {
			t.Errorf("%s: %d %v, the reference: %d %v", name, r.status, got, row.Status, row.Headers)
			continue
		}
		for header, value := range row.Headers {
			if got[header] != value {
				t.Errorf("%s: %s: %q, the reference: %q", name, header, got[header], value)
			}
		}
	}
	if len(rows) < 250 {
		t.Errorf("%d rows", len(rows))
	}
}

// PROTOCOL 1.9: the headers are on every polling answer, whatever its status.
func TestCORSOnEveryAnswer(t *testing.T) {
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.CORS = &CORS{Origin: "https://app.example", Credentials: true}
		cfg.Settings.MaxPayload = 100
		cfg.Settings.PingInterval, cfg.Settings.PingTimeout = 25_000, 20_000
	})
	sid := s.open()
	s.srv.Sessions()[0].Send(message("x"), false)
	for _, c := range []struct {
		name, raw string
		status    int
	}{
		{"poll", line("GET", pollingURL+"&sid="+sid), 200},
		{"POST", line("POST", pollingURL+"&sid="+sid, "Content-Length: 2") + "4x", 200},
		{"PUT", line("PUT", pollingURL+"&sid="+sid, "Content-Length: 0"), 500},
		{"too large", line("POST", pollingURL+"&sid="+sid, "Content-Length: 101") + strings.Repeat("4", 101), 413},
		{"octets", line("POST", pollingURL+"&sid="+sid, "Content-Type: application/octet-stream", "Content-Length: 2") + "4x", 400},
		{"code 1", line("GET", pollingURL+"&sid="+sid), 400},
		{"preflight of a dead session", line("OPTIONS", pollingURL+"&sid="+sid), 204},
	} {
		r := s.ask(c.raw)
		if r.status != c.status || r.header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
			r.header.Get("Access-Control-Allow-Credentials") != "true" || r.header.Get("Vary") == "" {
			t.Errorf("%s: %d %v", c.name, r.status, r.header)
		}
	}
}

// PROTOCOL 1.9: CORS never blocks a WebSocket, by either way in, and leaves the fast one fast.
func TestCORSNeverBlocksWebSocket(t *testing.T) {
	s := newSite(t, func(cfg *Config) { cfg.HTTP.CORS = &CORS{Origins: []string{"https://app.example"}} })
	for _, origin := range []string{"https://app.example", "https://evil.example", "null"} {
		fresh, kept := s.ask(upgrade(webSocketURL, "Origin: "+origin)), s.askKept(upgrade(webSocketURL, "Origin: "+origin))
		if fresh.status != 101 || kept.status != 101 || fresh.head != kept.head {
			t.Errorf("%s: %s\n%s", origin, fresh.head, kept.head)
		}
	}
	if got := s.ask(upgrade(webSocketURL, "Origin: https://app.example")).head; !strings.Contains(got, "\r\nAccess-Control-Allow-Origin: https://app.example\r\n") {
		t.Error(got)
	}
	if n := s.fast(); n != 4 {
		t.Errorf("%d took the fast way", n)
	}
}

// A preflight keeps its connection, has Content-Length 0, and asks neither origin list nor session.
func TestPreflightBytes(t *testing.T) {
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.CORS = &CORS{AnyOrigin: true}
		cfg.HTTP.AllowedOrigins = []string{"https://app.example"}
	})
	c := s.dial()
	for range 2 {
		r := s.askOn(c, line("OPTIONS", "/socket.io/", "Origin: https://evil.example"))
		if r.status != 204 || strings.Count(strings.ToLower(r.head), "\r\ncontent-length: 0") != 1 || strings.Contains(r.head, "Transfer-Encoding") {
			t.Errorf("%s", r.head)
		}
	}
	without := newSite(t, nil)
	if r := without.ask(line("OPTIONS", pollingURL)); r.status != 400 || !strings.Contains(r.body, `"code":2`) {
		t.Errorf("without CORS: %d %s", r.status, r.body)
	}
}

// What other handlers put into Vary stays.
func TestVaryIsMerged(t *testing.T) {
	h := http.Header{}
	addVary(h, "Origin")
	addVary(h, "Accept-Encoding")
	if got := h.Values("Vary"); len(got) != 1 || got[0] != "Origin, Accept-Encoding" {
		t.Errorf("%q", got)
	}
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.CORS = &CORS{AnyOrigin: true}
		cfg.Files = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Add("Vary", "Accept-Encoding")
			_, _ = io.WriteString(w, "file")
			return true
		}
	})
	if r := s.ask(line("GET", "/socket.io/x")); strings.Join(r.header.Values("Vary"), ", ") != "Origin, Accept-Encoding" {
		t.Errorf("%v", r.header)
	}
}

// Over HTTP/2, as behind another http.Server, the answers are the same.
func TestOverHTTP2(t *testing.T) {
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.CORS = &CORS{AnyOrigin: true}
		cfg.HTTP.CompressionThreshold = 1
		cfg.HTTP.Cookie = DefaultCookie()
	})
	outer := httptest.NewUnstartedServer(s.srv)
	outer.EnableHTTP2 = true
	outer.StartTLS()
	defer outer.Close()
	do := func(method, target string) *http.Response {
		req, err := http.NewRequest(method, outer.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://app.example")
		resp, err := outer.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.ProtoMajor != 2 || resp.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
			t.Errorf("%s %s: %v %s %v", method, target, err, resp.Proto, resp.Header)
		}
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return resp
	}
	if resp := do("OPTIONS", pollingURL); resp.StatusCode != 204 || resp.ContentLength > 0 {
		t.Errorf("%s, %d bytes", resp.Status, resp.ContentLength)
	}
	if resp := do("GET", pollingURL+"&sid=no"); resp.StatusCode != 400 || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	resp := do("GET", pollingURL)
	body, _ := io.ReadAll(resp.Body)
	if !resp.Uncompressed || !strings.HasPrefix(string(body), `0{"sid":"`) || !strings.HasPrefix(resp.Header.Get("Set-Cookie"), "io=") {
		t.Errorf("compressed %v, %.20q, %v", resp.Uncompressed, body, resp.Header)
	}
}
