package wsedge

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// logLines is a slog.Handler that tells every line at info level and above as "message: reason".
type logLines struct {
	lines chan string // capacity far beyond what a test writes
	whole chan string
}

func newLogLines() *logLines {
	return &logLines{lines: make(chan string, 10_000), whole: make(chan string, 10_000)}
}

func (*logLines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l *logLines) WithGroup(string) slog.Handler                  { return l }

func (l *logLines) Handle(_ context.Context, r slog.Record) error {
	line, whole := r.Message, r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			line += ": " + a.Value.String()
		}
		whole += " " + a.String()
		return true
	})
	l.lines <- line
	l.whole <- whole
	return nil
}

// refusesAll is an Admitter.
type refusesAll struct{}

func (refusesAll) Admit(*rooms.Question, func(rooms.Verdict)) (rooms.Verdict, bool) {
	return rooms.Verdict{Refused: true, Message: "secret"}, true
}

// What is refused to a client or dropped is logged once, with its reason, and without anything that the client said.
func TestRefusedAndDroppedIsLogged(t *testing.T) {
	for want, c := range map[string]struct {
		edit func(*Config)
		do   func(h *harness)
	}{
		"session closed: no Socket.IO packet": {nil, func(h *harness) { h.open().send("4?secret") }},
		"session closed: Socket.IO rules broken": {
			nil, func(h *harness) { h.open().send(`42/secret,["secret"]`) },
		},
		"session closed: no namespace joined in time": {
			func(c *Config) { c.ConnectTimeout = 10 * time.Millisecond }, func(h *harness) { h.open() },
		},
		"session closed: too many events per second": {
			func(c *Config) { c.EventsPerSecond = 1 },
			func(h *harness) {
				p, _ := h.join("/")
				for range 3 {
					p.send(`42["secret"]`)
				}
			},
		},
		"session closed: too many bytes per second": {
			func(c *Config) { c.BytesPerSecond, c.MaxPayload = 10, 1000 },
			func(h *harness) {
				p, _ := h.join("/")
				p.send(`42["` + strings.Repeat("secret", 100) + `"]`)
				p.send(`42["` + strings.Repeat("secret", 100) + `"]`)
			},
		},
		"session closed: parse error":        {nil, func(h *harness) { h.open().send("?secret") }},
		"session closed: protocol violation": {nil, func(h *harness) { h.open().frame(ws.OpCode(3), []byte("secret")) }},
		"session closed: outbox overflow": {
			func(c *Config) { c.MaxOutbox = 1000 },
			func(h *harness) {
				h.openPolling().post("40")
				h.event(rooms.KindConnected)
				for range 3 { // nobody polls
					h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "secret", Args: []byte(`"` + strings.Repeat("x", 900) + `"`)})
				}
			},
		},
		"connect refused: invalid namespace":   {nil, func(h *harness) { h.open().send("40/secret,") }},
		"connect refused: too many namespaces": {func(c *Config) { c.MaxNamespaces = 1 }, func(h *harness) { p, _ := h.join("/"); p.send("40/chat,") }},
		"connect refused: admission":           {func(c *Config) { c.Admitter = refusesAll{} }, func(h *harness) { h.open().send(`40{"token":"secret"}`) }},
		"acknowledgement dropped: services owe MaxPendingAcks": {
			func(c *Config) { c.MaxPendingAcks = 1 },
			func(h *harness) {
				p, _ := h.join("/")
				p.send(`421["secret"]`)
				p.send(`422["secret"]`)
			},
		},
		"acknowledgement dropped: the client owes MaxPendingAcks": {
			func(c *Config) { c.MaxPendingAcks = 1 },
			func(h *harness) {
				h.join("/")
				for range 2 {
					h.t.Cleanup(h.namespace("/").EmitWithAck(rooms.Target{}, &rooms.Message{Event: "secret"}).Cancel)
				}
			},
		},
		"request refused: SESSION_UNKNOWN": {nil, func(h *harness) { h.poller().do("GET", "EIO=4&transport=polling&sid=secret", "") }},
		"request body refused: larger than Config.MaxPayload": {
			func(c *Config) { c.MaxPayload = 100 },
			func(h *harness) { p := h.openPolling(); p.do("POST", p.query(), strings.Repeat("secret", 100)) },
		},
		"handshake refused: Too many sessions": {
			func(c *Config) { c.MaxSessionsPerAddress = 1 },
			func(h *harness) { h.openPolling(); h.poller().do("GET", "EIO=4&transport=polling", "") },
		},
		"handshake refused: Too many handshakes": {
			func(c *Config) { c.HandshakesPerSecond = 0.01 },
			func(h *harness) { h.openPolling(); h.poller().do("GET", "EIO=4&transport=polling", "") },
		},
		"connection closed: too many of its address": {
			func(c *Config) { c.MaxConnectionsPerAddress = 1 },
			func(h *harness) {
				for range 2 {
					h.connection()
				}
			},
		},
		"connection closed: the oldest of too many request heads": {
			func(c *Config) { c.MaxPendingHeads = 1 },
			func(h *harness) {
				for range 2 {
					h.connection()
				}
			},
		},
		"connection closed: no PROXY header": {
			func(c *Config) { c.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
			func(h *harness) { fmt.Fprint(h.connection(), "GET /secret HTTP/1.1\r\nHost: secret\r\n\r\n") },
		},
	} {
		t.Run(want, func(t *testing.T) {
			log := newLogLines()
			edits := []func(*Config){func(cfg *Config) { cfg.Logger = slog.New(log) }}
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			h := start(t, edits...)
			c.do(h)
			select {
			case got := <-log.lines:
				if got != want {
					t.Errorf("logged %q", got)
				}
				if line := <-log.whole; strings.Contains(line, "secret") {
					t.Errorf("what a client said is in %q", line)
				}
			case <-time.After(patience):
				t.Error("nothing is logged")
			}
		})
	}
}

