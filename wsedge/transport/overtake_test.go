package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// crossing is a polling session with a candidate, and its application: what comes over the WebSocket comes while a
// certain message of a POST is being handled, as on a real engine's other goroutine.
type crossing struct {
	endings
	srv    *Server
	s      *Session
	w      *socketWire
	c      *pausable
	heard  []string
	during func() // called by the message "now"

	busy bool     // a call of w is under way
	came [][]byte // what the engine has not read yet
}

// pausable is a narrowConn that can be held back.
type pausable struct {
	narrowConn
	paused, resumed bool // as the descriptor engine has it
}

func (c *pausable) Pause()  { c.paused = true }
func (c *pausable) Resume() { c.paused, c.resumed = false, c.resumed || c.paused }

func (x *crossing) Message(data []byte, _ bool) bool {
	x.heard = append(x.heard, string(data))
	if string(data) == "now" {
		x.during()
	}
	if string(data) == "panic" {
		panic("a handler")
	}
	return true
}

func (x *crossing) Closed(reason engineio.Reason, cause Cause) { x.endings.Closed(reason, cause) }

func cross(t *testing.T) *crossing {
	t.Helper()
	x := &crossing{c: &pausable{narrowConn: narrowConn{room: 1 << 20}}}
	srv, _ := running(t)
	srv.cfg.OnSession = func(*Session) Handler { return x }
	x.srv, x.s = srv, srv.newSession(engineio.Polling, &Handshake{}, engineio.Revision4, nil)
	x.s.conn = new(narrowConn)
	x.s.Uncork()
	x.w = &socketWire{s: x.s, candidate: true}
	x.s.machine.CandidateArrived(x.s.now(), engineio.WebSocket)
	x.s.poll.candidate = x.w
	x.w.bind(x.c)
	return x
}

// read is what the engine's goroutine does with frames that came in one read.
func (x *crossing) read(texts ...string) {
	var b []byte
	for _, text := range texts {
		b = append(b, frame(0x81, text)...)
	}
	x.come(b)
}

func (x *crossing) come(b []byte) {
	x.came = append(x.came, b)
	x.turn()
}

// turn is what the engine's goroutine does until it has nothing to do.
func (x *crossing) turn() {
	for !x.busy && !x.c.paused && (x.c.resumed || len(x.came) > 0) {
		x.busy = true
		if x.c.resumed {
			x.c.resumed = false
			x.w.OnResume()
		} else {
			b := x.came[0]
			x.came = x.came[1:]
			x.w.OnRead(b)
		}
		x.busy = false
	}
}

func (x *crossing) post(body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/engine.io/", strings.NewReader(body))
	x.srv.pollPost(w, r, x.s, &params{eio: "4"})
	x.turn()
	return w
}

