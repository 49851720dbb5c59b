package transport

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// gate is an application that tells what it hears. At the message "hold" it does not go on until it is let.
type gate struct {
	heard chan string
	let   chan struct{} // closed, or what it panics of is sent
}

func (g *gate) Opened() {}
func (g *gate) Alarm()  {}

func (g *gate) Message(data []byte, _ bool) bool {
	g.heard <- string(data)
	if string(data) == "hold" {
		if _, ok := <-g.let; ok {
			panic("told to")
		}
	}
	return true
}

func (g *gate) Closed(reason engineio.Reason, cause Cause) {
	g.heard <- strings.TrimSpace("closed: " + reason.String() + " " + cause.String())
}

func (g *gate) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-g.heard:
			if got != w {
				t.Fatalf("heard %q, want %q", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("%q was not heard", w)
		}
	}
}

// burst is a session whose POST is being handled while its candidate has sent the upgrade packet and more.
type burst struct {
	*gate
	srv       *Server
	session   *Session
	post      *caller
	candidate *caller
}

// burstOf brings a session there. The POST is "hold", "b" and what posted adds; behind "5" the candidate sends frames.
func burstOf(t *testing.T, kind string, cfg Config, posted string, frames ...[]byte) *burst {
	t.Helper()
	x := &burst{gate: &gate{heard: make(chan string, 16), let: make(chan struct{})}}
	cfg.OnSession = func(*Session) Handler { return x.gate }
	srv, addr := serving(t, kind, cfg)
	x.srv, x.post, x.candidate = srv, call(t, "127.0.0.1", addr), call(t, "127.0.0.1", addr)
	_, open := x.post.ask(pollRequest)
	sid := open[len(`0{"sid":"`):][:20]
	x.session = srv.sessions.find(sid)
	x.candidate.ask(upgradeRequest(replace("EIO=4", "EIO=4&sid="+sid)))
	_, _ = io.WriteString(x.post, postRequest(sid, "4hold\x1e4b"+posted))
	x.expect(t, "hold")
	_, _ = x.candidate.Write(join(append([][]byte{frame(0x81, "5")}, frames...)...))
	until(t, "upgrade packet", func() bool {
		x.session.mu.Lock()
		defer x.session.mu.Unlock()
		return x.session.poll == nil || x.session.poll.overtaking != nil
	})
	return x
}

// answered reads what the POST is answered.
func (x *burst) answered() string {
	resp, err := http.ReadResponse(x.post.r, nil)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}

// PROTOCOL 1.6: a POST whose packets are being handled when the upgrade packet comes was sent before it: all of it
// counts, in order, before what follows on the WebSocket, however that ends.
func TestI2UpgradeWaitsForAPost(t *testing.T) {
	unmasked := []byte{0x81, 2, '4', 'x'}
	onBoth(t, func(t *testing.T, kind string) {
		for name, c := range map[string]struct {
			posted string
			frames [][]byte
			heard  []string
			ends   ws.StatusCode // 0: it goes on
		}{
			"messages":          {"", [][]byte{frame(0x81, "4w"), frame(0x01, "4"), frame(0x80, "x")}, []string{"b", "w", "x"}, 0},
			"the packet twice":  {"", [][]byte{frame(0x81, "5"), frame(0x81, "4w")}, []string{"b", "w"}, 0},
			"nothing":           {"", nil, []string{"b"}, 0},
			"a close frame":     {"", [][]byte{frame(0x81, "4w"), frame(0x88, "\x03\xe8")}, []string{"b", "w", "closed: transport close"}, 1000},
			"a violation":       {"", [][]byte{frame(0x81, "4w"), unmasked}, []string{"b", "w", "closed: transport error protocol violation"}, 1002},
			"no packet":         {"", [][]byte{frame(0x81, "4w"), frame(0x81, "x")}, []string{"b", "w", "closed: parse error"}, 1005},
			"the POST closes":   {"\x1e1\x1e4c", [][]byte{frame(0x81, "4w")}, []string{"b", "closed: transport close"}, 1005},
			"the POST is wrong": {"\x1ex\x1e4c", [][]byte{frame(0x81, "4w")}, []string{"b", "closed: parse error"}, 1005},
		} {
			t.Run(name, func(t *testing.T) {
				x := burstOf(t, kind, Config{}, c.posted, c.frames...)
				if got := x.session.Transport(); got != engineio.Polling {
					t.Errorf("on %v while the POST is being handled", got)
				}
				close(x.let)
				x.expect(t, c.heard...)
				if got := x.answered(); got != "200 ok" {
					t.Errorf("the POST was answered %q", got)
				}
				if c.ends != 0 {
					x.ends(t, c.ends)
					return
				}
				until(t, "switch", func() bool { return x.session.Transport() == engineio.WebSocket })
				_, _ = x.candidate.Write(frame(0x81, "4later"))
				x.expect(t, "later")
				if x.session.Send(message("down"), false); !x.says("4down") {
					t.Error("nothing comes over the WebSocket")
				}
			})
		}
	})
}

