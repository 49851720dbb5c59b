package wsedge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// The advisories of PROTOCOL 9 that belong to Engine.IO, WebSocket and HTTP, with everything that the whole server does about
// them: the answer, the session they aim at, the others, and what is left.

// waysToUpgrade are heads that end before the empty line: one that the fast way in takes, and one for net/http.
var waysToUpgrade = map[string]string{"fast": "", "net/http": "Content-Length: 0\r\n"}

// upgradeHead is a WebSocket handshake with that query and more headers, each with its line end.
func upgradeHead(query, headers string) string {
	return "GET /socket.io/?" + query + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers + "\r\n"
}

// says sends bytes on a connection of its own and returns it with its answer, the body read unless it was switched.
func (h *harness) says(raw string) (*peer, *http.Response, string) {
	h.t.Helper()
	c := h.raw()
	if _, err := io.WriteString(c, raw); err != nil {
		h.t.Fatal(err)
	}
	p := &peer{t: h.t, conn: c, r: bufio.NewReader(c)}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		h.t.Fatalf("%.80q: %v", raw, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return p, resp, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return p, resp, string(body)
}

// isOver fails unless the server ends p without another byte.
func (p *peer) isOver() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Errorf("not over: %.60q, %v", rest, err)
	}
}

// takesEvents fails unless the session is on polling, connected, and heard.
func (p *poller) takesEvents() {
	p.h.t.Helper()
	p.post(`42["still"]`)
	if got := describe(p.h.event(rooms.KindEvent)); got != "event / still() []" {
		p.h.t.Error(got)
	}
}

// Frames with reserved bits right behind the upgrade request, without a session, with one, and with one that is none.
func TestCVE_2022_21676_ReservedBitsWithTheRequest(t *testing.T) {
	for way, headers := range waysToUpgrade {
		t.Run(way, func(t *testing.T) {
			h := start(t)
			before := h.warm()
			b := h.bystander()
			p := h.openPolling()
			p.post("40")
			h.event(rooms.KindConnected)
			p.get()
			for _, bits := range []byte{0x90, 0xa0, 0xc0, 0xf0} {
				frame := string([]byte{bits | 1, 0x81, 0, 0, 0, 0, '2'})
				fresh, resp, _ := h.says(upgradeHead("EIO=4&transport=websocket", headers) + frame)
				if resp.StatusCode != 101 {
					t.Fatal(resp.Status)
				}
				if got := fresh.next(); !strings.HasPrefix(got, `0{"sid":"`) {
					t.Error(got)
				}
				fresh.expect("close 1002")
				candidate, resp, _ := h.says(upgradeHead("EIO=4&transport=websocket&sid="+p.sid, headers) + frame)
				if resp.StatusCode != 101 {
					t.Fatal(resp.Status)
				}
				candidate.expect("close 1002")
				none, resp, body := h.says(upgradeHead("EIO=4&transport=websocket&sid=aaaaaaaaaaaaaaaaaaaa", headers) + frame)
				if resp.StatusCode != 400 || body != "Session ID unknown" {
					t.Error(resp.Status, body)
				}
				none.isOver()
				for _, c := range []*peer{fresh, candidate} {
					c.frame(ws.OpClose, nil)
					c.isOver()
				}
				for _, c := range []*peer{fresh, candidate, none} {
					c.conn.Close()
				}
				p.takesEvents()
			}
			b.isWell()
			p.post("1")
			h.event(rooms.KindDisconnected)
			p.client.CloseIdleConnections()
			b.frame(ws.OpClose, nil)
			b.expect("close 1005")
			h.event(rooms.KindDisconnected)
			b.conn.Close()
			h.leftNothing(before)
		})
	}
}

