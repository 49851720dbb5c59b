package wsedge

import (
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// fragile is an Observer with a bug.
type fragile struct{ Observer }

func (f fragile) Observe(e *rooms.Event) rooms.Flow {
	if e.Name == "boom" {
		panic("a bug")
	}
	return f.Observer.Observe(e)
}

// A bug that one client meets costs its own session, is counted, and is told as what it is, on either transport.
func TestPanicsCostOneSession(t *testing.T) {
	for name, open := range map[string]func(*harness) func(packet string){
		"websocket": func(h *harness) func(string) {
			p, _ := h.join("/")
			return p.send
		},
		"polling": func(h *harness) func(string) {
			p := h.openPolling()
			p.post("40")
			h.event(rooms.KindConnected)
			return func(packet string) { _, _, _ = p.try("POST", p.query(), packet) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.Observer = fragile{c.Observer} })
			good, _ := h.join("/chat")
			open(h)(`42["boom"]`)
			e := h.event(rooms.KindDisconnected)
			if e.Namespace != "/" || e.Description != "internal error" {
				t.Errorf("%s, %q", describe(e), e.Description)
			}
			good.send(`42/chat,["still"]`)
			if got := describe(h.event(rooms.KindEvent)); got != "event /chat still() []" {
				t.Error(got)
			}
			if s := h.server.Stats(); s.Panics != 1 || s.Sessions != 1 {
				t.Errorf("%d panics, %d sessions", s.Panics, s.Sessions)
			}
		})
	}
}