// ends waits for the close frame of the WebSocket and for its end.
func (x *burst) ends(t *testing.T, want ws.StatusCode) {
	t.Helper()
	body := ""
	if want != ws.StatusNoStatusRcvd {
		body = string(ws.NewCloseFrameBody(want, ""))
	}
	if op, got := x.candidate.frame(); op != ws.OpClose || got != body {
		t.Errorf("frame %d %q, want a close with %d", op, got, want)
	}
	_, _ = x.candidate.Write(frame(0x88, ""))
	if !x.candidate.ended() {
		t.Error("the WebSocket is open still")
	}
	until(t, "end of the session", func() bool { return x.srv.Len() == 0 })
}

func (x *burst) says(want string) bool {
	_, got := x.candidate.frame()
	return got == want
}

// frame reads one frame of the server's.
func (c *caller) frame() (op ws.OpCode, payload string) {
	c.t.Helper()
	h, err := ws.ReadHeader(c.r)
	if err != nil || h.Length > limit {
		c.t.Fatalf("no frame: %+v, %v", h, err)
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatal(err)
	}
	return h.OpCode, string(b)
}

// The WebSocket may be cut while its upgrade packet waits: then polling goes on, or the session ends; the POST counts.
func TestUpgradeIsCutWhileItWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		x := burstOf(t, kind, Config{}, "", frame(0x81, "4w"))
		x.candidate.Close()
		close(x.let)
		x.expect(t, "b", "w", "closed: transport close") // an orderly end is read after what came before it
		if got := x.answered(); got != "200 ok" {
			t.Errorf("the POST was answered %q", got)
		}
	})
}

// A handler that panics in the POST costs the session, and the candidate goes with it.
func TestPanicWhileTheUpgradeWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		x := burstOf(t, kind, Config{}, "", frame(0x81, "4w"))
		x.let <- struct{}{}
		x.expect(t, "closed: transport close internal error")
		x.ends(t, ws.StatusNoStatusRcvd)
		if got := x.answered(); !strings.Contains(got, "EOF") {
			t.Errorf("the POST was answered %q", got)
		}
	})
}

// PROTOCOL 1.6, step 5: an upgrade that has to wait for too long is given up, with what it brought; polling goes on.
func TestUpgradeTimesOutWhileItWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		settings := engineio.DefaultSettings()
		settings.UpgradeTimeout = 1
		x := burstOf(t, kind, Config{Settings: settings}, "", frame(0x81, "4never"))
		if op, got := x.candidate.frame(); op != ws.OpClose || got != "" {
			t.Errorf("frame %d %q", op, got)
		}
		close(x.let)
		x.expect(t, "b")
		if got := x.answered(); got != "200 ok" {
			t.Errorf("the POST was answered %q", got)
		}
		if resp, body := x.post.ask(postRequest(x.session.ID().String(), "4polled")); resp.StatusCode != 200 {
			t.Errorf("POST: %s %s", resp.Status, body)
		}
		x.expect(t, "polled")
	})
}

// What waits is bounded by one read; all of it is heard before the session ends because of the rest.
func TestWhatWaitsWithAnUpgradeIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		settings := engineio.DefaultSettings()
		settings.MaxPayload = 100
		long := "4" + strings.Repeat("w", 60)
		x := burstOf(t, kind, Config{Settings: settings, Engine: netpoll.Config{ReadBuffer: 128}}, "",
			frame(0x81, long), frame(0x81, long), frame(0x81, long+long), frame(0x81, "4never"))
		close(x.let)
		x.expect(t, "b", long[1:], long[1:], "closed: transport error protocol violation")
		x.ends(t, ws.StatusMessageTooBig)
	})
}

