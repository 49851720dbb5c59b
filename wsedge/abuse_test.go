package wsedge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// raw opens a connection that says what it likes.
func (h *harness) raw() net.Conn {
	h.t.Helper()
	c, err := h.dial()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// ended waits until the server has closed c.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection stays open")
	}
}

// Whatever comes in on the port, a well-behaved client does not notice.
func TestBadInputCostsNobodyElse(t *testing.T) {
	for name, abuse := range map[string]func(*testing.T, *harness){
		"random bytes": func(t *testing.T, h *harness) {
			r := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				c := h.raw()
				b := make([]byte, 1+r.IntN(4096))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				_, _ = c.Write(b)
				_ = c.(*net.TCPConn).CloseWrite()
				ended(t, c)
			}
		},
		"half an upgrade request": func(t *testing.T, h *harness) {
			c := h.raw()
			fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgr")
			ended(t, c)
		},
		"nothing at all": func(t *testing.T, h *harness) { ended(t, h.raw()) },
		"CVE-2024-37890 header flood": func(t *testing.T, h *harness) {
			c := h.raw()
			fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n")
			line := []byte("X-Flood: " + strings.Repeat("y", 100) + "\r\n")
			var err error
			for i := 0; i < 10_000 && err == nil; i++ {
				_, err = c.Write(line)
			}
			answer, _ := io.ReadAll(c)
			if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 431 ")) {
				t.Errorf("answered %.100q", answer)
			}
		},
		"endless header line": func(t *testing.T, h *harness) {
			c := h.raw()
			fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ")
			var err error
			for i := 0; i < 1000 && err == nil; i++ {
				_, err = c.Write(bytes.Repeat([]byte("x"), 1000))
			}
			ended(t, c)
		},
		"10 MB POST": func(t *testing.T, h *harness) {
			p := h.openPolling()
			if status, _, err := p.try("POST", p.query(), strings.Repeat("x", 10_000_000)); err == nil && status != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %d", status)
			}
		},
		"CVE-2022-21676 frames sent with the request, reserved bits set": func(t *testing.T, h *harness) {
			// CVE-2022-21676
			for _, query := range []string{"EIO=4&transport=websocket", "EIO=4&transport=websocket&sid=unknown"} {
				c := h.raw()
				fmt.Fprintf(c, "GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\xf1\x81\x00\x00\x00\x002", query)
				_ = c.(*net.TCPConn).CloseWrite()
				ended(t, c)
			}
		},
		"CVE-2022-41940 reset after an invalid upgrade": func(_ *testing.T, h *harness) {
			// CVE-2022-41940
			for range 50 {
				c := h.raw()
				fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=nope HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		},
		"truncated frames": func(_ *testing.T, h *harness) {
			for _, b := range []string{"\x81", "\x81\xfe", "\x81\xff\x00\x00", "\x81\x85\x01\x02", "\x81\xfe\xff\xff\x00\x00\x00\x00abc"} {
				p := h.open()
				_, _ = p.conn.Write([]byte(b))
				p.conn.Close()
			}
		},
		"further input: a frame that announces 2^62 bytes": func(t *testing.T, h *harness) {
			p := h.open()
			_, _ = p.conn.Write([]byte("\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
			p.expect("close 1009")
		},
		"further input: deep JSON": func(_ *testing.T, h *harness) {
			p, _ := h.join("/")
			p.send(`42["a",` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "]")
			p.expect("close 1005")
			h.event(rooms.KindDisconnected)
		},
		"CVE-2026-33151 very many attachments announced": func(_ *testing.T, h *harness) {
			p, _ := h.join("/") // CVE-2026-33151
			p.send(`4599999999-["a"]`)
			p.expect("close 1005")
			h.event(rooms.KindDisconnected)
		},
		"CVE-2026-69185 zero attachments announced": func(_ *testing.T, h *harness) {
			p, _ := h.join("/") // CVE-2026-69185
			p.send(`450-["a"]`)
			p.expect("close 1005")
			h.event(rooms.KindDisconnected)
		},
		"CVE-2026-48804 attachments withheld": func(_ *testing.T, h *harness) {
			p, _ := h.join("/") // CVE-2026-48804
			p.send(`451-["a",{"_placeholder":true,"num":0}]`)
			p.conn.Close()
			h.event(rooms.KindDisconnected)
		},
		"GHSA-cgwc-pv48-fhj5 flood of unsolicited pongs": func(t *testing.T, h *harness) {
			p, _ := h.join("/") // GHSA-cgwc-pv48-fhj5
			for range 10_000 {
				p.send("3")
			}
			p.send("41")
			h.event(rooms.KindDisconnected)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.HeadTimeout = 200 * time.Millisecond })
			good, _ := h.join("/chat")
			abuse(t, h)
			good.send(`42/chat,["still"]`)
			if got := describe(h.event(rooms.KindEvent)); got != "event /chat still() []" {
				t.Error(got)
			}
			h.namespace("/chat").Emit(rooms.Target{}, &rooms.Message{Event: "alive"})
			good.expect(`42/chat,["alive"]`)
			if s := h.server.Stats(); s.Panics != 0 {
				t.Errorf("%d panics", s.Panics)
			}
		})
	}
}

