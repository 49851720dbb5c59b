package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func received(arguments, token string) *Event {
	return &Event{Event: &realtimev1.Event{Kind: &realtimev1.Event_Received{
		Received: &realtimev1.Received{Name: "e", Arguments: arguments, AckToken: token},
	}}}
}

func TestBind(t *testing.T) {
	type point struct{ X, Y int }
	var s string
	var n int
	var p point
	var raw json.RawMessage
	for _, tt := range []struct {
		name, arguments string
		into            []any
		err             string
	}{
		{"one", `["a"]`, []any{&s}, ""},
		{"several", `["a", 7,{"x":1,"y":2}]`, []any{&s, &n, &p}, ""},
		{"raw", `[{"x" : 1.0}]`, []any{&raw}, ""},
		{"fewer than there are", `["a",7]`, []any{&s}, ""},
		{"skipped", `[{"any":"thing"},7]`, []any{nil, &n}, ""},
		{"none", `[]`, nil, ""},
		{"too few", `["a"]`, []any{&s, &n}, "has 1 arguments, not 2"},
		{"too few, skipped", `[]`, []any{nil}, "has 0 arguments, not 1"},
		{"another type", `["a","b"]`, []any{&s, &n}, "argument 1: json: cannot unmarshal string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := received(tt.arguments, "").Bind(tt.into...)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Bind: %v, want %q", err, tt.err)
			}
		})
	}
	if s != "a" || n != 7 || p != (point{1, 2}) || string(raw) != `{"x" : 1.0}` {
		t.Errorf("bound %q, %d, %v, %s", s, n, p, raw)
	}
	if err := (&Event{Event: &realtimev1.Event{}}).Bind(); err == nil {
		t.Error("an event without arguments has been bound")
	}
}

func TestReplies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply func(e *Event) error
		want  string // the arguments
	}{
		{"nothing", func(e *Event) error { return e.Reply() }, ""},
		{"several", func(e *Event) error { return e.Reply("a", 7, nil, map[string]int{"x": 1}) }, `["a",7,null,{"x":1}]`},
		{"as it is", func(e *Event) error { return e.Reply("<b>&", json.RawMessage(`"<\ud800>"`)) }, `["<b>&","<\ud800>"]`},
		{"JSON", func(e *Event) error { return e.ReplyJSON(` [1.0, {"_placeholder":true,"num":0}]`, []byte("x")) },
			` [1.0, {"_placeholder":true,"num":0}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := received(`[]`, "token")
			if err := tt.reply(e); err != nil || !e.WantsReply() {
				t.Fatal(err)
			}
			if err := tt.reply(e); !errors.Is(err, ErrReplied) {
				t.Errorf("the second reply: %v", err)
			}
			if got := e.end(); got.GetArguments() != tt.want || got.GetAckToken() != "token" {
				t.Errorf("reply %v, want %s", got, tt.want)
			}
			if err := tt.reply(e); !errors.Is(err, ErrHandled) {
				t.Errorf("a late reply: %v", err)
			}
		})
	}
	if err := received(`[]`, "token").Reply(make(chan int)); err == nil {
		t.Error("a channel became JSON")
	}
	quiet := received(`[]`, "")
	if err := errors.Join(quiet.Reply("x"), quiet.Reply("x"), quiet.ReplyJSON("")); err != nil || quiet.WantsReply() || quiet.end() != nil {
		t.Errorf("a client that waits for nothing: %v", err)
	}
}

// A reply leaves in the same message as the ack, and not at all if there is no ack.
func TestRepliesLeaveWithTheAck(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"handled", nil, []string{`reply ["yes"]`, "ack 1"}},
		{"dropped", Drop(errors.New("no")), []string{`reply ["yes"]`, "ack 1"}},
		{"failed", errors.New("no"), []string{"nack 1 4ns"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler := HandlerFunc(func(_ context.Context, e *Event) error { return errors.Join(e.Reply("yes"), tt.err) })
			inWorld(t, Config{RetryPause: exactly}, handler, func(w *world) {
				s := w.member()
				s.give(event("a", "a1", 1))
				synctest.Wait()
				if got := s.messages(); len(got) != 1 || !slices.Equal(got[0], tt.want) {
					t.Errorf("messages %q, want one with %q", got, tt.want)
				}
			})
		})
	}
}

func TestFuncs(t *testing.T) {
	var called []string
	note := func(name string) error { called = append(called, name); return nil }
	funcs := Funcs{
		Connected: func(_ context.Context, _ *Event, c *realtimev1.Connected) error {
			return note("connected " + c.GetAuth())
		},
		Received: func(_ context.Context, _ *Event, r *realtimev1.Received) error {
			return note("received " + r.GetName())
		},
		Disconnected: func(_ context.Context, _ *Event, d *realtimev1.Disconnected) error {
			return note("disconnected " + d.GetDescription())
		},
		Other: func(context.Context, *Event) error { return note("other") },
	}
	events := []*realtimev1.Event{
		{Kind: &realtimev1.Event_Connected{Connected: &realtimev1.Connected{Auth: "a"}}},
		{Kind: &realtimev1.Event_Received{Received: &realtimev1.Received{Name: "n"}}},
		{Kind: &realtimev1.Event_Disconnected{Disconnected: &realtimev1.Disconnected{Description: "d"}}},
		{Kind: &realtimev1.Event_Expired{Expired: &realtimev1.Expired{}}},
		{},
	}
	for _, handler := range []Handler{funcs, Funcs{}} {
		for _, e := range events {
			if err := handler.Handle(t.Context(), &Event{Event: e}); err != nil {
				t.Error(err)
			}
		}
	}
	if want := []string{"connected a", "received n", "disconnected d", "other", "other"}; !slices.Equal(called, want) {
		t.Errorf("called %q, want %q", called, want)
	}
}
