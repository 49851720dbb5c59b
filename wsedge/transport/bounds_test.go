package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Whom a PROXY header or a trusted proxy names is the handshake's address (PROTOCOL 4.2), on every way in.
func TestAddressesFromProxies(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		handshakes := make(chan *Handshake, 1)
		_, addr := serving(t, kind, Config{
			OnSession: func(s *Session) Handler {
				handshakes <- s.Handshake()
				return mute{}
			},
			ProxyProtocol:  prefixesOf("127.0.0.2/32"),
			TrustedProxies: prefixesOf("127.0.0.3/32", "10.0.0.0/8"),
		})
		for _, c := range []struct {
			name, from, before, headers, address string
			secure                               bool
		}{
			{"direct", "127.0.0.1", "", "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n", "127.0.0.1", false},
			{"PROXY", "127.0.0.2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "X-Forwarded-For: 192.0.2.9\r\n", "192.0.2.1", false},
			{"PROXY, unknown", "127.0.0.2", "PROXY UNKNOWN\r\n", "", "127.0.0.2", false},
			{"a proxy", "127.0.0.3", "", "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n", "192.0.2.9", true},
			{"a proxy behind PROXY", "127.0.0.2", "PROXY TCP4 10.0.0.1 192.0.2.2 1 2\r\n", "X-Forwarded-For: 2001:db8::1, 10.1.1.1\r\n", "2001:db8::1", false},
		} {
			for way, request := range waysIn() {
				call(t, c.from, addr).ask(c.before + replace("Host:", c.headers+"Host:")(request))
				if h := <-handshakes; h.Address != c.address || h.Secure != c.secure {
					t.Errorf("%s, %s: %s, secure %t", c.name, way, h.Address, h.Secure)
				}
			}
		}
	})
}

// Config.TLS: the PROXY header comes first, and the handshake is secure (PROTOCOL 4.2).
func TestTLSBehindPROXY(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // of its certificate
	defer lender.Close()
	onBoth(t, func(t *testing.T, kind string) {
		handshakes := make(chan *Handshake, 1)
		_, addr := serving(t, kind, Config{
			OnSession: func(s *Session) Handler {
				handshakes <- s.Handshake()
				return mute{}
			},
			TLS:           &tls.Config{Certificates: lender.TLS.Certificates},
			ProxyProtocol: prefixesOf("127.0.0.2/32"),
		})
		for way, request := range waysIn() {
			c := call(t, "127.0.0.2", addr)
			io.WriteString(c, "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n")
			c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
			c.r.Reset(c.Conn)
			c.ask(request)
			if h := <-handshakes; h.Address != "2001:db8::1" || !h.Secure {
				t.Errorf("%s: %s, secure %t", way, h.Address, h.Secure)
			}
		}
	})
}

// One session too many is refused on every way in, until another of its address has ended; others are not.
func TestSessionsPerAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{MaxSessionsPerAddress: 1, TrustedProxies: prefixesOf("127.0.0.9/32")})
		for way, request := range waysIn() {
			first, _ := call(t, "127.0.0.1", addr).ask(request)
			if first.StatusCode >= 300 {
				t.Fatalf("%s: %s", way, first.Status)
			}
			before := srv.stats.LimitedSessions.Load()
			for again, request := range waysIn() {
				for _, from := range []string{"127.0.0.1", "127.0.0.9"} { // itself, and by a proxy
					resp, body := call(t, from, addr).ask(replace("Host:", "X-Forwarded-For: 127.0.0.1\r\nHost:")(request))
					want := `{"code":4,"message":"Too many sessions"}`
					if again != "polling" {
						want = "Too many sessions"
					}
					if resp.StatusCode != 429 || body != want || resp.Header.Get("Retry-After") != "10" || resp.Close != (again != "polling") {
						t.Errorf("%s after %s: %s %q", again, way, resp.Status, body)
					}
				}
			}
			if n := srv.stats.LimitedSessions.Load() - before; n != 6 {
				t.Errorf("%d are counted", n)
			}
			if resp, _ := call(t, "127.0.0.1", addr).ask(pollRequest + ""); resp.StatusCode != 429 {
				t.Errorf("a refusal has made room: %s", resp.Status)
			}
			other, _ := call(t, "127.0.0.2", addr).ask(request)
			if other.StatusCode >= 300 {
				t.Errorf("another address, %s: %s", way, other.Status)
			}
			for _, session := range srv.Sessions() {
				session.abandon()
			}
			if n := srv.limits.size(); n != 0 {
				t.Errorf("%d addresses are left of no session", n)
			}
		}
	})
}