// PROTOCOL 1.6, I2: an upgrade packet that comes while a POST is being handled waits until all of that is, and what the
// candidate sent behind it comes after it.
func TestI2UpgradeWaitsForThePostThatIsBeingHandled(t *testing.T) {
	polls := func(x *crossing) bool { return x.s.Transport() == engineio.Polling && x.closed == 0 }
	upgraded := func(x *crossing) bool { return x.s.Transport() == engineio.WebSocket && x.closed == 0 }
	ended := func(reason engineio.Reason) func(*crossing) bool {
		return func(x *crossing) bool { return x.closed == 1 && x.reason == reason }
	}
	for name, c := range map[string]struct {
		during func(*crossing)
		body   string
		heard  string
		status int
		then   func(*crossing) bool
	}{
		"in order":     {func(x *crossing) { x.read("5", "4w1", "bAQ==", "4w2") }, "4a\x1e4now\x1e4b", "a now b w1 \x01 w2", 200, upgraded},
		"alone":        {func(x *crossing) { x.read("5") }, "4now", "now", 200, upgraded},
		"twice":        {func(x *crossing) { x.read("5", "5", "4w") }, "4now\x1e4b", "now b w", 200, upgraded},
		"with a probe": {func(x *crossing) { x.read("2probe", "5", "4w") }, "4now\x1e4b", "now b w", 200, upgraded},
		"no upgrade":   {func(x *crossing) { x.read("4w") }, "4now\x1e4b", "now b", 200, polls},
		"then garbage": {func(x *crossing) { x.read("5", "4w", "x", "4w") }, "4now\x1e4b", "now b w", 200, ended(engineio.ParseError)},
		"then the end": {func(x *crossing) { x.read("5", "4w"); x.come(frame(0x88, "")) }, "4now\x1e4b", "now b w", 200, ended(engineio.TransportClose)},
		"then a cut":   {func(x *crossing) { x.read("5", "4w"); x.w.OnClose(nil) }, "4now\x1e4b", "now", 200, ended(engineio.TransportClose)},
		"then too much": {func(x *crossing) {
			x.srv.cfg.Settings.MaxPayload = 10
			x.read("5", "4wwwww", "4vvvvv", "4"+strings.Repeat("u", 10), "4")
		}, "4now\x1e4b", "now b wwwww vvvvv", 200, ended(engineio.TransportError)},
		"a bad POST":        {func(x *crossing) { x.read("5", "4w") }, "4now\x1ex\x1e4b", "now", 200, ended(engineio.ParseError)},
		"closed by POST":    {func(x *crossing) { x.read("5", "4w") }, "4now\x1e1", "now", 200, ended(engineio.TransportClose)},
		"closed by us":      {func(x *crossing) { x.read("5", "4w"); x.s.Close() }, "4now\x1e4b", "now", 200, ended(engineio.ForcedClose)},
		"dropped meanwhile": {func(x *crossing) { x.read("5", "4w"); x.drop() }, "4now\x1e4b", "now b", 200, polls},
		"rejected":          {func(x *crossing) { x.read("5"); x.s.Reject("much") }, "4now\x1e4b", "now", 429, ended(engineio.ForcedClose)},
	} {
		t.Run(name, func(t *testing.T) {
			x := cross(t)
			x.during = func() { c.during(x) }
			answer := x.post(c.body)
			if heard := strings.Join(x.heard, " "); heard != c.heard {
				t.Errorf("heard %q, want %q", heard, c.heard)
			}
			if answer.Code != c.status || c.status == 200 && answer.Body.String() != "ok" {
				t.Errorf("answered %d %q", answer.Code, answer.Body)
			}
			if !c.then(x) {
				t.Errorf("on %v, %+v", x.s.Transport(), x.endings)
			}
			if x.c.paused || x.w.kept != nil && !x.w.closing {
				t.Errorf("paused %v, kept %v", x.c.paused, x.w.kept)
			}
		})
	}
}

// drop does what the upgradeTimeout does.
func (x *crossing) drop() {
	x.s.mu.Lock()
	x.s.machine.CandidateLost(x.s.now())
	x.s.act(engineio.DropCandidate, nil)
	x.s.unlock()
}

// What was kept is heard while the engine brings more: that comes behind it.
func TestI2WhatIsKeptGoesFirst(t *testing.T) {
	x := cross(t)
	x.during = func() {
		if x.w.candidate {
			x.read("5", "4first", "4now", "4second")
		} else {
			x.read("4third")
		}
	}
	x.post("4now\x1e4b")
	if want := []string{"now", "b", "first", "now", "second", "third"}; !slices.Equal(x.heard, want) {
		t.Errorf("heard %q", x.heard)
	}
	x.read("4then")
	if x.heard[len(x.heard)-1] != "then" {
		t.Errorf("heard %q", x.heard)
	}
}

// A handler that panics in a POST, or in what waited for it, costs the session and leaves nothing that waits.
func TestPanicInAPostThatAnUpgradeWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		dies any
	}{"of the POST": {"4now\x1e4panic", http.ErrAbortHandler}, "behind it": {"4now", "a handler"}} {
		t.Run(name, func(t *testing.T) {
			x := cross(t)
			x.during = func() { x.read("5", "4panic", "4w") }
			func() {
				defer func() {
					if v := recover(); v != c.dies {
						t.Errorf("recovered %v", v)
					}
				}()
				x.post(c.body)
			}()
			x.w.OnClose(netpoll.ErrPanic) // as the engine does
			if x.closed != 1 || x.cause != CauseInternal || !slices.Equal(x.heard, []string{"now", "panic"}) {
				t.Errorf("%+v, heard %q", x.endings, x.heard)
			}
			if x.c.paused || x.w.kept != nil || !x.w.closing {
				t.Errorf("paused %v, kept %v", x.c.paused, x.w.kept)
			}
		})
	}
}