// I4: a client that stops reading costs its bounded outbox, is closed at the
// bound, and delays nobody.
func TestI4SlowReaderIsClosedAtTheBound(t *testing.T) {
	const bound, size = 1 << 20, 64 << 10
	h := start(t, func(c *Config) { c.MaxOutbox = bound })
	slow, slowID := h.join("/")
	_ = slow.conn.(*net.TCPConn).SetReadBuffer(4096)
	good, goodID := h.join("/")
	payload := []byte(`"` + strings.Repeat("x", size) + `"`)
	n := h.namespace("/")
	for i := 0; ; i++ {
		n.Emit(rooms.Target{}, &rooms.Message{Event: "big", Args: payload})
		if got := good.next(); len(got) != len(`42["big",]`)+len(payload) {
			t.Fatalf("the reader that keeps up got %.50q", got)
		}
		if n.Count(rooms.Target{Sockets: []rooms.SocketID{slowID}}) == 0 {
			break
		}
		if i > 1000 {
			t.Fatal("a client that never reads was sent 64 MB")
		}
	}
	e := h.event(rooms.KindDisconnected)
	if e.Socket != slowID || e.Reason != rooms.ReasonTransportError || e.Description != "outbox overflow" {
		t.Errorf("%s %q", describe(e), e.Description)
	}
	if s := h.server.Stats(); s.Overflows != 1 {
		t.Errorf("%d overflows", s.Overflows)
	}
	if n.Count(rooms.Target{Sockets: []rooms.SocketID{goodID}}) != 1 {
		t.Error("the other client was closed as well")
	}
}

// I4: a client that pauses and reads again has lost nothing, and volatile
// messages are what is dropped meanwhile.
func TestI4BacklogIsDrainedInOrder(t *testing.T) {
	const size = 100 << 10
	h := start(t, func(c *Config) { c.MaxOutbox = 64 << 20 })
	p, _ := h.join("/")
	n := h.namespace("/")
	pad := strings.Repeat("x", size)
	dropped := 0
	sent := 0
	for ; dropped == 0; sent++ {
		n.Emit(rooms.Target{}, &rooms.Message{Event: "n", Args: fmt.Appendf(nil, `%d,"%s"`, sent, pad)})
		if _, delivered := n.Emit(rooms.Target{}, &rooms.Message{Event: "v", Volatile: true}); delivered == 0 {
			dropped++
		}
		if sent > 500 {
			t.Fatal("the connection takes everything")
		}
	}
	next := 0
	for next < sent {
		switch got := p.next(); {
		case got == `42["v"]`:
		case strings.HasPrefix(got, fmt.Sprintf(`42["n",%d,`, next)) && len(got) > size:
			next++
		default:
			t.Fatalf("after %d messages: %.60q", next, got)
		}
	}
	if s := h.server.Stats(); s.VolatileDropped != 1 {
		t.Errorf("%d volatile messages dropped", s.VolatileDropped)
	}
}

// The two ways in answer the same request with the same bytes, apart from the
// session id.
func TestBothWaysInAnswerAlike(t *testing.T) {
	h := start(t)
	head := "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	answer := func(head string) string {
		c := h.raw()
		fmt.Fprint(c, head+"\r\n")
		r := bufio.NewReader(c)
		var b strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%q after %q", err, b.String())
			}
			b.WriteString(line)
			if line == "\r\n" {
				break
			}
		}
		frame := make([]byte, 4)
		if _, err := io.ReadFull(r, frame); err != nil {
			t.Fatal(err)
		}
		return b.String() + string(frame)
	}
	fast := answer(head)
	for name, slow := range map[string]string{
		"percent escape in the path": strings.Replace(head, "/socket.io/?", "/socket.io/%61?", 1),
		"content length":             head + "Content-Length: 0\r\n",
		"two connection headers":     strings.Replace(head, "Host", "Connection: keep-alive\r\nHost", 1),
		"list of upgrades":           strings.Replace(head, "Upgrade: websocket", "Upgrade: foo, websocket", 1),
		"long head":                  head + "X: " + strings.Repeat("y", 9000) + "\r\n",
	} {
		if got := answer(slow); got != fast {
			t.Errorf("%s:\n%q\n%q", name, got, fast)
		}
	}
}

// A connection that net/http has had already may still be upgraded, and bytes
// that follow the request at once are not lost.
func TestUpgradeOnAUsedConnectionWithEarlyFrames(t *testing.T) {
	h := start(t)
	c := h.raw()
	r := bufio.NewReader(c)
	for range 2 {
		fmt.Fprint(c, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	var early bytes.Buffer
	early.WriteString("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	early.Write([]byte{0x81, 0x82, 0, 0, 0, 0, '4', '0'})
	_, _ = c.Write(early.Bytes())
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
	p := &peer{t: t, conn: c, r: r}
	if got := p.next(); !strings.HasPrefix(got, "0{") {
		t.Errorf("open packet %q", got)
	}
	if got := p.next(); !strings.HasPrefix(got, `40{"sid"`) {
		t.Errorf("CONNECT answered %q", got)
	}
	h.event(rooms.KindConnected)
}
