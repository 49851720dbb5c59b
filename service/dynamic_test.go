package service

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// PROTOCOL 4.5: a namespace that a pattern admits can be addressed whether it exists or not.
func TestNamespaceOfAPattern(t *testing.T) {
	w := newWorld(t)
	emit := func(namespace string) (uint32, error) {
		got, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: &realtimev1.Target{Namespace: namespace}, Event: "x"})
		return got.GetMatched(), err
	}
	for _, tt := range []struct {
		name   string
		before func()
		want   uint32
	}{
		{"nobody has been there", func() {}, 0},
		{"two are there", func() { w.socket(t, "/room-7", ""); w.socket(t, "/room-7", "") }, 2},
		{"others are elsewhere", func() { w.socket(t, "/room-8", "") }, 2},
	} {
		tt.before()
		if got, err := emit("/room-7"); got != tt.want || err != nil {
			t.Errorf("%s: %d, %v", tt.name, got, err)
		}
	}
	for _, name := range []string{"/room-", "/room-7/x", "/room-7 ", "x/room-7", "/none", "/room-" + strings.Repeat("1", 256)} {
		_, err := emit(name)
		wantStatus(t, err, codes.NotFound, "NAMESPACE_NOT_FOUND")
	}
}

func TestEveryMethodTakesTheNamespaceOfAPattern(t *testing.T) {
	w := newWorld(t)
	nobody := &realtimev1.Target{Namespace: "/room-1"}
	if n := count(t, w, nobody); n != 0 {
		t.Errorf("%d sockets", n)
	}
	if _, err := w.rooms.JoinRooms(w.ctx, &realtimev1.JoinRoomsRequest{Target: nobody, Rooms: []string{"a"}}); err != nil {
		t.Error(err)
	}
	if _, err := w.rooms.LeaveRooms(w.ctx, &realtimev1.LeaveRoomsRequest{Target: nobody, Rooms: []string{"a"}}); err != nil {
		t.Error(err)
	}
	if list := page(t, w, &realtimev1.ListRoomsRequest{Namespace: "/room-1"}); len(list.GetRooms()) != 0 {
		t.Errorf("rooms %v", list)
	}
	if ids, _ := listSockets(t, w, nobody); len(ids) != 0 {
		t.Errorf("sockets %v", ids)
	}
	disconnect(t, w, &realtimev1.DisconnectSocketsRequest{Target: nobody})
	answers, summary := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: nobody, Event: "e"})
	if len(answers) != 0 || summary.GetMatched() != 0 {
		t.Errorf("%v, %v", answers, summary) // PROTOCOL 4.3: at once, although the time is not up
	}
	_, err := w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: "/room-1", SocketId: testID.String()})
	wantStatus(t, err, codes.NotFound, "SOCKET_NOT_FOUND")
	token := ackToken{node: "n1", namespace: "/room-1", socket: testID, ack: 1}
	_, err = w.events.Reply(w.ctx, &realtimev1.ReplyRequest{AckToken: token.String()})
	wantStatus(t, err, codes.NotFound, "SOCKET_NOT_FOUND")
	attach(t, w, "/room-1")
	if n := len(w.hub.Namespaces()); n != 2 {
		t.Errorf("%d namespaces exist: asking made some", n)
	}
}

// A watcher may name a namespace before it exists.
func TestWatchNamespaceThatComesLater(t *testing.T) {
	w := newWorld(t)
	stream := watch(t, w, &realtimev1.WatchRequest{Namespaces: []string{"/room-1"}})
	life(w, "/room-2", 1)
	id := life(w, "/room-1", 1)
	events, _ := read(t, stream, 3)
	for _, e := range events {
		if e.GetNamespace() != "/room-1" || e.GetSocketId() != id.String() {
			t.Errorf("%v", e)
		}
	}
}

