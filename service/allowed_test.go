package service

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// heard keeps what it is told, and wants the client held.
type heard struct{ events []*rooms.Event }

func (h *heard) Observe(e *rooms.Event) rooms.Flow {
	h.events = append(h.events, e)
	return rooms.Flow{Holds: 3}
}

// calm hears everything and keeps nothing.
type calm struct{}

func (calm) Observe(*rooms.Event) rooms.Flow { return rooms.Flow{} }

func TestAllowedEvents(t *testing.T) {
	for _, c := range []struct {
		entries         string // apart by spaces
		namespace, name string
		refused         bool
	}{
		{"", "/", "anything", false},
		{"/=chat", "/", "chat", false},
		{"/=chat", "/", "chat2", true},
		{"/=chat", "/", "cha", true},
		{"/=chat", "/", "", true},
		{"/=chat", "/", "Chat", true},
		{"/=chat", "/other", "anything", false},
		{"/=chat /=typing", "/", "typing", false},
		{"/=chat /=typing", "/", "chat", false},
		{"/=chat /=typing", "/", "x", true},
		{"/=chat /a=typing", "/a", "chat", true},

		{"/=chat:*", "/", "chat:", false},
		{"/=chat:*", "/", "chat:message", false},
		{"/=chat:*", "/", "chat", true},
		{"/=chat:*", "/", "x chat:", true},
		{"/=*", "/", "anything", false},
		{"/=*", "/", "", false},
		{"/=**", "/", "*x", false}, // only the last * is special
		{"/=**", "/", "x", true},
		{"/=a*b", "/", "a*b", false},
		{"/=a*b", "/", "axb", true},
		{"/=a* /=ab* /=b", "/", "ac", false},
		{"/=ab* /=a* /=b", "/", "ac", false},
		{"/=ab* /=ac* /=b", "/", "ad", true},
		{"/=ab* /=ac* /=b", "/", "acd", false},
		{"/=ab* /=ac* /=b", "/", "b", false},

		{"/=", "/", "", true},
		{"/=", "/", "anything", true},
		{"/= /=chat", "/", "chat", false},
		{"/=", "/other", "anything", false},

		{"*=chat", "/", "chat", false},
		{"*=chat", "/dynamic-7", "x", true},
		{"*=chat /a=typing", "/a", "typing", false},
		{"*=chat /a=typing", "/a", "chat", true}, // its own entries are all it has
		{"*=chat /a=*", "/a", "x", false},
		{"*=chat", "*", "x", true},
		{"*=", "/", "x", true},

		{"/=a=b", "/", "a=b", false},
		{"/=a=b", "/", "a", true},
		{"/=7", "/", "7", false},
		{"/ä=ö*", "/ä", "öl", false},
		{"/ä=ö*", "/ä", "ol", true},
	} {
		next := &heard{}
		a, err := NewAllowedEvents(strings.Fields(c.entries), next, nil)
		if err != nil {
			t.Errorf("%q: %v", c.entries, err)
			continue
		}
		e := &rooms.Event{Kind: rooms.KindEvent, Namespace: c.namespace, Name: c.name}
		switch flow := a.Observe(e); {
		case c.refused && (flow != rooms.Flow{Refused: rooms.RefusedNotAllowed} || len(next.events) != 0):
			t.Errorf("%q, event %q in %q: %+v, told to %d", c.entries, c.name, c.namespace, flow, len(next.events))
		case !c.refused && (flow != rooms.Flow{Holds: 3} || !slices.Equal(next.events, []*rooms.Event{e})):
			t.Errorf("%q, event %q in %q: %+v, told to %d", c.entries, c.name, c.namespace, flow, len(next.events))
		}
	}
}

// Only events are refused: who comes and goes is told all the same (I1).
func TestAllowedEventsPassesTheRest(t *testing.T) {
	next := &heard{}
	a, err := NewAllowedEvents([]string{"*="}, next, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []rooms.EventKind
	for kind := rooms.KindConnected; kind <= rooms.KindRoomDeleted; kind++ {
		flow := a.Observe(&rooms.Event{Kind: kind, Namespace: "/"})
		if kind == rooms.KindEvent {
			continue
		}
		want = append(want, kind)
		if flow.Refused != "" || flow.Holds != 3 {
			t.Errorf("%v: %+v", kind, flow)
		}
	}
	var got []rooms.EventKind
	for _, e := range next.events {
		got = append(got, e.Kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}

func TestAllowedEventsRefusesEntries(t *testing.T) {
	_, err := NewAllowedEvents([]string{"/=fine", "chat=x", "/chat", "", "=x", "**=x", "*=fine", " /=x"}, calm{}, nil)
	if err == nil {
		t.Fatal("all are taken")
	}
	for _, want := range []string{`"chat=x"`, `"/chat"`, `"" `, `"=x"`, `"**=x"`, `" /=x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not among what is wrong: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "fine") {
		t.Errorf("what is right is among what is wrong: %v", err)
	}
}

func TestAllowedEventsNamespaces(t *testing.T) {
	a, err := NewAllowedEvents([]string{"/b=x", "*=y", "/a=x", "/b=z"}, calm{}, nil)
	if err != nil || !slices.Equal(a.Namespaces(), []string{"/a", "/b"}) {
		t.Errorf("%q, %v", a.Namespaces(), err)
	}
}

// What a client chose is not in the log.
func TestAllowedEventsLogs(t *testing.T) {
	var log bytes.Buffer
	a, err := NewAllowedEvents([]string{"/chat=x", "*=x"}, calm{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"/chat", "/chosen-by-client"} {
		a.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: namespace, Name: "secret", Args: []byte("1")})
		a.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: namespace, Name: "x"})
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "chosen") {
		t.Fatalf("%q", lines)
	}
	for i, namespace := range []string{"/chat", "*"} {
		if want := `level=INFO msg="event refused" reason="not allowed" namespace=` + namespace; !strings.Contains(lines[i], want) {
			t.Errorf("%s, want %s", lines[i], want)
		}
	}
}

func manyAllowed(tb testing.TB) *AllowedEvents {
	tb.Helper()
	var entries []string
	for i := range 100 {
		entries = append(entries, fmt.Sprintf("/=event-%d", i))
	}
	for i := range 10 {
		entries = append(entries, fmt.Sprintf("/=prefix-%d:*", i))
	}
	a, err := NewAllowedEvents(entries, calm{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

var allowedCases = map[string]*rooms.Event{
	"name":      {Kind: rooms.KindEvent, Namespace: "/", Name: "event-99"},
	"prefix":    {Kind: rooms.KindEvent, Namespace: "/", Name: "prefix-9:some"},
	"no list":   {Kind: rooms.KindEvent, Namespace: "/other", Name: "event"},
	"refused":   {Kind: rooms.KindEvent, Namespace: "/", Name: "other"},
	"connected": {Kind: rooms.KindConnected, Namespace: "/"},
}

func TestAllowedEventsDoesNotAllocate(t *testing.T) {
	a := manyAllowed(t)
	for name, e := range allowedCases {
		if n := testing.AllocsPerRun(100, func() { a.Observe(e) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAllowedEvents(b *testing.B) {
	a := manyAllowed(b)
	for name, e := range allowedCases {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.Observe(e)
			}
		})
	}
}
