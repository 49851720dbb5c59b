package netpoll

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs f in virtual time. That it ends shows N6, if f shuts nothing down.
func bubble(t *testing.T, f func(t *testing.T, e Engine)) {
	synctest.Test(t, func(t *testing.T) { f(t, NewPortable(Config{Logger: quiet})) })
}

func TestPortableDeadlinesInVirtualTime(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		h := newHooks(t)
		fired := make(chan Millis, 1)
		h.deadline = func(now Millis) { fired <- now }
		server, client := net.Pipe()
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		for _, in := range []Millis{1, 199, 200, 201, 5000} {
			at := e.Now() + in
			h.conn.SetDeadline(at)
			if now := <-fired; now < at || now > at+defaultSweepEvery.Milliseconds() {
				t.Errorf("deadline %d passed at %d", at, now)
			}
		}
		client.Close()
		if err := <-h.end; err != nil {
			t.Errorf("OnClose(%v)", err)
		}
	})
}

func TestPortableTimersAlone(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		for range 2 { // The sweeper ends and begins again.
			h := newHooks(t)
			c := e.Timer(h)
			h.deadline = func(Millis) { c.Close() }
			c.SetDeadline(e.Now() + 300)
			begin := time.Now()
			if err := <-h.end; err != ErrClosed {
				t.Errorf("OnClose(%v)", err)
			}
			if d := time.Since(begin); d != 400*time.Millisecond {
				t.Errorf("after %v", d)
			}
			synctest.Wait()
		}
	})
}

// A peer that does not read holds up neither OnClose nor, for longer than
// lingerTimeout, the connection.
func TestPortableCloseWithAStuckPeer(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		h := newHooks(t)
		server, client := net.Pipe()
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		h.conn.TryWrite([]byte("not read"))
		begin := time.Now()
		h.conn.Close()
		if err := <-h.end; err != ErrClosed || time.Since(begin) != 0 {
			t.Errorf("OnClose(%v) after %v", err, time.Since(begin))
		}
		synctest.Wait()
		if n := e.Len(); n != 0 {
			t.Errorf("Len is %d", n)
		}
		<-time.After(lingerTimeout + time.Millisecond)
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read %v after lingerTimeout, want EOF", err)
		}
	})
}

func TestPortableCloseSendsWhatWasTaken(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		h := newHooks(t)
		server, client := net.Pipe()
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		h.conn.TryWrite([]byte("last "))
		h.conn.TryWrite([]byte("words"))
		h.conn.Close()
		<-h.end
		<-time.After(lingerTimeout / 2)
		if got, err := io.ReadAll(client); string(got) != "last words" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestPortableShutdownIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		h := newHooks(t)
		server, client := net.Pipe()
		defer client.Close()
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		h.conn.TryWrite([]byte("not read"))
		begin := time.Now()
		e.Shutdown()
		if d := time.Since(begin); d != shutdownLinger {
			t.Errorf("Shutdown took %v", d)
		}
		if err := <-h.end; err != ErrClosed {
			t.Errorf("OnClose(%v)", err)
		}
	})
}

func TestPortableWriteBufferIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewPortable(Config{WriteBuffer: 10})
		defer e.Shutdown()
		h := newHooks(t)
		told := make(chan struct{}, 2)
		h.writable = func() { told <- struct{}{} }
		server, client := net.Pipe()
		defer client.Close()
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{8, 2, 0} {
			if n, err := h.conn.TryWrite([]byte("12345678")); n != want || err != nil {
				t.Errorf("TryWrite = %d, %v, want %d", n, err, want)
			}
			synctest.Wait() // The writer has it, and waits for the peer.
		}
		h.conn.Arm()
		synctest.Wait()
		if len(told) != 0 {
			t.Error("OnWritable of a full buffer")
		}
		io.ReadFull(client, make([]byte, 8))
		synctest.Wait()
		if len(told) != 1 {
			t.Errorf("%d OnWritable", len(told))
		}
		io.ReadFull(client, make([]byte, 2))
	})
}

