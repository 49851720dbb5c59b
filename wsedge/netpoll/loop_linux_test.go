package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stillLoop is a loop without its goroutine: the test makes the turns.
func stillLoop(t *testing.T) *loop {
	l := must(newLoop(Config{}.withDefaults(), clock{time.Now()}, &caller{log: quiet}))
	t.Cleanup(func() {
		l.stop()
		for !l.turn() {
			l.began = l.began.Add(-time.Minute)
		}
		l.quit()
	})
	return l
}

// look is what the loop would find now.
func (l *loop) look() []unix.EpollEvent {
	l.poller.look(0)
	return l.poller.events[:l.poller.found]
}

// turn is one turn of run that handles the events; true: the loop may quit.
func (l *loop) turn(events ...unix.EpollEvent) bool {
	stopped := l.collect(events)
	for i, c := range l.batch[:len(events)] {
		if c != nil {
			l.event(c, events[i].Events)
		}
	}
	l.resumeSome()
	l.endSome()
	l.sweep()
	return stopped && l.mayQuit()
}

// enlist makes one end of a TCP connection the loop's.
func (l *loop) enlist(t *testing.T, h *hooks) (*fdConn, *net.TCPConn) {
	server, client := tcpPair(t)
	c := &fdConn{handler: h, fd: must(detach(server)), state: attaching}
	if !l.add(c) {
		t.Fatal("the loop takes nothing")
	}
	h.conn = c
	c.attached()
	return c, client
}

// A second event of one batch finds the connection ended, or its slot taken by
// another one.
func TestStaleEvents(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	c, client := l.enlist(t, h)
	client.Write([]byte("x"))
	h.read = func([]byte) { t.Error("OnRead by an event for an earlier connection") }
	slot, gen := c.slot, c.gen
	c.Close()
	client.Close()
	l.turn()
	if err := wait(t, "OnClose", h.end); err != ErrClosed {
		t.Errorf("OnClose(%v)", err)
	}
	l.event(c, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLHUP)

	for c.fd >= 0 { // It lingers until the client's end has come.
		l.turn(l.look()...)
	}
	next := newHooks(t)
	if c, _ := l.enlist(t, next); c.slot != slot {
		t.Errorf("slot %d follows %d", c.slot, slot)
	}
	next.read = h.read
	l.turn(unix.EpollEvent{Fd: int32(slot), Pad: int32(gen), Events: unix.EPOLLIN})
}

// Level-triggered events that nobody handles would come in every turn.
func TestNothingSpins(t *testing.T) {
	cases := []struct {
		name   string
		before func(l *loop, c *fdConn, client *net.TCPConn)
	}{
		{"idle", func(*loop, *fdConn, *net.TCPConn) {}},
		{"paused, bytes wait", func(_ *loop, c *fdConn, client *net.TCPConn) {
			c.Pause()
			client.Write([]byte("x"))
		}},
		{"paused, the peer has ended", func(_ *loop, c *fdConn, client *net.TCPConn) {
			c.Pause()
			client.CloseWrite()
		}},
		{"resumed, nothing waits", func(l *loop, c *fdConn, _ *net.TCPConn) {
			c.Pause()
			c.Resume()
			l.turn()
		}},
		{"paused and resumed and paused, bytes wait", func(l *loop, c *fdConn, client *net.TCPConn) {
			c.Pause()
			c.Resume()
			c.Pause()
			client.Write([]byte("x"))
			l.turn()
		}},
		{"armed once", func(_ *loop, c *fdConn, _ *net.TCPConn) { c.Arm() }},
		{"reset", func(_ *loop, _ *fdConn, client *net.TCPConn) {
			client.SetLinger(0)
			client.Close()
		}},
		{"paused, reset", func(_ *loop, c *fdConn, client *net.TCPConn) {
			c.Pause()
			client.SetLinger(0)
			client.Close()
		}},
		{"lingering", func(l *loop, c *fdConn, client *net.TCPConn) {
			c.Pause()
			client.Write([]byte("x"))
			c.Close()
			l.turn()
		}},
		{"woken", func(l *loop, _ *fdConn, _ *net.TCPConn) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.wake()
		}},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			l := stillLoop(t)
			h := newHooks(t)
			c, client := l.enlist(t, h)
			x.before(l, c, client)
			for range 3 {
				l.turn(l.look()...)
			}
			if events := l.look(); len(events) != 0 {
				t.Errorf("still %d events, %b", len(events), events[0].Events)
			}
		})
	}
}

func TestLingerIsBounded(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	c, client := l.enlist(t, h)
	c.Close()
	c.SetDeadline(1) // No longer the caller's.
	l.turn()
	wait(t, "OnClose", h.end)
	if n := l.live.Load(); n != 0 {
		t.Errorf("%d live", n)
	}
	if b, err := io.ReadAll(client); len(b) != 0 || err != nil {
		t.Errorf("the peer reads %q, %v", b, err)
	}
	client.Write([]byte("still talking"))
	l.began = l.began.Add(200*time.Millisecond - lingerTimeout)
	l.turn(l.look()...)
	if c.fd < 0 {
		t.Error("closed before its time")
	}
	l.began = l.began.Add(-time.Second)
	l.turn()
	if c.fd >= 0 || l.lingering != 0 {
		t.Error("it lingers for ever")
	}
}

