package netpoll

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func newTestLoops(t testing.TB) *loops {
	return fixture{cfg: Config{Kind: KindLoops, Loops: 2}}.engine(t).(*loops)
}

// stillLoop is a loop without its goroutine: the test makes the turns.
func stillLoop(t *testing.T) *loop {
	l := must(newLoop(Config{}.withDefaults(), clock{time.Now()}, &caller{log: quiet}))
	t.Cleanup(func() {
		l.stop()
		for !l.turn(0) {
			l.began = l.began.Add(-time.Minute)
		}
		l.quit()
	})
	return l
}

// turn is one turn of run that handles n events; true: the loop may quit.
func (l *loop) turn(n int) bool {
	stopped := l.collect(n)
	for i, c := range l.batch[:n] {
		if c != nil {
			l.event(c, l.events[i].Events)
		}
	}
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

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(fdConn{}); n > 48 {
		t.Errorf("an fdConn has %d bytes", n)
	}
	if n := unsafe.Sizeof(slot{}); n > 24 {
		t.Errorf("a slot has %d bytes", n)
	}
}

func TestTicks(t *testing.T) {
	for at, want := range map[Millis]uint32{
		-1: 0, 0: 0, 1: 1, 64: 1, 65: 2, 128: 2, math.MaxInt64: math.MaxUint32,
		math.MaxUint32 << tickBits: math.MaxUint32, (math.MaxUint32 - 1) << tickBits: math.MaxUint32 - 1,
	} {
		if got := tickOf(at); got != want {
			t.Errorf("tickOf(%d) = %d, want %d", at, got, want)
		}
	}
}

func TestSlotsAreReusedUnderANewGeneration(t *testing.T) {
	tb := table{free: noSlot}
	var conns []*fdConn
	for range chunkSize + 2 {
		c := &fdConn{}
		tb.put(nil, c)
		conns = append(conns, c)
	}
	if len(tb.chunks) != 2 || conns[chunkSize].chunk == conns[0].chunk {
		t.Fatalf("%d chunks", len(tb.chunks))
	}
	old := conns[7]
	tb.drop(old)
	again := &fdConn{}
	tb.put(nil, again)
	if again.slot != old.slot || again.gen == old.gen {
		t.Errorf("slot %d generation %d follows slot %d generation %d", again.slot, again.gen, old.slot, old.gen)
	}
	if tb.find(old.slot, old.gen) != nil || tb.find(again.slot, again.gen) != again || tb.find(noSlot, 0) != nil {
		t.Error("find takes one connection for another")
	}
	n := 0
	tb.each(func(*fdConn) { n++ })
	if n != len(conns) {
		t.Errorf("each finds %d of %d", n, len(conns))
	}
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
	l.turn(0)
	if err := wait(t, "OnClose", h.end); err != ErrClosed {
		t.Errorf("OnClose(%v)", err)
	}
	l.event(c, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLHUP)

	for c.fd >= 0 { // It lingers until the client's end has come.
		l.turn(pollNow(l.epfd, l.events[:]))
	}
	next := newHooks(t)
	if c, _ := l.enlist(t, next); c.slot != slot {
		t.Errorf("slot %d follows %d", c.slot, slot)
	}
	next.read = h.read
	l.events[0] = unix.EpollEvent{Fd: int32(slot), Pad: int32(gen), Events: unix.EPOLLIN}
	l.turn(1)
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
			l.turn(0)
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
				l.turn(pollNow(l.epfd, l.events[:]))
			}
			if n := pollNow(l.epfd, l.events[:]); n != 0 {
				t.Errorf("still %d events, %b", n, l.events[0].Events)
			}
		})
	}
}

func TestResetDuringAPause(t *testing.T) {
	e := newTestLoops(t)
	h := newHooks(t)
	client := fixtures()[0].attach(t, e, h).(*net.TCPConn)
	h.conn.Pause()
	client.SetLinger(0)
	client.Close()
	if err := wait(t, "OnClose", h.end); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("OnClose(%v)", err)
	}
}

