package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// valve is an application that tells what it hears, pauses at the message "pause", and takes nothing while it is shut.
type valve struct {
	s       *Session
	heard   chan string
	shut    atomic.Bool
	refused atomic.Int32 // messages that came while it was shut
	alarm   func()
}

func (v *valve) Opened() {}
func (v *valve) Alarm()  { v.alarm() }

func (v *valve) Message(data []byte, _ bool) bool {
	if v.shut.Load() {
		v.refused.Add(1)
		return false
	}
	if string(data) == "pause" {
		v.close()
	}
	v.heard <- string(data)
	return true
}

func (v *valve) Closed(reason engineio.Reason, cause Cause) {
	v.heard <- strings.TrimSpace("closed: " + reason.String() + " " + cause.String())
}

func (v *valve) close() { v.shut.Store(true); v.s.Pause() }
func (v *valve) open()  { v.shut.Store(false); v.s.Resume() }

func (v *valve) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-v.heard:
			if got != w {
				t.Fatalf("heard %.40q, want %.40q", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("%.40q was not heard", w)
		}
	}
}

func (v *valve) silent(t *testing.T) {
	t.Helper()
	if len(v.heard) > 0 {
		t.Fatalf("heard %.40q", <-v.heard)
	}
}

// valves makes each session a valve, in the order in which they come.
func valves() (on func(*Session) Handler, made chan *valve) {
	made = make(chan *valve, 16)
	return func(s *Session) Handler {
		v := &valve{s: s, heard: make(chan string, 1<<16)}
		made <- v
		return v
	}, made
}

// flow is a WebSocket whose client has sent its first bytes with the request.
func flow(t *testing.T, kind string, cfg Config, frames ...[]byte) (*valve, *caller, *Server) {
	t.Helper()
	on, made := valves()
	cfg.OnSession = on
	srv, addr := serving(t, kind, cfg)
	c := call(t, "127.0.0.1", addr)
	resp, _ := c.ask(upgradeRequest() + string(join(frames...)))
	if resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	c.frame() // open
	return <-made, c, srv
}

// I4: what comes behind the message during which the pause began is kept, whatever it is, and is handled in order.
func TestI4RestOfAReadIsKept(t *testing.T) {
	long := strings.Repeat("long", 100)
	for name, c := range map[string]struct {
		frames [][]byte
		heard  []string
	}{
		"messages":         {[][]byte{frame(0x81, "4a"), frame(0x82, "b")}, []string{"a", "b"}},
		"fragments":        {[][]byte{frame(0x01, "4a"), frame(0x00, "b"), frame(0x80, "c"), frame(0x81, "4d")}, []string{"abc", "d"}},
		"part of a frame":  {[][]byte{frame(0x81, "4a"), frame(0x81, "4"+long)[:50]}, []string{"a"}},
		"pauses":           {[][]byte{frame(0x81, "4a"), frame(0x81, "4pause"), frame(0x81, "4b"), frame(0x81, "4pause")}, []string{"a", "pause", "b", "pause"}},
		"a close frame":    {[][]byte{frame(0x81, "4a"), frame(0x88, "\x03\xe8")}, []string{"a", "closed: transport close"}},
		"a close packet":   {[][]byte{frame(0x81, "4a"), frame(0x81, "1")}, []string{"a", "closed: transport close"}},
		"a violation":      {[][]byte{frame(0x81, "4a"), {0x81, 1, '4'}}, []string{"a", "closed: transport error protocol violation"}},
		"no packet":        {[][]byte{frame(0x81, "4a"), frame(0x81, "x")}, []string{"a", "closed: parse error"}},
		"nothing":          {nil, nil},
		"a heartbeat only": {[][]byte{frame(0x81, "3"), frame(0x89, "")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, kind string) {
				for _, early := range []bool{true, false} { // with the request, or afterwards
					sent := append([][]byte{frame(0x81, "4pause")}, c.frames...)
					var v *valve
					var client *caller
					if early {
						v, client, _ = flow(t, kind, Config{}, sent...)
					} else {
						v, client, _ = flow(t, kind, Config{})
						_, _ = client.Write(join(sent...))
					}
					v.expect(t, "pause")
					last := "pause"
					for _, want := range c.heard {
						if last == "pause" {
							v.silent(t)
							v.open()
						}
						v.expect(t, want)
						last = want
					}
					if v.open(); name == "part of a frame" {
						_, _ = client.Write(frame(0x81, "4"+long)[50:])
						v.expect(t, long)
					}
				}
			})
		})
	}
}

// A message that another goroutine's pause finds on its way to the application comes again, once, first of all.
func TestI4MessageThatIsNotTaken(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		v, c, _ := flow(t, kind, Config{})
		v.shut.Store(true) // the application has decided, and the pause comes too late for this message
		paused := make(chan struct{})
		go func() {
			for v.refused.Load() == 0 {
				if v.s.Closed() {
					break
				}
			}
			v.s.Pause()
			close(paused)
		}()
		_, _ = c.Write(join(frame(0x01, "4"), frame(0x80, "first"), frame(0x81, "4second")))
		<-paused
		v.silent(t)
		v.open()
		v.expect(t, "first", "second")
		until(t, "count", func() bool { return v.s.srv.stats.Received.Load() == 2 })
	})
}

// I4: a client that floods a paused session finds the way blocked; the server keeps one read of it.
func TestI4FloodOfAPausedSession(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		v, c, srv := flow(t, kind, Config{})
		chunk := frame(0x81, "4pause")
		for len(chunk) < 1<<20 {
			chunk = append(chunk, frame(0x81, "4x")...)
		}
		written := 0
		for err := error(nil); err == nil; {
			_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) // it ends when nothing goes any more
			var n int
			n, err = c.Write(chunk)
			if written += n; written > 256<<20 {
				t.Fatal("the server takes everything")
			}
		}
		v.expect(t, "pause")
		v.silent(t)
		if n := srv.stats.Received.Load(); n != 1 {
			t.Errorf("%d messages were handled", n)
		}
		kept := make(chan int)
		v.alarm = func() { kept <- cap(v.s.wire.kept.rest) } // on the goroutine whose it is
		v.s.SetAlarm(time.Millisecond)
		if n := <-kept; n == 0 || n > 80<<10 {
			t.Errorf("%d bytes are kept", n)
		}
		v.s.Close()
	})
}

// Pause and Resume say nothing twice, and nothing after the end; the gauge returns to zero.
func TestPauseIsIdempotent(t *testing.T) {
	s, c, app := narrow(1<<20, 1<<20)
	p := &pausable{narrowConn: *c}
	s.wire.conn, s.conn = p, p
	paused := func(want int64) {
		t.Helper()
		if n := s.srv.stats.Paused.Load(); n != want || p.paused != (want > 0) {
			t.Errorf("%d are paused, %v", n, p.paused)
		}
	}
	s.Resume()
	paused(0)
	s.Pause()
	s.Pause()
	paused(1)
	s.Resume()
	s.Resume()
	paused(0)
	s.Pause()
	s.Close()
	paused(0)
	s.Pause()
	s.Resume()
	paused(0)
	if app.closed != 1 {
		t.Errorf("%+v", app)
	}
}

// A session may be paused before it has its connection; what that brings waits.
func TestPauseBeforeTheConnection(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		v := &valve{heard: make(chan string, 16)}
		_, addr := serving(t, kind, Config{OnSession: func(s *Session) Handler {
			v.s = s
			v.close()
			return v
		}})
		c := call(t, "127.0.0.1", addr)
		c.ask(upgradeRequest() + string(frame(0x81, "4early")))
		c.frame()
		_, _ = c.Write(frame(0x81, "4late"))
		v.silent(t)
		v.open()
		v.expect(t, "early", "late")
	})
}

