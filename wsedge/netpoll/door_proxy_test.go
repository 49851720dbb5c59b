package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// herald is the address of the tests' proxy; loopback has a whole /8.
const herald = "127.0.0.2"

var heralds = []netip.Prefix{netip.MustParsePrefix(herald + "/32")}

// dialFrom connects from a loopback address of choice.
func dialFrom(t *testing.T, from, addr string) net.Conn {
	t.Helper()
	c := must((&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", addr))
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// until waits for what is only seen by asking.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for by := time.Now().Add(patience); !done(); runtime.Gosched() {
		if time.Now().After(by) {
			t.Fatalf("no %s", what)
		}
	}
}

// tellRemote is a Fast that answers with whom it talks to, and closes.
func tellRemote(c net.Conn, _, _ []byte) bool {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfast %s", c.RemoteAddr())
	c.Close()
	return true
}

// seenRemote is the same for net/http.
func seenRemote(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s tls=%t", r.Proto, r.RemoteAddr, r.TLS != nil)
}

// The address of a PROXY header is the connection's, whoever gets it.
func TestDoorProxyProtocol(t *testing.T) {
	const fast, web = "GET /ws? HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, c := range proxyHeaders {
		t.Run(c.name, func(t *testing.T) {
			d := &Door{Fast: tellRemote, ProxyProtocol: heralds}
			addr := openDoor(t, d, nil, seenRemote)
			for _, request := range []string{fast, web} {
				conn := dialFrom(t, herald, addr)
				remote := c.source
				if remote == "" {
					remote = conn.LocalAddr().String()
				}
				want := "200 fast " + remote
				if request == web {
					want = "200 HTTP/1.1 " + remote + " tls=false"
				}
				io.WriteString(conn, c.header+request)
				if got := answer(t, conn); got != want {
					t.Errorf("answer %q, want %q", got, want)
				}
			}
		})
	}
}

