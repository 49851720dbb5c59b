package transport

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// lineLog is a slog.Handler that tells every line from info level on, as "message key=value …".
type lineLog chan string

func newLineLog() lineLog { return make(lineLog, 100) }

func (lineLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l lineLog) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l lineLog) WithGroup(string) slog.Handler                  { return l }

func (l lineLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l <- line
	return nil
}

func (l lineLog) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-l:
		if got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Errorf("%q is not logged", want)
	}
}

// What the bounds of all clients together turn down is logged, as the bounds of one are (package wsedge has the test).
func TestBoundsAreLogged(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		log := newLineLog()
		_, addr := serving(t, kind, Config{MaxIdleConnections: 1, MaxBodies: 10, Logger: slog.New(log)})
		c := call(t, "127.0.0.1", addr)
		_, open := c.ask(pollRequest)
		c.ask(postRequest(open[len(`0{"sid":"`):][:20], "4"+strings.Repeat("x", 50)))
		log.expect(t, "request body refused reason=more than Config.MaxBodies at a time")
		for range 2 {
			io.WriteString(call(t, "127.0.0.1", addr), "GET /else HTTP/1.1\r\nHost:") // not for the fast way, so net/http has it
		}
		log.expect(t, "connection closed reason=the longest idle of too many")
	})
}

// Refused requests are logged with the check that refused them.
func TestRefusalsAreLogged(t *testing.T) {
	log := newLineLog()
	_, addr := serving(t, "", Config{Logger: slog.New(log)})
	for request, want := range map[string]string{
		strings.Replace(pollRequest, "polling", "secret", 1):             "request refused reason=TRANSPORT_UNKNOWN code=0",
		strings.Replace(pollRequest, "polling", "polling&sid=secret", 1): "request refused reason=SESSION_UNKNOWN code=1",
		strings.Replace(pollRequest, "GET", "PUT", 1):                    "request refused reason=BAD_METHOD code=2",
	} {
		call(t, "127.0.0.1", addr).ask(request)
		log.expect(t, want)
	}
}

// A stream that does not begin with an open packet is logged.
func TestInvalidWebTransportHandshakeIsLogged(t *testing.T) {
	log := newLineLog()
	f := startWebTransport(t, func(c *webTransportConfig) { c.Logger = slog.New(log) })
	client := f.open("secret", "")
	log.expect(t, "handshake refused reason=invalid WebTransport handshake")
	_ = client.session.CloseWithError(0, "")
}
