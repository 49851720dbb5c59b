package rooms

import (
	"sync"
	"testing"
)

type wireForm struct{ bytes string }

func TestFormIsBuiltOnceForEachNumber(t *testing.T) {
	m := &Message{Event: "news"}
	built := 0
	for range 3 {
		for i := range MaxForms {
			got := m.Form(i, func() any { built++; return &wireForm{bytes: string(rune('a' + i))} })
			if got.(*wireForm).bytes != string(rune('a'+i)) {
				t.Fatalf("form %d is %v", i, got)
			}
		}
	}
	if built != MaxForms {
		t.Errorf("built %d times", built)
	}
}

func TestFormIsTheSameForAllWhoRace(t *testing.T) {
	const racers = 16
	for range 200 {
		m := new(Message)
		var got [racers]any
		var start, done sync.WaitGroup
		start.Add(1)
		for i := range racers {
			done.Go(func() {
				start.Wait()
				got[i] = m.Form(1, func() any { return new(wireForm) })
			})
		}
		start.Done()
		done.Wait()
		for i := range got {
			if got[i] == nil || got[i] != got[0] {
				t.Fatalf("racer %d got %p, the first %p", i, got[i], got[0])
			}
		}
	}
}

func TestFormInsideForm(t *testing.T) {
	m := new(Message)
	outer := m.Form(0, func() any {
		inner := m.Form(1, func() any { return &wireForm{"inner"} })
		return &wireForm{"outer of " + inner.(*wireForm).bytes}
	})
	if got := outer.(*wireForm).bytes; got != "outer of inner" {
		t.Error(got)
	}
}

func TestEventKindString(t *testing.T) {
	for k, want := range map[EventKind]string{
		0: "unknown", KindConnected: "connected", KindEvent: "event", KindDisconnected: "disconnected",
		KindExpired: "expired", KindJoined: "joined", KindLeft: "left", KindRoomCreated: "room created",
		KindRoomDeleted: "room deleted", KindRoomDeleted + 1: "unknown", 255: "unknown",
	} {
		if got := k.String(); got != want {
			t.Errorf("%d: %q", k, got)
		}
	}
}
