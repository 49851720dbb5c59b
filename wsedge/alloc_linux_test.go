package wsedge

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// These tests run on the descriptor loops alone: the portable engine writes from a goroutine of its own.
func onLoops(c *Config) { c.Engine = "loops" }

// connected are clients in "/", past what they are told at the beginning.
func connected(t *testing.T, h *harness, count int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, count)
	for i := range conns {
		conn, err := h.dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write(newSink().says); err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
	}
	n := h.namespace("/")
	h.until(func() bool { return n.Count(rooms.Target{}) == count })
	buf := make([]byte, 4096)
	for _, conn := range conns {
		for text := ""; len(text) < 2 || text[len(text)-2:] != `"}`; { // the end of the answer to CONNECT
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			text = string(buf[:n])
		}
	}
	return conns
}

// What a broadcast costs does not depend on how many get it: nothing is allocated for a delivery, from Emit to the write.
func TestDeliveryAllocatesNothing(t *testing.T) {
	cost := func(members int) float64 {
		h := start(t, onLoops)
		connected(t, h, members)
		n := h.namespace("/")
		return testing.AllocsPerRun(100, func() {
			n.Emit(rooms.Target{}, &rooms.Message{Event: "message", Args: []byte(`"something",1`)})
		})
	}
	few, many := cost(10), cost(500)
	// A pool may be emptied by a collection in the middle; for one in a hundred deliveries that is much.
	if many > few+5 {
		t.Errorf("%v allocations for a broadcast to 10, %v for one to 500", few, many)
	}
}

// masked is a client's frame with this text, of up to 125 bytes, under the mask 0.
func masked(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

// told is an Observer that keeps nothing.
type told struct{ events chan struct{} }

func (o *told) Observe(e *rooms.Event) rooms.Flow {
	if e.Kind == rooms.KindEvent {
		o.events <- struct{}{}
	}
	return rooms.Flow{}
}

// An event from a client costs what observers may keep: the rooms.Event, its name and its arguments.
func TestInboundEventAllocatesItself(t *testing.T) {
	observer := &told{make(chan struct{}, 1)}
	h := start(t, onLoops, func(c *Config) { c.Observer = observer })
	conn := connected(t, h, 1)[0]
	wire := masked(`42["message",{"a":1,"b":[1,2,3]}]`)
	got := testing.AllocsPerRun(200, func() {
		_, _ = conn.Write(wire)
		<-observer.events
	})
	if got > 3 {
		t.Errorf("%v allocations for an event", got)
	}
}

// A heartbeat of an idle session, there and back, allocates nothing.
func TestHeartbeatAllocatesNothing(t *testing.T) {
	const sessions, warm, counted = 500, 1000, 2000
	h := start(t, onLoops, func(c *Config) { c.PingInterval, c.PingTimeout = 20*time.Millisecond, time.Minute })
	var beats atomic.Int64
	reached := map[int64]chan struct{}{warm: make(chan struct{}), warm + counted: make(chan struct{})}
	for _, conn := range connected(t, h, sessions) {
		go func() {
			ping, pong := make([]byte, 3), masked("3")
			for {
				if _, err := io.ReadFull(conn, ping); err != nil {
					return
				}
				_, _ = conn.Write(pong)
				if c, ok := reached[beats.Add(1)]; ok {
					close(c)
				}
			}
		}()
	}
	var before, after runtime.MemStats
	<-reached[warm]
	runtime.ReadMemStats(&before)
	<-reached[warm+counted]
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / counted; each >= 0.1 {
		t.Errorf("%.2f allocations for a heartbeat", each)
	}
}