// PROTOCOL 1.4: what a GET was answered with and its client did not take is lost, so the session ends, also when an
// upgrade has come meanwhile. A noop is no loss.
func TestBodyThatIsNotTakenAcrossTheUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		for name, c := range map[string]struct {
			waits string // for the poll
			heard string
		}{
			"messages": {strings.Repeat("m", 32<<20), "closed: transport error request aborted"},
			"a noop":   {"", "up"},
		} {
			t.Run(name, func(t *testing.T) {
				g := &gate{heard: make(chan string, 16)}
				srv, addr := serving(t, kind, Config{OnSession: func(*Session) Handler { return g }})
				poll, w := call(t, "127.0.0.1", addr), call(t, "127.0.0.1", addr)
				_, open := poll.ask(pollRequest)
				sid := open[len(`0{"sid":"`):][:20]
				session := srv.sessions.find(sid)
				_, _ = io.WriteString(poll, strings.Replace(pollRequest, "polling", "polling&sid="+sid, 1))
				until(t, "poll", func() bool { return polls(srv, open) })
				if c.waits != "" {
					session.Send(message(c.waits), false)
				}
				w.ask(upgradeRequest(replace("EIO=4", "EIO=4&sid="+sid)))
				_, _ = w.Write(frame(0x81, "5"))
				until(t, "switch", func() bool { return session.Transport() == engineio.WebSocket })
				poll.Close()
				if c.waits == "" {
					_, _ = w.Write(frame(0x81, "4up"))
				}
				g.expect(t, c.heard)
			})
		}
	})
}

// PROTOCOL 1.6, step 3: polling after the upgrade gets code 3, whenever it was let in; another WebSocket is closed, by
// both ways in.
func TestRequestsAfterTheUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{})
		c, w := call(t, "127.0.0.1", addr), call(t, "127.0.0.1", addr)
		_, open := c.ask(pollRequest)
		sid := open[len(`0{"sid":"`):][:20]
		withSID := replace("EIO=4", "EIO=4&sid="+sid)
		w.ask(upgradeRequest(withSID))
		_, _ = w.Write(frame(0x81, "5"))
		session := srv.sessions.find(sid)
		until(t, "switch", func() bool { return session.Transport() == engineio.WebSocket })
		for name, request := range map[string]string{"GET": withSID(pollRequest), "POST": postRequest(sid, "4x")} {
			resp, body := c.ask(request)
			if resp.StatusCode != 400 || body != `{"code":3,"message":"Bad request"}` {
				t.Errorf("%s: %s %q", name, resp.Status, body)
			}
		}
		before := srv.stats.RefusedFor[RefusedTransportMismatch].Load()
		p := parseQuery("EIO=4&transport=polling&sid=" + sid)
		for method, serve := range map[string]func(http.ResponseWriter, *http.Request, *Session, *params){"GET": srv.pollGet, "POST": srv.pollPost} {
			r := httptest.NewRecorder() // verify had let it pass
			serve(r, httptest.NewRequest(method, "/", http.NoBody), session, &p)
			if r.Code != 400 || r.Body.String() != `{"code":3,"message":"Bad request"}` {
				t.Errorf("%s, late: %d %q", method, r.Code, r.Body)
			}
		}
		if n := srv.stats.RefusedFor[RefusedTransportMismatch].Load() - before; n != 2 {
			t.Errorf("%d are counted", n)
		}
		for _, way := range []string{"fast", "net/http"} {
			second := call(t, "127.0.0.1", addr)
			query := strings.NewReplacer("%45IO=4", "EIO=4&sid="+sid, "EIO=4", "EIO=4&sid="+sid)
			if resp, _ := second.ask(query.Replace(waysIn()[way])); resp.StatusCode != 101 {
				t.Errorf("%s: %s", way, resp.Status)
			}
			if op, got := second.frame(); op != ws.OpClose || got != "" {
				t.Errorf("%s: frame %d %q", way, op, got)
			}
		}
		if session.Closed() || srv.Len() != 1 {
			t.Error("the session has suffered")
		}
	})
}
