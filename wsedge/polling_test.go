package wsedge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestPollingSession(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	if got := p.get(); !strings.HasPrefix(got, `40{"sid":"`) {
		t.Fatalf("CONNECT answered %q", got)
	}
	p.post("42[\"a\"]\x1e420[\"b\",\"\u20ac\"]\x1e451-[\"c\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID")
	for _, want := range []string{"event / a() []", `event / b("€") []`, `event / c({"_placeholder":true,"num":0}) ["\x01\x02\x03"]`} {
		if got := describe(h.event(rooms.KindEvent)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	n := h.namespace("/")
	n.Emit(rooms.Target{}, &rooms.Message{Event: "x"})
	n.Emit(rooms.Target{}, &rooms.Message{Event: "y", Args: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{255}}})
	n.Emit(rooms.Target{}, &rooms.Message{Event: "z"})
	if got, want := p.get(), "42[\"x\"]\x1e451-[\"y\",{\"_placeholder\":true,\"num\":0}]\x1eb/w==\x1e42[\"z\"]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A poll that waits is answered by the first message; volatile messages that
// find no waiting poll are dropped.
func TestPollWaits(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	n := h.namespace("/")
	if _, delivered := n.Emit(rooms.Target{}, &rooms.Message{Event: "lost", Volatile: true}); delivered != 0 {
		t.Error("a volatile message was taken without a waiting poll")
	}
	answer := make(chan string)
	go func() {
		_, body, err := p.try("GET", p.query(), "")
		answer <- fmt.Sprint(body, err)
	}()
	for {
		if _, delivered := n.Emit(rooms.Target{}, &rooms.Message{Event: "v", Volatile: true}); delivered == 1 {
			break
		}
	}
	if got := <-answer; got != `42["v"]<nil>` {
		t.Errorf("got %q", got)
	}
}

func TestRefusals(t *testing.T) {
	h := start(t)
	open := h.openPolling()
	ws := h.open()
	_ = ws
	for _, c := range []struct {
		method, query, body string
		status              int
		want                string
	}{
		{"GET", "EIO=4", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=tobi", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=__proto__", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=polling&sid=unknown", "", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"GET", "EIO=4&transport=polling&sid=__proto__", "", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"POST", "EIO=4&transport=polling", "", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"PUT", "EIO=4&transport=polling", "", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"OPTIONS", "EIO=4&transport=polling", "", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"GET", "EIO=4&transport=websocket", "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=4&transport=websocket&sid=" + open.sid, "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=3&transport=polling&sid=" + open.sid, "", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=3&transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"PUT", "EIO=4&transport=polling&sid=" + open.sid, "", 500, ""},
		{"DELETE", "EIO=4&transport=polling&sid=" + open.sid, "", 500, ""},
	} {
		status, body := h.poller().do(c.method, c.query, c.body)
		if status != c.status || body != c.want {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.query, status, body, c.status, c.want)
		}
	}
	if s := h.server.Stats(); s.RequestsRefused["Transport unknown"] != 3 || s.RequestsRefused["Session ID unknown"] != 2 {
		t.Errorf("refusals counted: %v", s.RequestsRefused)
	} else if s.RefusalContexts["TRANSPORT_UNKNOWN"] != 3 || s.RefusalContexts["SESSION_UNKNOWN"] != 2 || s.RefusalContexts["PROTOCOL_MISMATCH"] == 0 {
		t.Errorf("refusals counted: %v", s.RefusalContexts)
	}
	open.post("3") // the session has not been hurt
}

func TestUpgradeRefusalsArePlainText(t *testing.T) {
	h := start(t)
	for query, want := range map[string]string{
		"EIO=4&transport=tobi":                "Transport unknown",
		"EIO=4&transport=websocket&sid=abc":   "Session ID unknown",
		"EIO=3&transport=websocket":           "Unsupported protocol version",
		"EIO=4&transport=constructor&sid=abc": "Transport unknown",
	} {
		req, _ := http.NewRequest("GET", "http://x/socket.io/?"+query, nil)
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			req.Header.Set(name, value)
		}
		resp, err := h.poller().client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 400 || string(body) != want || resp.Header.Get("Content-Type") != "text/html" || !resp.Close {
			t.Errorf("%s: %s %q %v", query, resp.Status, body, resp.Header)
		}
	}
}

func TestPollingHeaders(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	resp, err := p.client.Post("http://x/socket.io/?"+p.query(), "text/plain", strings.NewReader("3"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/html" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("POST: %v", resp.Header)
	}
	req, _ := http.NewRequest("GET", "http://x/socket.io/?EIO=4&transport=polling", nil)
	req.Header.Set("User-Agent", "x Trident/7.0")
	resp, err = p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/plain; charset=UTF-8" || resp.Header.Get("Cache-Control") != "no-store" ||
		resp.Header.Get("X-Xss-Protection") != "0" || resp.ContentLength < 1 {
		t.Errorf("GET: %v, length %d", resp.Header, resp.ContentLength)
	}
}

func TestPollingEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(*testing.T, *harness, *poller)
		reason rooms.Reason
		after  int // status of the next GET
	}{
		{"close packet", func(_ *testing.T, _ *harness, p *poller) { p.post("1") }, rooms.ReasonTransportClose, 400},
		{"unknown packet", func(_ *testing.T, _ *harness, p *poller) { p.post("9") }, rooms.ReasonParseError, 400},
		{"empty body", func(_ *testing.T, _ *harness, p *poller) { p.post("") }, rooms.ReasonParseError, 400},
		{"ping", func(_ *testing.T, _ *harness, p *poller) { p.post("2") }, rooms.ReasonTransportError, 400},
		{"CVE-2026-59725 binary content type", func(t *testing.T, _ *harness, p *poller) {
			resp, err := p.client.Post("http://x/socket.io/?"+p.query(), "application/octet-stream", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 400 {
				t.Errorf("answered %s", resp.Status)
			}
		}, rooms.ReasonTransportError, 400},
		{"violation while no poll waits", func(_ *testing.T, _ *harness, p *poller) { p.post("40") }, rooms.ReasonForcedServerClose, 200},
		{"malformed packet while no poll waits", func(_ *testing.T, _ *harness, p *poller) { p.post("4x") }, rooms.ReasonForcedClose, 200},
		{"aborted poll", func(t *testing.T, h *harness, p *poller) {
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/socket.io/?"+p.query(), nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if resp, err := p.client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					t.Error("the poll was answered")
				}
			}()
			for h.waitingPolls() == 0 {
			}
			cancel()
			<-done
		}, rooms.ReasonTransportError, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t)
			p := h.openPolling()
			p.post("40")
			h.event(rooms.KindConnected)
			p.get()
			c.do(t, h, p)
			if e := h.event(rooms.KindDisconnected); e.Reason != c.reason {
				t.Errorf("disconnected: %s, want %s", e.Reason, c.reason)
			}
			status, body := p.do("GET", p.query(), "")
			if status != c.after || status == 200 && body != "1" {
				t.Errorf("the next GET was answered %d %q", status, body)
			}
			if status, body = p.do("GET", p.query(), ""); status != 400 || body != `{"code":1,"message":"Session ID unknown"}` {
				t.Errorf("then %d %q", status, body)
			}
		})
	}
}