// The header precedes TLS, and neither HTTP/2 nor the fast path loses the address.
func TestDoorProxyProtocolBeforeTLS(t *testing.T) {
	for _, c := range []struct{ proto, path, want string }{
		{"http/1.1", "/x", "HTTP/1.1 192.0.2.1:56324 tls=true"},
		{"http/1.1", "/ws?", "fast 192.0.2.1:56324"},
		{"h2", "/x", "HTTP/2.0 192.0.2.1:56324 tls=true"},
	} {
		t.Run(c.proto+" "+c.path, func(t *testing.T) {
			cfg := serverTLS().Clone()
			cfg.NextProtos = []string{"h2", "http/1.1"}
			d := &Door{ProxyProtocol: heralds, TLS: cfg, Fast: func(conn net.Conn, head, early []byte) bool {
				if _, ok := conn.(*tls.Conn); !ok {
					t.Errorf("%T", conn)
				}
				return tellRemote(conn, head, early)
			}}
			addr := openDoor(t, d, nil, seenRemote)
			ct := clientTLS()
			ct.NextProtos = []string{c.proto}
			tr := &http.Transport{TLSClientConfig: ct, ForceAttemptHTTP2: c.proto == "h2",
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					conn := dialFrom(t, herald, addr)
					_, err := io.WriteString(conn, proxyHeaders[0].header)
					return conn, err
				}}
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

// Only from whom a header is expected one is taken, and from them it is required.
func TestDoorProxyProtocolIsNotGuessed(t *testing.T) {
	const header, request = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "GET /ws? HTTP/1.1\r\nHost: a\r\n\r\n"
	d := &Door{Fast: tellRemote, ProxyProtocol: heralds}
	addr := openDoor(t, d, nil, seenRemote)
	stranger := dial(t, addr)
	io.WriteString(stranger, request)
	if got, want := answer(t, stranger), "200 fast "+stranger.LocalAddr().String(); got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
	liar := dial(t, addr)
	io.WriteString(liar, header+request)
	if got := answer(t, liar); !strings.HasPrefix(got, "400 ") {
		t.Errorf("an address that nobody vouches for: %q", got)
	}
	before := d.Stats()
	if before.Failed != 0 {
		t.Errorf("%+v", before)
	}
	for n, in := range []string{request, "PROXY TCP4 a b c d\r\n" + request, header[:20]} {
		conn := dialFrom(t, herald, addr)
		io.WriteString(conn, in)
		conn.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(conn); len(got) != 0 {
			t.Errorf("%q was answered %q", in, got)
		}
		until(t, "failure", func() bool { return d.Stats().Failed == uint64(n+1) })
	}
	// A second header is the client's own, and no request.
	twice := dialFrom(t, herald, addr)
	io.WriteString(twice, header+header+request)
	if got := answer(t, twice); !strings.HasPrefix(got, "400 ") {
		t.Errorf("two headers: %q", got)
	}
	if s := d.Stats(); s.Proxy != 3 || s.Failed != 3 {
		t.Errorf("%+v", s)
	}
}

// The bounds in time and number include the header.
func TestDoorProxyHeaderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		d := &Door{Fast: takeAll, Prefixes: testPrefixes, HeadTimeout: 3 * time.Second, MaxPending: 2, ProxyProtocol: heralds}
		go d.Serve(l)
		defer d.Close()
		dialHerald := func() net.Conn {
			server, client := net.Pipe()
			l.conns <- &elsewhere{server, &net.TCPAddr{IP: net.ParseIP(herald), Port: 1}}
			return client
		}
		begin := time.Now()
		oldest, silent, slow := dialHerald(), dialHerald(), dialHerald()
		if _, err := oldest.Read(make([]byte, 1)); err != io.EOF || time.Since(begin) != 0 {
			t.Errorf("the oldest reads %v after %v", err, time.Since(begin))
		}
		go func() {
			for _, b := range []byte(proxyHeaders[0].header) {
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
		if s := d.Stats(); s.Failed != 2 || s.Proxy != 2 || s.Evicted != 1 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
		// What is no TCP connection of its own keeps its kind, and its bytes.
		client := dialHerald()
		go io.WriteString(client, proxyHeaders[0].header+"GET / HTTP/1.1\r\n\r\n")
		c := must(d.HTTP().Accept())
		first := make([]byte, 5)
		io.ReadFull(c, first)
		if c.RemoteAddr().String() != proxyHeaders[0].source || string(first) != "GET /" {
			t.Errorf("%v, %q", c.RemoteAddr(), first)
		}
		<-time.After(time.Second)
	})
}

// elsewhere is a connection with a peer of choice.
type elsewhere struct {
	net.Conn
	remote net.Addr
}

func (e *elsewhere) RemoteAddr() net.Addr { return e.remote }

// An engine takes the connection itself, with what was read ahead, whatever a header has named.
func TestDoorProxyThenAttach(t *testing.T) {
	for _, x := range fixtures() {
		if !x.tcp {
			continue
		}
		for _, hijacked := range []bool{false, true} {
			t.Run(fmt.Sprint(x.name, " hijacked ", hijacked), func(t *testing.T) {
				e := x.engine(t)
				attach := func(c net.Conn, early []byte) {
					if named := c.RemoteAddr().String(); named != "192.0.2.1:56324" {
						t.Errorf("peer %s", named)
					}
					_, file := c.(io.ReaderFrom)
					_, half := c.(interface{ CloseWrite() error })
					if !file || !half {
						t.Errorf("%T has lost ReadFrom or CloseWrite", c)
					}
					if inner, _ := unwrap(c, nil); fmt.Sprintf("%T", inner) != "*net.TCPConn" {
						t.Errorf("inside is %T", inner)
					}
					h := newHooks(t)
					o := echo(h)
					if err := e.Attach(c, early, h, func(c Conn) { h.conn, o.conn = c, c }); err != nil {
						t.Error(err)
					}
				}
				d := &Door{ProxyProtocol: heralds, Fast: func(c net.Conn, _, early []byte) bool {
					if !hijacked {
						attach(c, early)
					}
					return !hijacked
				}}
				addr := openDoor(t, d, nil, func(w http.ResponseWriter, _ *http.Request) {
					c, rw, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					attach(c, must(rw.Peek(rw.Reader.Buffered())))
				})
				conn := dialFrom(t, herald, addr)
				want := pattern(7000)
				io.WriteString(conn, proxyHeaders[0].header+"GET /ws? HTTP/1.1\r\nHost: a\r\n\r\n"+string(want))
				got := make([]byte, len(want))
				if _, err := io.ReadFull(conn, got); err != nil {
					t.Fatal(err)
				}
				sameBytes(t, got, want)
			})
		}
	}
}

// TLS below TLS, or before the PROXY header, is a mistake that is told at once.
func TestDoorTLSTwice(t *testing.T) {
	for name, d := range map[string]*Door{"two of TLS": {TLS: serverTLS()}, "the header in TLS": {ProxyProtocol: heralds}} {
		l := tls.NewListener(must(net.Listen("tcp", "127.0.0.1:0")), serverTLS())
		served := make(chan error, 1)
		go func() { served <- d.Serve(l) }()
		conn := dial(t, l.Addr().String())
		if err := wait(t, "end of Serve", served); err != errTLSTwice {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the connection lives", name)
		}
		d.Close()
	}
}

// guests is who has entered and not left.
type guests struct {
	mu    sync.Mutex
	in    map[string]int
	most  int // of one address; more are refused
	asked int
}

func (g *guests) enter(addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked++; g.in == nil {
		g.in = make(map[string]int)
	}
	if g.in[addr.String()] >= g.most {
		return false
	}
	g.in[addr.String()]++
	return true
}

func (g *guests) leave(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in[addr.String()]--; g.in[addr.String()] == 0 {
		delete(g.in, addr.String())
	}
}

func (g *guests) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprint(g.asked, " ", g.in)
}

// Every Enter is followed by one Leave, but for what net/http has; and whose a connection is, the header says.
func TestDoorEntersAndLeaves(t *testing.T) {
	const ours, web = "GET /ws? HTTP/1.1\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	const header = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
	for _, c := range []struct{ name, from, in, left string }{
		{"fast", "127.0.0.3", ours, "1 map[]"},
		{"fast panics", "127.0.0.3", "GET /ws?panic HTTP/1.1\r\n\r\n", "1 map[]"},
		{"net/http", "127.0.0.3", web, "1 map[127.0.0.3:1]"},
		{"no head", "127.0.0.3", "GET /ws", "1 map[]"},
		{"fast, named", herald, header + ours, "1 map[]"},
		{"net/http, named", herald, header + web, "1 map[192.0.2.1:1]"},
		{"net/http, not named", herald, "PROXY UNKNOWN\r\n" + web, "1 map[127.0.0.2:1]"},
		{"broken header", herald, ours, "0 map[]"},
		{"named, no head", herald, header + "GET", "1 map[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &guests{most: 1}
			d := &Door{ProxyProtocol: heralds, Enter: g.enter, Leave: g.leave, Fast: func(conn net.Conn, head, early []byte) bool {
				if strings.Contains(string(head), "panic") {
					panic("boom")
				}
				return takeAll(conn, head, early)
			}}
			conn := dialFrom(t, c.from, openDoor(t, d, nil, seen))
			io.WriteString(conn, c.in)
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			d.Close()
			if got := g.String(); got != c.left {
				t.Errorf("%s, want %s", got, c.left)
			}
			if s := d.Stats(); s.Refused != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Who may not enter is closed without an answer, and costs none of the others.
func TestDoorRefuses(t *testing.T) {
	g := &guests{most: 1}
	d := &Door{ProxyProtocol: heralds, Enter: g.enter, Leave: g.leave, Fast: takeAll}
	addr := openDoor(t, d, nil, seen)
	first := dialFrom(t, "127.0.0.3", addr)
	named := dialFrom(t, herald, addr)
	io.WriteString(named, "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n")
	until(t, "guests", func() bool { return g.String() == "2 map[127.0.0.3:1 192.0.2.1:1]" })
	for _, again := range []struct{ from, in string }{
		{"127.0.0.3", ""}, {herald, "PROXY TCP4 192.0.2.1 198.51.100.1 9 2\r\n"},
	} {
		if got, err := io.ReadAll(write(dialFrom(t, again.from, addr), again.in)); len(got) != 0 || err != nil {
			t.Errorf("from %s: %q, %v", again.from, got, err)
		}
	}
	other := dialFrom(t, "127.0.0.4", addr)
	for _, c := range []net.Conn{other, first, named} {
		if got := string(must(io.ReadAll(write(c, "GET /ws? HTTP/1.1\r\n\r\n")))); got != `21+""` {
			t.Errorf("answer %q", got)
		}
	}
	d.Close()
	if s := d.Stats(); s.Refused != 2 || s.Failed != 0 || s.Accepted != 5 || s.Fast != 3 || g.String() != "5 map[]" {
		t.Errorf("%+v, %s", s, g)
	}
}

func write(c net.Conn, s string) net.Conn {
	io.WriteString(c, s)
	return c
}

// What is evicted, refused by a closed Door, or finds HTTP closed, leaves as well.
func TestDoorLeavesAtTheEnd(t *testing.T) {
	g := &guests{most: 10}
	d := &Door{MaxPending: 1, Enter: g.enter, Leave: g.leave, Fast: func(net.Conn, []byte, []byte) bool { return false }}
	addr := openDoor(t, d, nil, seen)
	evicted := dial(t, addr)
	until(t, "pending head", func() bool { return d.Stats().Pending == 1 })
	pending := dial(t, addr)
	if _, err := evicted.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	d.HTTP().Close()
	if got := must(io.ReadAll(write(pending, "GET / HTTP/1.1\r\n\r\n"))); len(got) != 0 {
		t.Errorf("answer %q", got)
	}
	waits := dial(t, addr)
	until(t, "pending head", func() bool { return d.Stats().Pending == 1 })
	d.Close()
	if _, err := waits.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the Door")
	}
	server, _ := tcpPair(t)
	d.admit(server)
	if got := g.String(); got != "4 map[]" {
		t.Error(got)
	}
}
