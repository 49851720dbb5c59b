package transport

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running returns a server with an engine, and its applications in the order in which their sessions began.
func running(t *testing.T) (*Server, *[]*endings) {
	t.Helper()
	var apps []*endings
	srv, err := NewServer(Config{
		OnSession: func(*Session) Handler {
			apps = append(apps, &endings{})
			return apps[len(apps)-1]
		},
		Engine: netpoll.Config{Kind: os.Getenv("REALTIME_TEST_ENGINE")},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.engine.Shutdown)
	return srv, &apps
}

// deaf returns a connection that fails at the first write.
func deaf() net.Conn {
	client, server := net.Pipe()
	_ = client.Close()
	return server
}

// listened returns a connection whose other end reads everything.
func listened(t *testing.T) net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// A WebSocket that dies before the engine has it leaves no session, and its application hears of the end once.
func TestSessionsThatNeverComeToLife(t *testing.T) {
	for name, c := range map[string]struct {
		conn func(*testing.T) net.Conn
		stop bool
	}{
		"the answer cannot be written": {func(*testing.T) net.Conn { return deaf() }, false},
		"the engine takes no more":     {listened, true},
	} {
		t.Run(name, func(t *testing.T) {
			srv, apps := running(t)
			if c.stop {
				srv.engine.Shutdown()
			}
			conn := c.conn(t)
			srv.acceptSession(conn, []byte("101"), nil, &Handshake{}, &params{eio: "4"}, false)
			if len(*apps) != 1 || (*apps)[0].closed != 1 || (*apps)[0].reason != engineio.TransportClose || (*apps)[0].cause != CauseAborted {
				t.Errorf("%+v", (*apps)[0])
			}
			if srv.Len() != 0 {
				t.Errorf("%d sessions are left", srv.Len())
			}
			if _, err := conn.Write([]byte("x")); err == nil {
				t.Error("the connection is open still")
			}
		})
	}
}

// A candidate that dies before the engine has it leaves the session where it is, and free for the next candidate.
func TestCandidatesThatNeverComeToLife(t *testing.T) {
	srv, apps := running(t)
	s := srv.newSession(engineio.Polling, &Handshake{}, engineio.Revision4, nil)
	srv.acceptCandidate(deaf(), []byte("101"), nil, &socketWire{s: s})
	if s.poll.candidate != nil {
		t.Error("a candidate without a connection")
	}
	srv.engine.Shutdown()
	srv.acceptCandidate(listened(t), []byte("101"), nil, &socketWire{s: s})
	if s.poll.candidate != nil || s.machine.CandidateArrived(s.now(), engineio.WebSocket) != engineio.None {
		t.Error("the failed candidate is in the way of the next")
	}
	if (*apps)[0].closed != 0 || srv.Len() != 1 {
		t.Errorf("%+v, %d sessions", (*apps)[0], srv.Len())
	}
}

// answering is a connection to which something happens while its client gets the answer.
type answering struct {
	net.Conn
	meanwhile func()
}

func (c *answering) Write(p []byte) (int, error) {
	if f := c.meanwhile; f != nil {
		c.meanwhile = nil
		f()
	}
	return c.Conn.Write(p)
}

// PROTOCOL 1.6: the candidate whose client has its answer is the first, and a second one does not hurt it. What happens to
// the session before the engine has the first is made up for.
func TestCandidatesCountFromTheirAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *Server, *Session)
		welcome   bool
	}{
		"a second": {func(t *testing.T, srv *Server, s *Session) {
			second := &socketWire{s: s}
			srv.acceptCandidate(listened(t), []byte("101"), nil, second)
			if !second.closing {
				t.Error("the second candidate is welcome")
			}
		}, true},
		"a message": {func(_ *testing.T, _ *Server, s *Session) { s.Send(message("a"), false) }, true},
		"the end": {func(_ *testing.T, _ *Server, s *Session) {
			s.mu.Lock()
			s.lose(engineio.TransportError, CauseAborted, nil)
			s.unlock()
		}, false},
		"the end of its time": {func(_ *testing.T, _ *Server, s *Session) {
			s.mu.Lock()
			s.advance(s.now() + s.srv.cfg.Settings.UpgradeTimeout + 1)
			s.unlock()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := running(t)
			s := srv.newSession(engineio.Polling, &Handshake{}, engineio.Revision4, nil)
			first := &socketWire{s: s}
			conn := &answering{Conn: listened(t), meanwhile: func() { c.meanwhile(t, srv, s) }}
			srv.acceptCandidate(conn, []byte("101"), nil, first)
			s.mu.Lock()
			defer s.mu.Unlock()
			if welcome := s.poll.candidate == first && !first.closing; welcome != c.welcome {
				t.Errorf("the first candidate is welcome: %v", welcome)
			}
		})
	}
}