// waitingPolls counts the sessions that a volatile message would reach.
func (h *harness) waitingPolls() int {
	waiting := 0
	for _, s := range h.server.transport.Sessions() {
		if s.Writable() {
			waiting++
		}
	}
	return waiting
}

func TestPacketsBeforeABadOneAreHandled(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	p.post("40\x1e42[\"a\"]\x1e9\x1e42[\"b\"]")
	h.event(rooms.KindConnected)
	h.event(rooms.KindEvent)
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonParseError {
		t.Error(e.Reason)
	}
}

func TestSecondPollEndsTheSession(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	first := make(chan string)
	go func() {
		status, body, err := p.try("GET", p.query(), "")
		first <- fmt.Sprint(status, body, err)
	}()
	for h.waitingPolls() == 0 {
	}
	if status, body := p.do("GET", p.query(), ""); status != 400 || body != "" {
		t.Errorf("second poll: %d %q", status, body)
	}
	if got := <-first; got != "2001<nil>" {
		t.Errorf("first poll: %s", got)
	}
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportError {
		t.Error(e.Reason)
	}
}

func TestPostLimits(t *testing.T) {
	h := start(t, func(c *Config) { c.MaxPayload = 1000 })
	p := h.openPolling()
	for name, length := range map[string]int{"one too many": 1001, "10 MB": 10_000_000} {
		if status, body := p.do("POST", p.query(), strings.Repeat("x", length)); status != 413 || body != "" {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
	req, _ := http.NewRequest("POST", "http://x/socket.io/?"+p.query(), io.MultiReader(strings.NewReader(strings.Repeat("x", 1001))))
	resp, err := p.client.Do(req) // chunked
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("chunked: %s", resp.Status)
	}
	p.post("40")
	h.event(rooms.KindConnected)
	event := `42["` + strings.Repeat("e", 1000-6) + `"]`
	if len(event) != 1000 {
		t.Fatal(len(event))
	}
	p.post(event)
	h.event(rooms.KindEvent)
}

func TestClientBundle(t *testing.T) {
	if ClientVersion() == "" {
		h := start(t)
		if status, body := get(t, h, "socket.io.js", nil); status.StatusCode != 404 || !strings.Contains(string(body), "make bundle") {
			t.Errorf("a build without the client answered %s %q", status.Status, body)
		}
		return
	}
	h := start(t)
	plain := http.Header{"Accept-Encoding": {"identity"}}
	resp, body := get(t, h, "socket.io.min.js", plain)
	if resp.StatusCode != 200 || !strings.Contains(string(body[:200]), "Socket.IO v"+ClientVersion()) ||
		resp.Header.Get("Content-Type") != "application/javascript; charset=utf-8" || resp.Header.Get("Cache-Control") != "public, max-age=0" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	resp, zipped := get(t, h, "socket.io.min.js", http.Header{"Accept-Encoding": {"gzip"}})
	if resp.Header.Get("Content-Encoding") != "gzip" || len(zipped) >= len(body) {
		t.Errorf("gzip: %v, %d bytes of %d", resp.Header, len(zipped), len(body))
	}
	for _, tag := range []string{resp.Header.Get("ETag"), "W/" + resp.Header.Get("ETag")} {
		if resp, body := get(t, h, "socket.io.min.js", http.Header{"If-None-Match": {tag}}); resp.StatusCode != 304 || len(body) != 0 {
			t.Errorf("%s: %s", tag, resp.Status)
		}
	}
	if resp, _ := get(t, h, "socket.io.min.js.map", plain); resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("map: %v", resp.Header)
	}
	if resp, body := get(t, h, "package.json", plain); resp.StatusCode != 400 || string(body) != `{"code":0,"message":"Transport unknown"}` {
		t.Errorf("another name: %s %s", resp.Status, body)
	}
}

