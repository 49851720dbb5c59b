package wsedge

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// The bound holds whatever is kept, what is oldest goes first, and who needed it begins anew.
func TestRecoveryIsBoundedInBytes(t *testing.T) {
	const most = 100_000
	kept := func(t *testing.T, h *harness, what string) (away int) {
		t.Helper()
		away, bytes := h.server.cfg.Recovery.usage()
		if bytes > most || bytes < 0 {
			t.Fatalf("%s: %d bytes are kept", what, bytes)
		}
		return away
	}
	fill := func(h *harness, namespace, room string) {
		for range 200 {
			h.emit(namespace, rooms.Target{Rooms: []string{room}}, "m", fmt.Sprintf(`"%01000d"`, 1))
		}
	}
	t.Run("messages", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: most})
		h.guest("/admin") // who is not concerned
		fill(h, "/", "x")
		kept(t, h, "full of messages")
		fill(h, "/chat", "x") // they take the place of those of another namespace
		kept(t, h, "full of others")
		if n := len(logOf(h.namespace("/")).entries.waiting()); n != 0 {
			t.Errorf("%d old ones are kept", n)
		}
	})
	t.Run("a socket takes the place of messages", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: most})
		fill(h, "/", "x")
		g := h.guest("/")
		g.cut()
		if kept(t, h, "with a socket") != 1 {
			t.Fatal("the socket is not kept")
		}
		g.returns()
	})
	t.Run("who has had everything needs no message of before", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: most})
		g := h.guest("/")
		h.emit("/", rooms.Target{}, "m", `1`)
		g.takes(`+["m",1]`)
		fill(h, "/", "x")
		g.cut()
		h.emit("/", rooms.Target{}, "m", `2`)
		g.returns(`+["m",2]`)
	})
	t.Run("messages take the place of a socket", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: most})
		g := h.guest("/")
		g.cut()
		fill(h, "/", "x")
		if e := h.event(rooms.KindExpired); e.Socket != g.id || kept(t, h, "without it") != 0 {
			t.Error(describe(e))
		}
		g.startsAnew()
	})
	t.Run("who needs what is gone begins anew", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: most})
		g := h.guest("/")
		h.emit("/", rooms.Target{}, "m", fmt.Sprintf(`"%03000d"`, 1)) // larger than each that takes its place
		g.cut()
		r := h.server.cfg.Recovery
		for first := r.kept.first(); r.kept.first() == first; {
			h.emit("/chat", rooms.Target{}, "m", fmt.Sprintf(`"%01000d"`, 1))
		}
		g.back()
		h.event(rooms.KindExpired)
		if e := h.event(rooms.KindConnected); e.Recovered {
			t.Error("recovered although a message is lost")
		}
	})
	t.Run("sockets take the place of sockets", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: 10 * parkedOverhead})
		var guests []*guest
		for range 20 {
			guests = append(guests, h.guest("/"))
		}
		for _, g := range guests {
			g.conn.Close()
			h.until(func() bool { _, there := h.namespace("/").Member(g.id); return !there })
			h.settled()
		}
		var expired []rooms.SocketID
		for range len(guests) + 10 {
			if e := <-h.events; e.Kind == rooms.KindExpired {
				expired = append(expired, e.Socket)
			}
		}
		if len(expired) != 10 || expired[0] != guests[0].id || expired[9] != guests[9].id {
			t.Fatalf("%d expired, not the oldest", len(expired))
		}
		for _, g := range guests[:10] {
			g.startsAnew()
		}
		for _, g := range guests[10:] {
			g.returns()
		}
	})
	t.Run("one message that never fits", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: most})
		g, lost := h.guest("/"), h.guest("/")
		other := h.guest("/chat")
		h.emit("/", rooms.Target{Sockets: []rooms.SocketID{g.id}}, "m", `1`)
		g.cut()
		lost.cut()
		other.cut()
		h.emit("/", rooms.Target{Sockets: []rooms.SocketID{lost.id}}, "m", fmt.Sprintf(`"%0100000d"`, 1))
		kept(t, h, "without the large one")
		other.returns() // its namespace has lost nothing
		for _, one := range []*guest{g, lost} {
			one.back()
			h.event(rooms.KindExpired)
			if e := h.event(rooms.KindConnected); e.Recovered {
				t.Error("recovered although a message is lost")
			}
		}
	})
	t.Run("one socket that never fits", func(t *testing.T) {
		h := startRecovering(t, RecoveryConfig{MaxBytes: parkedOverhead - 1})
		g := h.guest("/")
		g.cut()
		h.event(rooms.KindExpired)
		g.startsAnew()
	})
}