// The same by WebTransport, where QUIC holds the client back, and over the upgrade to it.
func TestI4PausedWebTransport(t *testing.T) {
	on, made := valves()
	j := joinWebTransport(t, func(cfg *Config) { cfg.OnSession = on })
	c := j.open("0", "")
	v := <-made
	packet, _ := c.next(t)
	if !strings.HasPrefix(packet, "0{") {
		t.Fatalf("%q", packet)
	}
	c.write(t, text("4a")+text("4pause")+text("4b")+text("4c"))
	v.expect(t, "a", "pause")
	c.write(t, text("4d"))
	v.s.Send(message("down"), false)
	c.expect(t, "4down")
	v.silent(t)
	v.open()
	v.expect(t, "b", "c", "d")
	c.write(t, text("4pause")+text("4late"))
	v.expect(t, "pause")
	v.s.Close()
	v.expect(t, "closed: forced close")
	c.farewell(t)

	poll := call(t, "127.0.0.1", j.tcp)
	_, open := poll.ask(pollRequest)
	sid := open[len(`0{"sid":"`):][:20]
	v = <-made
	v.close()
	up := j.open(`0{"sid":"`+sid+`"}`, text("2probe"))
	up.expect(t, "3probe")
	up.write(t, text("5")+text("4a")+text("4b"))
	until(t, "switch", func() bool { return v.s.Transport() == engineio.WebTransport })
	v.silent(t)
	v.open()
	v.expect(t, "a", "b")
}

// I4: pauses by the application and by others, resumptions, and ends, all at random: what is heard is a beginning of what
// was sent, in order, and all of it if the session lives.
func TestI4PausesAtRandom(t *testing.T) {
	const rounds = 300
	onBoth(t, func(t *testing.T, kind string) {
		on, made := valves()
		srv, addr := serving(t, kind, Config{OnSession: on})
		seed := rand.Uint64()
		for round := range uint64(rounds) {
			if err := pausedAtRandom(t, addr, made, rand.New(rand.NewPCG(seed, round))); err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
		}
		until(t, "end of the sessions", func() bool { return srv.Len() == 0 })
		if n := srv.stats.Paused.Load(); n != 0 {
			t.Errorf("%d sessions are paused", n)
		}
	})
}

func pausedAtRandom(t *testing.T, addr string, made chan *valve, dice *rand.Rand) error {
	const messages = 60
	c := call(t, "127.0.0.1", addr)
	defer c.Close()
	c.ask(upgradeRequest())
	c.frame()
	v := <-made
	stop := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(stop)
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if rand.IntN(4) == 0 {
				v.close()
			}
			v.open()
		}
	})
	var b []byte
	for i := range messages {
		b = append(b, frame(0x81, fmt.Sprint("4", i))...)
		if dice.IntN(8) == 0 {
			b = append(b, frame(0x81, "4pause")...)
		}
		if dice.IntN(5) == 0 {
			_, _ = c.Write(b)
			b = b[:0]
		}
	}
	_, _ = c.Write(b)
	closes := dice.IntN(4) == 0
	if closes {
		v.s.Close()
	} else {
		_, _ = c.Write(frame(0x88, ""))
	}
	next := 0
	for by := time.After(patience); ; {
		select {
		case text := <-v.heard:
			switch {
			case strings.HasPrefix(text, "closed: "):
				if !closes && next != messages {
					return fmt.Errorf("%s after %d messages", text, next)
				}
				return nil
			case text == "pause":
			case text == fmt.Sprint(next):
				next++
			default:
				return fmt.Errorf("heard %q instead of %d", text, next)
			}
		case <-by:
			return fmt.Errorf("nothing came after %d", next)
		}
	}
}

// Without a pause nothing is allocated for a message.
func TestReadFramesAllocatesNothing(t *testing.T) {
	s, _, _ := narrow(1<<20, 1<<20)
	in := manyFrames()
	buf := make([]byte, len(in))
	if n := testing.AllocsPerRun(100, func() { copy(buf, in); s.wire.OnRead(buf) }); n != 0 {
		t.Errorf("%v allocations for 100 messages", n)
	}
}

func manyFrames() []byte {
	return bytes.Repeat(frame(0x81, `42["message",{"a":1,"b":[1,2,3]}]`), 100)
}

func BenchmarkReadFrames(b *testing.B) {
	s, _, _ := narrow(1<<20, 1<<20)
	in := manyFrames()
	buf := make([]byte, len(in))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, in)
		s.wire.OnRead(buf)
	}
}
