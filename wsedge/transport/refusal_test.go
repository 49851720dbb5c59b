package transport

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// refusals collects what OnRefused hears.
type refusals struct {
	mu   sync.Mutex
	list []string
}

func (l *refusals) add(r *http.Request, refusal *engineio.Refusal, why RefusalContext) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, fmt.Sprintf("%s %d %s", r.Method, refusal.Code, why))
}

func (l *refusals) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

// PROTOCOL 1.2: every check, in its order: where a request fails two, the earlier one answers. JSON on polling, plain text
// and 400 on an upgrade, the same by both ways in; and everybody who watches hears of it.
func TestVerificationOrder(t *testing.T) {
	var heard refusals
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.OnRefused = heard.add
		cfg.HTTP.AllowedOrigins = []string{"https://app.example"}
	})
	sid := s.open()
	const evil, fine = "Origin: https://evil.example", "Origin: https://app.example"
	either := []string{"polling", "upgrade"}
	type row struct {
		name, method, query string
		headers             []string
		on                  []string
		code                int
		why                 RefusalContext
	}
	var rows []row
	for _, transport := range []string{
		"", "tcp", "webtransport", "constructor", "__proto__", "toString", "hasOwnProperty", "Polling", "polling%00",
		"flashsocket", "xhr-multipart", "htmlfile", "jsonp-polling", // of Socket.IO 0.9
	} {
		rows = append(rows, row{"transport " + transport, "GET", "EIO=4&transport=" + transport, nil, either, 0, RefusedTransport})
	}
	for _, id := range []string{"nobody", "__proto__", "constructor", "toString", strings.Repeat("A", 20), sid + "A", strings.ToLower(sid) + "%00"} {
		rows = append(rows, row{"sid " + id, "GET", "EIO=4&transport=polling&sid=" + id, nil, either, 1, RefusedSession})
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"} {
		rows = append(rows, row{"handshake by " + method, method, "EIO=4&transport=polling", nil, either, 2, RefusedMethod})
	}
	rows = append(rows,
		row{"no query", "GET", "", nil, either, 0, RefusedTransport},
		row{"transport missing, other parameters", "GET", "EIO=4&t=abc", nil, either, 0, RefusedTransport},
		row{"last transport wins", "GET", "EIO=4&transport=polling&transport=no", nil, either, 0, RefusedTransport},
		row{"transport before origin", "GET", "EIO=4&transport=no", []string{evil}, either, 0, RefusedTransport},
		row{"transport before sid and method", "PUT", "transport=no&sid=x", nil, either, 0, RefusedTransport},
		row{"origin", "GET", "EIO=4&transport=polling", []string{evil}, either, 4, RefusedOrigin},
		row{"origin before sid", "GET", "EIO=4&transport=polling&sid=x", []string{evil}, either, 4, RefusedOrigin},
		row{"origin of a session's request", "POST", "EIO=4&transport=polling&sid=" + sid, []string{evil}, either, 4, RefusedOrigin},
		row{"two origins", "GET", "EIO=4&transport=polling", []string{fine, evil}, either, 4, RefusedOrigin},
		row{"sid before method", "PUT", "EIO=4&transport=polling&sid=x", []string{fine}, either, 1, RefusedSession},
		row{"sid before EIO", "GET", "EIO=3&transport=polling&sid=x", nil, either, 1, RefusedSession},
		row{"another transport", "GET", "EIO=4&transport=websocket&sid=" + sid, nil, []string{"polling"}, 3, RefusedTransportMismatch},
		row{"another transport before EIO", "GET", "EIO=3&transport=websocket&sid=" + sid, nil, []string{"polling"}, 3, RefusedTransportMismatch},
		row{"another EIO", "GET", "EIO=3&transport=polling&sid=" + sid, nil, either, 3, RefusedProtocolMismatch},
		row{"no EIO", "PUT", "transport=polling&sid=" + sid, nil, either, 3, RefusedProtocolMismatch},
		row{"CVE-2026-102599", "GET", "transport=websocket&sid=" + sid, nil, []string{"upgrade"}, 3, RefusedProtocolMismatch},
		row{"method before plain WebSocket", "POST", "EIO=4&transport=websocket", nil, either, 2, RefusedMethod},
		row{"method before EIO", "POST", "EIO=3&transport=polling", nil, either, 2, RefusedMethod},
		row{"an empty sid is none", "POST", "EIO=4&transport=polling&sid=", nil, either, 2, RefusedMethod},
		row{"plain WebSocket", "GET", "EIO=4&transport=websocket", nil, []string{"polling"}, 3, RefusedHandshake},
		row{"plain WebSocket before EIO", "GET", "EIO=3&transport=websocket", nil, []string{"polling"}, 3, RefusedHandshake},
	)
	for _, eio := range []string{"", "3", "5", "04", "4.0", "+4", "44"} {
		for _, transport := range either {
			name := map[string]string{"polling": "polling", "upgrade": "websocket"}[transport]
			rows = append(rows, row{"EIO " + eio, "GET", "EIO=" + eio + "&transport=" + name, nil, []string{transport}, 5, RefusedProtocol})
		}
	}
	texts := []string{"Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden", "Unsupported protocol version"}
	counted := func(why RefusalContext) uint64 { return s.srv.Stats().RefusedFor[why].Load() }
	for _, c := range rows {
		for _, on := range c.on {
			t.Run(on+"/"+c.name, func(t *testing.T) {
				raw, status, kind := line(c.method, "/socket.io/?"+c.query, append(c.headers, "Content-Length: 0")...), 400, "application/json"
				body := fmt.Sprintf(`{"code":%d,"message":"%s"}`, c.code, texts[c.code])
				if c.code == 4 {
					status = 403
				}
				if on == "upgrade" {
					raw, status, kind, body = c.method+strings.TrimPrefix(upgrade("/socket.io/?"+c.query, c.headers...), "GET"), 400, "text/html", texts[c.code]
				}
				heard.take()
				before := counted(c.why)
				fresh := s.ask(raw)
				conn := s.dial()
				s.askOn(conn, line("GET", "/elsewhere"))
				kept := s.askOn(conn, raw)
				for way, r := range map[string]reply{"new": fresh, "kept": kept} {
					if r.status != status || r.body != body || r.header.Get("Content-Type") != kind {
						t.Errorf("%s: %d %s: %q, want %d %q", way, r.status, r.header.Get("Content-Type"), r.body, status, body)
					}
					if on == "upgrade" && (!r.closed || r.header.Get("Content-Length") != strconv.Itoa(len(body))) {
						t.Errorf("%s: closed %v, %v", way, r.closed, r.header)
					}
				}
				want := fmt.Sprintf("%s %d %s", c.method, c.code, c.why)
				if list := heard.take(); len(list) != 2 || list[0] != want || list[1] != want {
					t.Errorf("heard %q, want %q twice", list, want)
				}
				if n := counted(c.why) - before; n != 2 {
					t.Errorf("counted %d times", n)
				}
			})
		}
	}
	if r := s.ask(line("HEAD", pollingURL)); r.status != 400 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
	if r := s.ask(line("POST", pollingURL+"&sid="+sid, fine, "Content-Length: 1") + "4"); r.status != 200 {
		t.Errorf("the session has suffered: %d %s", r.status, r.body)
	}
	if s.srv.Len() != 1 {
		t.Errorf("%d sessions", s.srv.Len())
	}
}

