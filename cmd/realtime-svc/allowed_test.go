package main

import (
	"net/http"
	"slices"
	"testing"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// emits sends an event that asks for an acknowledgement and, if it is refused, returns that.
func (c *poller) emits(packet string) string {
	c.t.Helper()
	if code, body := c.do(http.MethodPost, "4"+packet); code != http.StatusOK {
		c.t.Fatalf("%d %s", code, body)
	}
	_, body := c.do(http.MethodGet, "")
	return body
}

// Watchers hear of the events that are allowed and of no others, and whoever sends another is told.
func TestAllowedEvents(t *testing.T) {
	p := start(t, func(c *Config) {
		c.Namespaces = []string{"/", "/news", "/free"}
		c.AllowedEvents = []string{"/news=", "*=chat:*", "*=hello", "/free=*"}
	})
	defer stopped(t, p)
	watch, err := realtime.NewEventServiceClient(dial(t, p)).Watch(t.Context(), &realtime.WatchRequest{
		Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_RECEIVED},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil { // opened
		t.Fatal(err)
	}
	c := poll(t, p)
	for _, namespace := range []string{"/news,", "/free,", ""} {
		c.connect(namespace)
	}
	const refused = `[{"error":{"reason":"NOT_ALLOWED","message":"the event is not allowed"}}]`
	for packet, want := range map[string]string{
		`20["hell"]`:         "430" + refused,
		`21["chat"]`:         "431" + refused,
		`2/news,2["chat"]`:   "43/news,2" + refused,
		`2/news,3["chat:x"]`: "43/news,3" + refused,
	} {
		if got := c.emits(packet); got != want {
			t.Errorf("%s: %q, want %q", packet, got, want)
		}
	}
	events := `42["hello","no one"]` + "\x1e" + `42["nothing"]` + "\x1e" + `42["chat:x"]` + "\x1e" + `42/free,["any"]` + "\x1e" + `42["hello","last"]`
	if code, body := c.do(http.MethodPost, events); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	if got := names(t, watch, 4); !slices.Equal(got, []string{"hello", "chat:x", "any", "hello"}) {
		t.Errorf("watchers hear %q", got)
	}
	if n := p.edge.Stats().EventsRefused["NOT_ALLOWED"]; n != 5 {
		t.Errorf("%d refused events", n)
	}
}

// names collects the names of the next n events.
func names(t *testing.T, watch realtime.EventService_WatchClient, n int) (names []string) {
	t.Helper()
	for len(names) < n {
		r, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.GetBatch().GetEvents() {
			names = append(names, e.GetReceived().GetName())
		}
	}
	return names
}

// Nothing stands in the way of events when nothing is configured, and traces hear of refused ones.
func TestWhoObserves(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	if got := p.observer(); got != wsedge.Observer(p.feed) {
		t.Errorf("%T", got)
	}
	p.cfg.AllowedEvents = []string{"*=x"}
	if got := p.observer(); got != wsedge.Observer(p.allowed) {
		t.Errorf("%T", got)
	}
}