// A client that closes makes room; an upgrade of a session takes none.
func TestSessionsPerAddressEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{MaxSessionsPerAddress: 1, HandshakesPerSecond: 0.001, HandshakeBurst: 2})
		first := call(t, "127.0.0.1", addr)
		_, open := first.ask(pollRequest)
		sid := open[len(`0{"sid":"`):][:20]
		upgrade, _ := call(t, "127.0.0.1", addr).ask(replace("EIO=4", "EIO=4&sid="+sid)(upgradeRequest()))
		if upgrade.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("the upgrade: %s", upgrade.Status)
		}
		if resp, body := first.ask(postRequest(sid, "1")); resp.StatusCode != 200 {
			t.Errorf("the close: %s %s", resp.Status, body)
		}
		until(t, "end of the session", func() bool { return srv.Len() == 0 })
		second := call(t, "127.0.0.1", addr)
		if resp, _ := second.ask(upgradeRequest()); resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("after the end: %s", resp.Status)
		}
		second.Close()
		until(t, "end of the session", func() bool { return srv.Len() == 0 })
		resp, body := call(t, "127.0.0.1", addr).ask(upgradeRequest())
		if resp.StatusCode != 429 || body != "Too many handshakes" || srv.stats.LimitedHandshakes.Load() != 1 {
			t.Errorf("%s %q, %d are counted", resp.Status, body, srv.stats.LimitedHandshakes.Load())
		}
		if after := resp.Header.Get("Retry-After"); after != "1000" && after != "999" {
			t.Errorf("Retry-After: %s", after)
		}
	})
}

// The place of a session that never came to be is free again.
func TestPlacesOfNoSession(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		begun := make(chan bool, 1)
		srv, addr := serving(t, kind, Config{MaxSessionsPerAddress: 1, OnSession: func(*Session) Handler {
			begun <- true
			panic("boom")
		}})
		for _, request := range waysIn() {
			io.WriteString(call(t, "127.0.0.1", addr), request)
			<-begun
			until(t, "place", func() bool { return srv.limits.size() == 0 })
		}
		w := httptest.NewRecorder() // cannot be hijacked
		r := httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=websocket", nil)
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			r.Header.Set(name, value)
		}
		if srv.ServeHTTP(w, r); w.Code != http.StatusBadRequest {
			t.Errorf("%d", w.Code)
		}
		if n := srv.limits.size(); n != 0 {
			t.Errorf("%d addresses have something", n)
		}
	})
}

// One connection too many of an address is closed at once; heads, idle ones and polls count, WebSockets do not.
func TestConnectionsPerAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{
			MaxConnectionsPerAddress: 2, TrustedProxies: prefixesOf("127.0.0.9/32"), ProxyProtocol: prefixesOf("127.0.0.8/32"),
		})
		mine := netip.MustParseAddr("127.0.0.1")
		free := func() bool {
			ok := srv.limits.enter(mine)
			if ok {
				srv.limits.leave(mine)
			}
			return ok
		}
		head := call(t, "127.0.0.1", addr)
		io.WriteString(head, "GET /engine.io/?EIO=4")
		idle := call(t, "127.0.0.1", addr)
		_, open := idle.ask(pollRequest)
		if c := call(t, "127.0.0.1", addr); !c.ended() {
			t.Error("a third connection lives")
		}
		for range 3 { // a proxy's are its clients'
			if resp, _ := call(t, "127.0.0.9", addr).ask(pollRequest); resp.StatusCode != 200 {
				t.Errorf("a proxy's: %s", resp.Status)
			}
		}
		if c := call(t, "127.0.0.8", addr); true {
			io.WriteString(c, "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
			if !c.ended() {
				t.Error("a third connection lives, by PROXY header")
			}
		}
		if s := srv.Door(); s.Refused != 2 {
			t.Errorf("%+v", s)
		}

		// The poll is answered, so it ends with a close that takes its connection along.
		poll := strings.Replace(pollRequest, "polling", "polling&sid="+open[len(`0{"sid":"`):][:20], 1)
		io.WriteString(idle, poll)
		until(t, "poll", func() bool { return polls(srv, open) })
		if c := call(t, "127.0.0.1", addr); !c.ended() {
			t.Error("a third connection lives beside a poll")
		}
		idle.Close()
		until(t, "place of the poll", free)

		// Neither a WebSocket nor what failed keeps its place.
		for _, way := range []string{"fast", "net/http"} {
			for range 3 {
				until(t, "place", free)
				if resp, _ := call(t, "127.0.0.1", addr).ask(waysIn()[way]); resp.StatusCode != 101 {
					t.Errorf("%s: %s", way, resp.Status)
				}
			}
		}
		head.Close()
		until(t, "end of everything", func() bool { return srv.limits.size() == 0 })
	})
}

