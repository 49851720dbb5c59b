package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/webtransport-go"

	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// pair is a client and the net.Conn that the server has of it.
func pair(t *testing.T) (*wtClient, net.Conn) {
	t.Helper()
	f := startWebTransport(t, nil)
	client := f.open("0", "")
	return client, f.arrived().conn
}

// answerPings reads to the end as a browser does, and answers the heartbeat. It returns what came before that.
func (c *wtClient) answerPings() string {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.stream.Read(buf)
		all = append(all, buf[:n]...)
		if bytes.HasSuffix(all, lastPing) {
			all = all[:len(all)-len(lastPing)]
			_, _ = c.stream.Write(pong)
		}
		if err != nil {
			return string(all)
		}
	}
}

// Whatever was written before Close is read, however slow the client is, before the session ends with code 0
// (PROTOCOL 1.10).
func TestWebTransportCloseKeepsWhatWasWritten(t *testing.T) {
	for _, size := range []int{1, 1000, 100_000, 3_000_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			client, conn := pair(t)
			want := strings.Repeat("0123456789abcdef", size/16+1)[:size]
			got := make(chan string, 1)
			go func() { got <- client.answerPings() }()
			if _, err := conn.Write([]byte(want)); err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			if all := <-got; all != want {
				t.Errorf("%d bytes of %d", len(all), len(want))
			}
			if err := client.gone(t); !errors.Is(err, &webtransport.SessionError{Remote: true}) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Close does not wait for the client where it has gone, where a Write hangs, and when it is called again.
func TestWebTransportCloseAtOnce(t *testing.T) {
	t.Run("the client has gone", func(t *testing.T) {
		client, conn := pair(t)
		_ = client.session.CloseWithError(0, "")
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	})
	t.Run("called again", func(t *testing.T) {
		client, conn := pair(t)
		first := make(chan error, 1)
		go func() { first <- conn.Close() }()
		if _, err := io.ReadFull(client.stream, make([]byte, len(lastPing))); err != nil { // the first one waits for the answer
			t.Fatal(err)
		}
		for range 2 {
			if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		_ = client.gone(t)
	})
	t.Run("a Write hangs", func(t *testing.T) {
		client, conn := pair(t)
		written := make(chan error, 1)
		go func() {
			_, err := conn.Write(make([]byte, 32<<20)) // more than the client's window
			written <- err
		}()
		if _, err := client.stream.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := <-written; err == nil {
			t.Error("the Write succeeded")
		}
		_ = client.gone(t)
	})
	t.Run("nothing is taken afterwards", func(t *testing.T) {
		client, conn := pair(t)
		reads := make(chan error, 1)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			reads <- err
		}()
		go client.answerPings()
		_ = conn.Close()
		if err := <-reads; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the Read that waited: %v", err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
	})
}

// The pong is found wherever it lies.
func TestWebTransportCloseFindsThePong(t *testing.T) {
	for _, pieces := range [][]string{
		{string(pong)}, {"\x0140" + string(pong)}, {"\x01", "3"}, {"\x0242\x01", "3"}, {strings.Repeat("x", 511) + "\x01", "3"},
		{strings.Repeat("x", 3000), string(pong) + "\x0140"},
	} {
		client, conn := pair(t)
		closed := make(chan time.Duration, 1)
		go func() {
			began := time.Now()
			_ = conn.Close()
			closed <- time.Since(began)
		}()
		if _, err := io.ReadFull(client.stream, make([]byte, len(lastPing))); err != nil {
			t.Fatal(err)
		}
		for _, piece := range pieces {
			client.write(t, piece)
		}
		if took := <-closed; took > lingerMillis*time.Millisecond/2 {
			t.Errorf("%.10q: took %v", pieces, took)
		}
	}
}

// However a client says good-bye in order, it is io.EOF; everything else is not.
func TestWebTransportEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end     func(*wtClient)
		orderly bool
	}{
		"its stream ends":          {func(c *wtClient) { _ = c.stream.Close() }, true},
		"its session ends":         {func(c *wtClient) { _ = c.session.CloseWithError(0, "") }, true},
		"its session ends, code 7": {func(c *wtClient) { _ = c.session.CloseWithError(7, "bye") }, true},
		"its stream is reset":      {func(c *wtClient) { c.stream.CancelWrite(1) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, conn := pair(t)
			client.write(t, "hello")
			got := make([]byte, 5)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
				t.Fatalf("%q, %v", got, err)
			}
			c.end(client)
			n, err := conn.Read(got)
			if n != 0 || err == nil || errors.Is(err, io.EOF) != c.orderly {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// The connection under the session may end without it: a browser that is closed does that.
func TestWebTransportConnectionEnds(t *testing.T) {
	for code, orderly := range map[uint64]bool{0: true, 0x100: true, 0x101: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			f := startWebTransport(t, nil)
			for range 10 {
				c, conn := f.bare()
				_ = conn.CloseWithError(appCode(code), "")
				if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) != orderly {
					t.Errorf("%v", err)
				}
				_ = c.Close()
			}
		})
	}
}

func TestWebTransportDeadlines(t *testing.T) {
	client, conn := pair(t)
	past := time.Unix(1, 0)
	for name, set := range map[string]func(time.Time) error{"read": conn.SetReadDeadline, "both": conn.SetDeadline} {
		if err := set(past); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if err := set(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.SetWriteDeadline(past); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
	_ = conn.SetWriteDeadline(time.Time{})
	client.write(t, "x")
	if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if conn.LocalAddr().Network() != "udp" || hostOf(conn.RemoteAddr().String()) != "127.0.0.1" {
		t.Errorf("%v, %v", conn.LocalAddr(), conn.RemoteAddr())
	}
}

// mirror is a netpoll.Handler that sends back what it is sent, and remembers its end.
type mirror struct {
	mu   sync.Mutex
	conn netpoll.Conn
	wait []byte
	end  chan error
}

func (e *mirror) bind(c netpoll.Conn) { e.conn = c }

func (e *mirror) OnRead(p []byte) {
	e.mu.Lock()
	e.wait = append(e.wait, p...)
	e.mu.Unlock()
	e.OnWritable()
}

func (e *mirror) OnWritable() {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.conn.TryWrite(e.wait)
	if e.wait = e.wait[n:]; err == nil && len(e.wait) > 0 {
		e.conn.Arm()
	}
}
func (e *mirror) OnResume()                 {}
func (e *mirror) OnDeadline(netpoll.Millis) { e.conn.Close() }
func (e *mirror) OnClose(err error)         { e.end <- err }

// The portable engine drives the stream: both ways, with back pressure, and its Close loses nothing.
func TestWebTransportUnderTheEngine(t *testing.T) {
	f := startWebTransport(t, nil)
	engine := netpoll.NewPortable(netpoll.Config{Logger: slog.New(slog.DiscardHandler), SweepEvery: time.Millisecond})
	defer engine.Shutdown()
	client := f.open("0", "early ")
	a := f.arrived()
	h := &mirror{end: make(chan error, 1)}
	if err := engine.Attach(a.conn, []byte(a.early), h, h.bind); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("0123456789abcdef", 1<<16)
	go func() { _, _ = client.stream.Write([]byte(want)) }()
	got := make([]byte, len("early ")+len(want))
	if _, err := io.ReadFull(client.stream, got); err != nil || string(got) != "early "+want {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	rest := make(chan string, 1)
	go func() { rest <- client.answerPings() }()
	if _, err := h.conn.TryWrite([]byte("good-bye")); err != nil {
		t.Fatal(err)
	}
	h.conn.SetDeadline(engine.Now())
	if err := <-h.end; !errors.Is(err, netpoll.ErrClosed) {
		t.Errorf("%v", err)
	}
	if last := <-rest; last != "good-bye" {
		t.Errorf("%q", last)
	}
	_ = client.gone(t)
}

// A client that ends in order is told from one that does not, through the engine as well.
func TestWebTransportEndUnderTheEngine(t *testing.T) {
	f := startWebTransport(t, nil)
	engine := netpoll.NewPortable(netpoll.Config{Logger: slog.New(slog.DiscardHandler)})
	defer engine.Shutdown()
	client := f.open("0", "")
	h := &mirror{end: make(chan error, 1)}
	if err := engine.Attach(f.arrived().conn, nil, h, h.bind); err != nil {
		t.Fatal(err)
	}
	_ = client.session.CloseWithError(0, "")
	if err := <-h.end; err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// One message of 40 bytes to the server and back, through QUIC, TLS and the engine, with both sides in this process.
func BenchmarkWebTransportEcho(b *testing.B) {
	f := startWebTransport(b, nil)
	engine := netpoll.NewPortable(netpoll.Config{Logger: slog.New(slog.DiscardHandler)})
	defer engine.Shutdown()
	client := f.open("0", "")
	h := &mirror{end: make(chan error, 1)}
	if err := engine.Attach(f.arrived().conn, nil, h, h.bind); err != nil {
		b.Fatal(err)
	}
	message := strings.Repeat("x", 40)
	got := make([]byte, len(message))
	b.ReportAllocs()
	for b.Loop() {
		client.write(b, message)
		if _, err := io.ReadFull(client.stream, got); err != nil {
			b.Fatal(err)
		}
	}
	_ = client.session.CloseWithError(0, "")
	<-h.end
}