// A deadline waits while Attach makes the calls.
func TestDeadlineDuringAttach(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	fired := false
	h.deadline = func(Millis) { fired = true }
	server, _ := tcpPair(t)
	c := &fdConn{handler: h, fd: must(detach(server)), state: attaching}
	l.add(c)
	c.SetDeadline(1)
	l.began = l.began.Add(-time.Minute)
	if l.turn(); fired {
		t.Error("OnDeadline during Attach")
	}
	c.attached()
	l.began = l.began.Add(-time.Minute)
	if l.turn(); !fired {
		t.Error("no OnDeadline after Attach")
	}
}

func TestUnregistrableDescriptor(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	f := must(os.CreateTemp(t.TempDir(), "")) // A plain file, which epoll refuses.
	defer f.Close()
	c := &fdConn{handler: h, fd: int32(must(unix.Dup(int(f.Fd())))), state: attaching}
	l.add(c)
	c.attached()
	l.turn()
	if err := wait(t, "OnClose", h.end); !errors.Is(err, syscall.EPERM) {
		t.Errorf("OnClose(%v)", err)
	}
	if c.fd >= 0 {
		t.Error("the descriptor is left open")
	}
}

// A write that fails ends the connection, after what the peer said before.
func TestFailedWriteEndsTheConnection(t *testing.T) {
	for _, hold := range []bool{false, true} {
		l := stillLoop(t)
		h := newHooks(t)
		heard := ""
		h.read = func(p []byte) { heard += string(p) }
		c, client := l.enlist(t, h)
		client.Write([]byte("bye"))
		client.SetLinger(0)
		client.Close()
		if hold {
			c.Pause()
		}
		if n, err := c.TryWrite(nil); n != 0 || err != nil {
			t.Errorf("TryWrite of nothing = %d, %v", n, err)
		}
		for range 2 { // The kernel says so once only.
			if _, err := c.TryWrite([]byte("x")); err != syscall.ECONNRESET {
				t.Errorf("TryWrite: %v", err)
			}
		}
		c.Arm()
		l.turn()
		l.turn()
		if err := wait(t, "OnClose", h.end); err != syscall.ECONNRESET {
			t.Errorf("OnClose(%v)", err)
		}
		if (heard == "bye") == hold {
			t.Errorf("paused %t: read %q", hold, heard)
		}
	}
}

// A loop that is shut down waits for an Attach that is under way.
func TestStopDuringAttach(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	server, _ := tcpPair(t)
	c := &fdConn{handler: h, fd: must(detach(server)), state: attaching}
	l.add(c)
	l.stop()
	if l.turn() || len(h.end) != 0 {
		t.Error("the loop quits while Attach makes the calls")
	}
	c.attached()
	l.turn()
	if err := wait(t, "OnClose", h.end); err != ErrClosed {
		t.Errorf("OnClose(%v)", err)
	}
	if l.add(&fdConn{fd: -1}) {
		t.Error("a stopped loop takes a connection")
	}
}

// The sweep of a loop with so many armed deadlines, none of them due.
func BenchmarkSweep(b *testing.B) {
	for _, conns := range []int{15_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(conns), func(b *testing.B) { benchmarkSweep(b, conns) })
	}
}

func benchmarkSweep(b *testing.B, conns int) {
	l, err := newLoop(Config{}.withDefaults(), clock{time.Now()}, &caller{log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	for range conns {
		c := &fdConn{fd: -1}
		l.add(c)
		c.SetDeadline(1 << 40)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.nextSweep = 0
		l.sweep()
	}
	l.quit()
}

// A connection that was resumed is read only after its OnResume, also if an event had been collected by then, and when a
// write fails meanwhile what came before goes first.
func TestNothingIsReadBeforeOnResume(t *testing.T) {
	for name, then := range map[string]func(l *loop, c *fdConn, in unix.EpollEvent){
		"by an event": func(l *loop, c *fdConn, in unix.EpollEvent) {
			l.event(c, in.Events)
			l.event(c, in.Events|unix.EPOLLHUP)
			l.turn()
			l.turn(l.look()...)
		},
		"before the end": func(l *loop, c *fdConn, _ unix.EpollEvent) {
			c.mu.Lock()
			c.state |= failed
			c.mu.Unlock()
			l.ending = append(l.ending, c)
			l.endSome()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := stillLoop(t)
			h := newHooks(t)
			heard := ""
			h.read = func(p []byte) { heard += string(p) }
			h.resume = func() { heard += "resumed " }
			c, client := l.enlist(t, h)
			c.Pause()
			client.Write([]byte("bytes"))
			if l.turn(l.look()...); heard != "" {
				t.Errorf("heard %q", heard)
			}
			c.Resume()
			then(l, c, unix.EpollEvent{Fd: int32(c.slot), Pad: int32(c.gen), Events: unix.EPOLLIN})
			if heard != "resumed bytes" {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

// However often a connection is paused and resumed, the loop has it in its inbox once.
func TestResumptionsDoNotPileUp(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	calls := 0
	h.resume = func() { calls++ }
	c, _ := l.enlist(t, h)
	for range 1000 {
		c.Pause()
		c.Resume()
	}
	if n := len(l.resumes); n != 1 {
		t.Errorf("%d in the inbox", n)
	}
	c.Pause()
	if l.turn(); calls != 0 {
		t.Error("OnResume during a pause")
	}
	c.Resume()
	if l.turn(); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}