// An upgrade of another revision than the session's, or of none, with heartbeats behind it, is refused as a whole, also where
// the other revision is allowed; the session hears none of it.
func TestCVE_2026_102599_UpgradeOfAnotherRevision(t *testing.T) {
	heartbeats := string([]byte{0x81, 0x81, 0, 0, 0, 0, '2', 0x81, 0x81, 0, 0, 0, 0, '3', 0x81, 0x86, 0, 0, 0, 0, '2', 'p', 'r', 'o', 'b', 'e'})
	for way, headers := range waysToUpgrade {
		t.Run(way, func(t *testing.T) {
			h := start(t, allowOld)
			b := h.bystander()
			p := h.openPolling()
			p.post("40")
			h.event(rooms.KindConnected)
			old := h.poller()
			_, open := old.do("GET", "EIO=3&transport=polling", "")
			old.sid = strings.Trim(between(open, "sid", "upgrades"), `\":,`)
			h.event(rooms.KindConnected)
			refused := 0
			for sid, revisions := range map[string][]string{
				p.sid:   {"EIO=3&", "", "EIO=&", "EIO=5&", "EIO=04&", "EIO=4&EIO=3&", "EIO=__proto__&"},
				old.sid: {"EIO=4&", "EIO=3&EIO=4&", "EIO=&EIO=4&"}, // of revision 3 is all that is not 4
			} {
				for _, revision := range revisions {
					c, resp, body := h.says(upgradeHead(revision+"transport=websocket&sid="+sid, headers) + heartbeats)
					if resp.StatusCode != 400 || body != "Bad request" {
						t.Errorf("%s: %s %s", revision, resp.Status, body)
					}
					c.isOver()
					refused++
				}
			}
			p.takesEvents()
			if status, body := old.do("POST", "EIO=3&transport=polling&sid="+old.sid, `11:42["still"]`); status != 200 || body != "ok" {
				t.Errorf("%d %s", status, body)
			}
			if got := describe(h.event(rooms.KindEvent)); got != "event / still() []" {
				t.Error(got)
			}
			if n := h.server.Stats().RequestsRefused["Bad request"]; n != uint64(refused) {
				t.Errorf("%d refusals counted, want %d", n, refused)
			}
			b.isWell()
		})
	}
}

// POSTs of octets are each answered at once, also where old clients may send them, and nothing is held for any.
func TestCVE_2026_59725_OctetsAreAnswered(t *testing.T) {
	for name, edit := range map[string]func(*Config){"revision 4 alone": func(*Config) {}, "old clients allowed": allowOld} {
		t.Run(name, func(t *testing.T) {
			h := start(t, edit)
			before := h.warm()
			b := h.bystander()
			for range 100 {
				p := h.openPolling()
				c, resp, body := h.says("POST /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n" +
					"Content-Length: 2\r\n\r\n40")
				if resp.StatusCode != 400 {
					t.Fatalf("%s %s", resp.Status, body)
				}
				if status, _ := p.do("GET", p.query(), ""); status != 400 {
					t.Errorf("the session answers %d", status)
				}
				c.conn.Close()
				p.client.CloseIdleConnections()
			}
			b.isWell()
			if n := h.server.Stats().Sessions; n != 1 {
				t.Errorf("%d sessions, want the bystander's", n)
			}
			b.frame(ws.OpClose, nil)
			b.expect("close 1005")
			h.event(rooms.KindDisconnected)
			b.conn.Close()
			h.leftNothing(before)
		})
	}
}

// However many headers stand before those of the upgrade, they are read as long as the head is not too long; beyond that the
// answer is 431. The number alone drops none.
func TestCVE_2024_37890_ManyHeaders(t *testing.T) {
	h := start(t)
	b := h.bystander()
	for _, c := range []struct {
		line   string
		n      int
		status int
	}{
		{"a:b\r\n", 0, 101}, {"a:b\r\n", 1000, 101}, {"a:b\r\n", 2500, 101}, // with the rest below 16 KiB
		{"a:b\r\n", 10_000, 431}, {"%d:b\r\n", 2000, 101}, {"%d:b\r\n", 10_000, 431},
	} {
		var flood strings.Builder
		for i := range c.n {
			flood.WriteString(strings.Replace(c.line, "%d", fmt.Sprint(i), 1))
		}
		for way, headers := range waysToUpgrade {
			head := strings.Replace(upgradeHead("EIO=4&transport=websocket", headers), "Host: x\r\n", "Host: x\r\n"+flood.String(), 1)
			p := &peer{t: t, conn: h.raw()}
			p.r = bufio.NewReader(p.conn)
			_, _ = io.WriteString(p.conn, head) // may fail: the answer comes before the end of it
			resp, err := http.ReadResponse(p.r, nil)
			if err != nil || resp.StatusCode != c.status {
				t.Errorf("%d of %q, %s: %v, %v", c.n, c.line, way, resp, err)
				continue
			}
			if c.status == 101 {
				if got := p.next(); !strings.HasPrefix(got, `0{"sid":"`) {
					t.Error(got)
				}
			}
			p.conn.Close()
		}
	}
	b.isWell()
}

