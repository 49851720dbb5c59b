package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// What systemd calls the sockets decides what they are for.
func TestNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for name, c := range map[string]struct {
		given map[string][]net.Listener
		want  string // the names, or a part of the error
	}{
		"none":         {nil, ""},
		"by name":      {map[string][]net.Listener{"edge": {l}, "grpc": {l}, "admin": {l}}, "admin edge grpc"},
		"one by name":  {map[string][]net.Listener{"grpc": {l}}, "grpc"},
		"one without":  {map[string][]net.Listener{"realtime-svc.socket": {l}}, "edge"},
		"a wrong name": {map[string][]net.Listener{"edge": {l}, "other": {l}}, `"other"`},
		"twice":        {map[string][]net.Listener{"edge": {l, l}}, "2 sockets"},
		"no listener":  {map[string][]net.Listener{"edge": {nil}}, "one TCP socket"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := named(c.given)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			var names []string
			for _, name := range []string{"admin", "edge", "grpc"} {
				if found[name] != nil {
					names = append(names, name)
				}
			}
			if got := strings.Join(names, " "); got != c.want || len(found) != len(names) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// systemd is told when the service is ready, and when it begins to end.
func TestSystemdIsTold(t *testing.T) {
	at := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	t.Setenv("NOTIFY_SOCKET", at)
	p, _ := launchOnAnyPorts(t)
	told := func() string {
		text := make([]byte, 100)
		n, err := socket.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
	if got := told(); got != "READY=1" {
		t.Errorf("told %q at the start", got)
	}
	p.signal(os.Interrupt)
	if got := told(); got != "STOPPING=1" {
		t.Errorf("told %q at the end", got)
	}
	if code := p.exit(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// With --share-ports a second process listens where the first does, and serves alone when that has ended.
func TestSharedPorts(t *testing.T) {
	first := start(t, func(c *Config) { c.SharePorts = true })
	second := start(t, func(c *Config) {
		at := first.Addrs()
		c.SharePorts, c.Listen, c.GRPCListen, c.AdminListen = true, at.Edge.String(), at.GRPC.String(), at.Admin.String()
	})
	defer stopped(t, second)
	stopped(t, first)
	for range 20 {
		if status, _ := fetch(t, second.Addrs().Admin, "/readyz"); status != http.StatusOK {
			t.Fatalf("/readyz is answered %d", status)
		}
	}
	if _, err := realtime.NewSocketServiceClient(dial(t, second)).CountSockets(t.Context(), &realtime.CountSocketsRequest{Target: &realtime.Target{}}); err != nil {
		t.Error(err)
	}
	third := onPortsOfTheirOwn()
	third.Listen = second.Addrs().Edge.String()
	p, err := NewProcess(third, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a process that does not share starts on a port that is taken: %v", err)
	}
}

// Drain over gRPC: not ready, nobody new, everybody sent on, and the process still there.
func TestDrainByCall(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	m := &tossed{storm: &storm{t: t, edge: p.Addrs().Edge.String()}}
	if err := m.connect(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.conn.Close() }()
	conn := dial(t, p)
	stream, err := realtime.NewNodeServiceClient(conn).Drain(t.Context(), &realtime.DrainRequest{})
	for last := uint32(0); err == nil; {
		var r *realtime.DrainResponse
		if r, err = stream.Recv(); err == nil {
			last = r.GetSessions()
		} else if last != 0 {
			t.Errorf("%d sessions are left", last)
		}
	}
	if err != io.EOF {
		t.Error(err)
	}
	if err := m.read(func() bool { return false }); err == nil {
		t.Error("the client is still there")
	}
	if status, _ := fetch(t, p.Addrs().Admin, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz is answered %d", status)
	}
	if status, _ := fetch(t, p.Addrs().Edge, "/socket.io/?EIO=4&transport=polling"); status != http.StatusServiceUnavailable {
		t.Errorf("a new client is answered %d", status)
	}
	if _, err := realtime.NewSocketServiceClient(conn).CountSockets(t.Context(), &realtime.CountSocketsRequest{Target: &realtime.Target{}}); err != nil {
		t.Errorf("calls: %v", err)
	}
}

// TLS on --listen: HTTPS on both versions of HTTP and WebSockets, with a certificate that is replaced while it runs.
func TestEdgeTLS(t *testing.T) {
	f := newCertFixture(t)
	p := start(t, func(c *Config) { c.TLSCert, c.TLSKey = f.cert, f.key })
	defer stopped(t, p)
	at := p.Addrs().Edge.String()
	insecure := &tls.Config{InsecureSkipVerify: true}
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: http2}
		r, err := (&http.Client{Transport: transport}).Get("https://" + at + "/socket.io/?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		transport.CloseIdleConnections()
		if want := map[bool]int{false: 1, true: 2}[http2]; r.StatusCode != http.StatusOK || r.ProtoMajor != want || !strings.HasPrefix(string(body), "0{") {
			t.Errorf("HTTP/%d: %s %s, want HTTP/%d", r.ProtoMajor, r.Status, body, want)
		}
	}
	one := insecure.Clone()
	one.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", at, one)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 101" {
		t.Errorf("a WebSocket is answered %q, %v", answer, err)
	}
	if plain, err := net.Dial("tcp", at); err == nil {
		_, _ = io.WriteString(plain, "GET / HTTP/1.0\r\n\r\n")
		if text, _ := io.ReadAll(plain); strings.Contains(string(text), "200") {
			t.Errorf("plain HTTP is answered %q", text)
		}
		_ = plain.Close()
	}
}
