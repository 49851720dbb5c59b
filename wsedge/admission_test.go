package wsedge

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// asker is an Admitter whose answers the test gives.
type asker chan question

type question struct {
	*rooms.Question
	answer func(rooms.Verdict)
}

func (a asker) Admit(q *rooms.Question, later func(rooms.Verdict)) (rooms.Verdict, bool) {
	a <- question{q, later}
	return rooms.Verdict{}, false
}

func TestAdmission(t *testing.T) {
	ask := make(asker, 10)
	h := start(t, func(c *Config) { c.Admitter = ask })
	p := h.open()
	p.send(`40{"name":"ann"}`)
	q := <-ask
	if q.Namespace != "/" || string(q.Auth) != `{"name":"ann"}` || q.Handshake.Address != "127.0.0.1" {
		t.Errorf("question %+v", q.Question)
	}
	if n := h.namespace("/").Count(rooms.Target{}); n != 0 {
		t.Error("a socket that waits for admission is a member already")
	}
	q.answer(rooms.Verdict{User: "ann", Rooms: []string{"a", "b"}, Data: []byte(`{"x":1}`)})
	p.expect(`40{"sid":"` + q.Socket.String() + `"}`)
	e := h.event(rooms.KindConnected)
	if e.User != "ann" || len(e.Info.Rooms) != 2 || string(e.Info.Data) != `{"x":1}` || string(e.Auth) != `{"name":"ann"}` {
		t.Errorf("connected %+v %+v", e, e.Info)
	}
	m, _ := h.namespace("/").Member(q.Socket)
	if info := m.Info(); info.User != "ann" || info.Transport != "websocket" || info.ConnectedAt.IsZero() {
		t.Errorf("info %+v", info)
	}
	if n := h.namespace("/").Count(rooms.Target{Users: []string{"ann"}}); n != 1 {
		t.Errorf("the user has %d sockets", n)
	}
}

func TestAdmissionRefused(t *testing.T) {
	ask := make(asker, 10)
	h := start(t, func(c *Config) { c.Admitter = ask })
	p := h.open()
	for _, c := range []struct {
		verdict rooms.Verdict
		want    string
	}{
		{rooms.Verdict{Refused: true, Message: "not you"}, `44/chat,{"message":"not you"}`},
		{rooms.Verdict{Refused: true, Message: `"<&>`, ErrorData: []byte(`{"code":7}`)}, `44/chat,{"message":"\"<&>","data":{"code":7}}`},
	} {
		p.send("40/chat,")
		(<-ask).answer(c.verdict)
		p.expect(c.want)
	}
	p.send("40/chat,")
	(<-ask).answer(rooms.Verdict{})
	p.next()
	h.event(rooms.KindConnected)
	if s := h.server.Stats(); s.ConnectsRefused != 2 || s.Connected != 1 {
		t.Errorf("refused %d, connected %d", s.ConnectsRefused, s.Connected)
	}
}

// While a socket waits for admission its client must not use the namespace, and
// a verdict that comes after the client has gone has no effect.
func TestAdmissionAndImpatientClients(t *testing.T) {
	for name, do := range map[string]func(*peer){
		"event":          func(p *peer) { p.send(`42["x"]`) },
		"second CONNECT": func(p *peer) { p.send("40") },
		"gone":           func(p *peer) { p.frame(8, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			ask := make(asker, 10)
			h := start(t, func(c *Config) { c.Admitter = ask })
			p := h.open()
			p.send("40")
			q := <-ask
			do(p)
			p.expect("close 1005")
			q.answer(rooms.Verdict{})
			if n := h.namespace("/").Count(rooms.Target{}); n != 0 {
				t.Errorf("%d members", n)
			}
			if len(h.events) != 0 {
				t.Errorf("observed %s", describe(<-h.events))
			}
		})
	}
}