// PROTOCOL 1.2, 1.6: a request that an upgrade or the end overtakes between its check and the state machine is refused
// as one that comes a moment later.
func TestRequestsThatAreOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*crossing)
		want      string
	}{
		"by an upgrade": {func(x *crossing) { x.read("5") }, `{"code":3,"message":"Bad request"}`},
		"by the end": {func(x *crossing) {
			x.s.mu.Lock()
			x.s.lose(engineio.TransportError, CauseAborted, nil)
			x.s.unlock()
		}, `{"code":1,"message":"Session ID unknown"}`},
	} {
		t.Run(name, func(t *testing.T) {
			x := cross(t)
			c.meanwhile(x)
			get := httptest.NewRecorder()
			x.srv.pollGet(get, httptest.NewRequest(http.MethodGet, "/engine.io/", nil), x.s, &params{eio: "4"})
			for method, w := range map[string]*httptest.ResponseRecorder{"GET": get, "POST": x.post("4late")} {
				if w.Code != http.StatusBadRequest || w.Body.String() != c.want {
					t.Errorf("%s: %d %s", method, w.Code, w.Body)
				}
			}
			if len(x.heard) != 0 {
				t.Errorf("heard %q", x.heard)
			}
		})
	}
}

// PROTOCOL 1.4, 1.6: a client that breaks a poll off loses the session if it loses more than a noop with it, also when
// the upgrade is complete by then.
func TestPollBrokenOffAroundAnUpgrade(t *testing.T) {
	for name, c := range map[string]struct {
		before, after bool // a message, then the upgrade, then a message
		closed        int
	}{
		"with a noop":                 {closed: 0},
		"with a noop, a message next": {after: true, closed: 0},
		"with a message":              {before: true, closed: 1},
	} {
		for _, taken := range []bool{false, true} { // the body was being written, or was on its way to that
			t.Run(name, func(t *testing.T) {
				x := cross(t)
				answer, _ := x.s.park(pollStyle{revision: engineio.Revision4})
				if c.before {
					x.s.Send(message("lost"), false)
				}
				x.read("5")
				if c.after {
					x.s.Send(message("goes on"), false)
				}
				var body payload
				if taken {
					body = <-answer
				}
				x.s.unpark(answer, body)
				if x.closed != c.closed || x.closed > 0 && (x.reason != engineio.TransportError || x.cause != CauseAborted) {
					t.Errorf("taken %v: %+v", taken, x.endings)
				}
				if c.after && !strings.Contains(x.c.got.String(), "4goes on") {
					t.Errorf("the WebSocket got %q", x.c.got.String())
				}
			})
		}
	}
}

// A request that is over before its answer, with the body ready: whichever the handler sees first, the session ends.
func TestPollGoneWithItsBodyReady(t *testing.T) {
	for range 20 { // select picks one of two
		x := cross(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		x.s.Send(message("lost"), false)
		x.srv.pollGet(hungUp{}, httptest.NewRequest(http.MethodGet, "/engine.io/", nil).WithContext(ctx), x.s, &params{eio: "4"})
		if x.closed != 1 || x.reason != engineio.TransportError || x.cause != CauseAborted {
			t.Fatalf("%+v", x.endings)
		}
	}
}

// The kernel takes what is written to a client that has gone; it is lost all the same.
func TestPollGoneBeforeItsBodyIsWritten(t *testing.T) {
	for range 20 {
		x := cross(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		x.s.Send(message("lost"), false)
		w := httptest.NewRecorder()
		x.srv.pollGet(w, httptest.NewRequest(http.MethodGet, "/engine.io/", nil).WithContext(ctx), x.s, &params{eio: "4"})
		if x.closed != 1 || x.cause != CauseAborted || w.Body.Len() != 0 {
			t.Fatalf("%+v, wrote %q", x.endings, w.Body)
		}
	}
}

// hungUp is a ResponseWriter whose client has gone.
type hungUp struct{}

func (hungUp) Header() http.Header       { return http.Header{} }
func (hungUp) WriteHeader(int)           {}
func (hungUp) Write([]byte) (int, error) { return 0, netpoll.ErrClosed }
