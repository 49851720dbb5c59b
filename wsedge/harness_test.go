package wsedge

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// TestMain runs the suite on the engine that REALTIME_TEST_ENGINE names
// ("loops" or "portable"; the default is auto) and checks that no goroutine is
// left at the end.
func TestMain(m *testing.M) {
	if spec := os.Getenv(crowdEnv); spec != "" {
		if err := runCrowd(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// harness is a Server on a listener, with what it told its Observer.
type harness struct {
	t      testing.TB
	server *Server
	hub    *rooms.Hub
	events chan *rooms.Event
	dial   func() (net.Conn, error)
}

// Observe implements Observer.
func (h *harness) Observe(e *rooms.Event) rooms.Flow {
	h.events <- e
	return rooms.Flow{}
}

// start runs a server on a loopback port until the test ends.
func start(t testing.TB, edit ...func(*Config)) *harness {
	t.Helper()
	return startWith(t, testNamespaces, edit...)
}

// testNamespaces are those of most tests.
var testNamespaces = rooms.HubConfig{Namespaces: []string{"/", "/chat", "/admin"}}

// startWith is start with other namespaces.
func startWith(t testing.TB, namespaces rooms.HubConfig, edit ...func(*Config)) *harness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hub, err := rooms.NewHub(namespaces)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, hub, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, edit...)
}

func startOn(t testing.TB, l net.Listener, dial func() (net.Conn, error), edit ...func(*Config)) *harness {
	t.Helper()
	hub, err := rooms.NewHub(testNamespaces)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, hub, l, dial, edit...)
}

func serve(t testing.TB, hub *rooms.Hub, l net.Listener, dial func() (net.Conn, error), edit ...func(*Config)) *harness {
	t.Helper()
	var err error
	h := &harness{t: t, hub: hub, events: make(chan *rooms.Event, 100_000), dial: dial}
	cfg := Config{Hub: hub, Observer: h, Engine: os.Getenv("REALTIME_TEST_ENGINE"), Logger: slog.New(slog.DiscardHandler)}
	for _, e := range edit {
		e(&cfg)
	}
	if h.server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return h
}

func (h *harness) namespace(name string) *rooms.Namespace {
	h.t.Helper()
	n, ok := h.hub.Namespace(name)
	if !ok {
		h.t.Fatalf("no namespace %s", name)
	}
	return n
}

// event returns the next observed event and fails if it is not of that kind.
func (h *harness) event(kind rooms.EventKind) *rooms.Event {
	h.t.Helper()
	select {
	case e := <-h.events:
		if e.Kind != kind {
			h.t.Fatalf("observed %v, want %v", describe(e), kind)
		}
		return e
	case <-time.After(patience):
		h.t.Fatalf("no %v was observed", kind)
		return nil
	}
}

// describe says in one line what an event is about.
func describe(e *rooms.Event) string {
	switch e.Kind {
	case rooms.KindEvent:
		return fmt.Sprintf("event %s %s(%s) %q", e.Namespace, e.Name, e.Args, e.Attachments)
	case rooms.KindDisconnected:
		return fmt.Sprintf("disconnected %s: %s", e.Namespace, e.Reason)
	default:
		return fmt.Sprintf("%v %s", e.Kind, e.Namespace)
	}
}

// patience is how long a test waits for what must come; it is a deadline for
// failures, not a measure.
const patience = time.Minute

// peer is a raw WebSocket client.
type peer struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// webSocket opens a WebSocket and returns it before its first frame was read.
func (h *harness) webSocket(query string) *peer {
	h.t.Helper()
	c, err := h.dial()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query)
	p := &peer{t: h.t, conn: c, r: bufio.NewReader(c)}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		h.t.Fatalf("upgrade answered %s: %s", resp.Status, body)
	}
	return p
}

// open opens a WebSocket session and reads its open packet.
func (h *harness) open() *peer {
	h.t.Helper()
	p := h.webSocket("EIO=4&transport=websocket")
	if got := p.next(); !strings.HasPrefix(got, `0{"sid":"`) {
		h.t.Fatalf("first packet %q", got)
	}
	return p
}

// join opens a WebSocket session and connects it to a namespace. It returns the
// peer and the socket's id.
func (h *harness) join(namespace string) (*peer, rooms.SocketID) {
	h.t.Helper()
	p := h.open()
	id := p.connect(namespace, "")
	h.event(rooms.KindConnected)
	return p, id
}

// connect sends CONNECT and reads the answer.
func (p *peer) connect(namespace, auth string) rooms.SocketID {
	p.t.Helper()
	prefix := ""
	if namespace != "/" {
		prefix = namespace + ","
	}
	p.send("40" + prefix + auth)
	got := p.next()
	var answer struct{ SID string }
	rest, ok := strings.CutPrefix(got, "40"+prefix)
	if !ok || json.Unmarshal([]byte(rest), &answer) != nil {
		p.t.Fatalf("CONNECT to %s answered %q", namespace, got)
	}
	id, err := rooms.ParseSocketID(answer.SID)
	if err != nil {
		p.t.Fatalf("%q: %v", got, err)
	}
	return id
}

func (p *peer) send(text string)     { p.frame(ws.OpText, []byte(text)) }
func (p *peer) sendBinary(b ...byte) { p.frame(ws.OpBinary, b) }
func (p *peer) frame(op ws.OpCode, b []byte) {
	p.t.Helper()
	f := ws.MaskFrame(ws.NewFrame(op, true, bytes.Clone(b)))
	if err := ws.WriteFrame(p.conn, f); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// next reads one frame: the text of a text frame, "binary …", "close CODE REASON", or
// "end" when the connection has ended.
func (p *peer) next() string {
	p.t.Helper()
	h, err := ws.ReadHeader(p.r)
	payload := make([]byte, h.Length)
	if err == nil {
		_, err = io.ReadFull(p.r, payload)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("nothing came")
	}
	if err != nil {
		return "end"
	}
	switch h.OpCode {
	case ws.OpText:
		return string(payload)
	case ws.OpBinary:
		return fmt.Sprintf("binary %x", payload)
	case ws.OpClose:
		if len(payload) == 0 {
			return "close 1005"
		}
		code, reason := ws.ParseCloseFrameData(payload)
		return strings.TrimSpace(fmt.Sprintf("close %d %s", code, reason))
	default:
		return fmt.Sprintf("opcode %d %q", h.OpCode, payload)
	}
}

func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if got := p.next(); got != w {
			p.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// poller is a raw long-polling client.
type poller struct {
	h      *harness
	client *http.Client
	sid    string

	revision string // empty: 4
}

func (h *harness) poller() *poller {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return h.dial() }}
	h.t.Cleanup(tr.CloseIdleConnections)
	return &poller{h: h, client: &http.Client{Transport: tr, Timeout: patience}}
}

// openPolling begins a polling session.
func (h *harness) openPolling() *poller {
	h.t.Helper()
	p := h.poller()
	_, body := p.do("GET", "EIO=4&transport=polling", "")
	var open struct{ SID string }
	if !strings.HasPrefix(body, "0") || json.Unmarshal([]byte(body[1:]), &open) != nil {
		h.t.Fatalf("open packet %q", body)
	}
	p.sid = open.SID
	return p
}

// do makes a request and returns the status code and the body.
func (p *poller) do(method, query, body string) (int, string) {
	p.h.t.Helper()
	status, answer, err := p.try(method, query, body)
	if err != nil {
		p.h.t.Fatal(err)
	}
	return status, answer
}

func (p *poller) try(method, query, body string) (int, string, error) {
	req, err := http.NewRequest(method, "http://x/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (p *poller) query() string {
	return "EIO=" + cmp.Or(p.revision, "4") + "&transport=polling&sid=" + p.sid
}

// get polls once.
func (p *poller) get() string {
	p.h.t.Helper()
	status, body := p.do("GET", p.query(), "")
	if status != http.StatusOK {
		p.h.t.Fatalf("GET answered %d %q", status, body)
	}
	return body
}

// post sends a payload.
func (p *poller) post(body string) {
	p.h.t.Helper()
	if status, answer := p.do("POST", p.query(), body); status != http.StatusOK || answer != "ok" {
		p.h.t.Fatalf("POST answered %d %q", status, answer)
	}
}