// I1: connected comes before every event and disconnected after, exactly one
// each, whatever races.
func TestI1OrderOfEvents(t *testing.T) {
	h := start(t)
	const clients = 200
	done := make(chan struct{})
	go func() { // somebody disconnects whoever is there
		defer close(done)
		for {
			select {
			case <-t.Context().Done():
				return
			default:
			}
			for i, m := range h.namespace("/").Select(nil, rooms.Target{}) {
				m.Disconnect(i%2 == 0)
			}
			if h.server.Stats().Connected == clients && h.namespace("/").Count(rooms.Target{}) == 0 {
				return
			}
		}
	}()
	for range clients {
		p := h.open()
		for _, packet := range []string{"40", `42["a"]`, `42["b"]`} {
			p.send(packet)
		}
		p.conn.Close()
	}
	<-done
	state := make(map[rooms.SocketID]rooms.EventKind)
	ends := 0
	for ends < clients {
		var e *rooms.Event
		select {
		case e = <-h.events:
		case <-time.After(patience):
			t.Fatalf("%d of %d disconnected", ends, clients)
		}
		before := state[e.Socket]
		ok := false
		switch e.Kind {
		case rooms.KindConnected:
			ok = before == 0
		case rooms.KindEvent:
			ok = before == rooms.KindConnected || before == rooms.KindEvent
		case rooms.KindDisconnected:
			ok = before == rooms.KindConnected || before == rooms.KindEvent
			ends++
		}
		if !ok {
			t.Fatalf("%s after %v", describe(e), before)
		}
		state[e.Socket] = e.Kind
	}
	if len(state) != clients {
		t.Errorf("%d sockets", len(state))
	}
}

// The following run on virtual time: the portable engine over pipes, inside a
// bubble in which hours pass at once.
func virtually(t *testing.T, test func(*testing.T, *harness), edit ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		edit = append(edit, func(c *Config) { c.Engine = "portable" })
		test(t, startOn(t, l, l.dial, edit...))
	})
}

func TestConnectTimeout(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.open()
		_ = p.conn.SetDeadline(time.Time{})
		p.send("40/nowhere,") // an attempt that fails does not count
		p.next()
		began := time.Now()
		packet := p.next()
		for ; packet == "2"; packet = p.next() { // heartbeats do not count either
			p.send("3")
		}
		if packet != "close 1005" {
			t.Errorf("got %q", packet)
		}
		if d := time.Since(began); d < 45*time.Second || d > 46*time.Second {
			t.Errorf("closed after %v", d)
		}
		if s := h.server.Stats(); s.ConnectTimeouts != 1 || s.Violations != 0 {
			t.Errorf("%d timeouts, %d violations", s.ConnectTimeouts, s.Violations)
		}
	})
}

func TestHeartbeat(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p, _ := h.join("/")
		_ = p.conn.SetDeadline(time.Time{})
		p.expect("2")
		for range 100 { // restarted by each pong
			<-time.After(10 * time.Second)
			pong := time.Now()
			p.send("3")
			p.expect("2")
			if d := time.Since(pong); d < 25*time.Second || d > 25500*time.Millisecond {
				t.Fatalf("pinged after %v", d)
			}
		}
		silent := time.Now()
		p.expect("close 1005")
		if d := time.Since(silent); d < 20*time.Second || d > 20500*time.Millisecond {
			t.Errorf("closed after %v", d)
		}
		if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonPingTimeout {
			t.Error(e.Reason)
		}
	})
}

// A client that sends nothing after the 101, and one that never answers a close,
// are cut in the end.
func TestSilentClientsAreCut(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p, id := h.join("/")
		_ = p.conn.SetDeadline(time.Time{})
		m, _ := h.namespace("/").Member(id)
		m.Disconnect(true)
		p.expect("41", "close 1005")
		asked := time.Now()
		if got := p.next(); got != "end" {
			t.Errorf("then %q", got)
		}
		if d := time.Since(asked); d < 5*time.Second || d > 11*time.Second {
			t.Errorf("cut after %v", d)
		}
	})
}

func TestUpgradeTimeoutClosesTheCandidateOnly(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.openPolling()
		p.client.Timeout = 0
		p.post("40")
		h.event(rooms.KindConnected)
		p.get()
		w := h.webSocket(p.upgradeQuery())
		_ = w.conn.SetDeadline(time.Time{})
		began := time.Now()
		w.expect("close 1005")
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("closed after %v", d)
		}
		h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "x"})
		if got := p.get(); got != `42["x"]` && got != "2\x1e"+`42["x"]` {
			t.Errorf("polling got %q", got)
		}
	})
}

func TestPollingHeartbeat(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.openPolling()
		p.client.Timeout = 0
		p.post("40")
		h.event(rooms.KindConnected)
		p.get()
		if got := p.get(); got != "2" {
			t.Fatalf("poll got %q", got)
		}
		p.post("3")
		if got := p.get(); got != "2" {
			t.Fatalf("poll got %q", got)
		}
		if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonPingTimeout {
			t.Error(e.Reason)
		}
	})
}
