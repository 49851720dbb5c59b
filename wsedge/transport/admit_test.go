package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sync/atomic"
	"testing"
)

// Admit costs nothing for an address that is over its limits, and what it refuses, or panics at, keeps no place in them.
func TestAdmitComesAfterTheLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		asked := make(chan bool, 10)
		srv, addr := serving(t, kind, Config{MaxSessionsPerAddress: 1, HTTP: HTTPConfig{
			Admit: func(_ context.Context, r *http.Request) error {
				asked <- true
				switch r.Header.Get("X-Verdict") {
				case "no":
					return errors.New("no")
				case "panic":
					panic("boom")
				}
				return nil
			},
		}})
		for way, request := range waysIn() {
			for _, verdict := range []string{"no", "panic"} {
				c := call(t, "127.0.0.1", addr)
				io.WriteString(c, replace("Host:", "X-Verdict: "+verdict+"\r\nHost:")(request))
				<-asked
				until(t, "place after "+verdict+", "+way, func() bool { return srv.limits.size() == 0 })
			}
		}
		bad := call(t, "127.0.0.1", addr) // let in, but no WebSocket can be made of it
		if resp, _ := bad.ask(replace("Version: 13", "Version: 12")(upgradeRequest())); resp.StatusCode != 400 {
			t.Errorf("a bad handshake: %s", resp.Status)
		}
		<-asked
		until(t, "place after a bad handshake", func() bool { return srv.limits.size() == 0 })
		call(t, "127.0.0.1", addr).ask(pollRequest)
		<-asked
		for way, request := range waysIn() {
			if resp, _ := call(t, "127.0.0.1", addr).ask(request); resp.StatusCode != 429 {
				t.Errorf("%s, over the limit: %s", way, resp.Status)
			}
		}
		if len(asked) != 0 {
			t.Error("asked about an address that is over its limit")
		}
	})
}

// Whether Admit is asked may change at any time; while it is not, WebSockets take the fast way in.
func TestAsks(t *testing.T) {
	var asks atomic.Bool
	var asked, looked atomic.Int64
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.Asks = func() bool { looked.Add(1); return asks.Load() }
		cfg.HTTP.Admit = func(context.Context, *http.Request) error { asked.Add(1); return errors.New("no") }
	})
	for round, on := range []bool{false, true, false} {
		asks.Store(on)
		want := map[string][2]int{"polling": {200, 403}, "WebSocket": {101, 400}}
		for name, raw := range map[string]string{"polling": line("GET", pollingURL), "WebSocket": upgrade(webSocketURL)} {
			status := want[name][0]
			if on {
				status = want[name][1]
			}
			if r := s.ask(raw); r.status != status {
				t.Errorf("round %d, %s: %d %s", round, name, r.status, r.body)
			}
		}
	}
	if asked.Load() != 2 || s.fast() != 2 {
		t.Errorf("asked %d times, %d took the fast way", asked.Load(), s.fast())
	}
}

// What Admit may look at is what the session keeps, and more.
func TestHandshakeForAdmission(t *testing.T) {
	for _, c := range []struct {
		method     string
		keep, more []string
		want       []Header
	}{
		{"GET", nil, nil, nil},
		{"CONNECT", []string{"a"}, nil, []Header{{"a", "1"}}},
		{"GET", []string{"a"}, []string{"b", "a", "absent"}, []Header{{"a", "1"}, {"b", "2"}}},
		{"GET", nil, []string{"cookie"}, []Header{{"cookie", "x=1; y=2"}}},
		{"CONNECT", []string{"*"}, []string{"b"}, []Header{{"a", "1"}, {"b", "2"}, {"cookie", "x=1; y=2"}, {"host", "h"}}},
	} {
		s := &Server{cfg: Config{KeepHeaders: c.keep}}
		r := &http.Request{
			Method: c.method, Host: "h", RemoteAddr: "192.0.2.1:5", RequestURI: "/socket.io/?x=1",
			URL:    &url.URL{RawQuery: "EIO=4&transport=no&transport=w%65bsocket"},
			Header: http.Header{"A": {"1"}, "B": {"2"}, "Cookie": {"x=1", "y=2"}},
		}
		got, transport := s.Handshake(r, c.more)
		if want := map[string]string{"GET": "websocket", "CONNECT": "webtransport"}[c.method]; transport != want {
			t.Errorf("%s: %q", c.method, transport)
		}
		if !reflect.DeepEqual(got.Headers, c.want) || got.Address != "192.0.2.1" || got.Query() != "x=1" {
			t.Errorf("keep %q and %q: %+v", c.keep, c.more, got)
		}
		if again := s.handshakeOf(r); len(again.Headers) > len(got.Headers) || len(c.keep) != len(s.cfg.KeepHeaders) {
			t.Errorf("the session keeps %+v", again.Headers)
		}
	}
}