// Extensions and parameters named like methods of objects are unknown extensions, over a real handshake.
func TestGHSA_5v72_xg48_5rpm_ExtensionsNamedLikeMethods(t *testing.T) {
	for name, enabled := range map[string]bool{"compression off": false, "compression on": true} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.Deflate.Enabled = enabled })
			b := h.bystander()
			for way, headers := range waysToUpgrade {
				for _, offer := range []string{
					"constructor", "__proto__", "toString; valueOf", "permessage-deflate; constructor", "permessage-deflate; __proto__=1",
					strings.Repeat("constructor, ", 500) + "__proto__",
				} {
					p, resp, body := h.says(upgradeHead("EIO=4&transport=websocket", headers+"Sec-WebSocket-Extensions: "+offer+"\r\n"))
					if got, ok := resp.Header["Sec-Websocket-Extensions"]; resp.StatusCode != 101 || ok {
						t.Fatalf("%s, %.40s: %s %s %q", way, offer, resp.Status, body, got)
					}
					p.next()
					p.connect("/", "")
					h.event(rooms.KindConnected)
					p.frame(ws.OpClose, nil)
					h.event(rooms.KindDisconnected)
				}
			}
			b.isWell()
		})
	}
}

// Pongs that nobody asked for start nothing, by every way that they can come.
func TestGHSA_cgwc_pv48_fhj5_PongsStartNothing(t *testing.T) {
	const pongs = 20_000
	h := start(t, allowOld)
	b := h.bystander()
	p, _ := h.join("/")
	old, _ := h.openOld()
	polling := h.openPolling()
	polling.post("40")
	h.event(rooms.KindConnected)
	flood := func(n int) {
		for range n {
			p.send("3")
			p.frame(ws.OpPong, nil) // of WebSocket itself
		}
		p.send(`42["after"]`)
		h.event(rooms.KindEvent)
		for range n / 100 {
			polling.post(strings.TrimSuffix(strings.Repeat("3\x1e", 100), "\x1e"))
		}
		polling.takesEvents()
		for range n / 10 {
			old.send("2") // old clients ask: one answer each, and no timer of its own
			old.expect("3")
		}
	}
	flood(1000)
	goroutines, held := runtime.NumGoroutine(), heap()
	flood(pongs)
	const spare = 4 // connections of the polling client, and what the runtime has
	if n := runtime.NumGoroutine(); n > goroutines+spare {
		t.Errorf("%d goroutines, before %d", n, goroutines)
	}
	const bound = 2 << 20
	if grown := heap() - held; grown > bound {
		t.Errorf("%d bytes more", grown)
	}
	b.isWell()
}

// Clients that are gone before the refusal of their upgrade, by a reset, cost nobody and leave nothing.
func TestCVE_2022_41940_ResetAfterARefusedUpgrade(t *testing.T) {
	h := start(t)
	before := h.warm()
	b := h.bystander()
	for _, query := range []string{
		"EIO=4&transport=nope", "EIO=4&transport=websocket&sid=aaaaaaaaaaaaaaaaaaaa", "EIO=2&transport=websocket", "transport=websocket&EIO=__proto__",
	} {
		for _, headers := range waysToUpgrade {
			for range 25 {
				c := h.raw()
				_, _ = io.WriteString(c, upgradeHead(query, headers))
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		}
	}
	b.isWell()
	b.frame(ws.OpClose, nil)
	b.expect("close 1005")
	h.event(rooms.KindDisconnected)
	b.conn.Close()
	h.leftNothing(before)
}
