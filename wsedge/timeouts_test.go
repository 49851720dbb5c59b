package wsedge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// patientConn is a raw connection without deadlines of its own, for virtual time.
func patientConn(t *testing.T, h *harness) net.Conn {
	t.Helper()
	c, err := h.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// endsWithin fails unless the server ends c between the two instants from now, whatever it says before.
func endsWithin(t *testing.T, c net.Conn, least, most time.Duration) string {
	t.Helper()
	began := time.Now()
	_ = c.SetReadDeadline(began.Add(time.Hour))
	said, err := io.ReadAll(c)
	if d := time.Since(began); err != nil || d < least || d > most {
		t.Errorf("ended after %v with %v, having said %.100q", d, err, said)
	}
	return string(said)
}

// A body that never comes does not hold a connection for longer than a body may take, whoever answers the request and
// whatever the answer is.
func TestBodiesThatNeverComeAreNotWaitedFor(t *testing.T) {
	for name, path := range map[string]string{
		"refused":         "/socket.io/?EIO=4&transport=polling",
		"unknown session": "/socket.io/?EIO=4&transport=polling&sid=aaaaaaaaaaaaaaaaaaaa",
		"outside":         "/elsewhere",
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				c := patientConn(t, h)
				fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123", path)
				if said := endsWithin(t, c, 30*time.Second, 31*time.Second); said != "" && !strings.HasPrefix(said, "HTTP/1.1 4") {
					t.Errorf("answered %.100q", said)
				}
			})
		})
	}
}

// The body of a POST that stays away ends the session.
func TestFurtherInput_PostWithoutItsBody(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.openPolling()
		p.post("40")
		h.event(rooms.KindConnected)
		c := patientConn(t, h)
		fmt.Fprintf(c, "POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n42", p.query())
		began := time.Now()
		e := h.event(rooms.KindDisconnected)
		if d := time.Since(began); d < 30*time.Second || d > 31*time.Second {
			t.Errorf("after %v", d)
		}
		if e.Reason != rooms.ReasonTransportError || e.Description != "request aborted" {
			t.Errorf("%s, %q", describe(e), e.Description)
		}
	})
}

// A client that does not read the answer to its poll holds neither the answer nor a goroutine for ever (I4).
func TestI4AnswersThatAreNotReadAreGivenUp(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.openPolling()
		p.post("40")
		h.event(rooms.KindConnected)
		p.get()
		c := patientConn(t, h)
		fmt.Fprintf(c, "GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n", p.query())
		for h.waitingPolls() == 0 {
			<-time.After(time.Millisecond)
		}
		big := `"` + strings.Repeat("x", 100_000) + `"`
		h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "big", Args: []byte(big)})
		e := h.event(rooms.KindDisconnected)
		if e.Reason != rooms.ReasonTransportError {
			t.Error(describe(e))
		}
		if said := endsWithin(t, c, 0, 0); said != "" {
			t.Errorf("said %.100q", said)
		}
	})
}

// However long a poll waits, there is time to answer it.
func TestPollsMayWaitForLong(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p := h.openPolling()
		p.client.Timeout = 0
		began := time.Now()
		if got := p.get(); got != "2" {
			t.Errorf("got %q", got)
		}
		if d := time.Since(began); d < 2*time.Minute {
			t.Errorf("it waited for %v only", d)
		}
	}, func(c *Config) { c.PingInterval, c.ConnectTimeout = 5*time.Minute, time.Hour })
}

// What the fallback serves may take its time.
func TestFallbackHasNoWriteDeadline(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(10 * time.Minute)
		_, _ = io.WriteString(w, "at last")
	})
	virtually(t, func(t *testing.T, h *harness) {
		c := patientConn(t, h)
		fmt.Fprint(c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "at last" {
			t.Errorf("%q, %v", body, err)
		}
	}, func(c *Config) { c.Web = slow })
}

// A session that the server has closed, and whose client does not ask for the news, is forgotten: after a while, or when
// the server shuts down.
func TestClosedPollingSessionsAreForgotten(t *testing.T) {
	for name, wait := range map[string]func(*harness){
		"after a while": func(*harness) { <-time.After(31 * time.Second) },
		"at shutdown": func(h *harness) {
			if err := h.server.Shutdown(context.Background()); err != nil {
				h.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				p := h.openPolling()
				p.post("40")
				h.event(rooms.KindConnected)
				p.post("4x")
				h.event(rooms.KindDisconnected)
				if n := h.server.Stats().Sessions; n != 1 {
					t.Errorf("%d sessions after the close", n)
				}
				wait(h)
				if n := h.server.Stats().Sessions; n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}
