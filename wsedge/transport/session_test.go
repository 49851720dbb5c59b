package transport

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// stillEngine has a clock that stands still; what else an Engine does is not called.
type stillEngine struct{ netpoll.Engine }

func (stillEngine) Now() netpoll.Millis { return 1 }

// narrowConn is a connection that takes room bytes, and no more until it gets more room.
type narrowConn struct {
	netpoll.Conn
	room     int
	got      bytes.Buffer
	armed    bool
	deadline netpoll.Millis
	closed   bool
	broken   error
}

func (c *narrowConn) TryWrite(p []byte) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	n := min(len(p), c.room)
	c.room -= n
	c.got.Write(p[:n])
	return n, nil
}
func (c *narrowConn) Arm()                          { c.armed = true }
func (c *narrowConn) SetDeadline(at netpoll.Millis) { c.deadline = at }
func (c *narrowConn) Close()                        { c.closed = true }

// endings is an application that counts how often it hears of the end.
type endings struct {
	closed int
	reason engineio.Reason
	cause  Cause
}

func (*endings) Opened()                   {}
func (*endings) Message([]byte, bool) bool { return true }
func (*endings) Alarm()                    {}
func (e *endings) Closed(reason engineio.Reason, cause Cause) {
	e.closed++
	e.reason, e.cause = reason, cause
}

// narrow returns a WebSocket session, open and not corked, on such a connection.
func narrow(maxOutbox, room int) (*Session, *narrowConn, *endings) {
	app := &endings{}
	cfg := Config{OnSession: func(*Session) Handler { return app }, MaxOutbox: maxOutbox}
	if err := cfg.setDefaults(); err != nil {
		panic(err)
	}
	srv := &Server{cfg: cfg, engine: stillEngine{}}
	s := srv.newSession(engineio.WebSocket, &Handshake{}, engineio.Revision4, func(s *Session) *socketWire { return &socketWire{s: s} })
	c := &narrowConn{room: room}
	s.wire.bind(c)
	s.Uncork()
	return s, c, app
}

// widen gives the connection more room, as the engine would when the peer has read.
func widen(s *Session, c *narrowConn, room int) {
	c.room += room
	if c.armed {
		c.armed = false
		s.wire.OnWritable()
	}
}

// I2: whatever fits and whatever is corked, what was sent arrives whole and in order, the close frame last, and the
// session holds nothing afterwards.
func TestI2SendModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, c, app := narrow(1<<20, rapid.IntRange(0, 100).Draw(t, "room"))
		var want bytes.Buffer
		corks := 0
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 5, 6:
				b := drawBundle(t, i)
				taken := s.SendBundleUnless(nil, b)
				for j, p := range b.items {
					switch {
					case taken>>j&1 != 0:
						want.Write(p.bytes(frames))
					case b.volatile>>j&1 == 0:
						t.Fatalf("message %d of the bundle was not taken", j)
					}
				}
			case 0, 1:
				p := message(fmt.Sprint(i, strings.Repeat("x", rapid.IntRange(0, 40).Draw(t, "pad"))))
				if s.Send(p, rapid.Bool().Draw(t, "volatile")) {
					want.Write(p.bytes(frames))
				}
			case 2:
				widen(s, c, rapid.IntRange(0, 60).Draw(t, "more"))
			case 3:
				s.Cork()
				corks++
			case 4:
				if corks > 0 {
					s.Uncork()
					corks--
				}
			}
		}
		if rapid.Bool().Draw(t, "uncork before the close") {
			for ; corks > 0; corks-- {
				s.Uncork()
			}
		}
		s.Close()
		want.Write(closeFrame.bytes(frames))
		for ; corks > 0; corks-- { // whoever corked does not know of the close
			s.Uncork()
		}
		for range 100 {
			widen(s, c, 50)
		}
		if !bytes.Equal(c.got.Bytes(), want.Bytes()) {
			t.Fatalf("got  %q\nwant %q", c.got.Bytes(), want.Bytes())
		}
		if s.out != nil || s.blocked {
			t.Fatalf("left: %+v, blocked %v", s.out, s.blocked)
		}
		if c.deadline != 1+lingerMillis || c.closed {
			t.Fatalf("deadline %d, closed %v", c.deadline, c.closed)
		}
		s.wire.OnClose(nil)
		if app.closed != 1 || app.reason != engineio.ForcedClose || s.srv.sessions.len() != 0 {
			t.Fatalf("%+v, %d sessions", app, s.srv.sessions.len())
		}
	})
}

// drawBundle is some messages, some of them volatile.
func drawBundle(t *rapid.T, i int) *Bundle {
	items := make([]*Prepared, rapid.IntRange(1, 6).Draw(t, "messages"))
	for j := range items {
		items[j] = message(fmt.Sprint(i, ".", j, strings.Repeat("y", rapid.IntRange(0, 40).Draw(t, "pad"))))
	}
	return NewBundle(items, rapid.Uint64Range(0, 1<<len(items)-1).Draw(t, "volatile"))
}

