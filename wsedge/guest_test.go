package wsedge

import (
	"encoding/json"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// startRecovering is startWith with connection state recovery.
func startRecovering(t testing.TB, cfg RecoveryConfig, edit ...func(*Config)) *harness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRecovering(t, cfg, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, edit...)
}

func serveRecovering(t testing.TB, cfg RecoveryConfig, l net.Listener, dial func() (net.Conn, error), edit ...func(*Config)) *harness {
	t.Helper()
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 2 * time.Minute
	}
	r := NewRecovery(cfg)
	hub, err := rooms.NewHub(rooms.HubConfig{
		Namespaces: testNamespaces.Namespaces, Patterns: []string{"/room-[0-9]+"}, Recorder: r.Recorder,
	})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, hub, l, dial, append([]func(*Config){func(c *Config) { c.Recovery = r }}, edit...)...)
}

// recovering is virtually with connection state recovery.
func recovering(t *testing.T, cfg RecoveryConfig, test func(*testing.T, *harness), edit ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		edit = append(edit, func(c *Config) { c.Engine = "portable" })
		test(t, serveRecovering(t, cfg, l, l.dial, edit...))
	})
}

// guest is a client in one namespace that does with pid and offset what the stock
// client does.
type guest struct {
	*peer
	h         *harness
	namespace string
	id        rooms.SocketID
	pid       string
	offset    *string
}

// guest connects a new one.
func (h *harness) guest(namespace string) *guest {
	h.t.Helper()
	g := &guest{h: h, namespace: namespace}
	g.back()
	h.event(rooms.KindConnected)
	return g
}

func (g *guest) prefix() string {
	if g.namespace == "/" {
		return ""
	}
	return g.namespace + ","
}

// back opens a new connection, says CONNECT on it, and reads up to the answer.
// It returns what came before that.
func (g *guest) back() (recovered bool, missed []string) {
	g.h.t.Helper()
	g.peer = g.h.open()
	g.knock()
	return g.answer()
}

// knock sends CONNECT as the stock client does.
func (g *guest) knock() {
	g.h.t.Helper()
	if g.pid == "" {
		g.send("40" + g.prefix())
		return
	}
	auth, _ := json.Marshal(map[string]any{"pid": g.pid, "offset": g.offset})
	if g.offset == nil {
		auth, _ = json.Marshal(map[string]any{"pid": g.pid})
	}
	g.send("40" + g.prefix() + string(auth))
}

func (g *guest) answer() (recovered bool, missed []string) {
	g.h.t.Helper()
	for {
		packet := g.next()
		rest, ok := strings.CutPrefix(packet, "40"+g.prefix())
		if !ok {
			missed = append(missed, g.event(packet))
			continue
		}
		var answer struct{ SID, PID string }
		if err := json.Unmarshal([]byte(rest), &answer); err != nil || len(answer.PID) != 20 {
			g.h.t.Fatalf("CONNECT answered %q", packet)
		}
		recovered = answer.PID == g.pid
		if recovered != (answer.SID == g.id.String()) {
			g.h.t.Fatalf("pid %s to %s, sid %s to %s", g.pid, answer.PID, g.id, answer.SID)
		}
		g.pid, g.id = answer.PID, rooms.SocketID([]byte(answer.SID))
		return recovered, missed
	}
}

// event reads an event packet: its arguments, and a + in front if it had an offset.
func (g *guest) event(packet string) string {
	g.h.t.Helper()
	text, ok := strings.CutPrefix(packet, "42"+g.prefix())
	if i := strings.IndexByte(packet, '-'); strings.HasPrefix(packet, "45") && i > 0 {
		text, ok = strings.CutPrefix(packet[i+1:], g.prefix())
	}
	var args []json.RawMessage
	if !ok || json.Unmarshal([]byte(text), &args) != nil {
		return packet
	}
	last := string(args[len(args)-1])
	var s string
	if json.Unmarshal([]byte(last), &s) == nil && last != "null" {
		g.offset = &s
		if cut, ok := strings.CutSuffix(text, ","+last+"]"); ok && strings.HasPrefix(s, g.h.server.cfg.Recovery.prefix) {
			return "+" + cut + "]"
		}
	}
	return text
}

// takes reads as many events and compares.
func (g *guest) takes(want ...string) {
	g.h.t.Helper()
	for _, w := range want {
		if got := g.event(g.next()); got != w {
			g.h.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// cut ends the connection as a broken network does, and waits until that is noticed.
func (g *guest) cut() *rooms.Event {
	g.h.t.Helper()
	g.conn.Close()
	e := g.h.event(rooms.KindDisconnected)
	g.h.settled()
	return e
}

// settled waits until everybody who was leaving has left.
func (h *harness) settled() {
	r := h.server.cfg.Recovery
	h.until(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.leaving) == 0
	})
}

// until waits for what tells nobody.
func (h *harness) until(ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			h.t.Fatal("it never came true")
		}
		runtime.Gosched()
	}
}

// returns comes back and fails unless it is recovered and missed exactly that.
func (g *guest) returns(want ...string) *rooms.Event {
	g.h.t.Helper()
	recovered, missed := g.back()
	e := g.h.event(rooms.KindConnected)
	if !recovered || !e.Recovered || !slices.Equal(missed, want) {
		g.h.t.Fatalf("recovered %t, told as %t, missed %q, want %q", recovered, e.Recovered, missed, want)
	}
	return e
}

// startsAnew comes back and fails unless it is somebody new.
func (g *guest) startsAnew() {
	g.h.t.Helper()
	recovered, missed := g.back()
	if e := g.h.event(rooms.KindConnected); recovered || e.Recovered || len(missed) > 0 {
		g.h.t.Fatalf("recovered %t, told as %t, missed %q", recovered, e.Recovered, missed)
	}
}

func (h *harness) emit(namespace string, t rooms.Target, event, args string) {
	h.namespace(namespace).Emit(t, &rooms.Message{Event: event, Args: []byte(args)})
}

func (h *harness) volatile(event, args string) {
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: event, Args: []byte(args), Volatile: true})
}
