package netpoll

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// openDoor serves d on a TCP port, and HTTP behind it, until the test ends.
func openDoor(t *testing.T, d *Door, l net.Listener, h http.HandlerFunc) (addr string) {
	t.Helper()
	if l == nil {
		l = must(net.Listen("tcp", "127.0.0.1:0"))
	}
	d.Logger, d.Prefixes = quiet, testPrefixes
	server := &http.Server{Handler: h}
	served := make(chan error, 2)
	go func() { served <- d.Serve(l) }()
	go func() { served <- server.Serve(d.HTTP()) }()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
		for range 2 {
			if err := wait(t, "end of Serve", served); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c := must(net.Dial("tcp", addr))
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// seen answers a request by what it saw of it.
func seen(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s tls=%t %s", r.Method, r.URL.Path, r.TLS != nil, body)
}

// answer reads one response on c.
func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ", string(must(io.ReadAll(resp.Body))))
}

// takeAll is a Fast that answers with what it got, and closes.
func takeAll(c net.Conn, head, early []byte) bool {
	fmt.Fprintf(c, "%d+%q", len(head), early)
	c.Close()
	return true
}

func TestDoorRoutes(t *testing.T) {
	const ours = "GET /socket.io/?x HTTP/1.1\r\nHost: a\r\n\r\n"
	long := "GET /socket.io/?x HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Repeat("c", 9000) + "\r\n\r\n"
	cases := []struct {
		name, in string
		whole    bool // not byte by byte as well
		decline  bool
		fast     string // what takeAll answers
		http     string // what seen answers
	}{
		{name: "ours", in: ours, fast: `39+""`},
		{name: "with early bytes", in: ours + "\x81\x85", whole: true, fast: `39+"\x81\x85"`},
		{name: "declined", in: ours, decline: true, http: "200 GET /socket.io/ tls=false "},
		{name: "too long", in: long, whole: true, http: "200 GET /socket.io/ tls=false "},
		{name: "bare LF", in: strings.ReplaceAll(ours, "\r", ""), http: "200 GET /socket.io/ tls=false "},
		{name: "another path", in: "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", http: "200 GET /x tls=false "},
		{name: "POST", in: "POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", http: "200 POST /socket.io/ tls=false hi"},
		{name: "garbage", in: "\x00\x01\x02\r\n\r\n", whole: true, http: "400 400 Bad Request"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := &Door{Fast: func(conn net.Conn, head, early []byte) bool {
				return !c.decline && takeAll(conn, head, early)
			}}
			addr := openDoor(t, d, nil, seen)
			for _, piece := range []int{len(c.in), 1} {
				if piece == 1 && c.whole {
					continue
				}
				conn := dial(t, addr)
				for b := []byte(c.in); len(b) > 0; b = b[min(piece, len(b)):] {
					conn.Write(b[:min(piece, len(b))])
				}
				if c.http != "" {
					if got := answer(t, conn); got != c.http {
						t.Errorf("HTTP answered %q", got)
					}
				} else if got := string(must(io.ReadAll(conn))); got != c.fast {
					t.Errorf("the fast path answered %q", got)
				}
			}
			d.Close() // Everything has been counted then.
			if s := d.Stats(); s.Accepted != s.Fast+s.HTTP || s.Failed != 0 || (s.HTTP > 0) != (c.http != "") {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The same connection serves several requests without the Door.
func TestDoorKeepAlive(t *testing.T) {
	d := &Door{Fast: func(net.Conn, []byte, []byte) bool { return false }}
	conn := dial(t, openDoor(t, d, nil, seen))
	for range 3 {
		io.WriteString(conn, "GET /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := answer(t, conn); got != "200 GET /socket.io/ tls=false " {
			t.Errorf("HTTP answered %q", got)
		}
	}
	d.Close()
	if s := d.Stats(); s.HTTP != 1 {
		t.Errorf("%+v", s)
	}
}

// An Upgrade that net/http reads goes to the same engine, with what came early.
func TestDoorThenHijack(t *testing.T) {
	e := must(New(Config{Logger: quiet}))
	defer e.Shutdown()
	d := &Door{Fast: func(net.Conn, []byte, []byte) bool { return false }}
	addr := openDoor(t, d, nil, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		early := must(rw.Peek(rw.Reader.Buffered()))
		h := newHooks(t)
		o := echo(h)
		if err := e.Attach(c, early, h, func(c Conn) { h.conn, o.conn = c, c }); err != nil {
			t.Error(err)
		}
	})
	conn := dial(t, addr)
	want := pattern(7000) // More than net/http buffers, less than the Door does.
	io.WriteString(conn, "GET /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n"+string(want))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, got, want)
}

func TestDoorTLS(t *testing.T) {
	for _, c := range []struct{ proto, path, want string }{
		{"http/1.1", "/x", "HTTP/1.1 GET /x tls=true "},
		{"http/1.1", "/ws?", "fast *tls.Conn"},
		{"h2", "/x", "HTTP/2.0 GET /x tls=true "},
		{"h2", "/socket.io/", "HTTP/2.0 GET /socket.io/ tls=true "},
	} {
		t.Run(c.proto+" "+c.path, func(t *testing.T) {
			cfg := serverTLS().Clone()
			cfg.NextProtos = []string{"h2", "http/1.1"}
			l := tls.NewListener(must(net.Listen("tcp", "127.0.0.1:0")), cfg)
			d := &Door{Fast: func(conn net.Conn, _, _ []byte) bool {
				body := fmt.Sprintf("fast %T", conn)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				conn.Close()
				return true
			}}
			addr := openDoor(t, d, l, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.Proto+" ")
				seen(w, r)
			})
			ct := clientTLS()
			ct.NextProtos = []string{c.proto}
			tr := &http.Transport{TLSClientConfig: ct, ForceAttemptHTTP2: c.proto == "h2"}
			defer tr.CloseIdleConnections()
			resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get("https://" + addr + c.path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := string(must(io.ReadAll(resp.Body))); got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
		})
	}
}

func TestDoorTLSHandshakeFails(t *testing.T) {
	d := &Door{Fast: takeAll}
	l := tls.NewListener(must(net.Listen("tcp", "127.0.0.1:0")), serverTLS())
	conn := dial(t, openDoor(t, d, l, seen))
	io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
	io.Copy(io.Discard, conn)
	if s := d.Stats(); s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestDoorPanicInFast(t *testing.T) {
	d := &Door{Fast: func(net.Conn, []byte, []byte) bool { panic("boom") }}
	addr := openDoor(t, d, nil, seen)
	for range 2 {
		conn := dial(t, addr)
		io.WriteString(conn, "GET /ws? HTTP/1.1\r\n\r\n")
		if got, err := io.ReadAll(conn); len(got) != 0 || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestDoorEvictsTheOldest(t *testing.T) {
	d := &Door{Fast: takeAll, MaxPending: 3}
	addr := openDoor(t, d, nil, seen)
	var slow []net.Conn
	for range 10 {
		c := dial(t, addr)
		io.WriteString(c, "GET /ws")
		slow = append(slow, c)
	}
	for _, c := range slow[:7] {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("an old connection got an answer")
		}
	}
	s := d.Stats()
	if s.Evicted != 7 || s.Pending != 3 {
		t.Errorf("%+v", s)
	}
	for _, c := range slow[7:] {
		io.WriteString(c, "? HTTP/1.1\r\n\r\n")
		if got := string(must(io.ReadAll(c))); !strings.HasPrefix(got, "21+") {
			t.Errorf("a new connection got %q", got)
		}
	}
}

func TestDoorClose(t *testing.T) {
	inFast, goOn := make(chan struct{}), make(chan struct{})
	d := &Door{Fast: func(c net.Conn, head, early []byte) bool {
		close(inFast)
		<-goOn
		return takeAll(c, head, early)
	}}
	addr := openDoor(t, d, nil, seen)
	half, fast, idle := dial(t, addr), dial(t, addr), dial(t, addr)
	io.WriteString(half, "GET /ws")
	io.WriteString(fast, "GET /ws? HTTP/1.1\r\n\r\n")
	<-inFast
	for d.Stats().Accepted < 3 {
		must(http.Get("http://" + addr + "/")).Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	for _, c := range []net.Conn{half, idle} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection in its head got an answer")
		}
	}
	if len(closed) != 0 {
		t.Error("Close returned before Fast")
	}
	close(goOn)
	if err := wait(t, "end of Close", closed); err != nil {
		t.Error(err)
	}
	if got := string(must(io.ReadAll(fast))); got != `21+""` {
		t.Errorf("the fast path answered %q", got)
	}
	if _, err := d.HTTP().Accept(); err != net.ErrClosed {
		t.Errorf("Accept: %v", err)
	}
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	if err := d.Serve(l); err != net.ErrClosed {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after Close left the listener open: %v", err)
	}
}

func TestDoorHTTPClosedAlone(t *testing.T) {
	d := &Door{Fast: takeAll}
	addr := openDoor(t, d, nil, seen)
	wait(t, "address", func() chan bool {
		ok := make(chan bool, 1)
		c := dial(t, addr) // The listener is known once it has accepted.
		io.WriteString(c, "GET /ws? HTTP/1.1\r\n\r\n")
		io.Copy(io.Discard, c)
		ok <- d.HTTP().Addr().String() == addr
		return ok
	}())
	d.HTTP().Close()
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("HTTP answered %q", got)
	}
	c = dial(t, addr)
	io.WriteString(c, "GET /ws? HTTP/1.1\r\n\r\n")
	if got := string(must(io.ReadAll(c))); got != `21+""` {
		t.Errorf("the fast path answered %q", got)
	}
}

// What was accepted while the Door closed is closed as well.
func TestDoorAcceptsAfterClose(t *testing.T) {
	d := &Door{}
	if a := d.HTTP().Addr(); a == nil || a.Network() != "tcp" {
		t.Errorf("the address without a listener is %v", a)
	}
	d.Close()
	server, client := tcpPair(t)
	d.admit(server)
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer reads %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Without a fast path a Door is only a way to net/http.
func TestDoorWithoutFast(t *testing.T) {
	conn := dial(t, openDoor(t, &Door{}, nil, seen))
	io.WriteString(conn, "GET /ws? HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := answer(t, conn); got != "200 GET /ws tls=false " {
		t.Errorf("HTTP answered %q", got)
	}
}

// pipes is a listener of net.Pipe, for virtual time.
type pipes struct {
	conns  chan any // a net.Conn or an error
	once   sync.Once
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan any), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case v := <-p.conns:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial() net.Conn {
	server, client := net.Pipe()
	p.conns <- server
	return client
}

func TestDoorClosesSlowHeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d := newPipes(), &Door{Fast: takeAll, Prefixes: testPrefixes, HeadTimeout: 3 * time.Second}
		go d.Serve(l)
		defer d.Close()
		silent, slow := l.dial(), l.dial()
		begin := time.Now()
		go func() {
			for _, b := range []byte("GET /socket.io/?and-so-on-for-ever") { // The deadline is absolute.
				if _, err := slow.Write([]byte{b}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		for _, c := range []net.Conn{silent, slow} {
			if got, err := io.ReadAll(c); len(got) != 0 || err != nil || time.Since(begin) != 3*time.Second {
				t.Errorf("read %q, %v after %v", got, err, time.Since(begin))
			}
		}
		synctest.Wait()
		if s := d.Stats(); s.Failed != 2 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
		<-time.After(time.Second)
	})
}

func TestDoorClearsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d := newPipes(), &Door{Prefixes: testPrefixes}
		taken := make(chan net.Conn, 1)
		d.Fast = func(c net.Conn, _, _ []byte) bool { taken <- c; return true }
		go d.Serve(l)
		defer d.Close()
		for _, head := range []string{"GET /ws? HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"} {
			client := l.dial()
			go io.WriteString(client, head)
			var c net.Conn
			if strings.HasPrefix(head, "GET /ws") {
				c = <-taken
			} else {
				c = must(d.HTTP().Accept())
				io.ReadFull(c, make([]byte, len(head)))
			}
			<-time.After(2 * defaultHeadTimeout)
			go client.Write([]byte("x"))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Errorf("read: %v", err)
			}
		}
	})
}

func TestDoorBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d := newPipes(), &Door{Fast: takeAll, Prefixes: testPrefixes, Logger: quiet}
		served := make(chan error, 1)
		go func() { served <- d.Serve(l) }()
		oldest := l.dial()
		begin := time.Now()
		full := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		for range 10 { // 5, 10, 20 … 640, 1000, 1000 ms
			l.conns <- full
		}
		if _, err := oldest.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the oldest connection reads %v", err)
		}
		client := l.dial()
		if got := time.Since(begin); got != 1275*time.Millisecond+2*time.Second {
			t.Errorf("accepted again after %v", got)
		}
		client.Close()
		begin = time.Now()
		l.conns <- full
		l.conns <- full // 5 ms: it has worked meanwhile.
		if got := time.Since(begin); got != 5*time.Millisecond {
			t.Errorf("accepted again after %v", got)
		}
		broken := errors.New("broken")
		l.conns <- broken
		if err := <-served; err != broken {
			t.Errorf("Serve: %v", err)
		}
		if _, err := l.Accept(); err != net.ErrClosed {
			t.Error("Serve left the listener open")
		}
		d.Close()
	})
}

// Retire lets in who was accepted, however late the head comes, and leaves the socket to who else listens on it.
func TestRetireLetsInWhoWasAccepted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(); _ = file.Close() }()
	fast := make(chan string, 1)
	d := &Door{Prefixes: [][]byte{[]byte("GET /")}, Fast: func(c net.Conn, head, _ []byte) bool {
		fast <- string(head)
		_ = c.Close()
		return true
	}}
	served := make(chan error, 1)
	go func() { served <- d.Serve(l) }()
	early, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = early.Close() }()
	for d.Stats().Pending == 0 {
		runtime.Gosched()
	}
	retired := make(chan error, 1)
	go func() { retired <- d.Retire(t.Context()) }()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	late, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Close() }()
	if c, err := other.Accept(); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
	select {
	case <-retired:
		t.Error("Retire did not wait for who was accepted")
	default:
	}
	_, _ = io.WriteString(early, "GET / HTTP/1.1\r\n\r\n")
	<-fast
	if err := <-retired; err != nil {
		t.Error(err)
	}
	// Who sends nothing is not waited for longer than ctx says, nor is a listener served that comes later.
	if err := d.Serve(other); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Serve: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
