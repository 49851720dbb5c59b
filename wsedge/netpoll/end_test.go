package netpoll

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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

// Everything at once: connections of which either side may end at any time,
// while others use them, and a Shutdown in the middle of it. hooks checks N1.
func TestChurn(t *testing.T) {
	each(t, func(t *testing.T, x fixture, e Engine) {
		const workers, rounds = 4, 40
		var attached, ended atomic.Int32
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range rounds {
					h := newHooks(t)
					o := echo(h)
					h.closing = func(error) { ended.Add(1) }
					h.deadline = func(Millis) { h.conn.Close() }
					server, client := x.pair(t)
					err := e.Attach(server, []byte("early"), h, func(c Conn) { h.conn, o.conn = c, c })
					if err == ErrShutdown {
						return
					}
					attached.Add(1)
					go io.Copy(io.Discard, client)
					go client.Write(pattern(3000))
					switch (w + i) % 4 {
					case 0:
						client.Close()
					case 1:
						h.conn.Close()
					case 2:
						h.conn.SetDeadline(e.Now() + 1)
					}
					o.write(pattern(100))
					if w == 0 && i == rounds/2 {
						go e.Shutdown()
					}
				}
			})
		}
		wg.Wait()
		e.Shutdown()
		if a, n := attached.Load(), ended.Load(); a != n || a == 0 {
			t.Errorf("%d OnClose of %d connections", n, a)
		}
	})
}