// What is counted is about what is used, so that the bound means memory.
func TestRecoveryCountsWhatItUses(t *testing.T) {
	r := NewRecovery(RecoveryConfig{MaxAge: time.Hour, MaxBytes: 1 << 30})
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}, Recorder: r.Recorder})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := hub.Namespace("/")
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	const count = 20_000
	for name, fill := range map[string]func(){
		"short messages": func() {
			for i := range count {
				m := &rooms.Message{Event: "m", Args: []byte(fmt.Sprint(i))}
				n.Emit(rooms.Target{Rooms: []string{fmt.Sprint("room", i)}}, m)
				dialectJSON.event("/", m)
			}
		},
		"long messages": func() {
			for range count {
				m := &rooms.Message{Event: "m", Args: []byte(`"` + strings.Repeat("x", 2000) + `"`)}
				n.Emit(rooms.Target{}, m)
				dialectJSON.event("/", m)
			}
		},
		"sockets": func() {
			for range count {
				r.park(&parked{
					id: rooms.NewSocketID(), namespace: n, user: strings.Clone("somebody"), data: []byte(`{"a":1}`),
					rooms: []string{strings.Clone("a room"), strings.Clone("another room")},
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, counted := r.usage()
			used := heap()
			fill()
			used = heap() - used
			_, now := r.usage()
			if counted = now - counted; used > counted*5/4 || used < counted*2/5 {
				t.Errorf("%d bytes are counted, %d used", counted/count, used/count)
			}
			t.Logf("%d bytes are counted, %d used", counted/count, used/count)
		})
	}
	r.close()
}

// A queue that is never empty stays as large as what is in it.
func TestQueueUsesItsPlacesAgain(t *testing.T) {
	var q queue[int]
	next := 0
	for i := range 100_000 {
		q.push(i)
		if i >= 100 {
			if q.first() != next {
				t.Fatalf("%d, want %d", q.first(), next)
			}
			q.pop()
			next++
		}
	}
	if cap(q.items) > 1000 || len(q.waiting()) != 100 {
		t.Errorf("%d places for %d", cap(q.items), len(q.waiting()))
	}
	for range 100 {
		q.pop()
	}
	if q.items != nil || q.first() != 0 {
		t.Error("an empty queue keeps something")
	}
}

// Without recovery nothing is paid for it: one word in a socket, and no allocation of an Emit.
func TestRecoveryOffCostsNothing(t *testing.T) {
	if size := unsafe.Sizeof(Socket{}); size > 160 {
		t.Errorf("a socket has %d bytes", size)
	}
	h := start(t)
	p, id := h.join("/")
	m, _ := h.namespace("/").Member(id)
	if m.(*Socket).lasting != nil {
		t.Error("it is kept in mind for recovery")
	}
	go func() { // until the connection ends
		for packet := p.next(); packet != "end"; packet = p.next() {
		}
	}()
	n, message := h.namespace("/"), &rooms.Message{Event: "m"}
	n.Emit(rooms.Target{}, message)
	if allocs := testing.AllocsPerRun(100, func() { n.Emit(rooms.Target{}, message) }); allocs >= 1 {
		t.Errorf("%v allocations", allocs)
	}
	p.conn.Close()
	h.event(rooms.KindDisconnected)
}
