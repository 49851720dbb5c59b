package feed

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Room events are asked for exactly while somebody watches them: from before Watch returns until Close.
func TestRoomEventsAreAskedForWhileWatched(t *testing.T) {
	ofRooms := []rooms.EventKind{rooms.KindJoined, rooms.KindLeft, rooms.KindRoomCreated, rooms.KindRoomDeleted}
	var wanted atomic.Int64
	f := newFeed(t, Config{WantRoomEvents: func(delta int) { wanted.Add(int64(delta)) }})
	t.Cleanup(func() { // of all cleanups the last, after every Close
		if got := wanted.Load(); got != 0 {
			t.Errorf("%d are wanted by nobody", got)
		}
	})
	for _, kinds := range [][]rooms.EventKind{nil, {rooms.KindConnected}, {rooms.KindExpired, rooms.KindEvent}} {
		w := watch(t, f, Filter{Kinds: kinds})
		if wanted.Load() != 0 {
			t.Errorf("%v asks for room events", kinds)
		}
		w.Close()
	}
	for i, kind := range ofRooms {
		watch(t, f, Filter{Kinds: []rooms.EventKind{rooms.KindConnected, kind}})
		if got := wanted.Load(); got != int64(i+1) {
			t.Errorf("%d are wanted after %v", got, kind)
		}
	}
	last := watch(t, f, Filter{Kinds: ofRooms})
	if got := wanted.Load(); got != 5 {
		t.Errorf("all four kinds make it %d", got)
	}
	last.Close()
	last.Close()
	if got := wanted.Load(); got != 4 {
		t.Errorf("Close twice makes it %d", got)
	}
}

func TestNothingIsAskedForAfterShutdown(t *testing.T) {
	wanted := 0
	f := newFeed(t, Config{WantRoomEvents: func(delta int) { wanted += delta }})
	w := watch(t, f, Filter{Kinds: []rooms.EventKind{rooms.KindJoined}})
	f.Shutdown()
	if _, err := f.Watch(Filter{Kinds: []rooms.EventKind{rooms.KindLeft}}); !errors.Is(err, ErrShutdown) {
		t.Errorf("Watch: %v", err)
	}
	if wanted != 1 {
		t.Errorf("%d are wanted, want that of the watcher", wanted)
	}
	w.Close()
	if wanted != 0 {
		t.Errorf("%d are wanted after Close", wanted)
	}
}