// polls reports whether a poll of the session with that open packet is parked.
func polls(srv *Server, open string) bool {
	s := srv.sessions.find(open[len(`0{"sid":"`):][:20])
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.PollWaiting()
}

// A connection of HTTP/2 counts until it ends.
func TestConnectionsPerAddressOfHTTP2(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // of its certificate
	defer lender.Close()
	srv, addr := serving(t, "auto", Config{
		MaxConnectionsPerAddress: 1,
		TLS:                      &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"h2"}},
	})
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: tr, Timeout: patience}
	for range 3 { // on one connection
		resp, err := client.Get("https://" + addr + "/engine.io/?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.Body.Close(); resp.StatusCode != 200 || resp.ProtoMajor != 2 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
	}
	if c := call(t, "127.0.0.1", addr); !c.ended() {
		t.Error("a second connection lives")
	}
	tr.CloseIdleConnections()
	until(t, "end of the connection", func() bool { return srv.limits.size() == 0 })
}

// Of the connections without a request the longest idle gives way, be it between requests or in its first head.
func TestIdleConnectionsAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{MaxIdleConnections: 2})
		slow := call(t, "127.0.0.1", addr)
		io.WriteString(slow, "GET /else HTTP/1.1\r\nHost:") // not for the fast way, so net/http has it
		until(t, "connection in its head", func() bool { return srv.Idle() == 1 })
		ask := func(c *caller) {
			t.Helper()
			if resp, _ := c.ask(pollRequest); resp.StatusCode != 200 {
				t.Errorf("%s", resp.Status)
			}
		}
		var kept []*caller
		for i := range 3 {
			kept = append(kept, call(t, "127.0.0.1", addr))
			ask(kept[i])
			if want := uint64(max(0, i)); i > 0 {
				until(t, "eviction", func() bool { return srv.stats.IdleEvicted.Load() == want })
			} else {
				until(t, "second idle connection", func() bool { return srv.Idle() == 2 })
			}
		}
		if !slow.ended() || !kept[0].ended() {
			t.Error("the longest idle connections live")
		}
		ask(kept[1])
		ask(kept[2])
		until(t, "two idle connections", func() bool { return srv.Idle() == 2 })
		kept[1].Close()
		kept[2].Close()
		until(t, "none", func() bool { return srv.Idle() == 0 })
		if n := srv.stats.IdleEvicted.Load(); n != 2 {
			t.Errorf("%d evictions", n)
		}

		// A poll that waits is a request under way.
		waits := call(t, "127.0.0.1", addr)
		_, open := waits.ask(pollRequest)
		io.WriteString(waits, strings.Replace(pollRequest, "polling", "polling&sid="+open[len(`0{"sid":"`):][:20], 1))
		until(t, "poll", func() bool { return polls(srv, open) })
		for range 3 {
			ask(call(t, "127.0.0.1", addr))
		}
		until(t, "eviction", func() bool { return srv.stats.IdleEvicted.Load() == 3 })
		if !polls(srv, open) {
			t.Error("a poll has given way to idle connections")
		}
	})
}