// An idle connection waits in a small buffer, a busy one reads in large pieces.
func TestPortableReadsGrow(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		h := newHooks(t)
		sizes := make(chan int, 64)
		h.read = func(p []byte) { sizes <- len(p) }
		server, client := net.Pipe()
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct{ write, first, most int }{
			{100, 100, 100},
			{40000, idleRead, busyRead},
			{idleRead + 1, idleRead, idleRead}, // It was short before, so it is small again.
		} {
			client.Write(make([]byte, step.write))
			synctest.Wait()
			first, most := 0, 0
			for len(sizes) > 0 {
				n := <-sizes
				if most = max(most, n); first == 0 {
					first = n
				}
			}
			if first != step.first || most != step.most {
				t.Errorf("%d bytes: first read %d, largest %d", step.write, first, most)
			}
		}
		client.Close()
	})
}

// Bytes that arrived as the pause began are kept for its end, or dropped by Close.
func TestPortablePauseWithBytesInHand(t *testing.T) {
	for _, closes := range []bool{false, true} {
		bubble(t, func(t *testing.T, e Engine) {
			h := newHooks(t)
			heard := ""
			h.read = func(p []byte) { heard += string(p) }
			server, client := net.Pipe()
			if err := e.Attach(server, nil, h, h.bind); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // It waits for bytes.
			h.conn.Pause()
			h.conn.Pause()
			client.Write([]byte("in hand"))
			synctest.Wait()
			if heard != "" {
				t.Errorf("read %q during a pause", heard)
			}
			want := ""
			if closes {
				h.conn.Close()
				<-h.end
				h.conn.Resume()
			} else {
				h.conn.Resume()
				h.conn.Resume()
				want = "in hand"
			}
			synctest.Wait()
			if heard != want {
				t.Errorf("read %q, want %q", heard, want)
			}
			client.Close()
		})
	}
}

// The calls of one Handler wait for each other, those of others do not.
func TestPortableCallsAreSerial(t *testing.T) {
	e := NewPortable(Config{Logger: quiet, SweepEvery: time.Millisecond})
	defer e.Shutdown()
	h := newHooks(t)
	entered, leave, calls := make(chan struct{}), make(chan struct{}), make(chan string, 4)
	h.read = func([]byte) {
		close(entered)
		<-leave
		calls <- "OnRead"
	}
	h.writable = func() { calls <- "OnWritable" }
	server, client := net.Pipe()
	defer client.Close()
	if err := e.Attach(server, nil, h, h.bind); err != nil {
		t.Fatal(err)
	}
	client.Write([]byte("x"))
	wait(t, "OnRead", entered)
	h.conn.Arm()
	fence(t, e) // Other Conns go on.
	if len(calls) != 0 {
		t.Error("OnWritable during OnRead")
	}
	close(leave)
	for _, want := range []string{"OnRead", "OnWritable"} {
		if got := wait(t, want, calls); got != want {
			t.Errorf("%s came before %s", got, want)
		}
	}
}

// A connection whose writes fail while its reads hang ends nevertheless.
func TestPortableWriteFails(t *testing.T) {
	bubble(t, func(t *testing.T, e Engine) {
		h := newHooks(t)
		server, client := net.Pipe()
		defer client.Close()
		broken := errors.New("broken")
		if err := e.Attach(&mute{server, broken}, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		h.conn.TryWrite([]byte("x"))
		synctest.Wait()
		if _, err := h.conn.TryWrite([]byte("x")); err != broken {
			t.Errorf("TryWrite: %v", err)
		}
		h.conn.Arm()
		if err := <-h.end; err != broken {
			t.Errorf("OnClose(%v)", err)
		}
	})
}

// mute is a connection that cannot write.
type mute struct {
	net.Conn
	err error
}

func (m *mute) Write([]byte) (int, error) { return 0, m.err }