// PROTOCOL 2.7: the id of a client of Engine.IO v3 has its namespace in front, wherever an id or a room is named.
func TestSocketIDWithNamespace(t *testing.T) {
	for _, namespace := range []string{"/", "/chat", "/room-5"} {
		w := newWorld(t)
		f := w.socket(t, namespace, "", "a")
		w.socket(t, namespace, "", "a")
		id := namespace + "#" + f.ID().String()
		for name, tt := range map[string]struct {
			target *realtimev1.Target
			want   uint32
		}{
			"sockets":        {&realtimev1.Target{Sockets: []string{id}}, 1},
			"rooms":          {&realtimev1.Target{Rooms: []string{id}}, 1},
			"except_sockets": {&realtimev1.Target{ExceptSockets: []string{id}}, 1},
			"except_rooms":   {&realtimev1.Target{Rooms: []string{"a"}, ExceptRooms: []string{id}}, 1},
			"both forms":     {&realtimev1.Target{Sockets: []string{id, f.ID().String()}, Rooms: []string{id}}, 1},
		} {
			tt.target.Namespace = namespace
			if got := count(t, w, tt.target); got != tt.want {
				t.Errorf("%s in %s: %d", name, namespace, got)
			}
		}
		got, err := w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: namespace, SocketId: id})
		if err != nil || got.GetSocket().GetId() != f.ID().String() {
			t.Errorf("GetSocket in %s: %v, %v", namespace, got, err)
		}
		other := "/other#" + f.ID().String()
		_, err = w.sockets.GetSocket(w.ctx, &realtimev1.GetSocketRequest{Namespace: namespace, SocketId: other})
		wantStatus(t, err, codes.InvalidArgument, "", "socket_id")
		_, err = w.sockets.CountSockets(w.ctx, &realtimev1.CountSocketsRequest{Target: &realtimev1.Target{Namespace: namespace, Sockets: []string{id, other}}})
		wantStatus(t, err, codes.InvalidArgument, "", "target.sockets[1]")
	}
}

// PROTOCOL 4.4: rooms come and go, told to those who ask and in order.
func TestWatchRooms(t *testing.T) {
	w := newWorld(t)
	usual := watch(t, w, &realtimev1.WatchRequest{})
	stream := watch(t, w, &realtimev1.WatchRequest{Kinds: []realtimev1.EventKind{
		realtimev1.EventKind_EVENT_KIND_JOINED, realtimev1.EventKind_EVENT_KIND_LEFT,
		realtimev1.EventKind_EVENT_KIND_ROOM_CREATED, realtimev1.EventKind_EVENT_KIND_ROOM_DELETED,
	}})
	f := w.socket(t, "/", "ann", "a")
	if _, err := w.rooms.LeaveRooms(w.ctx, &realtimev1.LeaveRoomsRequest{Target: everyone(), Rooms: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	f.ns.Remove(f)
	own, ann := f.ID().String(), f.ID().String()+" of ann"
	want := []string{
		"created a by ", "joined a by " + ann, "created " + own + " by ", "joined " + own + " by " + ann,
		"left a by " + ann, "deleted a by ", "left " + own + " by " + ann, "deleted " + own + " by ",
	}
	events, _ := read(t, stream, len(want))
	for i, e := range events {
		if got := roomEvent(e); got != want[i] {
			t.Errorf("event %d: %q, want %q", i, got, want[i])
		}
	}
	life(w, "/", 0)
	if first, _ := read(t, usual, 2); first[0].GetConnected() == nil {
		t.Errorf("who did not ask got %v", first[0])
	}
}

func roomEvent(e *realtimev1.Event) string {
	by := " by " + e.GetSocketId()
	if e.GetUser() != "" {
		by += " of " + e.GetUser()
	}
	switch k := e.GetKind().(type) {
	case *realtimev1.Event_Joined:
		return "joined " + k.Joined.GetRoom() + by
	case *realtimev1.Event_Left:
		return "left " + k.Left.GetRoom() + by
	case *realtimev1.Event_RoomCreated:
		return "created " + k.RoomCreated.GetRoom() + by
	case *realtimev1.Event_RoomDeleted:
		return "deleted " + k.RoomDeleted.GetRoom() + by
	}
	return "?"
}