func TestLingerIsBounded(t *testing.T) {
	l := stillLoop(t)
	h := newHooks(t)
	c, client := l.enlist(t, h)
	c.Close()
	c.SetDeadline(1) // No longer the caller's.
	l.turn(0)
	wait(t, "OnClose", h.end)
	if n := l.live.Load(); n != 0 {
		t.Errorf("%d live", n)
	}
	if b, err := io.ReadAll(client); len(b) != 0 || err != nil {
		t.Errorf("the peer reads %q, %v", b, err)
	}
	client.Write([]byte("still talking"))
	l.began = l.began.Add(200*time.Millisecond - lingerTimeout)
	l.turn(pollNow(l.epfd, l.events[:]))
	if c.fd < 0 {
		t.Error("closed before its time")
	}
	l.began = l.began.Add(-time.Second)
	l.turn(0)
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
	if l.turn(0); fired {
		t.Error("OnDeadline during Attach")
	}
	c.attached()
	l.began = l.began.Add(-time.Minute)
	if l.turn(0); !fired {
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
	l.turn(0)
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
		l.turn(0)
		l.turn(0)
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
	if l.turn(0) || len(h.end) != 0 {
		t.Error("the loop quits while Attach makes the calls")
	}
	c.attached()
	l.turn(0)
	if err := wait(t, "OnClose", h.end); err != ErrClosed {
		t.Errorf("OnClose(%v)", err)
	}
	if l.add(&fdConn{fd: -1}) {
		t.Error("a stopped loop takes a connection")
	}
}

// limitFiles lets the process open n descriptors more, until the test ends.
func limitFiles(t *testing.T, n int) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	next := must(unix.Dup(0)) // The limit is on the number, so this assumes no gaps above.
	unix.Close(next)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next + n), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOutOfDescriptors(t *testing.T) {
	e := newTestLoops(t)
	server, client := tcpPair(t)
	before := openFiles(t)
	for n := range 4 { // Two loops need four.
		t.Run("new loops", func(t *testing.T) {
			limitFiles(t, n)
			if _, err := New(Config{Loops: 2}); !errors.Is(err, syscall.EMFILE) {
				t.Errorf("New with %d descriptors: %v", n, err)
			}
		})
	}
	t.Run("attach", func(t *testing.T) {
		limitFiles(t, 0)
		h := newHooks(t)
		if err := e.Attach(server, nil, h, func(Conn) { t.Error("bind") }); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("Attach: %v", err)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the peer reads %v", err)
		}
	})
	if after := openFiles(t); after != before-1 {
		t.Errorf("%d descriptors, there were %d", after, before)
	}
}

func TestAttachClosedConnection(t *testing.T) {
	e := newTestLoops(t)
	server, _ := tcpPair(t)
	server.Close()
	h := newHooks(t)
	if err := e.Attach(server, nil, h, func(Conn) { t.Error("bind") }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Attach: %v", err)
	}
	if e.Len() != 0 {
		t.Error("it counts")
	}
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	return len(must(os.ReadDir("/proc/self/fd")))
}

func TestShutdownLeavesNoDescriptor(t *testing.T) {
	tcpPair(t) // The runtime's own epoll set exists from here on.
	before := openFiles(t)
	e := must(NewLoops(Config{Loops: 3, Logger: quiet}))
	var hs []*hooks
	for i := range 60 {
		h := newHooks(t)
		server, client := tcpPair(t)
		if err := e.Attach(server, nil, h, h.bind); err != nil {
			t.Fatal(err)
		}
		switch i % 5 {
		case 0: // Left to Shutdown.
			defer client.Close()
			before++
			continue
		case 1:
			h.conn.Close()
		case 2:
			h.conn.Pause()
			client.SetLinger(0)
		case 3:
			client.Write([]byte("x"))
		}
		client.Close()
		hs = append(hs, h)
	}
	for _, h := range hs {
		wait(t, "OnClose", h.end)
	}
	e.Shutdown()
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors, there were %d", after, before)
	}
}

// N3: connections come and go, so that descriptors and slots are reused at
// once, while others write to those that have just been closed. Every byte
// that a peer reads must be its own.
func TestNoByteReachesAnotherPeer(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 200
	}
	e := newTestLoops(t)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()

	type tagged struct {
		conn Conn
		tag  [8]byte
	}
	var recent [64]atomic.Pointer[tagged]
	var stop atomic.Bool
	var writers, peers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if r := recent[i%len(recent)].Load(); r != nil {
					r.conn.TryWrite(r.tag[:])
					r.conn.Arm()
					r.conn.SetDeadline(1)
					r.conn.Pause()
					r.conn.Resume()
				}
			}
		})
	}
	gate := make(chan struct{}, 8)
	for i := range rounds {
		gate <- struct{}{}
		peers.Go(func() {
			defer func() { <-gate }()
			r := &tagged{}
			binary.BigEndian.PutUint64(r.tag[:], uint64(i)<<8|0xee)
			h := newHooks(t)
			h.read = func([]byte) { recent[i%len(recent)].Store(r); h.conn.Close() }
			client := must(net.Dial("tcp", l.Addr().String())).(*net.TCPConn)
			server := must(l.Accept()) // Perhaps another one's: the ends are matched by the tag below.
			if err := e.Attach(server, nil, h, func(c Conn) {
				h.conn, r.conn = c, c
				c.TryWrite(r.tag[:])
			}); err != nil {
				t.Error(err)
			}
			client.Write([]byte("x"))
			client.SetReadDeadline(time.Now().Add(patience))
			got, _ := io.ReadAll(client)
			for b := got; len(b) > 0; b = b[8:] {
				if len(b) < 8 || string(b[:8]) != string(got[:8]) {
					t.Errorf("another connection's bytes: %x", got)
					break
				}
			}
			if len(got) == 0 {
				t.Error("nothing came")
			}
			client.SetLinger(0)
			client.Close()
		})
	}
	peers.Wait()
	stop.Store(true)
	writers.Wait()
}

// The sweep of a loop with 100,000 armed deadlines, none of them due.
func BenchmarkSweep(b *testing.B) {
	l, err := newLoop(Config{}.withDefaults(), clock{time.Now()}, &caller{log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	for range 100_000 {
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