// What a candidate sends together with its request is heard, up to the switch and beyond.
func TestEarlyBytesOfACandidate(t *testing.T) {
	srv, apps := running(t)
	s := srv.newSession(engineio.Polling, &Handshake{}, engineio.Revision4, nil)
	s.mu.Lock()
	s.conn = srv.engine.Timer((*pollTimer)(s))
	s.unlock()
	s.Uncork()
	s.Send(message("waits"), false)
	early := join(frame(0x81, "2probe"), frame(0x81, "5"), frame(0x81, "4up"), frame(0x88, ""))
	srv.acceptCandidate(listened(t), []byte("101"), early, &socketWire{s: s})
	if s.Transport() != engineio.WebSocket || s.out != nil || srv.stats.Received.Load() != 1 || srv.stats.Upgraded.Load() != 1 {
		t.Errorf("on %v, %d received", s.Transport(), srv.stats.Received.Load())
	}
	if a := (*apps)[0]; a.closed != 1 || a.reason != engineio.TransportClose || srv.Len() != 0 {
		t.Errorf("%+v, %d sessions", a, srv.Len())
	}
}

// A candidate that cannot take the few bytes that it is owed is given up; polling goes on.
func TestCandidateThatTakesNothing(t *testing.T) {
	for name, ask := range map[string]func(*socketWire){
		"probe": func(w *socketWire) { _ = w.message([]byte("2probe"), false) },
		"ping":  func(w *socketWire) { _ = w.control(ws.OpPing, []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			srv, apps := running(t)
			s := srv.newSession(engineio.Polling, &Handshake{}, engineio.Revision4, nil)
			w, c := &socketWire{s: s, candidate: true}, &narrowConn{room: 1}
			s.machine.CandidateArrived(s.now(), engineio.WebSocket)
			s.poll.candidate = w
			w.bind(c)
			ask(w)
			if s.poll.candidate != nil || !c.closed || !w.closing {
				t.Errorf("candidate %v, closed %v", s.poll.candidate, c.closed)
			}
			w.OnClose(netpoll.ErrClosed)
			if (*apps)[0].closed != 0 || s.machine.CandidateArrived(s.now(), engineio.WebSocket) != engineio.None {
				t.Error("the session has suffered")
			}
		})
	}
}

// While the server shuts down there are no new sessions, and those that exist go on. All of it works with a
// ResponseWriter that has no deadlines.
func TestNoNewSessionsWhileClosing(t *testing.T) {
	srv, apps := running(t)
	serve := func(method, query, body string, upgrade bool) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/engine.io/?EIO=4&transport="+query, strings.NewReader(body))
		if upgrade {
			for name, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			} {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w
	}
	open := serve("GET", "polling", "", false).Body.String()
	sid := open[len(`0{"sid":"`):][:20]
	if w := serve("GET", "websocket", "", true); w.Code != http.StatusBadRequest {
		t.Errorf("an upgrade that cannot be: %d %s", w.Code, w.Body)
	}
	srv.StopAccepting()
	for _, upgrade := range []bool{false, true} {
		transport := map[bool]string{false: "polling", true: "websocket"}[upgrade]
		if w := serve("GET", transport, "", upgrade); w.Code != http.StatusServiceUnavailable || w.Header().Get("Connection") != "close" {
			t.Errorf("%s: %d %s", transport, w.Code, w.Body)
		}
	}
	srv.Sessions()[0].Send(message("a"), false)
	if w := serve("GET", "polling&sid="+sid, "", false); w.Body.String() != "4a" {
		t.Errorf("poll: %d %s", w.Code, w.Body)
	}
	if w := serve("POST", "polling&sid="+sid, "4b", false); w.Body.String() != "ok" || srv.stats.Received.Load() != 1 {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
	if len(*apps) != 1 || srv.Len() != 1 {
		t.Errorf("%d sessions have begun, %d live", len(*apps), srv.Len())
	}
}

func TestConfigIsChecked(t *testing.T) {
	app := func(*Session) Handler { return nil }
	for name, cfg := range map[string]Config{
		"no application":      {},
		"path without a root": {OnSession: app, Path: "engine.io/"},
		"unknown engine":      {OnSession: app, Engine: netpoll.Config{Kind: "steam"}},
	} {
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
