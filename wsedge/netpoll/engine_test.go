package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		echo(h)
		client := x.attach(t, e, h)
		want := pattern(1 << 20)
		go func() {
			for b := want; len(b) > 0; { // Pieces of every size, 1 byte among them.
				n := min(1+len(b)%70001, len(b))
				if _, err := client.Write(b[:n]); err != nil {
					t.Error(err)
					return
				}
				b = b[n:]
			}
		}()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil {
			t.Fatal(err)
		}
		sameBytes(t, got, want)
		client.Close()
		if err := wait(t, "OnClose", h.end); err != nil && x.name != "portable tls" {
			t.Errorf("OnClose(%v), want nil", err)
		}
	})
}

func TestWouldBlockThenWritable(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		o := echo(h)
		client := x.attach(t, e, h)
		o.conn = h.conn
		want := pattern(12 << 20) // More than any kernel takes.
		for b := want; len(b) > 0; b = b[min(len(b), 40000):] {
			o.write(b[:min(len(b), 40000)])
		}
		wait(t, "full buffer", o.full)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil {
			t.Fatal(err)
		}
		sameBytes(t, got, want)
	})
}

func TestArmAnswersOnce(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		told := make(chan struct{}, 8)
		h.writable = func() { told <- struct{}{} }
		h.read = func([]byte) { h.conn.TryWrite([]byte("!")) }
		client := x.attach(t, e, h)
		for range 3 {
			h.conn.Arm()
			wait(t, "OnWritable", told)
		}
		// A round trip later nothing more has come.
		if _, err := client.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if len(told) != 0 {
			t.Error("OnWritable without Arm")
		}
	})
}

func TestPauseHoldsThePeerBack(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		const total = 16 << 20
		h := newHooks(t)
		var got atomic.Int64
		all := make(chan struct{})
		h.read = func(p []byte) {
			if got.Add(int64(len(p))) == total {
				close(all)
			}
		}
		client := x.attach(t, e, h)
		h.conn.Pause()
		var sent atomic.Int64
		go func() {
			for chunk := make([]byte, 64<<10); sent.Load() < total; {
				n, err := client.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
		// Deadlines go on; some time passes by them until the peer is stuck.
		ticks := make(chan struct{})
		timer := newHooks(t)
		timer.deadline = func(Millis) { ticks <- struct{}{} }
		clock := e.Timer(timer)
		defer clock.Close()
		for last := int64(-1); last != sent.Load(); {
			last = sent.Load()
			clock.SetDeadline(e.Now() + 100)
			wait(t, "deadline", ticks)
		}
		if n := sent.Load(); n == total {
			t.Errorf("the peer sent everything")
		}
		if n := got.Load(); n != 0 {
			t.Errorf("%d bytes read during a pause", n)
		}
		h.conn.Resume()
		wait(t, "all bytes", all)
	})
}

func TestPauseWithinOnRead(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		reads := make(chan string, 8)
		h.read = func(p []byte) {
			h.conn.Pause()
			reads <- string(p)
		}
		client := x.attach(t, e, h)
		go func() {
			client.Write([]byte("one"))
		}()
		if got := wait(t, "OnRead", reads); got != "one" {
			t.Errorf("read %q", got)
		}
		go client.Write([]byte("two"))
		fence(t, e)
		if len(reads) != 0 {
			t.Error("OnRead during a pause")
		}
		h.conn.Resume()
		if got := wait(t, "OnRead", reads); got != "two" {
			t.Errorf("read %q", got)
		}
	})
}

// fence returns when a deadline has passed that was set by it.
func fence(t testing.TB, e Engine) {
	t.Helper()
	h := newHooks(t)
	passed := make(chan struct{}, 1)
	h.deadline = func(Millis) { passed <- struct{}{} }
	c := e.Timer(h)
	c.SetDeadline(e.Now() + 1)
	wait(t, "deadline", passed)
	c.Close()
	wait(t, "OnClose", h.end)
}

func TestEarlyBytesComeFirst(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		got := make(chan string, 8)
		h.read = func(p []byte) { got <- string(p) }
		server, client := x.pair(t)
		go client.Write([]byte("late"))
		if err := e.Attach(server, []byte("early"), h, h.bind); err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			t.Error("Attach returned before the early bytes were read")
		}
		if a, b := wait(t, "early", got), wait(t, "late", got); a != "early" || b != "late" {
			t.Errorf("read %q, %q", a, b)
		}
	})
}

func TestEndWithinAttach(t *testing.T) {
	cases := []struct {
		name  string
		prime func(h *hooks)
		bind  func(h *hooks, c Conn)
		want  error
	}{
		{name: "close in OnRead", prime: func(h *hooks) { h.read = func([]byte) { h.conn.Close() } }, want: ErrClosed},
		{name: "close in bind", bind: func(_ *hooks, c Conn) { c.Close() }, want: ErrClosed},
		{name: "panic in OnRead", prime: func(h *hooks) { h.read = func([]byte) { panic("x") } }, want: ErrPanic},
		{name: "panic in bind", bind: func(*hooks, Conn) { panic("x") }, want: ErrPanic},
	}
	each(t, func(t *testing.T, x fixture, e Engine) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				h := newHooks(t)
				if c.prime != nil {
					c.prime(h)
				}
				bind := h.bind
				if c.bind != nil {
					h.read = func([]byte) { t.Error("OnRead after bind ended the Conn") }
					bind = func(conn Conn) { c.bind(h, conn) }
				}
				server, client := x.pair(t)
				if err := e.Attach(server, []byte("early"), h, bind); err != nil {
					t.Fatal(err)
				}
				if err := wait(t, "OnClose", h.end); err != c.want {
					t.Errorf("OnClose(%v), want %v", err, c.want)
				}
				client.SetReadDeadline(time.Now().Add(patience))
				if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("the peer reads %v, want EOF", err)
				}
			})
		}
	})
}

func TestDeadlines(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		fired := make(chan Millis, 8)
		h.deadline = func(now Millis) { fired <- now }
		x.attach(t, e, h)

		h.conn.SetDeadline(e.Now() + 20)
		h.conn.SetDeadline(0)
		fence(t, e)
		at := e.Now() + 100
		h.conn.SetDeadline(at)
		if now := wait(t, "OnDeadline", fired); now < at {
			t.Errorf("deadline %d passed at %d", at, now)
		}
		h.conn.SetDeadline(e.Now() + 1000000)
		h.conn.SetDeadline(1) // Long past.
		wait(t, "OnDeadline", fired)
		h.conn.Pause()
		h.conn.SetDeadline(e.Now() + 1)
		wait(t, "OnDeadline during a pause", fired)
		fence(t, e)
		if len(fired) != 0 {
			t.Error("a deadline passed twice")
		}
		h.conn.SetDeadline(e.Now() + 1)
		h.conn.Close()
		wait(t, "OnClose", h.end)
		h.conn.SetDeadline(1)
		fence(t, e)
	})
}

func TestManyDeadlinesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, _ fixture, e Engine) {
		const n = 5*128 + 1
		fired, ended := make(chan struct{}, n), make(chan struct{}, n)
		at := e.Now() + 1
		var conns []Conn
		for range n {
			h := newHooks(t)
			h.deadline = func(Millis) { fired <- struct{}{} }
			h.closing = func(error) { ended <- struct{}{} }
			c := e.Timer(h)
			c.SetDeadline(at)
			conns = append(conns, c)
		}
		for range n {
			wait(t, "OnDeadline", fired)
		}
		if got := e.Len(); got != n {
			t.Errorf("Len is %d, want %d", got, n)
		}
		for _, c := range conns {
			c.Close()
		}
		for range n {
			wait(t, "OnClose", ended)
		}
	})
}

func TestTimer(t *testing.T) {
	each(t, func(t *testing.T, _ fixture, e Engine) {
		h := newHooks(t)
		h.writable = func() { t.Error("OnWritable of a Timer") }
		c := e.Timer(h)
		if n, err := c.TryWrite([]byte("x")); n != 0 || err != ErrClosed {
			t.Errorf("TryWrite = %d, %v", n, err)
		}
		c.Arm()
		c.Pause()
		c.Resume()
		h.deadline = func(Millis) { c.Close() }
		c.SetDeadline(e.Now() + 1)
		if err := wait(t, "OnClose", h.end); err != ErrClosed {
			t.Errorf("OnClose(%v)", err)
		}
	})
}

