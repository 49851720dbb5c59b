package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// app is a web application: it tells what it was asked, and echoes on WebSockets.
func app(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", HttpOnly: true})
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s host=%s for=%s proto=%s cookie=%s body=%d", r.Method, r.URL, r.Host, r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Cookie"), len(body))
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done() // until the browser leaves
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, rw)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func ask(t *testing.T, p *Process, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+p.Addrs().Edge.String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "shop.example"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

// What is not Socket.IO's reaches the app as the browser said it, and its answer the browser; of forwarded headers only trusted
// proxies' are believed.
func TestWebUpstream(t *testing.T) {
	web := app(t)
	for name, tt := range map[string]struct {
		trusted []netip.Prefix
		want    string
	}{
		"a stranger": {nil, "for=127.0.0.1 proto=http"},
		"a proxy":    {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "for=1.2.3.4, 127.0.0.1 proto=https"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, func(c *Config) { c.WebUpstream, c.TrustedProxies = web.URL, tt.trusted })
			defer stopped(t, p)
			code, text, header := ask(t, p, "PUT", "/cart?x=1%2F2", strings.Repeat("b", 3<<20), "Cookie", "a=b",
				"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https")
			want := "PUT /cart?x=1%2F2 host=shop.example " + tt.want + " cookie=a=b body=3145728"
			if code != http.StatusOK || text != want || header.Get("Set-Cookie") == "" {
				t.Errorf("%d %s %v, want %s", code, text, header, want)
			}
			if code, text, _ := ask(t, p, "GET", "/socket.io/?EIO=4&transport=polling", ""); code != http.StatusOK || !strings.HasPrefix(text, "0{") {
				t.Errorf("Socket.IO: %d %s", code, text)
			}
		})
	}
}

// Streams and WebSockets of the app's pass through.
func TestWebUpstreamStreamsAndUpgrades(t *testing.T) {
	p := start(t, func(c *Config) { c.WebUpstream = app(t).URL })
	defer stopped(t, p)
	dial := func(head string) (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", p.Addrs().Edge.String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, head)
		return conn, bufio.NewReader(conn)
	}
	conn, r := dial("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
	for line := ""; line != "data: 2\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close()
	conn, r = dial("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", answer, err)
	}
	fmt.Fprint(conn, "hello")
	echo := make([]byte, 5)
	if _, err := io.ReadFull(r, echo); err != nil || string(echo) != "hello" {
		t.Errorf("%q, %v", echo, err)
	}
	_ = conn.Close()
}

// An app that is away costs its own requests an answer, and Socket.IO nothing.
func TestWebUpstreamAway(t *testing.T) {
	p := start(t, func(c *Config) { c.WebUpstream = "http://127.0.0.1:1" })
	defer stopped(t, p)
	if code, text, _ := ask(t, p, "GET", "/", ""); code != http.StatusBadGateway || !strings.Contains(text, "does not answer") {
		t.Errorf("%d %s", code, text)
	}
	if code, _, _ := ask(t, p, "GET", "/socket.io/?EIO=4&transport=polling", ""); code != http.StatusOK {
		t.Errorf("Socket.IO: %d", code)
	}
}

func TestWebUpstreamSetting(t *testing.T) {
	for text, good := range map[string]bool{
		"http://127.0.0.1:3000": true, "https://app.example/": true, "127.0.0.1:3000": false, "ftp://x": false, "http://x/path": false, "http://x?y": false, "http://u@x": false,
	} {
		if _, _, err := read(t, []string{"--web-upstream=" + text}); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, _, err := read(t, []string{"--web-upstream=http://x", "--web-root=" + t.TempDir()}); err == nil {
		t.Error("both")
	}
	if webUpstream("", nil, slog.New(slog.DiscardHandler)) != nil {
		t.Error("there is none")
	}
}
