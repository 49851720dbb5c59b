package wsedge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// keeper is a HandshakeAdmitter.
type keeper struct {
	open   atomic.Bool // nobody need be asked
	asked  chan *rooms.Question
	answer func(ctx context.Context) rooms.Verdict
}

func newKeeper(answer func(context.Context) rooms.Verdict) *keeper {
	return &keeper{asked: make(chan *rooms.Question, 100), answer: answer}
}

func (g *keeper) AsksHandshakes() bool { return !g.open.Load() }

func (g *keeper) AdmitHandshake(ctx context.Context, q *rooms.Question) rooms.Verdict {
	g.asked <- q
	return g.answer(ctx)
}

func keepOut(context.Context) rooms.Verdict {
	return rooms.Verdict{Refused: true, Message: "not <you>"}
}

// request makes a handshake by hand and returns the answer's status and body; the body of a 101 is left out.
func (h *harness) request(query, more string) (int, string) {
	h.t.Helper()
	c, err := h.dial()
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(c, "GET /socket.io/?EIO=4&%s HTTP/1.1\r\nHost: h\r\nX-Kept: k\r\nCookie: a=1\r\nX-Other: o\r\n%s\r\n", query, more)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

const upgradeHeaders = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// Who is kept out hears why, in the words that the transport has for it (PROTOCOL 1.2), and is no session.
func TestHandshakeRefused(t *testing.T) {
	g := newKeeper(keepOut)
	h := start(t, func(c *Config) { c.Handshakes = g })
	for _, c := range []struct {
		query, more string
		status      int
		body        string
	}{
		{"transport=polling", "", 403, `{"code":4,"message":"not <you>"}`},
		{"transport=websocket", upgradeHeaders, 400, "not <you>"},
	} {
		if status, body := h.request(c.query, c.more); status != c.status || body != c.body {
			t.Errorf("%s: %d %s", c.query, status, body)
		}
		<-g.asked
	}
	if s := h.server.Stats(); s.Sessions != 0 || s.RefusalContexts["NOT_ADMITTED"] != 2 {
		t.Errorf("%d sessions, %v", s.Sessions, s.RefusalContexts)
	}
}

// What is asked is all that is known, with headers that nobody keeps.
func TestHandshakeQuestion(t *testing.T) {
	g := newKeeper(func(context.Context) rooms.Verdict { return rooms.Verdict{} })
	var ask asker = make(chan question, 10)
	h := start(t, func(c *Config) {
		c.Handshakes, c.Admitter = g, ask
		c.KeepHeaders, c.AdmissionHeaders = []string{"x-kept"}, []string{"cookie", "x-absent", "x-kept"}
	})
	for query, more := range map[string]string{"transport=polling&x=%20": "", "transport=websocket&x=%20": upgradeHeaders} {
		if status, body := h.request(query, more); status != 200 && status != 101 {
			t.Errorf("%s: %d %s", query, status, body)
		}
		q := <-g.asked
		want := []rooms.Header{{Name: "x-kept", Value: "k"}, {Name: "cookie", Value: "a=1"}}
		if !q.AboutHandshake() || "transport="+q.Transport+"&x=%20" != query || !slices.Equal(q.Handshake.Headers, want) ||
			q.Handshake.Query != "EIO=4&"+query || q.Handshake.Address != "127.0.0.1" || q.Handshake.Issued.IsZero() {
			t.Errorf("question %+v, handshake %+v", q, q.Handshake)
		}
	}
	p := h.open()
	<-g.asked
	p.send("40")
	if q := <-ask; q.AboutHandshake() || q.Transport != "" || len(q.Handshake.Headers) != 0 {
		t.Errorf("question about a socket %+v, %+v", q.Question, q.Handshake)
	} else {
		q.answer(rooms.Verdict{})
	}
	p.next()
}

// While nobody need be asked nobody is, and WebSockets take the fast way in; that may change at any time.
func TestHandshakesThatNeedNoAsking(t *testing.T) {
	g := newKeeper(keepOut)
	h := start(t, func(c *Config) { c.Handshakes = g })
	for _, open := range []bool{true, false, true} {
		g.open.Store(open)
		want := map[bool]int{true: 101, false: 400}[open]
		if status, _ := h.request("transport=websocket", upgradeHeaders); status != want {
			t.Errorf("open %t: %d", open, status)
		}
	}
	if len(g.asked) != 1 {
		t.Errorf("asked %d times", len(g.asked))
	}
}

// An upgrade begins no session.
func TestHandshakeIsAskedOnceForASession(t *testing.T) {
	g := newKeeper(func(context.Context) rooms.Verdict { return rooms.Verdict{} })
	h := start(t, func(c *Config) { c.Handshakes = g })
	p := h.openPolling()
	<-g.asked
	g.answer = keepOut
	if status, body := h.request("transport=websocket&sid="+p.sid, upgradeHeaders); status != 101 {
		t.Errorf("%d %s", status, body)
	}
	if len(g.asked) != 0 {
		t.Error("asked about an upgrade")
	}
}

// The question ends with its client.
func TestHandshakeEndsWithItsClient(t *testing.T) {
	ended := make(chan error)
	g := newKeeper(func(ctx context.Context) rooms.Verdict {
		<-ctx.Done()
		ended <- ctx.Err()
		return rooms.Verdict{}
	})
	h := start(t, func(c *Config) { c.Handshakes = g })
	for query, more := range map[string]string{"transport=polling": "", "transport=websocket": upgradeHeaders} {
		c, err := h.dial()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, "GET /socket.io/?EIO=4&%s HTTP/1.1\r\nHost: h\r\n%s\r\n", query, more)
		<-g.asked
		_ = c.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if n := h.server.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// With a hook of its own, a server asks that first, and only then, each while it wants to be asked.
func TestHandshakeAfterTheHook(t *testing.T) {
	for _, c := range []struct {
		hook, hookAsks, keeper bool // the hook exists and lets nobody in; it asks; the keeper lets nobody in
		hasAsks                bool
		want                   string
	}{
		{want: "in"},
		{keeper: true, want: "keeper"},
		{hook: true, keeper: true, want: "Forbidden"},
		{hook: true, keeper: false, want: "Forbidden"},
		{hook: true, hasAsks: true, hookAsks: true, keeper: true, want: "Forbidden"},
		{hook: true, hasAsks: true, hookAsks: false, keeper: true, want: "keeper"},
		{hook: true, hasAsks: true, hookAsks: false, keeper: false, want: "in"},
	} {
		g := newKeeper(func(context.Context) rooms.Verdict { return rooms.Verdict{Refused: c.keeper, Message: "keeper"} })
		h := start(t, func(cfg *Config) {
			cfg.Handshakes = g
			if c.hook {
				cfg.HTTP.Admit = func(context.Context, *http.Request) error { return errors.New("no") }
			}
			if c.hasAsks {
				cfg.HTTP.Asks = func() bool { return c.hookAsks }
			}
		})
		g.open.Store(!c.keeper)
		for query, more := range map[string]string{"transport=polling": "", "transport=websocket": upgradeHeaders} {
			status, body := h.request(query, more)
			want := c.want
			if want != "in" && more == "" {
				want = `{"code":4,"message":"` + want + `"}`
			}
			if in := status == 200 || status == 101; in != (c.want == "in") || !in && body != want {
				t.Errorf("%+v, %s: %d %s", c, query, status, body)
			}
		}
		if asked := len(g.asked) > 0; asked != (c.want == "keeper") {
			t.Errorf("%+v: the keeper was asked: %t", c, asked)
		}
	}
	lets := newKeeper(keepOut)
	h := start(t, func(cfg *Config) {
		cfg.Handshakes = lets
		cfg.HTTP.Admit = func(context.Context, *http.Request) error { return nil }
	})
	if status, body := h.request("transport=polling", ""); status != 403 || body != `{"code":4,"message":"not <you>"}` {
		t.Errorf("after a hook that lets everybody in: %d %s", status, body)
	}
	lets.open.Store(true)
	if status, body := h.request("transport=polling", ""); status != 200 {
		t.Errorf("neither minds: %d %s", status, body)
	}
}
