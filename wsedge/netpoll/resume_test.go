package netpoll

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// OnResume comes once for each pause that ended, before the next OnRead, and without a byte from the peer if there was an
// OnRead during the pause.
func TestOnResume(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		calls := make(chan string, 8)
		h.read = func(p []byte) {
			if string(p) == "stop" {
				h.conn.Pause()
			}
			calls <- string(p)
		}
		h.resume = func() { calls <- "resumed" }
		client := x.attach(t, e, h)
		expect := func(want ...string) {
			t.Helper()
			for _, w := range want {
				if got := wait(t, w, calls); got != w {
					t.Errorf("heard %q, want %q", got, w)
				}
			}
		}
		h.conn.Resume() // no pause, no OnResume
		client.Write([]byte("one"))
		expect("one")
		client.Write([]byte("stop"))
		expect("stop")
		go client.Write([]byte("two"))
		fence(t, e)
		if len(calls) != 0 {
			t.Errorf("%q during a pause", <-calls)
		}
		h.conn.Resume()
		h.conn.Resume()
		expect("resumed", "two")
		client.Write([]byte("stop"))
		expect("stop")
		h.conn.Resume()
		expect("resumed") // although nothing comes
		fence(t, e)
		if len(calls) != 0 {
			t.Errorf("%q afterwards", <-calls)
		}
	})
}

// A pause from within OnResume goes on; one that is over when OnResume would come has its own.
func TestPauseWithinOnResume(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		calls := make(chan string, 8)
		pauses := 0
		h.read = func(p []byte) {
			if string(p) == "stop" {
				h.conn.Pause()
			}
			calls <- string(p)
		}
		h.resume = func() {
			if pauses++; pauses < 3 {
				h.conn.Pause()
			}
			calls <- "resumed"
		}
		client := x.attach(t, e, h)
		client.Write([]byte("stop"))
		wait(t, "OnRead", calls)
		go client.Write([]byte("next"))
		for range 3 {
			h.conn.Resume()
			if got := wait(t, "OnResume", calls); got != "resumed" {
				t.Errorf("heard %q", got)
			}
		}
		if got := wait(t, "OnRead", calls); got != "next" {
			t.Errorf("heard %q", got)
		}
	})
}

// A pause that began, and one that ended, while Attach gives the early bytes.
func TestPauseWithinAttach(t *testing.T) {
	for name, resumes := range map[string]bool{"goes on": false, "is over": true} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, x fixture, e Engine) {
				h := newHooks(t)
				calls := make(chan string, 8)
				h.read = func(p []byte) {
					calls <- string(p)
					if string(p) != "early" {
						return
					}
					h.conn.Pause()
					if resumes {
						done := make(chan struct{})
						go func() { h.conn.Resume(); close(done) }()
						<-done
					}
				}
				h.resume = func() { calls <- "resumed" }
				client := x.attach(t, e, h, []byte("early")...)
				go client.Write([]byte("late"))
				if got := wait(t, "OnRead", calls); got != "early" {
					t.Errorf("heard %q", got)
				}
				fence(t, e)
				if !resumes {
					if len(calls) != 0 {
						t.Errorf("%q during a pause", <-calls)
					}
					h.conn.Resume()
				}
				for _, want := range []string{"resumed", "late"} {
					if got := wait(t, want, calls); got != want {
						t.Errorf("heard %q, want %q", got, want)
					}
				}
			})
		})
	}
}

// The end of a connection is the end of its pauses: no OnResume follows.
func TestNoOnResumeAfterTheEnd(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		h.resume = func() { t.Error("OnResume") }
		x.attach(t, e, h)
		h.conn.Pause()
		h.conn.Close()
		h.conn.Resume()
		if err := wait(t, "OnClose", h.end); !errors.Is(err, ErrClosed) {
			t.Errorf("OnClose(%v)", err)
		}
		h.conn.Pause()
		h.conn.Resume()
	})
}

// A Handler that panics in OnResume costs its connection.
func TestPanicInOnResume(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		read := make(chan struct{})
		h.read = func([]byte) { h.conn.Pause(); close(read) }
		h.resume = func() { panic("a handler") }
		client := x.attach(t, e, h)
		client.Write([]byte("x"))
		wait(t, "OnRead", read)
		h.conn.Resume()
		if err := wait(t, "OnClose", h.end); !errors.Is(err, ErrPanic) {
			t.Errorf("OnClose(%v)", err)
		}
		if e.Panics() != 1 {
			t.Errorf("%d panics", e.Panics())
		}
	})
}

// Who is gone is noticed by what cannot be written, though nothing is read: before the pause or during it.
func TestWriteFailsDuringAPause(t *testing.T) {
	for name, first := range map[string]bool{"paused first": true, "failed first": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e Engine) {
				h := newHooks(t)
				h.read = func([]byte) { t.Error("OnRead") }
				server, client := net.Pipe()
				broken := &brokenWrites{Conn: server}
				if err := e.Attach(broken, nil, h, h.bind); err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				if first {
					h.conn.Pause()
				}
				h.conn.TryWrite([]byte("x"))
				synctest.Wait()
				h.conn.Pause()
				if err := <-h.end; !errors.Is(err, io.ErrShortWrite) {
					t.Errorf("OnClose(%v)", err)
				}
			})
		})
	}
}

// brokenWrites is a connection that can only be read.
type brokenWrites struct{ net.Conn }

func (*brokenWrites) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Random pauses from within the calls, with resumptions by others: nothing is lost, doubled or reordered, whatever the
// handler keeps for OnResume.
func TestPausesAtRandom(t *testing.T) {
	const numbers = 20_000
	each(t, func(t *testing.T, x fixture, e Engine) {
		h := newHooks(t)
		var (
			kept   []byte
			next   uint32
			paused atomic.Bool
			wake   = make(chan struct{}, 1)
			all    = make(chan struct{})
			dice   = rand.New(rand.NewPCG(1, 2))
		)
		handle := func(p []byte) {
			kept = append(kept, p...)
			for len(kept) >= 4 && !paused.Load() {
				if got := binary.BigEndian.Uint32(kept); got != next {
					t.Errorf("%d instead of %d", got, next)
					next = got
				}
				kept = kept[4:]
				if next++; next == numbers {
					close(all)
					return
				}
				if dice.IntN(20) == 0 {
					paused.Store(true)
					h.conn.Pause()
					select {
					case wake <- struct{}{}:
					default:
					}
				}
			}
		}
		h.read, h.resume = handle, func() { handle(nil) }
		client := x.attach(t, e, h)
		for range 2 { // who resumes
			go func() {
				for {
					select {
					case <-wake:
						paused.Store(false)
						h.conn.Resume()
					case <-all:
						return
					}
				}
			}()
		}
		go func() {
			var b []byte
			for i := range uint32(numbers) {
				b = binary.BigEndian.AppendUint32(b, i)
				if i%100 == 99 {
					client.Write(b)
					b = b[:0]
				}
			}
		}()
		wait(t, "all numbers", all)
	})
}
