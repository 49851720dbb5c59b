package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// PROTOCOL 1.9: middlewares run on polling and upgrade requests, and what they set is in the answer.
func TestMiddleware(t *testing.T) {
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.CORS = &CORS{Origin: "https://app.example"}
		cfg.Fallback = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
		cfg.Files = func(w http.ResponseWriter, r *http.Request) bool { return strings.Contains(r.URL.Path, ".js") }
		cfg.HTTP.Middleware = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Middleware", "ran")
				w.Header().Set("Sec-WebSocket-Accept", "mine")
				if strings.Contains(r.URL.RawQuery, "stop") {
					http.Error(w, "stopped", http.StatusTeapot)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	for _, c := range []struct {
		name, raw string
		status    int
		ran       string
		closed    bool
	}{
		{"polling", line("GET", pollingURL), 200, "ran", false},
		{"refused", line("GET", "/socket.io/?transport=no"), 400, "ran", false},
		{"WebSocket", upgrade(webSocketURL), 101, "ran", false},
		{"WebSocket refused", upgrade("/socket.io/?transport=no"), 400, "ran", true},
		{"answered", line("GET", pollingURL+"&stop"), 418, "ran", false},
		{"upgrade answered", upgrade(webSocketURL + "&stop"), 418, "ran", true},
		{"preflight", line("OPTIONS", pollingURL+"&stop"), 204, "", false},
		{"file", line("GET", "/socket.io/x.js?stop"), 200, "", false},
		{"outside", line("GET", "/?stop"), 200, "", false},
	} {
		for way, ask := range map[string]func(string) reply{"new": s.ask, "kept": s.askKeptQuiet} {
			r := ask(c.raw)
			if r.status != c.status || r.header.Get("X-Middleware") != c.ran || r.closed != c.closed {
				t.Errorf("%s, %s: %d %v, closed %v", c.name, way, r.status, r.header, r.closed)
			}
			if accept := r.header.Values("Sec-WebSocket-Accept"); r.status == 101 && (len(accept) != 1 || accept[0] == "mine") {
				t.Errorf("%s, %s: accept %q", c.name, way, accept)
			}
		}
	}
	if n := s.fast(); n != 0 {
		t.Errorf("%d requests went past the middleware", n)
	}
}

// PROTOCOL 1.2: Admit is the reference's allowRequest: it decides on handshakes, before EIO, and its words replace the text.
func TestAdmit(t *testing.T) {
	asked := make(chan string, 100)
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.AdmitTimeout = 50 * time.Millisecond
		cfg.HTTP.Admit = func(ctx context.Context, r *http.Request) error {
			asked <- r.Method + " " + r.Header.Get("X-Verdict") + " " + hostOf(r.RemoteAddr) + " " + r.URL.Query().Get("transport")
			switch r.Header.Get("X-Verdict") {
			case "words":
				return fmt.Errorf("wrapped: %w", &engineio.Refusal{Code: 1, Message: "your token\nis \"old\""})
			case "mute":
				return &engineio.Refusal{}
			case "secret":
				return errors.New("database password wrong")
			case "slow":
				<-ctx.Done()
				return nil
			}
			return nil
		}
	})
	for _, c := range []struct{ verdict, query, json, text string }{
		{"words", "", `{"code":4,"message":"your token\nis \"old\""}`, "your token\nis \"old\""},
		{"mute", "", `{"code":4,"message":"Forbidden"}`, "Forbidden"},
		{"secret", "", `{"code":4,"message":"Forbidden"}`, "Forbidden"},
		{"slow", "", `{"code":4,"message":"Forbidden"}`, "Forbidden"},
		{"secret", "&EIO=9", `{"code":4,"message":"Forbidden"}`, "Forbidden"},
		{"fine", "&EIO=9", `{"code":5,"message":"Unsupported protocol version"}`, "Unsupported protocol version"},
	} {
		h := "X-Verdict: " + c.verdict
		status := 403
		if strings.Contains(c.json, `"code":5`) {
			status = 400
		}
		if r := s.ask(line("GET", pollingURL+c.query, h)); r.status != status || r.body != c.json {
			t.Errorf("%s: %d %s", c.verdict, r.status, r.body)
		}
		if got, want := <-asked, "GET "+c.verdict+" 127.0.0.1 polling"; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		for way, ask := range map[string]func(string) reply{"new": s.ask, "kept": s.askKept} {
			if r := ask(upgrade(webSocketURL+c.query, h)); r.status != 400 || r.body != c.text || !r.closed {
				t.Errorf("%s, %s: %d %s", c.verdict, way, r.status, r.body)
			}
			if got, want := <-asked, "GET "+c.verdict+" 127.0.0.1 websocket"; got != want {
				t.Errorf("asked %q, want %q", got, want)
			}
		}
	}
	sid := s.open()
	<-asked
	if r := s.ask(line("POST", pollingURL+"&sid="+sid, "Content-Length: 2", "X-Verdict: secret") + "4x"); r.status != 200 {
		t.Errorf("a request of a session: %d %s", r.status, r.body)
	}
	if r := s.ask(upgrade(webSocketURL+"&sid="+sid, "X-Verdict: secret")); r.status != 101 {
		t.Errorf("an upgrade of a session: %d %s", r.status, r.body)
	}
	for _, raw := range []string{line("GET", "/socket.io/?transport=no"), line("GET", pollingURL+"&sid=no"), line("POST", pollingURL, "Content-Length: 0")} {
		s.ask(raw)
	}
	if len(asked) != 0 {
		t.Errorf("asked about what is no valid handshake: %q", <-asked)
	}
	if n := s.srv.Stats().RefusedFor[RefusedAdmission].Load(); n != 15 {
		t.Errorf("%d refusals were counted", n)
	}
}

// PROTOCOL 1.9: initial headers once per session, headers on every answer; both on a direct WebSocket handshake.
func TestHeaderHooks(t *testing.T) {
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.InitialHeaders = func(h http.Header, r *http.Request) {
			h.Set("X-Initial", r.URL.Query().Get("transport"))
			h.Add("Set-Cookie", "a=1")
			h.Add("Set-Cookie", "b=2\r\nInjected: yes")
		}
		cfg.HTTP.Headers = func(h http.Header, r *http.Request) {
			h.Set("X-All", r.Method)
			h.Set("Connection", "close")
			h.Set("Upgrade", "other")
			h.Set("bad name", "x")
			h["x-raw"] = []string{h.Get("X-Initial")}
		}
	})
	sid := s.open()
	s.srv.Sessions()[0].Send(message("x"), false)
	for _, c := range []struct {
		name, raw    string
		status       int
		initial, all string
	}{
		{"handshake", line("GET", pollingURL), 200, "polling", "GET"},
		{"poll", line("GET", pollingURL+"&sid="+sid), 200, "", "GET"},
		{"POST", line("POST", pollingURL+"&sid="+sid, "Content-Length: 1") + "4", 200, "", "POST"},
		{"PUT", line("PUT", pollingURL+"&sid="+sid, "Content-Length: 1") + "4", 500, "", "PUT"},
		{"refusal", line("GET", pollingURL+"&sid=no"), 400, "", ""},
		{"candidate", upgrade(webSocketURL + "&sid=" + sid), 101, "", "GET"},
		{"WebSocket", upgrade(webSocketURL), 101, "websocket", "GET"},
		{"polling that would upgrade", upgrade(pollingURL), 101, "polling", "GET"},
		{"no handshake", strings.Replace(upgrade(webSocketURL), "13", "12", 1), 400, "", ""},
	} {
		r := s.ask(c.raw)
		if r.status != c.status || r.header.Get("X-Initial") != c.initial || r.header.Get("X-All") != c.all {
			t.Errorf("%s: %d %v", c.name, r.status, r.header)
		}
		cookies := r.header.Values("Set-Cookie")
		if c.initial != "" && (len(cookies) != 2 || cookies[0] != "a=1" || cookies[1] != "b=2  Injected: yes") {
			t.Errorf("%s: %q", c.name, cookies)
		}
		if r.status == 101 && (r.header.Get("Upgrade") != "websocket" || r.header.Get("Connection") != "Upgrade" || strings.Contains(r.head, "bad name")) {
			t.Errorf("%s: %s", c.name, r.head)
		}
		if r.header.Get("X-Raw") != c.initial {
			t.Errorf("%s: headers before initial headers", c.name)
		}
	}
}