func TestPeerEnds(t *testing.T) {
	eachTCP(t, func(t *testing.T, x fixture, e Engine) {
		t.Run("half close", func(t *testing.T) {
			h := newHooks(t)
			echo(h)
			client := x.attach(t, e, h).(*net.TCPConn)
			client.Write([]byte("last words"))
			client.CloseWrite()
			if got, err := io.ReadAll(client); string(got) != "last words" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			if err := wait(t, "OnClose", h.end); err != nil {
				t.Errorf("OnClose(%v), want nil", err)
			}
		})
		t.Run("reset", func(t *testing.T) {
			h := newHooks(t)
			client := x.attach(t, e, h).(*net.TCPConn)
			client.SetLinger(0)
			client.Close()
			if err := wait(t, "OnClose", h.end); err == nil || err == ErrClosed {
				t.Errorf("OnClose(%v), want what the connection failed with", err)
			}
			if _, err := h.conn.TryWrite([]byte("x")); err == nil {
				t.Error("TryWrite works after OnClose")
			}
		})
	})
}

func TestCloseTwiceFromManyGoroutines(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		o := echo(h)
		client := x.attach(t, e, h)
		o.conn = h.conn
		go io.Copy(io.Discard, client)
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range 8 {
			wg.Go(func() {
				<-begin
				for range 200 {
					o.write([]byte("some bytes"))
					h.conn.Arm()
					h.conn.SetDeadline(e.Now())
					h.conn.Pause()
					h.conn.Resume()
				}
				if i%2 == 0 {
					h.conn.Close()
				}
			})
		}
		close(begin)
		wg.Wait()
		if err := wait(t, "OnClose", h.end); err != ErrClosed {
			t.Errorf("OnClose(%v)", err)
		}
		h.conn.Close()
		if n, err := h.conn.TryWrite([]byte("x")); n != 0 || err != ErrClosed {
			t.Errorf("TryWrite = %d, %v after Close", n, err)
		}
	})
}

// N5: the peer hears the last words although it is still talking.
func TestCloseSendsWhatWasTaken(t *testing.T) {
	eachTCP(t, func(t *testing.T, x fixture, e Engine) {
		for range 20 {
			h := newHooks(t)
			want := pattern(50000)
			var once sync.Once
			h.read = func([]byte) {
				once.Do(func() {
					if n, err := h.conn.TryWrite(want); n != len(want) || err != nil {
						t.Errorf("TryWrite = %d, %v", n, err)
					}
					h.conn.Close()
				})
			}
			client := x.attach(t, e, h)
			go func() {
				for chunk := make([]byte, 1000); ; {
					if _, err := client.Write(chunk); err != nil {
						return
					}
				}
			}()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client, got); err != nil {
				t.Fatal(err)
			}
			sameBytes(t, got, want)
			if err := wait(t, "OnClose", h.end); err != ErrClosed {
				t.Errorf("OnClose(%v)", err)
			}
			client.Close()
		}
	})
}

// What the peer said before it reset the connection is heard, also when a
// write met the reset first.
func TestReadsWhatCameBeforeAFailedWrite(t *testing.T) {
	eachTCP(t, func(t *testing.T, _ fixture, e Engine) {
		h := newHooks(t)
		heard := make(chan string, 1)
		h.read = func(p []byte) { heard <- string(p) }
		server, client := tcpPair(t)
		client.Write([]byte("bye"))
		client.SetLinger(0)
		bind := func(c Conn) {
			h.conn = c
			client.Close()
			for { // Before the loop has the connection.
				if _, err := c.TryWrite([]byte("ping")); err != nil {
					return
				}
			}
		}
		if err := e.Attach(server, nil, h, bind); err != nil {
			t.Fatal(err)
		}
		if got := wait(t, "OnRead", heard); got != "bye" {
			t.Errorf("read %q", got)
		}
		if err := wait(t, "OnClose", h.end); err == nil || err == ErrClosed {
			t.Errorf("OnClose(%v), want what the write failed with", err)
		}
	})
}

