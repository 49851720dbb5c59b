package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

const someSID = "abcdefghij0123456789"

// A good open packet, whole or byte by byte, brings the stream to Accept, with what came behind it (PROTOCOL 1.10).
func TestWebTransportOpenPacket(t *testing.T) {
	f := startWebTransport(t, nil)
	for name, c := range map[string]struct{ packet, sid string }{
		"a new session":                      {"0", ""},
		"an upgrade":                         {`0{"sid":"` + someSID + `"}`, someSID},
		"with blanks and more":               {`0{ "a" : [{"sid":1}] , "sid" : "` + someSID + `" }`, someSID},
		"the last of several, as JavaScript": {`0{"sid":1,"sid":"` + someSID + `"}`, someSID},
		"escaped":                            {`0{"\u0073id":"\u0061` + someSID[1:] + `"}`, someSID},
	} {
		t.Run(name, func(t *testing.T) {
			for _, early := range []string{"", "\x0140", "\x062probe\x015"} {
				client := f.open(c.packet, early)
				a := f.arrived()
				if a.sid != c.sid || a.info.URL != "/engine.io/" || !a.info.Secure || a.info.Address != "127.0.0.1" {
					t.Errorf("sid %q, %+v", a.sid, a.info)
				}
				rest := make([]byte, len(early)-len(a.early))
				if _, err := io.ReadFull(a.conn, rest); err != nil || a.early+string(rest) != early {
					t.Errorf("%q and %q, %v", a.early, rest, err)
				}
				_ = client.session.CloseWithError(0, "")
			}
		})
	}
	t.Run("byte by byte", func(t *testing.T) {
		session, _, err := f.dial("/engine.io/?x=1", http.Header{"Origin": {"https://example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := session.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		client := &wtClient{session, stream}
		wire := `0{"sid":"` + someSID + `"}`
		wire = string(engineio.AppendStreamHeader(nil, false, len(wire))) + wire
		for i := range wire {
			client.write(t, wire[i:i+1])
		}
		if a := f.arrived(); a.sid != someSID || !a.info.CrossDomain || a.info.URL != "/engine.io/?x=1" {
			t.Errorf("%q, %+v", a.sid, a.info)
		}
	})
	if n := f.srv.Stats().Failed.Load(); n != 0 {
		t.Errorf("%d failed", n)
	}
}

// badOpenPackets end the session, and nobody hears of them (PROTOCOL 1.10). Wire is with headers.
var badOpenPackets = map[string]string{
	"CVE-2026-59724: __proto__":            text(`0{"sid":"__proto__"}`),
	"CVE-2026-59724: constructor":          text(`0{"sid":"constructor"}`),
	"CVE-2026-59724: hasOwnProperty":       text(`0{"sid":"hasOwnProperty"}`),
	"CVE-2026-59724: inherited by a child": text(`0{"__proto__":{"sid":"` + someSID + `"}}`),
	"CVE-2026-59724: nested":               text(`0{"a":{"sid":"` + someSID + `"}}`),
	"CVE-2026-59724: a number":             text(`0{"sid":12345678901234567890}`),
	"CVE-2026-59724: an array":             text(`0{"sid":["` + someSID + `"]}`),
	"CVE-2026-59724: null":                 text(`0{"sid":null}`),
	"CVE-2026-59724: true":                 text(`0{"sid":true}`),
	"CVE-2026-59724: an object":            text(`0{"sid":{"toString":"` + someSID + `"}}`),
	"CVE-2026-59724: empty":                text(`0{"sid":""}`),
	"CVE-2026-59724: other case":           text(`0{"SID":"` + someSID + `"}`),
	"CVE-2026-59724: too long":             text(`0{"sid":"` + someSID + `x"}`),
	"CVE-2026-59724: foreign characters":   text(`0{"sid":"` + someSID[1:] + `é"}`),
	"no sid":                               text(`0{}`),
	"null instead of an object":            text(`0null`),
	"an array instead of an object":        text(`0["sid","` + someSID + `"]`),
	"a string instead of an object":        text(`0"` + someSID + `"`),
	"not JSON":                             text(`0sid`),
	"JSON and more":                        text(`0{"sid":"` + someSID + `"}x`),
	"another packet":                       text(`2probe`),
	"a message":                            text(`40`),
	"an unknown packet":                    text(`9`),
	"base64":                               text(`bMA==`),
	"binary":                               "\x810",
	"an empty frame":                       "\x00",
	"an empty frame in 64 bits":            "\x7f\x00\x00\x00\x00\x00\x00\x00\x00",
	"a frame of 2^53 bytes":                "\x7f\x00\x20\x00\x00\x00\x00\x00\x00",
	"a frame that is too big":              "\x7e\x02\x01",
}

func text(packet string) string {
	return string(engineio.AppendStreamHeader(nil, false, len(packet))) + packet
}

func TestWebTransportBadOpenPackets(t *testing.T) {
	f := startWebTransport(t, nil)
	for name, wire := range badOpenPackets {
		t.Run(name, func(t *testing.T) {
			before := f.srv.Stats().Failed.Load()
			session, _, err := f.dial("/engine.io/", nil)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := session.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			client := &wtClient{session, stream}
			client.write(t, wire)
			if err := client.gone(t); !errors.Is(err, &webtransport.SessionError{Remote: true}) {
				t.Errorf("%v", err)
			}
			if n := f.srv.Stats().Failed.Load() - before; n != 1 {
				t.Errorf("%d failed", n)
			}
		})
	}
	if len(f.arrivals) > 0 {
		t.Errorf("Accept was called: %+v", <-f.arrivals)
	}
}

// A stream that ends, or a session that does, before the open packet is no session.
func TestWebTransportOpenPacketThatNeverComes(t *testing.T) {
	f := startWebTransport(t, nil)
	half, _, err := f.dial("/engine.io/", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := half.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	client := &wtClient{half, stream}
	client.write(t, "\x020")
	_ = stream.Close()
	_ = client.gone(t)

	none, _, err := f.dial("/engine.io/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = none.CloseWithError(0, "")
	eventually(t, "the first one to have failed", func() bool { return f.srv.Stats().Failed.Load() >= 1 }) // the other may be too short-lived to be one
	eventually(t, "nobody to be on the way in", func() bool { return f.pending() == 0 })
	if len(f.arrivals) > 0 {
		t.Errorf("Accept was called: %+v", <-f.arrivals)
	}
}

// eventually polls for what has no event of its own.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited for %s", what)
		}
	}
}

// pending is the clients on their way in.
func (f *wtFixture) pending() int {
	f.srv.mu.Lock()
	defer f.srv.mu.Unlock()
	return len(f.srv.pending)
}

// Only our path is served, and only to those whom Verify lets in; the answers are polling's (PROTOCOL 1.2, 1.9).
func TestWebTransportRefusals(t *testing.T) {
	f := startWebTransport(t, func(c *webTransportConfig) {
		c.Verify = func(r *http.Request) *engineio.Refusal {
			switch r.Header.Get("Origin") {
			case "https://evil.example":
				return engineio.ErrForbidden
			case "https://off.example":
				return engineio.ErrTransportUnknown
			}
			return nil
		}
	})
	for name, c := range map[string]struct {
		path, origin string
		status       int
	}{
		"another path":          {"/", "", 404},
		"a longer word":         {"/engine.iox/", "", 404},
		"an origin not allowed": {"/engine.io/", "https://evil.example", 403},
		"transport not enabled": {"/engine.io/", "https://off.example", 400},
		"everybody else":        {"/engine.io/", "https://good.example", 200},
		"no origin":             {"/engine.io/", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if c.origin != "" {
				header.Set("Origin", c.origin)
			}
			_, status, err := f.dial(c.path, header)
			if status != c.status || (err == nil) != (c.status == 200) {
				t.Errorf("%d, %v", status, err)
			}
		})
	}
	if n := f.srv.Stats().Refused.Load(); n != 4 {
		t.Errorf("%d refused", n)
	}
}

// A new session needs to be let in, after its open packet; an upgrade does not.
func TestWebTransportLetIn(t *testing.T) {
	asked := make(chan string, 10)
	f := startWebTransport(t, func(c *webTransportConfig) {
		c.LetIn = func(_ context.Context, r *http.Request, h *Handshake) bool {
			asked <- r.RequestURI + " " + h.URL
			if len(asked) == 3 {
				panic("boom")
			}
			return len(asked) == 1
		}
	})
	f.open("0", "")
	if a := f.arrived(); a.sid != "" {
		t.Errorf("upgrade of %q", a.sid)
	}
	f.open("0", "").farewell(t)
	f.open("0", "").farewell(t)
	f.open(`0{"sid":"aaaaaaaaaaaaaaaaaaaa"}`, "")
	if a := f.arrived(); a.sid == "" {
		t.Error("no upgrade")
	}
	if len(asked) != 3 || f.srv.Stats().Refused.Load() != 1 || f.srv.Stats().Accepted.Load() != 2 {
		t.Errorf("asked %d times, %d refused", len(asked), f.srv.Stats().Refused.Load())
	}
	for range len(asked) {
		if got := <-asked; got != "/engine.io/ /engine.io/" {
			t.Errorf("asked about %s", got)
		}
	}
	until(t, "nobody is on the way in", func() bool { return f.pending() == 0 })
}

// request makes a plain HTTP/3 request on a connection of its own, or on conn.
func (f *wtFixture) request(conn *http3.ClientConn, method string) (status int, body string) {
	f.t.Helper()
	r, err := http.NewRequest(method, "https://"+f.address+"/engine.io/?EIO=4&transport=polling", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := conn.RoundTrip(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// connect makes a QUIC connection without a WebTransport session.
func (f *wtFixture) connect() (*quic.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, f.address,
		&tls.Config{RootCAs: f.roots, ServerName: "localhost", NextProtos: []string{"h3"}},
		&quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true})
	if err == nil {
		f.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	}
	return conn, err
}

// Polling is not served over HTTP/3, nor what is only called a CONNECT.
func TestWebTransportOtherRequests(t *testing.T) {
	f := startWebTransport(t, nil)
	conn, err := f.connect()
	if err != nil {
		t.Fatal(err)
	}
	client := (&http3.Transport{EnableDatagrams: true}).NewClientConn(conn)
	for _, method := range []string{"GET", "POST", "CONNECT"} {
		want := `{"code":0,"message":"Transport unknown"}`
		if method == "CONNECT" {
			want = `{"code":3,"message":"Bad request"}`
		}
		if method == "CONNECT" {
			r, _ := http.NewRequest(method, "https://"+f.address+"/engine.io/", nil)
			r.Proto = "websocket"
			answer, err := client.RoundTrip(r)
			if err != nil || answer.StatusCode != 400 {
				t.Errorf("%s: %+v, %v", method, answer, err)
				continue
			}
			text, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if string(text) != want {
				t.Errorf("%s: %s", method, text)
			}
			continue
		}
		if status, body := f.request(client, method); status != 400 || body != want {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
}

// One connection carries one session with one stream; all further ones are refused, and do not harm it.
func TestWebTransportOneOfEach(t *testing.T) {
	f := startWebTransport(t, nil)
	conn, err := f.connect()
	if err != nil {
		t.Fatal(err)
	}
	transport := &webtransport.Transport{}
	client, err := transport.NewClientConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, session, err := client.Dial(ctx, "https://"+f.address+"/engine.io/", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := session.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	c := &wtClient{session, stream}
	c.write(t, text("0"))
	a := f.arrived()
	if second, err := session.OpenStream(); err == nil {
		t.Errorf("a second stream: %v", second.StreamID())
	}
	if uni, err := session.OpenUniStream(); err == nil { // in the place of one of HTTP/3's that the client does not use
		_, _ = uni.Write([]byte("hello"))
	}
	for range 100 {
		if err := session.SendDatagram([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	c.write(t, "still here")
	got := make([]byte, 10)
	if _, err := io.ReadFull(a.conn, got); err != nil || string(got) != "still here" {
		t.Errorf("%q, %v", got, err)
	}
}

// A panic of whoever takes the stream over costs that session only.
func TestWebTransportAcceptPanics(t *testing.T) {
	var panics atomic.Bool
	panics.Store(true)
	f := startWebTransport(t, func(c *webTransportConfig) {
		accept := c.Accept
		c.Accept = func(conn net.Conn, sid string, h *Handshake, early []byte) {
			if panics.CompareAndSwap(true, false) {
				panic("test")
			}
			accept(conn, sid, h, early)
		}
	})
	_ = f.open("0", "").gone(t)
	_ = f.open("0", "")
	_ = f.arrived()
}

// Who does not come to the point within its time is sent away.
func TestWebTransportTimeouts(t *testing.T) {
	short := func(c *webTransportConfig) {
		c.HandshakeTimeout, c.UpgradeTimeout = 200*time.Millisecond, 200*time.Millisecond
	}
	t.Run("no CONNECT", func(t *testing.T) {
		f := startWebTransport(t, short)
		conn, err := f.connect()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-conn.Context().Done():
		case <-time.After(patience):
			t.Fatal("the connection goes on")
		}
		if n := f.srv.Stats().Expired.Load(); n != 1 {
			t.Errorf("%d expired", n)
		}
		eventually(t, "nobody to be on the way in", func() bool { return f.pending() == 0 })
	})
	t.Run("no stream", func(t *testing.T) {
		f := startWebTransport(t, short)
		session, _, err := f.dial("/engine.io/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = (&wtClient{session: session}).gone(t)
		if n := f.srv.Stats().Failed.Load(); n != 1 {
			t.Errorf("%d failed", n)
		}
	})
	t.Run("half a packet", func(t *testing.T) {
		f := startWebTransport(t, short)
		client := f.open("0", "")
		_ = f.arrived()
		session, _, err := f.dial("/engine.io/", nil)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := session.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		slow := &wtClient{session, stream}
		slow.write(t, "\x1e0{")
		_ = slow.gone(t)
		if client.session.Context().Err() != nil {
			t.Error("the deadline is not lifted from those who have come")
		}
	})
}

// A silent connection outlives the heartbeat's verdict, and browsers do not close it where heartbeats are rare.
func TestWebTransportSilence(t *testing.T) {
	for _, c := range []struct{ interval, timeout, idle, keepAlive time.Duration }{
		{0, 0, 50 * time.Second, 0},
		{time.Second, time.Second, 7 * time.Second, 0},
		{time.Minute, 20 * time.Second, 85 * time.Second, 20 * time.Second},
	} {
		f := startWebTransport(t, func(cfg *webTransportConfig) { cfg.PingInterval, cfg.PingTimeout = c.interval, c.timeout })
		if q := f.srv.quic; q.MaxIdleTimeout != c.idle || q.KeepAlivePeriod != c.keepAlive {
			t.Errorf("%+v: %v, %v", c, q.MaxIdleTimeout, q.KeepAlivePeriod)
		}
	}
	f := startWebTransport(t, nil)
	f.idle = 300 * time.Millisecond // the shorter of both sides' counts
	client := f.open("0", "")
	if _, err := f.arrived().conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	_ = client.gone(t)
}

// The connections on their way in are bounded, in all and by address, and those that have arrived do not count.
func TestWebTransportLimits(t *testing.T) {
	for name, limit := range map[string]func(*webTransportConfig){
		"in all":      func(c *webTransportConfig) { c.MaxPending = 2 },
		"per address": func(c *webTransportConfig) { c.MaxPendingPerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			f := startWebTransport(t, limit)
			for range 4 {
				_ = f.open("0", "")
				_ = f.arrived()
			}
			var waiting []*quic.Conn
			for range 2 {
				conn, err := f.connect()
				if err != nil {
					t.Fatal(err)
				}
				waiting = append(waiting, conn)
			}
			if _, err := f.connect(); err == nil {
				t.Error("one too many was let in")
			}
			if n := f.srv.Stats().Full.Load(); n == 0 {
				t.Error("nobody was refused")
			}
			_ = waiting[0].CloseWithError(0, "")
			eventually(t, "room for one more", func() bool { return f.pending() == 1 })
			_ = f.open("0", "")
			_ = f.arrived()
		})
	}
}

// Shutdown turns away whoever is on the way in, waits for those who have come, and ends Serve.
func TestWebTransportShutdown(t *testing.T) {
	f := startWebTransport(t, nil)
	client := f.open("0", "")
	a := f.arrived()
	coming, err := f.connect()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it to be known", func() bool { return f.pending() == 1 })
	f.srv.StopAccepting()
	<-coming.Context().Done()
	if _, err := f.connect(); err == nil {
		t.Error("somebody came in")
	}
	ended := make(chan error, 1)
	go func() { ended <- f.srv.Shutdown(context.Background()) }()
	client.write(t, "x")
	if n, err := a.conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	select {
	case err := <-ended:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	go client.answerPings()
	_ = a.conn.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-f.served; err != nil {
		t.Error(err)
	}
	f.served <- nil
}

// Shutdown cuts off whoever is still there when its time is over; a server that never served is shut down as well.
func TestWebTransportShutdownInTime(t *testing.T) {
	f := startWebTransport(t, nil)
	client := f.open("0", "")
	_ = f.arrived()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := f.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	_ = client.gone(t)

	srv, err := newWebTransportServer(f.srv.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(socket); err != nil {
		t.Error(err)
	}
	if _, _, err := socket.ReadFrom(nil); err == nil {
		t.Error("Serve left its socket open")
	}
}

// A connection that cannot be served is reported, and what is missing in the configuration as well.
func TestWebTransportConfig(t *testing.T) {
	if _, err := newWebTransportServer(webTransportConfig{}); err == nil {
		t.Error("an empty configuration was taken")
	}
	f := startWebTransport(t, nil)
	srv, err := newWebTransportServer(f.srv.cfg)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = socket.Close()
	if err := srv.Serve(socket); err == nil || !strings.Contains(err.Error(), "webtransport") && !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// A certificate that is replaced while the server runs is what the next client sees.
func TestWebTransportTakesCertificatesAsTheyAre(t *testing.T) {
	first, roots := testCertificate(t)
	second, otherRoots := testCertificate(t)
	var current atomic.Pointer[tls.Certificate]
	current.Store(&first)
	f := startWebTransport(t, func(c *webTransportConfig) {
		c.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }}
	})
	f.roots = roots
	if _, _, err := f.dial("/engine.io/", nil); err != nil {
		t.Error(err)
	}
	current.Store(&second)
	if _, _, err := f.dial("/engine.io/", nil); err == nil {
		t.Error("the old certificate is still shown")
	}
	f.roots = otherRoots
	if _, _, err := f.dial("/engine.io/", nil); err != nil {
		t.Error(err)
	}
}

// Whatever an open packet holds, what is taken from it is nothing or has the shape of an id.
func FuzzParseOpen(f *testing.F) {
	f.Add([]byte("0"))
	f.Add([]byte(`0{"sid":"` + someSID + `"}`))
	for _, wire := range badOpenPackets {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) == 0 {
			return // not a frame
		}
		sid, err := parseOpen(packet)
		_, ok := engineio.ParseID(sid)
		switch {
		case err == nil && packet[0] != '0', err == nil && (len(packet) == 1) != (sid == ""), err == nil && sid != "" && !ok:
			t.Errorf("%q: %q", packet, sid)
		case err != nil && !errors.Is(err, errNotOpen) && !errors.Is(err, errBadSID):
			t.Errorf("%q: %v", packet, err)
		}
	})
}