// PROTOCOL 1.9: the cookie is on the first polling answer only.
func TestCookie(t *testing.T) {
	full := &http.Cookie{
		Name: "edge", Path: "/rt", Domain: "app.example", MaxAge: 60, Expires: time.Unix(1e9, 0),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode, Partitioned: true,
	}
	bare := DefaultCookie()
	bare.HttpOnly, bare.Path, bare.SameSite = false, "", 0
	lasting := DefaultCookie()
	lasting.MaxAge = -1
	for name, c := range map[string]struct {
		cookie *http.Cookie
		want   string
	}{
		"none":       {nil, "^$"},
		"default":    {DefaultCookie(), "^io=SID; Path=/; HttpOnly; SameSite=Lax$"},
		"bare":       {bare, "^io=SID$"},
		"deleted":    {lasting, "^io=SID; Path=/; Max-Age=0; HttpOnly; SameSite=Lax$"},
		"everything": {full, "^edge=SID; Path=/rt; Domain=app.example; Expires=Sun, 09 Sep 2001 01:46:40 GMT; Max-Age=60; HttpOnly; Secure; SameSite=None; Partitioned$"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(cfg *Config) { cfg.HTTP.Cookie = c.cookie })
			r := s.ask(line("GET", pollingURL))
			sid := r.body[len(`0{"sid":"`):][:20]
			if got := strings.ReplaceAll(r.header.Get("Set-Cookie"), sid, "SID"); !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("%q, want %s", got, c.want)
			}
			for name, raw := range map[string]string{
				"POST":      line("POST", pollingURL+"&sid="+sid, "Content-Length: 1") + "4",
				"refusal":   line("GET", pollingURL+"&sid=no"),
				"WebSocket": upgrade(webSocketURL),
				"candidate": upgrade(webSocketURL + "&sid=" + sid),
			} {
				if got := s.ask(raw).header.Values("Set-Cookie"); len(got) != 0 {
					t.Errorf("%s: %q", name, got)
				}
			}
			if c.cookie != nil && c.cookie.Value != "" {
				t.Error("the setting was changed")
			}
		})
	}
}

// hearing is an application that passes messages on.
type hearing struct {
	endings
	heard chan string
}

func (h *hearing) Message(data []byte, _ bool) bool {
	h.heard <- string(data)
	return true
}

// What a client sends before it was admitted is heard when it is.
func TestFramesThatComeBeforeAdmission(t *testing.T) {
	app, asked, answer := &hearing{heard: make(chan string, 1)}, make(chan struct{}), make(chan error)
	s := newSite(t, func(cfg *Config) {
		cfg.OnSession = func(*Session) Handler { return app }
		cfg.HTTP.AdmitTimeout = answerTimeout
		cfg.HTTP.Admit = func(context.Context, *http.Request) error {
			asked <- struct{}{}
			return <-answer
		}
	})
	c := s.dial()
	whole := frame(0x81, "4early")
	_, _ = c.Write(append([]byte(upgrade(webSocketURL)), whole[:3]...))
	<-asked
	_, _ = c.Write(whole[3:])
	answer <- nil
	select {
	case got := <-app.heard:
		if got != "early" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(time.Minute):
		t.Error("the frame is lost")
	}
}

// A client that gives up, and a server that goes down, end the question.
func TestAdmissionEndsWithItsClient(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan error)
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.AdmitTimeout = answerTimeout
		cfg.HTTP.Admit = func(ctx context.Context, _ *http.Request) error {
			asked <- struct{}{}
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		}
	})
	for name, raw := range map[string]string{"polling": line("GET", pollingURL), "WebSocket": upgrade(webSocketURL)} {
		c := s.dial()
		_, _ = io.WriteString(c, raw)
		<-asked
		c.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.srv.Len() != 0 {
		t.Errorf("%d sessions", s.srv.Len())
	}
}

// A server that goes down waits for no question: a client that is being decided on is told to try elsewhere.
func TestAdmissionEndsWithTheServer(t *testing.T) {
	asked := make(chan struct{})
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.AdmitTimeout = answerTimeout
		cfg.HTTP.Admit = func(ctx context.Context, _ *http.Request) error {
			asked <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
	})
	polling, webSocket := s.dial(), s.dial()
	_, _ = io.WriteString(polling, line("GET", pollingURL))
	<-asked
	_, _ = io.WriteString(webSocket, upgrade(webSocketURL))
	<-asked
	s.srv.StopAccepting()
	for name, c := range map[string]net.Conn{"polling": polling, "WebSocket": webSocket} {
		if r := s.askOn(c, ""); r.status != 503 || !r.closed {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// A handshake that is being decided when the server begins to go down gets no session.
func TestAdmissionAcrossShutdown(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan error)
	s := newSite(t, func(cfg *Config) {
		cfg.HTTP.Admit = func(context.Context, *http.Request) error {
			asked <- struct{}{}
			return <-answer
		}
	})
	polling, webSocket := s.dial(), s.dial()
	_, _ = io.WriteString(polling, line("GET", pollingURL))
	<-asked
	_, _ = io.WriteString(webSocket, upgrade(webSocketURL))
	<-asked
	s.srv.StopAccepting()
	answer <- nil
	answer <- nil
	for name, c := range map[string]net.Conn{"polling": polling, "WebSocket": webSocket} {
		if r := s.askOn(c, ""); r.status != 503 || !r.closed {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if s.srv.Len() != 0 {
		t.Errorf("%d sessions", s.srv.Len())
	}
}
