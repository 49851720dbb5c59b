package wsedge

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// PROTOCOL 5: a client that comes back at once, while the server is only noticing that it has gone, is recovered.
func TestProtocol5ReturnsAtOnce(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/")
	for i := range 300 {
		g.conn.Close()
		h.emit("/", rooms.Target{}, "m", fmt.Sprint(i))
		recovered, missed := g.back()
		if want := []string{fmt.Sprintf(`+["m",%d]`, i)}; !recovered || !slices.Equal(missed, want) {
			t.Fatalf("return %d: recovered %t, missed %q", i, recovered, missed)
		}
		h.event(rooms.KindDisconnected)
		if e := h.event(rooms.KindConnected); !e.Recovered {
			t.Fatal("told as new")
		}
	}
	if s := h.server.Stats(); s.Sessions != 1 || s.Expired != 0 {
		t.Errorf("%d sessions, %d expired", s.Sessions, s.Expired)
	}
}

// A connection that is not yet seen to be dead gives way to its client, with its other namespaces, whatever carries it.
func TestProtocol5HalfOpenConnectionsGiveWay(t *testing.T) {
	for name, open := range map[string]func(h *harness) *guest{
		"websocket": func(h *harness) *guest { return h.guest("/") },
		"idle polling": func(h *harness) *guest {
			p := h.openPolling()
			p.post("40")
			g := &guest{h: h, namespace: "/"}
			g.peer = &peer{t: h.t}
			g.pid = p.get()[len(`40{"sid":"aaaaaaaaaaaaaaaaaaaa","pid":"`):][:20]
			g.id = publicID(g.pid)
			h.event(rooms.KindConnected)
			return g
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := startRecovering(t, RecoveryConfig{})
			g := open(h)
			h.emit("/", rooms.Target{}, "m", `1`)
			dead := g.peer
			recovered, missed := g.back()
			if !recovered || !slices.Equal(missed, []string{`+["m",1]`}) {
				t.Fatalf("recovered %t, missed %q", recovered, missed)
			}
			if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportClose || !e.Recoverable {
				t.Errorf("%s, recoverable %t", describe(e), e.Recoverable)
			}
			h.event(rooms.KindConnected)
			if dead.conn != nil {
				dead.expect(`42["m",1,"`+*g.offset+`"]`, "close 1005")
			}
			h.emit("/", rooms.Target{}, "m", `2`)
			g.takes(`+["m",2]`)
		})
	}
}

// Of several claims at once one wins, and the others get sessions of their own.
func TestProtocol5OneOfSeveralClaimsWins(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	for range 50 {
		g := h.guest("/")
		g.cut()
		claims := make([]*guest, 4)
		for i := range claims {
			claims[i] = &guest{h: h, namespace: "/", id: g.id, pid: g.pid, peer: h.open()}
		}
		var wg sync.WaitGroup
		for _, c := range claims {
			wg.Go(c.knock)
		}
		wg.Wait()
		won := 0
		for range claims {
			for e := <-h.events; ; e = <-h.events {
				if e.Kind == rooms.KindConnected {
					if e.Recovered {
						won++
					}
					break
				}
			}
		}
		// A claim that comes when another has won already supersedes it: that is how clients come back twice.
		if won < 1 {
			t.Fatalf("%d claims won", won)
		}
		if _, ok := h.namespace("/").Member(g.id); !ok {
			t.Fatal("nobody is the socket")
		}
		h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "still"})
		for _, m := range h.namespace("/").Select(nil, rooms.Target{}) {
			m.Disconnect(true)
		}
		h.until(func() bool { return h.server.Stats().Sessions == 0 })
		for len(h.events) > 0 {
			<-h.events
		}
	}
}

// While others emit without a pause, clients that are cut at any moment get every message once and in order, although the
// server may find the connection closed in the middle of a delivery.
func TestProtocol5MessagesThatRaceWithTheEnd(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	const emits, returns = 4000, 40
	g := h.guest("/")
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range emits {
			h.emit("/", rooms.Target{}, "m", fmt.Sprint(i))
		}
	})
	next := 0
	take := func(got string) {
		t.Helper()
		if want := fmt.Sprintf(`+["m",%d]`, next); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		next++
	}
	for range returns {
		for range 5 {
			if next < emits {
				take(g.event(g.next()))
			}
		}
		g.conn.Close()
		recovered, missed := g.back()
		if !recovered {
			t.Fatal("not recovered")
		}
		for _, m := range missed {
			take(m)
		}
	}
	for next < emits {
		take(g.event(g.next()))
	}
	wg.Wait()
}

// A client that goes while it is being restored, or is refused for what it missed is too much, loses nothing that is kept.
func TestProtocol5WhatCannotBeRestored(t *testing.T) {
	t.Run("more than a queue takes", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{}, func(c *Config) { c.MaxOutbox = 4000 })
		g := h.guest("/")
		g.cut()
		for range 10 {
			h.emit("/", rooms.Target{}, "m", fmt.Sprintf(`"%0200d"`, 1))
		}
		recovered, missed := g.back()
		if h.event(rooms.KindExpired); recovered || len(missed) > 0 {
			t.Errorf("recovered %t, missed %q", recovered, missed)
		}
		h.event(rooms.KindConnected)
	})
	t.Run("the client has gone", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{})
		g := h.guest("/")
		g.cut()
		log := logOf(h.namespace("/"))
		log.mu.Lock() // a message is on its way out
		g.peer = h.open()
		g.knock()
		g.send("6") // when this has been read, so has the CONNECT
		g.conn.Close()
		h.until(func() bool { return h.server.Stats().Sessions == 0 })
		log.mu.Unlock()
		g.returns()
	})
	t.Run("a loop does not wait for what goes out", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{})
		g := h.guest("/")
		other := h.guest("/chat")
		g.cut()
		log := logOf(h.namespace("/"))
		log.mu.Lock()
		g.peer = h.open()
		g.knock()
		for range 20 {
			other.send(`42/chat,["e"]`)
			h.event(rooms.KindEvent)
		}
		log.mu.Unlock()
		if recovered, _ := g.answer(); !recovered {
			t.Error("not recovered")
		}
	})
	t.Run("a bug", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{}, func(c *Config) { c.Observer = fragileOnReturn{c.Observer} })
		g := h.guest("/")
		g.cut()
		g.peer = h.open()
		g.knock()
		for packet := g.next(); packet != "end" && packet != "close 1005"; packet = g.next() {
		}
		h.until(func() bool { return h.server.Stats().Sessions == 0 })
		if s := h.server.Stats(); s.Panics != 1 {
			t.Errorf("%d panics", s.Panics)
		}
		h.emit("/", rooms.Target{}, "still", ``)
	})
}

// fragileOnReturn has a bug that sockets meet that come back.
type fragileOnReturn struct{ Observer }

func (f fragileOnReturn) Observe(e *rooms.Event) rooms.Flow {
	if e.Recovered {
		panic("a bug")
	}
	return f.Observer.Observe(e)
}

// What is emitted while admission thinks is not for the socket, and is not replayed to it.
func TestProtocol5NothingFromBeforeTheConnection(t *testing.T) {
	answer := make(chan func(rooms.Verdict), 1)
	h := startRecovering(t, RecoveryConfig{}, func(c *Config) { c.Admitter = later(answer) })
	g := &guest{h: h, namespace: "/", peer: h.open()}
	g.knock()
	decide := <-answer
	h.emit("/", rooms.Target{}, "before", ``)
	decide(rooms.Verdict{})
	g.answer()
	h.event(rooms.KindConnected)
	h.emit("/", rooms.Target{}, "after", ``)
	g.cut()
	g.returns(`+["after"]`)
}

// later passes the way to answer on.
type later chan func(rooms.Verdict)

func (l later) Admit(_ *rooms.Question, f func(rooms.Verdict)) (rooms.Verdict, bool) {
	l <- f
	return rooms.Verdict{}, false
}

// PROTOCOL 5: a socket may be away for MaxAge, and no longer; messages from before its end was noticed are there as long.
func TestProtocol5Lifetime(t *testing.T) {
	cfg := RecoveryConfig{MaxAge: time.Minute}
	for name, c := range map[string]struct {
		away      time.Duration
		recovered bool
	}{
		"in time":              {59 * time.Second, true},
		"before the sweep":     {time.Minute + time.Millisecond, false},
		"when all is over":     {5 * time.Minute, false},
		"the message is older": {30 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			recovering(t, cfg, func(t *testing.T, h *harness) {
				g := h.guest("/")
				h.emit("/", rooms.Target{}, "m", `1`) // lost: the connection is dead
				silent := g.peer
				go func() { // nobody answers the heartbeat
					for packet := silent.next(); packet != "end"; packet = silent.next() {
					}
				}()
				if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonPingTimeout {
					t.Fatal(describe(e))
				}
				<-time.After(c.away)
				recovered, missed := g.back()
				if recovered != c.recovered || recovered != slices.Equal(missed, []string{`+["m",1]`}) {
					t.Errorf("recovered %t, missed %q", recovered, missed)
				}
				silent.conn.Close()
				g.conn.Close()
			})
		})
	}
}

