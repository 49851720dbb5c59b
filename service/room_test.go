package service

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestJoinAndLeaveRooms(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.socket(t, "/", "ann"), w.socket(t, "/", "bob", "a")
	target := &realtimev1.Target{Users: []string{"ann", "bob"}}
	joined, err := w.rooms.JoinRooms(w.ctx, &realtimev1.JoinRoomsRequest{Target: target, Rooms: []string{"a", "b", "a"}})
	if err != nil || joined.GetMatched() != 2 {
		t.Fatalf("answer %v, error %v", joined, err)
	}
	for _, f := range []*fake{ann, bob} {
		if got := f.Info().Rooms; !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("rooms %v", got)
		}
	}
	left, err := w.rooms.LeaveRooms(w.ctx, &realtimev1.LeaveRoomsRequest{
		Target: &realtimev1.Target{Rooms: []string{"a"}, ExceptSockets: []string{bob.ID().String()}}, Rooms: []string{"a", "never"},
	})
	if err != nil || left.GetMatched() != 1 {
		t.Fatalf("answer %v, error %v", left, err)
	}
	if a, b := ann.Info().Rooms, bob.Info().Rooms; !slices.Equal(a, []string{"b"}) || !slices.Equal(b, []string{"a", "b"}) {
		t.Errorf("rooms %v and %v", a, b)
	}
}

func TestListRooms(t *testing.T) {
	w := newWorld(t)
	w.socket(t, "/chat", "", "other")
	var want []string
	for i := range 250 {
		name := fmt.Sprintf("room %03d", i)
		want = append(want, name)
		w.socket(t, "/", "", name, "all")
	}
	want = append([]string{"all"}, want...)
	for _, size := range []uint32{0, 1, 7, 251, 252, maxPageSize} {
		var got []string
		token, pages := "", 0
		for {
			page, err := w.rooms.ListRooms(w.ctx, &realtimev1.ListRoomsRequest{PageSize: size, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, room := range page.GetRooms() {
				got = append(got, room.GetName())
				if sockets := room.GetSockets(); sockets != 1 && (room.GetName() != "all" || sockets != 250) {
					t.Errorf("%d sockets in %q", sockets, room.GetName())
				}
			}
			pages++
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("page size %d: %d rooms", size, len(got))
		}
		if size == 0 {
			size = defaultPageSize
		}
		if wantPages := (len(want) + int(size) - 1) / int(size); pages != wantPages {
			t.Errorf("page size %d: %d pages, want %d", size, pages, wantPages)
		}
	}
}

func TestListRoomsOfNobody(t *testing.T) {
	w := newWorld(t)
	w.socket(t, "/", "ann") // the room named by its id is not listed, nor is its user
	page, err := w.rooms.ListRooms(w.ctx, &realtimev1.ListRoomsRequest{})
	if err != nil || len(page.GetRooms()) != 0 || page.GetNextPageToken() != "" {
		t.Errorf("page %v, error %v", page, err)
	}
}

// A page goes on where the last one ended, whatever became of that room.
func TestListRoomsWhileRoomsComeAndGo(t *testing.T) {
	w := newWorld(t)
	last := w.socket(t, "/", "", "b")
	w.socket(t, "/", "", "a", "d")
	page, err := w.rooms.ListRooms(w.ctx, &realtimev1.ListRoomsRequest{PageSize: 2})
	if err != nil || len(page.GetRooms()) != 2 {
		t.Fatalf("page %v, error %v", page, err)
	}
	last.ns.Remove(last)
	w.socket(t, "/", "", "c")
	page, err = w.rooms.ListRooms(w.ctx, &realtimev1.ListRoomsRequest{PageSize: 2, PageToken: page.GetNextPageToken()})
	if err != nil || len(page.GetRooms()) != 2 || page.GetRooms()[0].GetName() != "c" || page.GetNextPageToken() != "" {
		t.Errorf("page %v, error %v", page, err)
	}
}

func TestListRoomsErrors(t *testing.T) {
	w := newWorld(t)
	_, err := w.rooms.ListRooms(w.ctx, &realtimev1.ListRoomsRequest{Namespace: "/none"})
	wantStatus(t, err, codes.NotFound, "NAMESPACE_NOT_FOUND")
	token := pageToken{node: "n0", namespace: "/", after: "a"}
	_, err = w.rooms.ListRooms(w.ctx, &realtimev1.ListRoomsRequest{PageToken: token.String()})
	wantStatus(t, err, codes.NotFound, "NODE_NOT_FOUND")
}
