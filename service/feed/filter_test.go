package feed

import (
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestFilter(t *testing.T) {
	connected := &rooms.Event{Kind: rooms.KindConnected, Namespace: "/"}
	chat := &rooms.Event{Kind: rooms.KindEvent, Namespace: "/chat", Name: "chat"}
	seven := &rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: "7", NameIsNumber: true}
	gone := &rooms.Event{Kind: rooms.KindDisconnected, Namespace: "/chat"}
	expired := &rooms.Event{Kind: rooms.KindExpired, Namespace: "/chat"}
	joined := &rooms.Event{Kind: rooms.KindJoined, Namespace: "/chat", Room: "chat"}
	left := &rooms.Event{Kind: rooms.KindLeft, Namespace: "/", Room: "a"}
	created := &rooms.Event{Kind: rooms.KindRoomCreated, Namespace: "/", Room: "a"}
	deleted := &rooms.Event{Kind: rooms.KindRoomDeleted, Namespace: "/", Room: "a"}
	all := []*rooms.Event{connected, chat, seven, gone}
	each := append(all, expired, joined, left, created, deleted)
	for _, tt := range []struct {
		name   string
		filter Filter
		want   []*rooms.Event
	}{
		{"everything", Filter{}, all},
		{"one namespace", Filter{Namespaces: []string{"/chat"}}, []*rooms.Event{chat, gone}},
		{"two namespaces", Filter{Namespaces: []string{"/chat", "/"}}, all},
		{"another namespace", Filter{Namespaces: []string{"/cha"}}, nil},
		{"expired", Filter{Kinds: []rooms.EventKind{rooms.KindExpired}}, []*rooms.Event{expired}},
		{"joined and left", Filter{Kinds: []rooms.EventKind{rooms.KindJoined, rooms.KindLeft}}, []*rooms.Event{joined, left}},
		{
			"created and deleted, whatever the names of events",
			Filter{Kinds: []rooms.EventKind{rooms.KindRoomCreated, rooms.KindRoomDeleted}, Names: []string{"chat"}},
			[]*rooms.Event{created, deleted},
		},
		{"connected", Filter{Kinds: []rooms.EventKind{rooms.KindConnected}}, []*rooms.Event{connected}},
		{"events", Filter{Kinds: []rooms.EventKind{rooms.KindEvent}}, []*rooms.Event{chat, seven}},
		{"the rest", Filter{Kinds: []rooms.EventKind{rooms.KindConnected, rooms.KindDisconnected}}, []*rooms.Event{connected, gone}},
		{"one name, all kinds", Filter{Names: []string{"chat"}}, []*rooms.Event{connected, chat, gone}},
		{"a number by its text", Filter{Kinds: []rooms.EventKind{rooms.KindEvent}, Names: []string{"7"}}, []*rooms.Event{seven}},
		{
			"all fields must match",
			Filter{Namespaces: []string{"/"}, Kinds: []rooms.EventKind{rooms.KindEvent}, Names: []string{"chat", "7"}},
			[]*rooms.Event{seven},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.filter.compile()
			var got []*rooms.Event
			for _, e := range each {
				if c.match(e) {
					got = append(got, e)
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("%d events match, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("event %d is %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}
