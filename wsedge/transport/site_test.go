package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// site is a Server on a loopback port.
type site struct {
	t    *testing.T
	srv  *Server
	addr string
}

// newSite runs a server under /socket.io/ until the test ends.
func newSite(t *testing.T, edit func(*Config)) *site {
	t.Helper()
	cfg := Config{Path: "/socket.io/", OnSession: func(*Session) Handler { return &endings{} }}
	if edit != nil {
		edit(&cfg)
	}
	srv, addr := serving(t, os.Getenv("REALTIME_TEST_ENGINE"), cfg)
	return &site{t, srv, addr}
}

// reply is an answer with the bytes of its head.
type reply struct {
	status int
	header http.Header
	head   string
	body   string
	closed bool // the server closed the connection after it
}

// line is one request with the headers given, each "Name: value".
func line(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
}

// upgrade is line for a WebSocket handshake.
func upgrade(target string, headers ...string) string {
	return line("GET", target, append([]string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)...)
}

// ask sends a request on a new connection: the fast way in, if it may.
func (s *site) ask(raw string) reply {
	s.t.Helper()
	return s.askOn(s.dial(), raw)
}

// askKept sends a request on a connection that net/http has: the slow way in.
func (s *site) askKept(raw string) reply {
	s.t.Helper()
	c := s.dial()
	if r := s.askOn(c, line("GET", "/socket.io/?first")); r.status != 400 || r.closed {
		s.t.Fatalf("%d, closed %v", r.status, r.closed)
	}
	return s.askOn(c, raw)
}

func (s *site) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

func (s *site) askOn(c net.Conn, raw string) (out reply) {
	s.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		s.t.Fatal(err)
	}
	var seen bytes.Buffer
	r := bufio.NewReader(io.TeeReader(c, &seen))
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.60q: %v", raw, err)
	}
	out.status, out.header = resp.StatusCode, resp.Header
	out.head, _, _ = strings.Cut(seen.String(), "\r\n\r\n")
	if out.status == http.StatusSwitchingProtocols {
		return out
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%.60q: %v", raw, err)
	}
	out.body = string(body)
	if resp.Close {
		_, err := r.ReadByte()
		out.closed = errors.Is(err, io.EOF)
	}
	return out
}

// fast is how many connections took the fast way in, once the Door has counted all that were answered.
func (s *site) fast() uint64 {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.Gosched() {
		if d := s.srv.Door(); d.Accepted == d.Fast+d.HTTP+d.Evicted+d.Failed {
			return d.Fast
		}
	}
	s.t.Fatal("the Door still has connections")
	return 0
}

const (
	pollingURL   = "/socket.io/?EIO=4&transport=polling"
	webSocketURL = "/socket.io/?EIO=4&transport=websocket"
)

// open begins a polling session and returns its sid.
func (s *site) open() string {
	s.t.Helper()
	return s.openAs("EIO=4&transport=polling")
}

// openAs is open for a client with that query.
func (s *site) openAs(query string) string {
	s.t.Helper()
	r := s.ask(line("GET", "/socket.io/?"+query))
	_, sid, ok := strings.Cut(r.body, `"sid":"`)
	if r.status != 200 || !ok {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	return sid[:20]
}

// askKeptQuiet is askKept for a server with a Fallback.
func (s *site) askKeptQuiet(raw string) reply {
	c := s.dial()
	s.askOn(c, line("GET", "/"))
	return s.askOn(c, raw)
}