// A bundle goes in one write where it can, in one payload to who polls, and is nobody's any more once they are gone.
func TestBundle(t *testing.T) {
	b := NewBundle([]*Prepared{message("a"), message("b", []byte{1}), message("c")}, 0b100)
	all := "\x81\x024a\x81\x024b\x82\x01\x01\x81\x024c"
	s, c, _ := narrow(1<<20, 100)
	if taken := s.SendBundleUnless(nil, b); taken != 0b111 || c.got.String() != all {
		t.Errorf("taken %b, wrote %q", taken, c.got.String())
	}
	var gone atomic.Bool
	gone.Store(true)
	if taken := s.SendBundleUnless(&gone, b); taken != 0 {
		t.Errorf("taken %b by who is gone", taken)
	}
	// Blocked in the middle of the second: the rest waits, but for what is volatile.
	s, c, _ = narrow(1<<20, 6)
	if taken := s.SendBundleUnless(nil, b); taken != 0b011 || c.got.String() != all[:6] {
		t.Errorf("taken %b, wrote %q", taken, c.got.String())
	}
	widen(s, c, 100)
	if got := c.got.String(); got != all[:len(all)-4] {
		t.Errorf("then %q", got)
	}
	// Beyond the bound it ends the session, as a single message would.
	s, _, app := narrow(3*itemCost, 0)
	if taken := s.SendBundleUnless(nil, NewBundle([]*Prepared{message("a"), message("b"), message("c"), message("d")}, 0)); taken != 0b11 || app.cause != CauseOverflow {
		t.Errorf("taken %b, cause %v", taken, app.cause)
	}
	if taken := s.SendBundleUnless(nil, b); taken != 0 {
		t.Errorf("taken %b after the end", taken)
	}
}

// A connection whose buffer is full to the last byte owes the close frame all the same.
func TestCloseFrameOnAFullConnection(t *testing.T) {
	p := message("hello")
	s, c, _ := narrow(1<<20, len(p.bytes(frames)))
	s.Send(p, false)
	if s.out != nil || c.room != 0 {
		t.Fatal("the connection is not exactly full")
	}
	s.Close()
	if c.deadline == 0 {
		t.Error("the client may take for ever to read it")
	}
	widen(s, c, 100)
	if got := strings.TrimPrefix(c.got.String(), string(p.bytes(frames))); got != "\x88\x00" {
		t.Errorf("after the message: %q", got)
	}
}

// After the close nothing more is sent, not even the answer to a ping.
func TestNothingFollowsTheCloseFrame(t *testing.T) {
	s, c, _ := narrow(1<<20, 1000)
	s.Close()
	if s.Send(message("late"), false) {
		t.Error("a message was taken")
	}
	_ = s.wire.control(ws.OpPing, []byte("x"))
	s.wire.end(engineio.ParseError, CauseNone, nil)
	s.wire.end(engineio.TransportError, CauseProtocol, nil)
	if got := c.got.String(); got != "\x88\x00" {
		t.Errorf("%q", got)
	}
}

// I4: at the bound the session ends, once, and what waited is let go of.
func TestI4Overflow(t *testing.T) {
	s, c, app := narrow(1000, 10)
	sent := 0
	for s.Send(message(strings.Repeat("x", 90)), false) {
		sent++
	}
	if sent < 4 || sent > 11 {
		t.Errorf("%d messages were taken", sent)
	}
	if app.closed != 1 || app.reason != engineio.TransportError || app.cause != CauseOverflow {
		t.Errorf("%+v", app)
	}
	if s.out != nil || !c.closed || s.srv.sessions.len() != 0 || s.srv.stats.Overflows.Load() != 1 {
		t.Errorf("out %v, closed %v, %d sessions", s.out, c.closed, s.srv.sessions.len())
	}
	if got := c.got.Len(); got != 10 {
		t.Errorf("%d bytes were written", got)
	}
}

// A connection that fails while messages wait takes them with it; the end is told when the engine tells of it.
func TestWriteFailure(t *testing.T) {
	s, c, app := narrow(1<<20, 10)
	s.Send(message("0123456789"), false)
	c.broken = errors.New("reset")
	c.armed = false
	s.wire.OnWritable()
	s.Send(message("more"), false)
	if app.closed != 0 {
		t.Error("the end was told twice, or will be")
	}
	s.wire.OnClose(c.broken)
	if app.closed != 1 || app.reason != engineio.TransportClose || s.out != nil || s.srv.sessions.len() != 0 {
		t.Errorf("%+v, out %v, %d sessions", app, s.out, s.srv.sessions.len())
	}
}

// A session that is rejected before the engine has its connection says why, as soon as it has.
func TestRejectBeforeTheConnection(t *testing.T) {
	app := &endings{}
	cfg := Config{OnSession: func(*Session) Handler { return app }}
	if err := cfg.setDefaults(); err != nil {
		t.Fatal(err)
	}
	srv := &Server{cfg: cfg, engine: stillEngine{}}
	s := srv.newSession(engineio.WebSocket, &Handshake{}, engineio.Revision4, func(s *Session) *socketWire { return &socketWire{s: s} })
	s.Reject("too much")
	c := &narrowConn{room: 100}
	s.wire.bind(c)
	s.Uncork()
	if got := c.got.String(); got != "\x88\x0a\x03\xf0too much" || c.deadline == 0 || c.closed {
		t.Errorf("%q, deadline %d, closed %v", got, c.deadline, c.closed)
	}
	if app.closed != 1 || app.cause != CauseLimit {
		t.Errorf("%+v", app)
	}
}