// PROTOCOL 1.2: characters that no Origin may have. HTTP/1 parsers refuse them before us, in net/http as in Node; what
// embeds a Server may not.
func TestInvalidOriginCharacters(t *testing.T) {
	s := newSite(t, nil)
	for _, upgrades := range []bool{false, true} {
		for _, c := range []struct {
			origin string
			code   string
		}{
			{"https://a\x7f", "3"}, {"a\x00b", "3"}, {"a\r\nb", "3"}, {"\x1f", "3"}, {"tab\tis fine", ""}, {"https://m\xc3\xbcnchen.example", ""},
		} {
			r := httptest.NewRequest("GET", pollingURL+"&sid=no", nil)
			r.Header["Origin"] = []string{c.origin}
			want := `"code":1`
			if c.code != "" {
				want = `"code":3`
			}
			if upgrades {
				r.Header.Set("Upgrade", "websocket")
				r.Header.Set("Connection", "Upgrade")
				want = map[string]string{`"code":1`: "Session ID unknown", `"code":3`: "Bad request"}[want]
			}
			w := httptest.NewRecorder()
			s.srv.ServeHTTP(w, r)
			if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%q: %d %s", c.origin, w.Code, w.Body)
			}
		}
	}
	if n := s.srv.Stats().RefusedFor[RefusedInvalidOrigin].Load(); n != 8 {
		t.Errorf("%d counted", n)
	}
	for name, raw := range map[string]string{"polling": line("GET", pollingURL, "Origin: a\x7fb"), "upgrade": upgrade(webSocketURL, "Origin: a\x01b")} {
		if r := s.ask(raw); r.status != 400 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
}

// An upgrade that cannot be answered as a WebSocket is a refusal like the others.
func TestUnanswerableHandshakes(t *testing.T) {
	s := newSite(t, nil)
	good := upgrade(webSocketURL)
	for name, raw := range map[string]string{
		"old version": strings.Replace(good, "Version: 13", "Version: 8", 1),
		"short key":   strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "abc", 1),
		"no key":      strings.Replace(good, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1),
		"HTTP/2 text": strings.Replace(good, "Upgrade: websocket", "Upgrade: h2c", 1),
	} {
		if r := s.ask(raw); r.status != 400 || r.body != "Bad request" || r.header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if n := s.srv.Stats().RefusedFor[RefusedHandshake].Load(); n != 4 {
		t.Errorf("%d counted", n)
	}
}

func TestRefusalContextNames(t *testing.T) {
	seen := make(map[string]bool)
	for c := range refusalContexts {
		if name := c.String(); name == "" || seen[name] || strings.ToUpper(name) != name {
			t.Errorf("%d: %q", c, name)
		}
		seen[c.String()] = true
	}
	// PROTOCOL 1.2 names these; ids cannot fail here, and a failing middleware answers itself.
	for _, name := range []string{"INVALID_ORIGIN", "TRANSPORT_MISMATCH", "PROTOCOL_MISMATCH", "TRANSPORT_HANDSHAKE_ERROR"} {
		if !seen[name] {
			t.Errorf("no %s", name)
		}
	}
	if refusalContexts.String() != "UNKNOWN" || contextOf(errOvertaken) != RefusedOvertaken {
		t.Error("out of the set")
	}
}
