package wsedge

import (
	"fmt"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// PROTOCOL 1.7: for an hour without a pong the held client gets its pings, and is expected to answer afterwards.
func TestI4HeartbeatOfAHeldClient(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p, id := h.join("/")
		_ = p.conn.SetDeadline(time.Time{})
		p.batch(`42["hold"]`, `42["late"]`)
		h.names("hold")
		last := time.Now()
		for range 144 {
			p.expect("2")
			if d := time.Since(last); d > 26*time.Second {
				t.Fatalf("a ping after %v", d)
			}
			last = time.Now()
		}
		h.silent()
		h.server.Resume("/", id)
		h.names("late")
		<-time.After(19 * time.Second)
		p.send("3")
		p.expect("2") // it is alive
		began := time.Now()
		if got := p.next(); got != "close 1005" {
			t.Errorf("got %q", got)
		}
		if d := time.Since(began); d < 20*time.Second || d > 21*time.Second {
			t.Errorf("closed after %v", d)
		}
		if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonPingTimeout {
			t.Errorf("%s", describe(e))
		}
	}, withValve)
}

// PROTOCOL 2.1: a held client of revision 3 is answered in time, although nobody reads its pings.
func TestI4HeartbeatOfAHeldOldClient(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p, _ := h.openOld()
		_ = p.conn.SetDeadline(time.Time{})
		id := h.only("/").ID()
		p.batch(`42["hold"]`, `42["late"]`)
		h.names("hold")
		for range 300 {
			began := time.Now()
			p.expect("3")
			if d := time.Since(began); d > 11*time.Second {
				t.Fatalf("a pong after %v", d)
			}
		}
		h.silent()
		h.server.Resume("/", id)
		h.names("late")
		began := time.Now()
		if got := p.next(); got != "close 1005" {
			t.Errorf("got %q", got)
		}
		if d := time.Since(began); d < 45*time.Second || d > 46*time.Second {
			t.Errorf("closed after %v", d)
		}
	}, withValve, allowOld)
}

// A POST waits for longer than any request may take, while the polls fetch pings; a client that stops polling is given up.
func TestI4HeldPollingForLong(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.openPolling()
		p.client.Timeout = 0
		p.post("40")
		h.event(rooms.KindConnected)
		p.get()
		id := h.only("/").ID()
		answers := make(chan string, 1)
		post := func(body string) {
			go func() {
				status, answer, err := p.try("POST", p.query(), body)
				answers <- fmt.Sprint(status, answer, err)
			}()
		}
		post("42[\"hold\"]\x1e42[\"late\"]")
		h.names("hold")
		for range 30 {
			if got := p.get(); got != "2" {
				t.Fatalf("polled %q", got)
			}
		}
		h.silent()
		h.server.Resume("/", id)
		h.names("late")
		if got := <-answers; got != "200ok<nil>" {
			t.Errorf("answered %q", got)
		}
		p.post("3")
		post("42[\"hold\"]\x1e42[\"never\"]")
		h.names("hold")
		began := time.Now()
		if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonPingTimeout {
			t.Errorf("%s", describe(e))
		}
		if d := time.Since(began); d > 46*time.Second {
			t.Errorf("given up after %v", d)
		}
		if got := <-answers; got != "200ok<nil>" {
			t.Errorf("answered %q", got)
		}
	}, withValve)
}

// PROTOCOL 1.6, 1.7: a stock client does not poll while it upgrades, and completes the upgrade only when its POST has been
// answered. A hold that lasts for longer than its patience therefore neither delays the answer nor the switch; what the
// POST and the WebSocket brought comes in order afterwards.
func TestI4HoldDuringAnUpgrade(t *testing.T) {
	for name, probes := range map[string]bool{"probed before the hold": true, "probed during it": false} {
		for _, read := range []bool{true, false} { // whether the hold comes by that POST, or before it
			t.Run(fmt.Sprint(name, ", by the POST ", read), func(t *testing.T) {
				virtually(t, func(t *testing.T, h *harness) {
					p := h.openPolling()
					p.client.Timeout = 0
					p.post("40")
					h.event(rooms.KindConnected)
					p.get()
					socket := h.only("/")
					w := h.webSocket(p.upgradeQuery())
					_ = w.conn.SetDeadline(time.Time{})
					probe := func() { w.send("2probe"); w.expect("3probe") }
					if probes {
						probe()
					}
					answers := make(chan string, 1)
					first := "hold"
					if !read {
						first = "a"
						socket.client.recv.Lock()
						socket.client.follow(socket, rooms.Flow{Holds: 1})
						socket.client.recv.Unlock()
					}
					go func() {
						status, answer, err := p.try("POST", p.query(), `42["`+first+"\"]\x1e42[\"b\"]\x1e42[\"c\"]")
						answers <- fmt.Sprint(status, answer, err)
					}()
					if read {
						h.names("hold")
					}
					if !probes {
						<-time.After(time.Minute)
						probe()
					}
					if got := <-answers; got != "200ok<nil>" {
						t.Errorf("answered %q", got)
					}
					w.batch("5", `42["d"]`)
					for range 10 {
						w.expect("2") // which no poll has fetched
					}
					h.silent()
					h.server.Resume("/", socket.ID())
					if !read {
						h.names("a")
					}
					h.names("b", "c", "d")
					w.send(`42["e"]`)
					h.names("e")
				}, withValve)
			})
		}
	}
}
