package transport

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// What advisories against other servers name, sent to this one (PROTOCOL 9). Those of the framing, the codecs and the
// configuration stand with what they test.

// Nobody's pages may read anything unless somebody says so.
func TestCVE_2020_28481_NoCORSByDefault(t *testing.T) {
	s := newSite(t, nil)
	for _, raw := range []string{
		line("GET", pollingURL, "Origin: https://evil.example"),
		line("OPTIONS", pollingURL, "Origin: https://evil.example", "Access-Control-Request-Method: POST"),
		upgrade(webSocketURL, "Origin: https://evil.example"),
	} {
		if r := s.ask(raw); strings.Contains(strings.ToLower(r.head), "access-control-") {
			t.Errorf("%.20q: %s", raw, r.head)
		}
	}
}

// A body that is full of tiny packets is read as it is, in one pass: four times as many cost about four times as much, and
// nothing is kept of them.
func TestCVE_2020_36048_PostOfTinyPackets(t *testing.T) {
	s := newSite(t, func(cfg *Config) { cfg.AllowEIO3 = true })
	for name, c := range map[string]struct{ query, packet string }{
		"revision 4":  {"EIO=4&transport=polling", "6\x1e"},
		"revision 3":  {"EIO=3&transport=polling", "1:6"},
		"pings":       {"EIO=3&transport=polling", "1:2"},
		"empty texts": {"EIO=4&transport=polling", "4\x1e"},
	} {
		cost := func(n int) uint64 {
			sid := s.openAs(c.query)
			body := strings.TrimSuffix(strings.Repeat(c.packet, n), "\x1e")
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			r := s.ask(line("POST", "/socket.io/?"+c.query+"&sid="+sid, fmt.Sprintf("Content-Length: %d", len(body))) + body)
			runtime.ReadMemStats(&after)
			if r.status != 200 || r.body != "ok" {
				t.Errorf("%s, %d: %d %s", name, n, r.status, r.body)
			}
			return after.TotalAlloc - before.TotalAlloc
		}
		few, many := cost(50_000), cost(200_000)
		if many > 8*few+(4<<20) {
			t.Errorf("%s: %d bytes for 50,000 packets, %d for 200,000", name, few, many)
		}
	}
}

// A pong says what the ping said, and nothing besides.
func TestCVE_2016_10518_PongsSayWhatThePingSaid(t *testing.T) {
	_, address := echoing(t, DeflateConfig{})
	c := dialRaw(t, address, "")
	for _, length := range []int{0, 1, 7, 124, 125} {
		said := bytes.Repeat([]byte{byte(length)}, length)
		if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewPingFrame(bytes.Clone(said)))); err != nil {
			t.Fatal(err)
		}
		if f := c.hear(t); f.Header.OpCode != ws.OpPong || !bytes.Equal(f.Payload, said) {
			t.Errorf("a ping of %d bytes: %v %q", length, f.Header.OpCode, f.Payload)
		}
	}
}

// Close frames of the server's have no body, or a code and a text of their own.
func TestCVE_2026_45736_CloseFramesShowNoMemory(t *testing.T) {
	srv, address := echoing(t, DeflateConfig{})
	for want, end := range map[string]func(net.Conn){
		"":                 func(net.Conn) { srv.Sessions()[0].Close() },
		"\x03\xf0too much": func(net.Conn) { srv.Sessions()[0].Reject("too much") },
		"\x03\xea":         func(c net.Conn) { _, _ = c.Write([]byte("\x81\x01x")) }, // not masked: 1002
		"\x03\xe8":         func(c net.Conn) { _ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame([]byte("\x03\xe8why")))) },
		"\x03\xef":         func(c net.Conn) { _ = ws.WriteFrame(c, ws.MaskFrame(ws.NewTextFrame([]byte("4\xff")))) },
	} {
		c := dialRaw(t, address, "")
		end(c)
		if f := c.hear(t); f.Header.OpCode != ws.OpClose || string(f.Payload) != want {
			t.Errorf("%v %q, want %q", f.Header.OpCode, f.Payload, want)
		}
		c.Close()
		until(t, "end of the session", func() bool { return srv.Len() == 0 })
	}
}

// Very many upgrades, of one session and of none, leave the session and everybody else alone, and nothing behind.
func TestFurtherInput_UpgradeFlood(t *testing.T) {
	s := newSite(t, nil)
	sid := s.open()
	first := s.dial()
	_, _ = io.WriteString(first, upgrade(webSocketURL+"&sid="+sid))
	if resp, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	for i := range 300 {
		raw := upgrade(webSocketURL + "&sid=" + sid)
		if i%2 == 0 {
			raw = upgrade(webSocketURL + "&sid=aaaaaaaaaaaaaaaaaaaa")
		}
		c := s.dial()
		_, _ = io.WriteString(c, raw)
		if i%3 == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	session := s.srv.sessions.find(sid)
	until(t, "end of the flood", func() bool { return s.srv.engine.Len() <= 2 }) // the session's timer, and its candidate
	if session.Transport() != engineio.Polling || s.srv.Len() != 1 {
		t.Errorf("on %v, %d sessions", session.Transport(), s.srv.Len())
	}
	session.Send(message("still here"), false)
	if r := s.ask(line("GET", pollingURL+"&sid="+sid)); r.body != "4still here" {
		t.Errorf("polled %q", r.body)
	}
}

// Clients that come and go, by every way, leave nothing.
func TestFurtherInput_Churn(t *testing.T) {
	s := newSite(t, func(cfg *Config) { cfg.AllowEIO3, cfg.MaxSessionsPerAddress = true, 1000 })
	for i := range 300 {
		query := []string{"EIO=4&transport=websocket", "EIO=3&transport=websocket", "EIO=4&transport=websocket&b64=1"}[i%3]
		c := s.dial()
		_, _ = io.WriteString(c, upgrade("/socket.io/?"+query))
		if i%2 == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	counted := func() (sessions int) { // for the address: from before a session is there until after it has gone
		s.srv.limits.edit(addrOf(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}), func(e *addressEntry, _ time.Duration) bool {
			sessions = int(e.sessions)
			return false
		})
		return sessions
	}
	until(t, "end of all sessions", func() bool { return s.srv.Len() == 0 && s.srv.engine.Len() == 0 && counted() == 0 })
}