func TestPanics(t *testing.T) {
	boom := func() { panic("boom") }
	cases := []struct {
		call    string
		prime   func(h *hooks)
		provoke func(h *hooks, client net.Conn)
		want    error
	}{
		{"OnRead", func(h *hooks) { h.read = func([]byte) { boom() } },
			func(_ *hooks, client net.Conn) { client.Write([]byte("x")) }, ErrPanic},
		{"OnWritable", func(h *hooks) { h.writable = boom },
			func(h *hooks, _ net.Conn) { h.conn.Arm() }, ErrPanic},
		{"OnDeadline", func(h *hooks) { h.deadline = func(Millis) { boom() } },
			func(h *hooks, _ net.Conn) { h.conn.SetDeadline(1) }, ErrPanic},
		{"OnClose", func(h *hooks) { h.closing = func(error) { boom() } },
			func(h *hooks, _ net.Conn) { h.conn.Close() }, ErrClosed},
	}
	each(t, func(t *testing.T, x fixture, e Engine) {
		for _, c := range cases {
			t.Run(c.call, func(t *testing.T) {
				before := e.Panics()
				h := newHooks(t)
				c.prime(h)
				c.provoke(h, x.attach(t, e, h))
				if err := wait(t, "OnClose", h.end); err != c.want {
					t.Errorf("OnClose(%v), want %v", err, c.want)
				}
				for e.Panics() == before {
					fence(t, e) // The engine goes on, and counts.
				}
				if got := e.Panics() - before; got != 1 {
					t.Errorf("%d panics counted", got)
				}
			})
		}
	})
}

func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		var all []*hooks
		for range 20 {
			h := newHooks(t)
			client := x.attach(t, e, h)
			go io.Copy(io.Discard, client)
			all = append(all, h)
		}
		all[0].conn.Pause()
		timer := newHooks(t)
		timer.bind(e.Timer(timer))
		all = append(all, timer)
		if n := e.Len(); n != len(all) {
			t.Errorf("Len is %d, want %d", n, len(all))
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(e.Shutdown)
		}
		wg.Wait()
		for _, h := range all {
			select {
			case err := <-h.end:
				if err != ErrClosed {
					t.Errorf("OnClose(%v)", err)
				}
			default:
				t.Error("Shutdown returned before OnClose")
			}
			h.conn.TryWrite([]byte("x"))
			h.conn.Arm()
			h.conn.SetDeadline(1)
			h.conn.Pause()
			h.conn.Resume()
			h.conn.Close()
		}

		server, client := x.pair(t)
		late := newHooks(t)
		if err := e.Attach(server, []byte("early"), late, late.bind); err != ErrShutdown {
			t.Errorf("Attach after Shutdown: %v", err)
		}
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("Attach after Shutdown left the connection open")
		}
		c := e.Timer(late)
		if err := wait(t, "OnClose", late.end); err != ErrClosed {
			t.Errorf("OnClose(%v)", err)
		}
		c.SetDeadline(1)
		c.Close()
	})
}

func TestAttachTakesWhatWasReadAhead(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		server, client := x.pair(t)
		c := rewind(server, []byte("GET / and more"))
		used := make([]byte, 4)
		if _, err := io.ReadFull(c, used); err != nil {
			t.Fatal(err)
		}
		h := newHooks(t)
		var got bytes.Buffer
		done := make(chan struct{})
		h.read = func(p []byte) {
			if got.Write(p); bytes.HasSuffix(p, []byte("!")) {
				close(done)
			}
		}
		if err := e.Attach(c, used[1:], h, h.bind); err != nil {
			t.Fatal(err)
		}
		go client.Write([]byte(" then this!"))
		wait(t, "last byte", done)
		if want := "ET / and more then this!"; got.String() != want {
			t.Errorf("read %q, want %q", got.String(), want)
		}
	})
}

func TestNew(t *testing.T) {
	for kind, ok := range map[string]bool{"": true, KindAuto: true, KindPortable: true, "fibre": false} {
		e, err := New(Config{Kind: kind, Logger: quiet})
		if (err == nil) != ok {
			t.Errorf("New(%q): %v", kind, err)
		}
		if err == nil {
			e.Shutdown()
		}
	}
	e := must(New(Config{}))
	defer e.Shutdown()
	if now := e.Now(); now < 1 {
		t.Errorf("Now is %d", now)
	}
}
