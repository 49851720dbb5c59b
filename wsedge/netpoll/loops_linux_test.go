package netpoll

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newTestLoops(t testing.TB) *loops {
	return fixture{cfg: Config{Kind: KindLoops, Loops: 2}}.engine(t).(*loops)
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