// A socket that does not come back is told as expired, once, and what was kept for it goes.
func TestProtocol5ExpiredIsToldOnce(t *testing.T) {
	recovering(t, RecoveryConfig{MaxAge: 30 * time.Second}, func(t *testing.T, h *harness) {
		g := h.guest("/room-7")
		g.conn.Close()
		gone := h.event(rooms.KindDisconnected)
		h.emit("/room-7", rooms.Target{}, "m", `1`)
		e := h.event(rooms.KindExpired)
		if after := e.Time.Sub(gone.Time); e.Socket != g.id || e.Namespace != "/room-7" || after < 30*time.Second || after > 33*time.Second {
			t.Errorf("%+v", e)
		}
		<-time.After(2 * time.Minute)
		if n := len(h.hub.Namespaces()); n != len(testNamespaces.Namespaces) {
			t.Errorf("%d namespaces", n)
		}
		r := h.server.cfg.Recovery
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(h.events) > 0 || r.bytes != 0 || r.timer != nil || len(r.away)+len(r.leaving)+r.order.Len()+len(r.kept.waiting()) != 0 {
			t.Errorf("%d events, %d bytes, %d away", len(h.events), r.bytes, r.order.Len())
		}
	})
}

// At the end of the process everybody who is away is given up.
func TestShutdownGivesUpWhoIsAway(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/")
	stays := h.guest("/chat")
	g.cut()
	h.emit("/", rooms.Target{}, "m", ``)
	shut := make(chan error, 1)
	go func() { shut <- h.server.Shutdown(t.Context()) }()
	stays.expect("close 1005")
	stays.conn.Close()
	if err := <-shut; err != nil {
		t.Fatal(err)
	}
	if e := h.event(rooms.KindDisconnected); e.Socket != stays.id || e.Recoverable {
		t.Errorf("%s, recoverable %t", describe(e), e.Recoverable)
	}
	if e := h.event(rooms.KindExpired); e.Socket != g.id {
		t.Error(describe(e))
	}
	h.emit("/", rooms.Target{}, "m", ``)
	if away, bytes := h.server.cfg.Recovery.usage(); away != 0 || bytes != 0 {
		t.Errorf("%d away, %d bytes", away, bytes)
	}
}

// A dynamic namespace lives as long as somebody is in it or may come back to it, and no longer.
func TestProtocol5DynamicNamespacesDoNotStay(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/room-7")
	n := h.namespace("/room-7")
	for range 3 {
		g.cut()
		h.emit("/room-7", rooms.Target{}, "m", ``)
		g.returns(`+["m"]`)
	}
	if h.namespace("/room-7") != n {
		t.Error("another one")
	}
	g.send("41/room-7,")
	h.event(rooms.KindDisconnected)
	h.until(func() bool { return len(h.hub.Namespaces()) == len(testNamespaces.Namespaces) })
}

// gated is an Observer that takes its time with the first disconnect.
type gated struct {
	Observer
	entered, open chan struct{}
	once          *sync.Once
}

func (g gated) Observe(e *rooms.Event) rooms.Flow {
	if e.Kind == rooms.KindDisconnected {
		g.once.Do(func() {
			close(g.entered)
			<-g.open
		})
	}
	return g.Observer.Observe(e)
}

// A client that is a member no longer and not kept yet is waited for.
func TestProtocol5ReturnsWhileItLeaves(t *testing.T) {
	gate := gated{entered: make(chan struct{}), open: make(chan struct{}), once: new(sync.Once)}
	h := startRecovering(t, RecoveryConfig{}, func(c *Config) {
		gate.Observer = c.Observer
		c.Observer, c.Engine = gate, "portable" // whose connections do not wait for each other
	})
	g := h.guest("/")
	old := g.conn
	g.peer = h.open()
	old.Close()
	<-gate.entered
	received := h.server.Stats().MessagesReceived
	g.knock()
	h.until(func() bool { return h.server.Stats().MessagesReceived > received })
	for range 10_000 { // what would go wrong would go wrong about now
		runtime.Gosched()
	}
	close(gate.open)
	if recovered, _ := g.answer(); !recovered {
		t.Error("not recovered")
	}
}

// A message that comes when the connection has ended, and the socket has not left yet, is lost with it, and replayed.
func TestProtocol5MessagesBetweenTheEndAndTheLeaving(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/")
	m, _ := h.namespace("/").Member(g.id)
	c := m.(*Socket).client
	c.enter() // nobody can complete the end meanwhile
	g.conn.Close()
	h.until(c.session.Closed)
	h.emit("/", rooms.Target{}, "between", ``)
	c.exit()
	h.event(rooms.KindDisconnected)
	h.emit("/", rooms.Target{}, "after", ``)
	h.until(func() bool { away, _ := h.server.cfg.Recovery.usage(); return away == 1 })
	g.returns(`+["between"]`, `+["after"]`)
}
