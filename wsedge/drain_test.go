package wsedge

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// drained counts the sockets that have been told that the server ends, until now.
func (h *harness) drained() (n int) {
	h.t.Helper()
	for {
		select {
		case e := <-h.events:
			if e.Kind != rooms.KindDisconnected || e.Reason != rooms.ReasonShuttingDown {
				h.t.Fatalf("observed %s", describe(e))
			}
			n++
		default:
			return n
		}
	}
}

// A drain ends so many sessions a second as it is told, whatever its jitter, and each once.
func TestDrainKeepsItsPace(t *testing.T) {
	const sessions = 100
	for name, jitter := range map[string]float64{"even": 0, "jitter": 1} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				for range sessions {
					h.join("/")
				}
				done, reports := make(chan error, 1), []int{}
				go func() {
					done <- h.server.Drain(t.Context(), Pace{PerSecond: 20, Jitter: jitter}, func(left int) { reports = append(reports, left) })
				}()
				began := time.Now()
				total := 0
				for second := 1; total < sessions; second++ {
					time.Sleep(time.Until(began.Add(time.Duration(second) * time.Second)))
					synctest.Wait()
					total += h.drained()
					if want := min(sessions, 20*second); total < want-5 || total > want+5 {
						t.Errorf("%d sessions ended in %d s, want about %d", total, second, want)
					}
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if reports[0] != sessions || reports[len(reports)-1] != 0 {
					t.Errorf("%d sessions at the beginning, %d at the end", reports[0], reports[len(reports)-1])
				}
			})
		})
	}
}

// Those that poll are sent on before the others.
func TestDrainBeginsWithThosePolling(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		var pollers []*poller
		for range 5 {
			h.join("/")
			p := h.openPolling()
			p.post("40")
			p.get()
			h.event(rooms.KindConnected)
			pollers = append(pollers, p)
		}
		go func() { _ = h.server.Drain(t.Context(), Pace{PerSecond: 1}, nil) }()
		time.Sleep(5*time.Second + time.Second/2)
		synctest.Wait()
		if n := h.drained(); n < 5 || n > 6 {
			t.Fatalf("%d sessions ended in five seconds and a half", n)
		}
		for _, p := range pollers {
			if status, body := p.do("GET", p.query(), ""); status == http.StatusOK && body != "1" {
				t.Errorf("a poll was answered %d %q", status, body)
			}
		}
	})
}

// While it drains, nobody new is let in, on any transport; those that are there are served.
func TestDrainRefusesTheNew(t *testing.T) {
	h := start(t)
	p, id := h.join("/")
	polls := h.openPolling()
	polls.post("40")
	polls.get()
	h.event(rooms.KindConnected)
	ctx, cancel := context.WithCancel(t.Context())
	began, done := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		done <- h.server.Drain(ctx, Pace{PerSecond: 1e-9}, func(int) {
			select {
			case began <- struct{}{}:
			default:
			}
		})
	}()
	<-began
	if status, _ := h.request("transport=polling", ""); status != http.StatusServiceUnavailable {
		t.Errorf("polling: %d", status)
	}
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if status, _ := h.request("transport=websocket", upgrade); status != http.StatusServiceUnavailable {
		t.Errorf("WebSocket: %d", status)
	}
	p.send(`42["still"]`)
	if e := h.event(rooms.KindEvent); e.Socket != id {
		t.Errorf("%s heard", e.Socket)
	}
	polls.post(`42["still"]`)
	h.event(rooms.KindEvent)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A deadline makes a drain faster than its pace.
func TestDrainIsDoneInTime(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		for range 50 {
			h.join("/")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.server.Drain(ctx, Pace{PerSecond: 1, Jitter: 0.5}, nil); err != nil {
			t.Error(err)
		}
		if n := h.drained(); n != 50 {
			t.Errorf("%d sessions ended", n)
		}
	})
}

// All at once is the zero Pace.
func TestDrainAtOnce(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		for range 20 {
			h.join("/")
		}
		if err := h.server.Drain(t.Context(), Pace{}, nil); err != nil || h.drained() != 20 {
			t.Error(err)
		}
	})
}
