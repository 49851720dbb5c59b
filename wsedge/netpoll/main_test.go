package netpoll

import (
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// hooks is the Handler of the tests. It checks N1 on every call.
type hooks struct {
	t        testing.TB
	conn     Conn
	read     func(p []byte)
	resume   func()
	writable func()
	deadline func(now Millis)
	closing  func(err error)
	end      chan error // what OnClose was told

	calls atomic.Int32 // under way
	ended atomic.Bool
}

func newHooks(t testing.TB) *hooks { return &hooks{t: t, end: make(chan error, 4)} }

func (h *hooks) bind(c Conn) { h.conn = c }

func (h *hooks) enter(call string) func() {
	if h.calls.Add(1) != 1 {
		h.t.Errorf("%s while another call is under way", call)
	}
	if h.ended.Load() {
		h.t.Errorf("%s after OnClose", call)
	}
	return func() { h.calls.Add(-1) }
}

func (h *hooks) OnRead(p []byte) {
	defer h.enter("OnRead")()
	if len(p) == 0 {
		h.t.Error("OnRead without bytes")
	}
	if h.read != nil {
		h.read(p)
	}
}

func (h *hooks) OnResume() {
	defer h.enter("OnResume")()
	if h.resume != nil {
		h.resume()
	}
}

func (h *hooks) OnWritable() {
	defer h.enter("OnWritable")()
	if h.writable != nil {
		h.writable()
	}
}

func (h *hooks) OnDeadline(now Millis) {
	defer h.enter("OnDeadline")()
	if h.deadline != nil {
		h.deadline(now)
	}
}

func (h *hooks) OnClose(err error) {
	defer h.enter("OnClose")()
	h.ended.Store(true)
	h.end <- err
	if h.closing != nil {
		h.closing(err)
	}
}

// wait returns what arrives on ch.
func wait[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// must returns v of a call that cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// tcpPair is two ends of one TCP connection, closed with the test.
func tcpPair(t testing.TB) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); c.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}
