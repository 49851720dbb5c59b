package wsedge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// connectedPoller is a polling client that is connected to "/" and has heard so.
func connectedPoller(h *harness) *poller {
	h.t.Helper()
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	return p
}

// beginPost sends the head of a POST and the first part of its body, and returns when the server has begun to read it.
func (p *poller) beginPost(length int, part string) net.Conn {
	p.h.t.Helper()
	c, err := p.h.dial()
	if err != nil {
		p.h.t.Fatal(err)
	}
	p.h.t.Cleanup(func() { c.Close() })
	// The server asks for the body when it begins to read it, not before.
	fmt.Fprintf(c, "POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", p.query(), length)
	line := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, line); err != nil || !strings.Contains(string(line), "100") {
		p.h.t.Fatalf("%q, %v", line, err)
	}
	_, _ = io.WriteString(c, part)
	return c
}

// answerOn reads the answer to a request.
func answerOn(t *testing.T, c net.Conn) string {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

// PROTOCOL 1.4: a POST while another is being received.
func TestSecondPostEndsTheSession(t *testing.T) {
	h := start(t)
	p := connectedPoller(h)
	p.beginPost(10, "42")
	if status, body := p.do("POST", p.query(), `42["a"]`); status != 400 || body != "" {
		t.Errorf("second POST: %d %q", status, body)
	}
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportError || e.Description != "protocol violation" {
		t.Errorf("%s, %q", describe(e), e.Description)
	}
}

// PROTOCOL 1.4: the client breaks its POST off.
func TestAbortedPostEndsTheSession(t *testing.T) {
	h := start(t)
	p := connectedPoller(h)
	p.beginPost(10, "42").Close()
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportError || e.Description != "request aborted" {
		t.Errorf("%s, %q", describe(e), e.Description)
	}
}

// A POST that the upgrade overtakes is refused, and costs the session nothing, whether it is completed or not.
func TestUpgradeOvertakesAPost(t *testing.T) {
	for name, finish := range map[string]func(*testing.T, net.Conn){
		"completed": func(t *testing.T, c net.Conn) {
			_, _ = io.WriteString(c, `["late"]`)
			if got := answerOn(t, c); got != `400 {"code":3,"message":"Bad request"}` {
				t.Error(got)
			}
		},
		"broken off": func(_ *testing.T, c net.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			p, w := upgrading(t, h)
			c := p.beginPost(10, "42")
			w.send("5")
			w.send(`42["first"]`)
			if got := describe(h.event(rooms.KindEvent)); got != "event / first() []" {
				t.Error(got)
			}
			finish(t, c)
			w.send("2") // a client must not ping
			if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportError || e.Description != "" {
				t.Errorf("%s, %q", describe(e), e.Description)
			}
		})
	}
}

// PROTOCOL 1.2: what passes the checks and cannot upgrade gets its 101 and the end; the session of that sid is not hurt.
func TestUpgradeToPollingIsClosed(t *testing.T) {
	h := start(t)
	p := connectedPoller(h)
	for _, query := range []string{"EIO=4&transport=polling", p.query()} {
		w := h.webSocket(query)
		w.expect("close 1005", "end")
	}
	p.post(`42["still here"]`)
	h.event(rooms.KindEvent)
	if n := h.server.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// PROTOCOL 1.1: matching is by prefix of the raw URL, with the slash; both ways in keep to the configured path.
func TestPathIsAPrefix(t *testing.T) {
	h := start(t, func(c *Config) { c.Path = "/rt/" })
	for path, want := range map[string]int{
		"/rt/?EIO=4&transport=polling":         200,
		"/rt/anything?EIO=4&transport=polling": 200,
		"/rt?EIO=4&transport=polling":          404,
		"/rtx/?EIO=4&transport=polling":        404,
		"/socket.io/?EIO=4&transport=polling":  404,
	} {
		resp, err := h.poller().client.Get("http://x" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	for path, want := range map[string]string{"/rt/x?": "101", "/socket.io/?": "404", "/rt?": "404"} {
		c, err := h.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET %sEIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
		status := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(c, status); err != nil || !strings.HasSuffix(string(status), want) {
			t.Errorf("%s: %q, %v", path, status, err)
		}
	}
}
