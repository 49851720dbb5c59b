package wsedge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// fragileAtTheEnd has a bug that it meets when a socket of one namespace ends.
type fragileAtTheEnd struct{ Observer }

func (f fragileAtTheEnd) Observe(e *rooms.Event) rooms.Flow {
	flow := f.Observer.Observe(e)
	if e.Kind == rooms.KindDisconnected && e.Namespace == "/chat" {
		panic("a bug")
	}
	return flow
}

// A bug that is met as one socket of a session ends keeps no other of its sockets in its namespace, and nobody who
// addresses them waits for ever.
func TestPanicsAtTheEnd(t *testing.T) {
	h := start(t, func(c *Config) { c.Observer = fragileAtTheEnd{c.Observer} })
	p, _ := h.join("/chat")
	id := p.connect("/", "")
	h.event(rooms.KindConnected)
	member, ok := h.namespace("/").Member(id)
	if !ok {
		t.Fatal("not connected")
	}
	p.conn.Close()
	for _, want := range []string{"disconnected /chat: transport close", "disconnected /: transport close"} {
		if got := describe(h.event(rooms.KindDisconnected)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	member.Disconnect(false)
	member.Disconnect(true)
	if s := h.server.Stats(); s.Panics != 1 || s.Sessions != 0 {
		t.Errorf("%d panics, %d sessions", s.Panics, s.Sessions)
	}
}

// PROTOCOL 3: an event to what is not joined closes the connection. One with attachments does so at once: they are not
// collected for whoever was not let in.
func TestNoAttachmentsBeforeTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		join  bool
	}{
		"before CONNECT":    {"EIO=4&transport=websocket", false},
		"another namespace": {"EIO=4&transport=websocket", true},
		"old":               {"EIO=3&transport=websocket", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.AllowEIO3 = true })
			p := h.webSocket(c.query)
			p.next()
			if c.join {
				p.connect("/", "")
			} else if strings.Contains(c.query, "EIO=3") {
				p.expect("40")
			}
			p.send(`451-/chat,["x",{"_placeholder":true,"num":0}]`)
			p.expect("close 1005")
			if s := h.server.Stats(); s.Violations != 1 {
				t.Errorf("%d violations", s.Violations)
			}
		})
	}
}

// What a client sent before it heard that the server had ended its socket is dropped, attachments and all.
func TestLateAttachments(t *testing.T) {
	h := start(t)
	p, id := h.join("/chat")
	member, _ := h.namespace("/chat").Member(id)
	member.Disconnect(false)
	h.event(rooms.KindDisconnected)
	p.expect("41/chat,")
	p.send(`451-/chat,["x",{"_placeholder":true,"num":0}]`)
	p.sendBinary(1)
	p.connect("/", "")
	h.event(rooms.KindConnected)
}

// How many namespaces are remembered that the server has ended is bounded.
func TestBoundOfEndedNamespaces(t *testing.T) {
	h := startWith(t, rooms.HubConfig{Patterns: []string{"/room-[0-9]+"}}, func(c *Config) { c.MaxNamespaces = 3 })
	p := h.open()
	for i := range 10 {
		name := fmt.Sprintf("/room-%d", i)
		id := p.connect(name, "")
		h.event(rooms.KindConnected)
		member, _ := h.namespace(name).Member(id)
		member.Disconnect(false)
		p.expect("41" + name + ",")
		h.event(rooms.KindDisconnected)
	}
	p.send(`42/room-9,["late"]`)
	p.send(`42/room-7,["late"]`)
	p.send(`42/room-6,["too late"]`)
	p.expect("close 1005")
}
