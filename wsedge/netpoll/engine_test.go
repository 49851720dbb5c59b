package netpoll

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
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
