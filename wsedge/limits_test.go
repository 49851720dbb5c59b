package wsedge

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// A client that sends too much is told so, and costs nobody else.
func TestRateOfOneClient(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(*Config)
		packet string
		taken  int // that many come through at once
		reason string
		count  func(Stats) uint64
	}{
		"events": {
			func(c *Config) { c.EventsPerSecond = 5 }, `42["x"]`, 10, "close 1008 too many events per second",
			func(s Stats) uint64 { return s.EventsLimited },
		},
		"bytes": {
			func(c *Config) { c.BytesPerSecond, c.MaxPayload = 1000, 1000 }, `42["` + strings.Repeat("x", 494) + `"]`, 4, "close 1008 too many bytes per second",
			func(s Stats) uint64 { return s.BytesLimited },
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				bystander, _ := h.join("/")
				p, _ := h.join("/")
				for range c.taken {
					p.send(c.packet)
					h.event(rooms.KindEvent)
				}
				<-time.After(time.Second) // one second's worth comes back
				for range c.taken / 2 {
					p.send(c.packet)
					h.event(rooms.KindEvent)
				}
				go func() { // the pipe takes nothing that nobody reads
					for range 2 {
						_ = ws.WriteFrame(p.conn, ws.MaskFrame(ws.NewTextFrame([]byte(c.packet))))
					}
				}()
				p.expect(c.reason)
				e := <-h.events
				for e.Kind == rooms.KindEvent { // half a message's worth may have been left
					e = <-h.events
				}
				if e.Reason != rooms.ReasonForcedClose || e.Description != "limit exceeded" {
					t.Errorf("%s %q", describe(e), e.Description)
				}
				if n := c.count(h.server.Stats()); n != 1 {
					t.Errorf("counted %d", n)
				}
				bystander.send(`42["still here"]`)
				h.event(rooms.KindEvent)
				p.conn.Close()
			}, c.edit)
		})
	}
}

// Clients of every dialect are told of their limits in their own words.
func TestRateOfEveryDialect(t *testing.T) {
	for dialect, open := range speakers {
		t.Run(dialect+" events", func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				b := h.bystander()
				p := open(h)
				for range 3 { // two come through at once
					says(p, dialect, `42["x"]`, "\x91\xa1x")
				}
				h.event(rooms.KindEvent)
				h.event(rooms.KindEvent)
				p.expect("close 1008 too many events per second")
				e := h.event(rooms.KindDisconnected)
				if n := h.server.Stats().EventsLimited; n != 1 || e.Description != "limit exceeded" {
					t.Errorf("counted %d, %q", n, e.Description)
				}
				b.isWell()
				p.conn.Close()
			}, allowOld, func(c *Config) { c.EventsPerSecond = 1 })
		})
		t.Run(dialect+" bytes", func(t *testing.T) {
			h := start(t, allowOld, func(c *Config) { c.BytesPerSecond, c.MaxPayload = 100, 1000 })
			b := h.bystander()
			p := open(h)
			pad := strings.Repeat("x", 600)
			for range 2 {
				says(p, dialect, `42["`+pad+`"]`, "\x91\xda\x02\x58"+pad)
			}
			h.event(rooms.KindEvent)
			p.expect("close 1008 too many bytes per second")
			e := h.event(rooms.KindDisconnected)
			if n := h.server.Stats().BytesLimited; n != 1 || e.Description != "limit exceeded" {
				t.Errorf("counted %d, %q", n, e.Description)
			}
			b.isWell()
		})
	}
}

// A polling client's POST over its bytes a second is answered with 429 and counted.
func TestBytesOfOnePollingClient(t *testing.T) {
	h := start(t, func(c *Config) { c.BytesPerSecond, c.MaxPayload = 100, 1000 })
	b := h.bystander()
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	packet := `42["` + strings.Repeat("x", 600) + `"]`
	p.post(packet)
	h.event(rooms.KindEvent)
	if status, _ := p.do("POST", p.query(), packet); status != 429 {
		t.Errorf("answered %d", status)
	}
	e := h.event(rooms.KindDisconnected)
	if n := h.server.Stats().BytesLimited; n != 1 || e.Description != "limit exceeded" {
		t.Errorf("counted %d, %q", n, e.Description)
	}
	b.isWell()
}

// The bound of namespaces is told in each dialect, and over polling.
func TestNamespacesOfEveryDialect(t *testing.T) {
	const message = "Too many namespaces"
	h := start(t, allowOld, func(c *Config) { c.MaxNamespaces = 1 })
	packed := h.openMsgpack("/")
	packed.frame(ws.OpBinary, msgpackConnect("/admin"))
	packed.expect(inHex(socketio.AppendMsgpackConnectError(nil, "/admin", message, nil)))
	old, _ := h.openOld()
	old.send("40/admin,")
	old.expect(`44/admin,"` + message + `"`)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	p.post("40/admin,")
	if got := p.get(); got != `44/admin,{"message":"`+message+`"}` {
		t.Error(got)
	}
	if n := h.server.Stats().NamespacesLimited; n != 3 {
		t.Errorf("counted %d", n)
	}
}

