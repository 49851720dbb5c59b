package wsedge

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// sink is a client that connects to "/" and takes everything.
type sink struct {
	net.Conn
	says   []byte
	closed chan struct{}
	once   sync.Once
}

func newSink() *sink {
	return &sink{closed: make(chan struct{}), says: []byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n" +
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
		"\x81\x82\x00\x00\x00\x0040")}
}

func (s *sink) Read(p []byte) (int, error) {
	if len(s.says) > 0 {
		n := copy(p, s.says)
		s.says = s.says[n:]
		return n, nil
	}
	<-s.closed
	return 0, net.ErrClosed
}

func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func (s *sink) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *sink) SetDeadline(time.Time) error      { return nil }
func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
func (s *sink) RemoteAddr() net.Addr             { return pipeAddr{} }
func (s *sink) LocalAddr() net.Addr              { return pipeAddr{} }

// What the recorder costs an Emit to ten thousand sockets, on connections that cost nothing.
func BenchmarkEmitToTenThousand(b *testing.B) {
	const members = 10_000
	for name, begin := range map[string]func(*pipeListener) *harness{
		"recovery=off": func(l *pipeListener) *harness { return startOn(b, l, l.dial, onSinks) },
		"recovery=on":  func(l *pipeListener) *harness { return serveRecovering(b, RecoveryConfig{}, l, l.dial, onSinks) },
	} {
		b.Run(name, func(b *testing.B) {
			l := newPipeListener()
			h := begin(l)
			sinks := make([]*sink, members)
			for i := range sinks {
				sinks[i] = newSink()
				l.conns <- sinks[i]
			}
			n := h.namespace("/")
			h.until(func() bool { return n.Count(rooms.Target{}) == members })
			args := []byte(`"about as long as what people say",1234567890`)
			b.ReportAllocs()
			for b.Loop() {
				n.Emit(rooms.Target{}, &rooms.Message{Event: "message", Args: args})
			}
			for _, s := range sinks {
				s.Close()
			}
			h.until(func() bool { return n.Count(rooms.Target{}) == 0 })
		})
	}
}

func onSinks(c *Config) { c.Engine, c.Observer = "portable", nil }

// What it costs to keep a socket that has left, and to have it back.
func BenchmarkParkAndTake(b *testing.B) {
	r := NewRecovery(RecoveryConfig{MaxAge: time.Hour})
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}, Recorder: r.Recorder})
	if err != nil {
		b.Fatal(err)
	}
	n, _ := hub.Namespace("/")
	held := []string{"a room", "another room"}
	b.ReportAllocs()
	for b.Loop() {
		p := &parked{id: rooms.NewSocketID(), namespace: n, user: "somebody", rooms: held}
		r.park(p)
		if found, _ := r.find(n, p.id); found != p || !r.take(p) {
			b.Fatal("it is not there")
		}
	}
	r.close()
}

// What it costs to find what a client has missed among ten thousand messages, half of which were for it.
func BenchmarkMissed(b *testing.B) {
	r := NewRecovery(RecoveryConfig{MaxAge: time.Hour})
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}, Recorder: r.Recorder})
	if err != nil {
		b.Fatal(err)
	}
	n, _ := hub.Namespace("/")
	for i := range 10_000 {
		n.Emit(rooms.Target{Rooms: []string{[]string{"mine", "theirs"}[i%2]}}, &rooms.Message{Event: "m"})
	}
	p := &parked{id: rooms.NewSocketID(), namespace: n, start: 1, last: 2, rooms: []string{"a", "b", "c", "mine"}}
	log := logOf(n)
	b.ReportAllocs()
	for b.Loop() {
		if missed, ok := log.missed(p, 1); !ok || len(missed) != 5000 {
			b.Fatal(len(missed), ok)
		}
	}
	r.close()
}
