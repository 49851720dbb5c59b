package feed

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// A group without members ends after its retention; what is lost with it is counted.
func TestGroupsEndAndAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := New(Config{Groups: GroupConfig{Retention: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := f.Join("orders", Filter{}, MemberConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			f.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: rooms.SocketID{1}, Name: name, Time: time.Now()})
		}
		m.Close(false)
		if got, want := f.Stats(), (Stats{Groups: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		time.Sleep(time.Minute + time.Second) // virtual
		if got, want := f.Stats(), (Stats{GroupsEnded: 1, GroupsLost: 2}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