func TestIdlers(t *testing.T) {
	conn := func() net.Conn { c, _ := net.Pipe(); return c }
	i, a, b, c := &idlers{max: 2}, conn(), conn(), conn()
	for n, step := range []struct {
		c     net.Conn
		state http.ConnState
		out   net.Conn
		len   int
	}{
		{a, http.StateNew, nil, 1}, {b, http.StateNew, nil, 2}, {a, http.StateActive, nil, 1}, {c, http.StateNew, nil, 2},
		{a, http.StateIdle, b, 2}, {b, http.StateClosed, nil, 2}, {c, http.StateIdle, nil, 2}, {b, http.StateIdle, a, 2},
		{c, http.StateHijacked, nil, 1}, {b, http.StateClosed, nil, 0}, {b, http.StateClosed, nil, 0},
	} {
		if out := i.note(step.c, step.state); out != step.out || i.len() != step.len {
			t.Errorf("step %d: %v, %d", n, out, i.len())
		}
	}
	below := conn()
	for _, c := range []net.Conn{below, tls.Server(below, nil)} {
		if rawConn(c) != below {
			t.Errorf("%T has %T below", c, rawConn(c))
		}
	}
}

// What is held of bodies under way is bounded in all, and follows what has come: lengths that are only claimed count
// for nothing. The session goes on.
func TestBodiesAreBoundedInAll(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{MaxBodies: 1000})
		begin := func() (c *caller, sid string) {
			c = call(t, "127.0.0.1", addr)
			_, open := c.ask(pollRequest)
			return c, open[len(`0{"sid":"`):][:20]
		}
		half := func(body string) *caller {
			c, sid := begin()
			request := postRequest(sid, "4"+strings.Repeat("x", 100_000))
			io.WriteString(c, request[:strings.Index(request, "\r\n\r\n")+4]+body)
			return c
		}
		claims := []*caller{half(""), half("")}
		holds := half("4" + strings.Repeat("x", 699))
		until(t, "700 bytes", func() bool { return srv.bodies.received.Load() == 700 })
		small, sid := begin()
		if resp, _ := small.ask(postRequest(sid, "4"+strings.Repeat("x", 250))); resp.StatusCode != 200 {
			t.Errorf("what fits: %s", resp.Status)
		}
		resp, body := small.ask(postRequest(sid, "4"+strings.Repeat("x", 350)))
		if resp.StatusCode != 503 || body != "" || !resp.Close || srv.stats.LimitedBodies.Load() != 1 {
			t.Errorf("what does not: %s %q, %d are counted", resp.Status, body, srv.stats.LimitedBodies.Load())
		}
		holds.Close()
		for _, c := range claims {
			c.Close()
		}
		until(t, "end of the bodies", func() bool { return srv.bodies.received.Load() == 0 })
		if resp, body := call(t, "127.0.0.1", addr).ask(postRequest(sid, "4"+strings.Repeat("x", 350))); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("afterwards: %s %q", resp.Status, body)
		}
	})
}

// A claimed length costs nothing; a body costs at most twice what has come.
func TestBodyMemoryFollowsTheBytes(t *testing.T) {
	srv, _ := running(t)
	srv.cfg.Settings.MaxPayload = 100 << 20
	claim := func() {
		r := httptest.NewRequest("POST", "/engine.io/", strings.NewReader("4"))
		r.ContentLength = 100 << 20
		if body, err := srv.readBody(httptest.NewRecorder(), r); err != nil || string(body) != "4" || cap(body) > 1024 {
			t.Errorf("%q with room for %d, %v", body, cap(body), err)
		}
	}
	claim()
	big := strings.Repeat("x", 1<<20)
	body, err := srv.readBody(httptest.NewRecorder(), httptest.NewRequest("POST", "/engine.io/", strings.NewReader(big)))
	if err != nil || string(body) != big || cap(body) > 5<<19 {
		t.Errorf("%d bytes with room for %d, %v", len(body), cap(body), err)
	}
	if n := srv.bodies.received.Load(); n != 0 {
		t.Errorf("%d bytes are under way", n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	cancel()
	r := httptest.NewRequest("POST", "/engine.io/", io.MultiReader(strings.NewReader("abc"), &broken{ctx.Err()})).WithContext(ctx)
	if _, err := srv.readBody(httptest.NewRecorder(), r); err == nil || srv.bodies.received.Load() != 0 {
		t.Errorf("%v, %d bytes are under way", err, srv.bodies.received.Load())
	}
}

// broken is a body that fails.
type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }
