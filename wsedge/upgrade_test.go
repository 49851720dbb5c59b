package wsedge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func (p *poller) upgradeQuery() string { return "EIO=4&transport=websocket&sid=" + p.sid }

// upgrading returns a polling session, connected to "/", and its WebSocket after
// the probe.
func upgrading(t *testing.T, h *harness) (*poller, *peer) {
	t.Helper()
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	w := h.webSocket(p.upgradeQuery())
	w.send("2probe")
	w.expect("3probe")
	return p, w
}

func TestUpgrade(t *testing.T) {
	h := start(t)
	p, w := upgrading(t, h)
	n := h.namespace("/")
	n.Emit(rooms.Target{}, &rooms.Message{Event: "before"}) // waits for the next poll, or the switch
	w.send("5")
	w.expect(`42["before"]`)
	n.Emit(rooms.Target{}, &rooms.Message{Event: "after"})
	w.expect(`42["after"]`)
	w.send(`42["up"]`)
	h.event(rooms.KindEvent)
	if status, body := p.do("GET", p.query(), ""); status != 400 || body != `{"code":3,"message":"Bad request"}` {
		t.Errorf("polling after the upgrade: %d %s", status, body)
	}
	second := h.webSocket(p.upgradeQuery())
	second.expect("close 1005")
	w.send(`42["still here"]`)
	h.event(rooms.KindEvent)
	if s := h.server.Stats(); s.Upgrades != 1 {
		t.Errorf("%d upgrades", s.Upgrades)
	}
}

// The waiting poll is released by a noop, so that the client can pause polling.
func TestUpgradeReleasesTheWaitingPoll(t *testing.T) {
	h := start(t)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	answer := make(chan string)
	go func() {
		_, body, err := p.try("GET", p.query(), "")
		answer <- fmt.Sprint(body, err)
	}()
	for h.waitingPolls() == 0 {
	}
	w := h.webSocket(p.upgradeQuery())
	w.send("2probe")
	w.expect("3probe")
	if got := <-answer; got != "6<nil>" {
		t.Errorf("the waiting poll got %q", got)
	}
	go func() { // a poll that begins after the probe is released by the tick
		_, body, err := p.try("GET", p.query(), "")
		answer <- fmt.Sprint(body, err)
	}()
	if got := <-answer; got != "6<nil>" {
		t.Errorf("the next poll got %q", got)
	}
	w.send("5")
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "x"})
	w.expect(`42["x"]`)
}

// While the candidate has not finished, messages go out by polling, and what
// ends the candidate leaves the session alone.
func TestFailedUpgradesLeavePollingAlive(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(*peer)
		hears string
	}{
		"another packet":    {func(w *peer) { w.send("4hello") }, "close 1005"},
		"no packet":         {func(w *peer) { w.send("x") }, "close 1005"},
		"closed":            {func(w *peer) { w.frame(8, nil) }, "close 1005"},
		"protocol violated": {func(w *peer) { _, _ = w.conn.Write([]byte{0x81, 1, '5'}) }, "close 1002"},
		"vanished":          {func(w *peer) { w.conn.Close() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			p, w := upgrading(t, h)
			second := h.webSocket(p.upgradeQuery())
			second.expect("close 1005") // only one may try at a time
			c.do(w)
			if c.hears != "" {
				w.expect(c.hears)
			}
			h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "x"})
			if got := p.get(); got != `42["x"]` {
				t.Errorf("polling got %q", got)
			}
			p.post(`42["y"]`)
			h.event(rooms.KindEvent)
			for { // the failed one may still be on its way out
				again := h.webSocket(p.upgradeQuery())
				again.send("2probe")
				if again.next() == "3probe" {
					again.send("5")
					h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "z"})
					again.expect(`42["z"]`)
					return
				}
			}
		})
	}
}

func TestCloseDuringUpgrade(t *testing.T) {
	h := start(t)
	p, w := upgrading(t, h)
	p.post("1")
	w.expect("close 1005")
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportClose {
		t.Error(e.Reason)
	}
}

// A close that the server decides on while the client upgrades is told on the
// WebSocket once it has taken over.
func TestServerCloseDuringUpgradeCompletesAfterTheSwitch(t *testing.T) {
	h := start(t)
	_, w := upgrading(t, h)
	members := h.namespace("/").Select(nil, rooms.Target{})
	members[0].Disconnect(true)
	h.event(rooms.KindDisconnected)
	w.send("5")
	w.expect("41", "close 1005")
}

// I2: nothing is lost, doubled or reordered by an upgrade, in either direction,
// while messages cross it.
func TestI2NothingIsReorderedByAnUpgrade(t *testing.T) {
	h := start(t)
	const rounds, messages = 8, 60
	for range rounds {
		p := h.openPolling()
		p.post("40")
		id := h.event(rooms.KindConnected).Socket
		p.get()
		emitted := make(chan struct{})
		go func() {
			defer close(emitted)
			for i := range messages {
				h.namespace("/").Emit(rooms.Target{Sockets: []rooms.SocketID{id}},
					&rooms.Message{Event: "n", Args: fmt.Append(nil, i)})
			}
		}()
		w := h.webSocket(p.upgradeQuery())
		w.send("2probe")
		w.expect("3probe")
		var got []string
		up := 0
		for range 3 {
			p.post(fmt.Sprintf(`42["up",%d]`, up))
			up++
			if body := p.get(); body != "6" {
				got = append(got, strings.Split(body, "\x1e")...)
			}
		}
		w.send("5")
		for ; up < 6; up++ {
			w.send(fmt.Sprintf(`42["up",%d]`, up))
		}
		for len(got) < messages {
			got = append(got, w.next())
		}
		<-emitted
		for i, packet := range got {
			if want := fmt.Sprintf(`42["n",%d]`, i); packet != want {
				t.Fatalf("message %d is %s", i, packet)
			}
		}
		for i := range up {
			if e := h.event(rooms.KindEvent); string(e.Args) != fmt.Sprint(i) {
				t.Fatalf("event %d is %s", i, describe(e))
			}
		}
		w.send("41")
		h.event(rooms.KindDisconnected)
	}
}