// connection opens one that says nothing.
func (h *harness) connection() io.Writer {
	h.t.Helper()
	c, err := h.dial()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// What is as it should be is not logged: a visit from beginning to end, of either side's making.
func TestOrderlyVisitsAreNotLogged(t *testing.T) {
	log := newLogLines()
	h := start(t, func(c *Config) { c.Logger = slog.New(log) })
	p, id := h.join("/")
	p.send(`421["x"]`)
	h.event(rooms.KindEvent)
	p.send("41")
	h.event(rooms.KindDisconnected)
	p.connect("/chat", "")
	h.event(rooms.KindConnected)
	p.conn.Close()
	h.event(rooms.KindDisconnected)
	poller := h.openPolling()
	poller.post("40")
	e := h.event(rooms.KindConnected)
	member, ok := h.namespace("/").Member(e.Socket)
	if !ok || e.Socket == id {
		t.Fatal("not connected")
	}
	member.Disconnect(true)
	h.event(rooms.KindDisconnected)
	if status, _ := poller.do("GET", poller.query(), ""); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	select {
	case line := <-log.whole:
		t.Errorf("logged %q", line)
	default:
	}
}

// Sockets that are given up for lack of room are told of, as their clients cannot come back.
func TestLostSocketsGivenUpAreLogged(t *testing.T) {
	log := newLogLines()
	recovery := NewRecovery(RecoveryConfig{MaxAge: time.Hour, MaxBytes: parkedOverhead * 3 / 2})
	namespaces := testNamespaces
	namespaces.Recorder = recovery.Recorder
	h := startWith(t, namespaces, func(c *Config) { c.Recovery, c.Logger = recovery, slog.New(log) })
	for range 2 {
		p, _ := h.join("/")
		p.conn.Close()
		h.event(rooms.KindDisconnected)
	}
	h.event(rooms.KindExpired)
	if got := <-log.whole; got != "lost sockets given up reason=Config.Recovery's MaxBytes count=1" {
		t.Errorf("logged %q", got)
	}
}
