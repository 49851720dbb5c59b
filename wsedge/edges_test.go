package wsedge

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// PROTOCOL 4.3: of two volatile messages in a row the first takes the poll that waits, and the second finds none.
func TestVolatileTakesThePoll(t *testing.T) {
	h := start(t)
	p := connectedPoller(h)
	n := h.namespace("/")
	volatile := func(event string) int {
		_, delivered := n.Emit(rooms.Target{}, &rooms.Message{Event: event, Volatile: true})
		return delivered
	}
	for round := range 20 {
		answer := make(chan string)
		go func() {
			status, body, err := p.try("GET", p.query(), "")
			answer <- fmt.Sprint(status, body, err)
		}()
		for h.waitingPolls() == 0 {
		}
		if first, second := volatile("first"), volatile("second"); first != 1 || second != 0 {
			t.Errorf("round %d: delivered to %d, then to %d", round, first, second)
		}
		if got := <-answer; got != `20042["first"]<nil>` {
			t.Errorf("round %d: the poll got %q", round, got)
		}
	}
}

// PROTOCOL 4.1: io.close() may be called on a server that does not listen; here also twice, and with a context that is over.
func TestShutdownOfAServerThatNeverServed(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"in time": t.Context(), "late": over} {
		hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"", "portable"} {
			s, err := New(Config{Hub: hub, Engine: engine})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Shutdown(ctx); err != nil {
					t.Errorf("%s, engine %q: %v", name, engine, err)
				}
			}
		}
	}
}

// PROTOCOL 1.4: a POST that is under way when the server closes is answered, and nothing of it is heard. The next poll gets
// the close packet.
func TestServerCloseDuringAPost(t *testing.T) {
	h := start(t)
	p := connectedPoller(h)
	c := p.beginPost(len(`42["late"]`), "42")
	h.namespace("/").Select(nil, rooms.Target{})[0].Disconnect(true)
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonServerDisconnect {
		t.Error(e.Reason)
	}
	_, _ = io.WriteString(c, `["late"]`)
	if got := answerOn(t, c); got != "200 ok" {
		t.Errorf("the POST was answered %q", got)
	}
	if got := p.get(); got != "41" {
		t.Errorf("the poll got %q", got)
	}
	if got := p.get(); got != "1" {
		t.Errorf("the next poll got %q", got)
	}
	if len(h.events) != 0 {
		t.Errorf("heard %s", describe(<-h.events))
	}
}
