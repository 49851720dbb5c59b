package transport

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// mute is an application that does nothing.
type mute struct{}

func (mute) Opened()                       {}
func (mute) Message([]byte, bool) bool     { return true }
func (mute) Alarm()                        {}
func (mute) Closed(engineio.Reason, Cause) {}

// onBoth runs f on either engine.
func onBoth(t *testing.T, f func(t *testing.T, kind string)) {
	kinds := []string{netpoll.KindPortable}
	if runtime.GOOS == "linux" {
		kinds = append(kinds, netpoll.KindLoops)
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { f(t, kind) })
	}
}

// serving runs a server on a loopback port until the test ends.
func serving(t *testing.T, kind string, cfg Config) (srv *Server, addr string) {
	t.Helper()
	if cfg.OnSession == nil {
		cfg.OnSession = func(*Session) Handler { return mute{} }
	}
	cfg.Engine.Kind = kind
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	srv, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, session := range srv.Sessions() { // nobody waits for their clients
			session.abandon()
		}
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return srv, l.Addr().String()
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

// caller is a connection from a loopback address of choice.
type caller struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func call(t *testing.T, from, addr string) *caller {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &caller{t: t, Conn: c, r: bufio.NewReader(c)}
}

// ask sends bytes and reads one answer with its body.
func (c *caller) ask(raw string) (*http.Response, string) {
	c.t.Helper()
	_, _ = io.WriteString(c, raw)
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no answer to %.200q: %v", raw, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

// ended reports whether the server has ended the connection without a byte more.
func (c *caller) ended() bool {
	b, err := io.ReadAll(c.r)
	return len(b) == 0 && err == nil
}

const pollRequest = "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"

// The ways in which a session begins.
func waysIn() map[string]string {
	return map[string]string{
		"fast":     upgradeRequest(),
		"net/http": upgradeRequest(replace("EIO=4", "%45IO=4"), replace("/engine.io/?", "/engine.io/?"), replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade")),
		"polling":  pollRequest,
	}
}

func postRequest(sid, body string) string {
	return fmt.Sprintf("POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", sid, len(body), body)
}