// A POST with too much in it is answered with 429.
func TestRateOfOnePollingClient(t *testing.T) {
	h := start(t, func(c *Config) { c.EventsPerSecond = 5 })
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	status, _ := p.do("POST", p.query(), strings.TrimSuffix(strings.Repeat("42[\"x\"]\x1e", 11), "\x1e"))
	if status != 429 {
		t.Errorf("answered %d", status)
	}
	for range 10 {
		h.event(rooms.KindEvent)
	}
	if e := h.event(rooms.KindDisconnected); e.Description != "limit exceeded" {
		t.Errorf("%q", e.Description)
	}
}

// The limits are off unless they are set.
func TestNoRateByDefault(t *testing.T) {
	h := start(t)
	p, _ := h.join("/")
	for range 5000 {
		p.send(`42["x"]`)
	}
	for range 5000 {
		h.event(rooms.KindEvent)
	}
}

func TestNamespacesOfOneClient(t *testing.T) {
	h := start(t, func(c *Config) { c.MaxNamespaces = 2 })
	p, _ := h.join("/")
	p.connect("/chat", "")
	h.event(rooms.KindConnected)
	p.send("40/admin,")
	p.expect(`44/admin,{"message":"Too many namespaces"}`)
	p.send("41/chat,")
	h.event(rooms.KindDisconnected)
	p.connect("/admin", "")
	h.event(rooms.KindConnected)
	if n := h.server.Stats().NamespacesLimited; n != 1 {
		t.Errorf("counted %d", n)
	}
}

// PROTOCOL 4.5: a namespace that a pattern matches exists while somebody is in it, and they are bounded in all.
func TestDynamicNamespaces(t *testing.T) {
	h := startWith(t, rooms.HubConfig{Namespaces: []string{"/"}, Patterns: []string{"/room-[0-9]+"}, MaxDynamic: 1})
	p, _ := h.join("/")
	p.connect("/room-1", "")
	h.event(rooms.KindConnected)
	q, _ := h.join("/room-1")
	q.send("40/room-2,")
	q.expect(`44/room-2,{"message":"Too many namespaces"}`)
	q.send("40/room-x,")
	q.expect(`44/room-x,{"message":"Invalid namespace"}`)
	h.namespace("/room-1").Emit(rooms.Target{}, &rooms.Message{Event: "x"})
	p.expect(`42/room-1,["x"]`)
	q.expect(`42/room-1,["x"]`)
	p.send("41/room-1,")
	h.event(rooms.KindDisconnected)
	q.frame(ws.OpClose, nil)
	h.event(rooms.KindDisconnected)
	for len(h.hub.Namespaces()) != 1 { // it goes right after its last socket was reported gone
		<-time.After(time.Millisecond)
	}
	p.connect("/room-2", "")
}

// The namespaces that a client asks for and does not get, or leaves while it is asked about, are not held by it.
func TestNamespacesAreLetGo(t *testing.T) {
	ask := make(asker, 10)
	h := startWith(t, rooms.HubConfig{Patterns: []string{"/.*"}}, func(c *Config) { c.Admitter = ask })
	p := h.open()
	p.send("40/refused,")
	(<-ask).answer(rooms.Verdict{Refused: true, Message: "no"})
	p.expect(`44/refused,{"message":"no"}`)
	p.send("40/gone,")
	q := <-ask
	p.frame(ws.OpClose, nil)
	p.expect("close 1005")
	for len(h.hub.Namespaces()) != 0 {
		<-time.After(time.Millisecond)
	}
	q.answer(rooms.Verdict{})
	if n := h.hub.Namespaces(); len(n) != 0 || len(h.events) != 0 {
		t.Errorf("%v exist, %d events", n, len(h.events))
	}
}

// PROTOCOL 4.2: the auth payload belongs to the handshake, if that is wanted.
func TestAuthIsKept(t *testing.T) {
	for _, keep := range []bool{false, true} {
		h := start(t, func(c *Config) { c.KeepAuth = keep })
		p := h.open()
		id := p.connect("/", `{"token":"t"}`)
		e := h.event(rooms.KindConnected)
		m, _ := h.namespace("/").Member(id)
		want := ""
		if keep {
			want = `{"token":"t"}`
		}
		if got := string(m.Info().Auth); got != want || string(e.Auth) != `{"token":"t"}` {
			t.Errorf("keep %v: %q, connected with %q", keep, got, e.Auth)
		}
	}
}