func get(t *testing.T, h *harness, name string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	req, _ := http.NewRequest("GET", "http://x/socket.io/"+name, nil)
	if header != nil {
		req.Header = header
	}
	resp, err := h.poller().client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// The stock client drops what comes in one payload with a close packet: what waits goes out first, the close with the
// next poll (PROTOCOL 1.8).
func TestCloseComesAfterWhatWaits(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	p.post("40")
	id := h.event(rooms.KindConnected).Socket
	p.get()
	n := h.namespace("/")
	n.Emit(rooms.Target{}, &rooms.Message{Event: "a"})
	m, _ := n.Member(id)
	m.Disconnect(true)
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonServerDisconnect {
		t.Error(e.Reason)
	}
	if got := p.get(); got != "42[\"a\"]\x1e41" {
		t.Errorf("first %q", got)
	}
	if got := p.get(); got != "1" {
		t.Errorf("then %q", got)
	}
	if status, _ := p.do("GET", p.query(), ""); status != http.StatusBadRequest {
		t.Errorf("then %d", status)
	}
	if s := h.server.Stats(); s.Sessions != 0 {
		t.Errorf("%d sessions are left", s.Sessions)
	}
}

// The refusal of a body that is too large reaches the client also when the connection ends with it: it must not be
// overtaken by a reset for the bytes that nobody read.
func TestTooLargePostsGetTheirAnswer(t *testing.T) {
	h := start(t, func(c *Config) { c.MaxPayload = 1000 })
	p := h.openPolling()
	const size = 1_000_000
	body := strings.Repeat("x", size)
	for i := range 10 {
		c := h.raw()
		fmt.Fprintf(c, "POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", p.query(), size)
		_, _ = io.WriteString(c, body) // may fail half-way, like a browser's
		answer, err := io.ReadAll(c)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 413 ") || err != nil {
			t.Fatalf("try %d: %.60q, %v", i, answer, err)
		}
		c.Close()
	}
}
