package wsedge

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// PROTOCOL 1.6, 11.6: after the switch polling gets code 3 and another WebSocket is closed, by both ways in; the one that
// carries the session does not notice.
func TestAfterTheUpgradeTheSessionIsTaken(t *testing.T) {
	for name, edit := range map[string]func(*Config){"revision 4": func(*Config) {}, "revision 3": allowOld} {
		t.Run(name, func(t *testing.T) {
			h := start(t, edit)
			old := name == "revision 3"
			p, w := taken(t, h, old)
			eio := map[bool]string{false: "EIO=4", true: "EIO=3"}[old]
			polling := eio + "&transport=polling&sid=" + p.sid
			for method, body := range map[string]string{"GET": "", "POST": "4" + `2["late"]`, "PUT": "", "HEAD": ""} {
				want := `{"code":3,"message":"Bad request"}`
				if method == "HEAD" {
					want = ""
				}
				if status, got := p.do(method, polling, body); status != 400 || got != want {
					t.Errorf("%s: %d %s", method, status, got)
				}
			}
			webSocket := eio + "&transport=websocket&sid=" + p.sid
			for way, query := range map[string]string{
				"straight":         webSocket,
				"through net/http": webSocket + "&x=" + strings.Repeat("y", 9000), // more than the straight way reads
			} {
				second := h.webSocket(query)
				second.expect("close 1005")
				second.frame(ws.OpClose, nil)
				second.expect("end")
				w.send(`42["up",1]`)
				if got := describe(h.event(rooms.KindEvent)); got != "event / up(1) []" {
					t.Errorf("%s: %s", way, got)
				}
			}
			if s := h.server.Stats(); s.Upgrades != 1 || s.Sessions != 1 {
				t.Errorf("%d upgrades, %d sessions", s.Upgrades, s.Sessions)
			}
		})
	}
}

// taken returns a session, connected to "/", that its WebSocket has taken over.
func taken(t *testing.T, h *harness, old bool) (*poller, *peer) {
	t.Helper()
	if !old {
		p, w := upgrading(t, h)
		w.send("5")
		w.send(`42["there"]`)
		h.event(rooms.KindEvent)
		return p, w
	}
	p := h.poller()
	_, body := p.do("GET", "EIO=3&transport=polling", "")
	_, rest, _ := strings.Cut(body, `"sid":"`)
	p.sid, _, _ = strings.Cut(rest, `"`)
	h.event(rooms.KindConnected)
	w := h.webSocket("EIO=3&transport=websocket&sid=" + p.sid)
	w.send("2probe")
	w.expect("3probe")
	w.send("5")
	w.send(`42["there"]`)
	h.event(rooms.KindEvent)
	return p, w
}

// PROTOCOL 1.4, 1.6: a client that breaks off a poll's answer before it has all of it, while its WebSocket takes over,
// has lost messages: the session ends.
func TestPollBrokenOffDuringAnUpgrade(t *testing.T) {
	h := start(t)
	p := connectedPoller(h)
	c, err := h.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n", p.query())
	for h.waitingPolls() == 0 {
	}
	// More than the buffers of a connection take: the answer is being written still when the upgrade is complete.
	big := `"` + strings.Repeat("x", 32<<20) + `"`
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "big", Args: []byte(big)})
	status := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(c, status); err != nil || string(status) != "HTTP/1.1 200 OK" {
		t.Fatalf("%q, %v", status, err)
	}
	w := h.webSocket(p.upgradeQuery())
	w.send("5")
	w.send(`42["up"]`)
	h.event(rooms.KindEvent)
	c.Close()
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportError || e.Description != "request aborted" {
		t.Errorf("%s, %q", describe(e), e.Description)
	}
	w.expect("close 1005")
}

// PROTOCOL 1.6, I2: a POST that the upgrade packet finds being handled counts as a whole, and before what the WebSocket
// brings.
func TestUpgradeWaitsForAPostThatIsBeingHandled(t *testing.T) {
	gate := &gate{begun: make(chan struct{}), open: make(chan struct{})}
	h := start(t, func(c *Config) { gate.Observer, c.Observer = c.Observer, gate })
	p, w := upgrading(t, h)
	answer := make(chan string, 1)
	go func() {
		status, body, err := p.try("POST", p.query(), "42[\"gate\"]\x1e42[\"b\"]\x1e42[\"c\"]")
		answer <- fmt.Sprint(status, body, err)
	}()
	<-gate.begun
	var together bytes.Buffer // one read: when the ping is answered the rest is being handled
	for _, f := range []ws.Frame{ws.NewPingFrame([]byte("read")), ws.NewTextFrame([]byte("5")), ws.NewTextFrame([]byte(`42["d"]`))} {
		_ = ws.WriteFrame(&together, ws.MaskFrame(f))
	}
	_, _ = w.conn.Write(together.Bytes())
	w.expect(`opcode 10 "read"`)
	if s := h.server.Stats(); s.Upgrades != 0 {
		t.Error("the upgrade did not wait")
	}
	close(gate.open)
	for _, want := range []string{"gate", "b", "c", "d"} {
		if e := h.event(rooms.KindEvent); e.Name != want {
			t.Errorf("heard %s, want %s", e.Name, want)
		}
	}
	if got := <-answer; got != "200ok<nil>" {
		t.Error(got)
	}
	w.send(`42["e"]`)
	h.event(rooms.KindEvent)
}

// gate holds back the event of that name.
type gate struct {
	Observer
	begun, open chan struct{}
}

// Observe implements Observer.
func (g *gate) Observe(e *rooms.Event) rooms.Flow {
	if e.Name == "gate" {
		close(g.begun)
		<-g.open
	}
	return g.Observer.Observe(e)
}
