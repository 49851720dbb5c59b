package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPresenceOf(t *testing.T) {
	got := presenceOf([]person{
		{id: "s1", nickname: "Ada", key: "secret", rooms: []string{"lobby", "tea"}},
		{id: "s2", nickname: "Grace", rooms: []string{"attic", "lobby"}},
		{id: "s3", nickname: "Hedy"},
	})
	want := presenceEvent{
		Rooms: []roomEntry{
			{"lobby", "Everyone arrives here", 2},
			{"engineering", "Ship it, then talk about it", 0},
			{"pictures", "Drop one in", 0},
			{"random", "Whatever is on your mind", 0},
			{"attic", "", 1},
			{"tea", "", 1},
		},
		People: []personEntry{
			{"s1", "Ada", []string{"lobby", "tea"}},
			{"s2", "Grace", []string{"attic", "lobby"}},
			{"s3", "Hedy", []string{}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A page goes through these lists without asking whether they are there.
func TestPresenceOfNobodyHasNoNull(t *testing.T) {
	text, err := json.Marshal(presenceOf(nil).People)
	if err != nil || string(text) != "[]" {
		t.Errorf("people are %s, %v", text, err)
	}
}

func TestAnnouncesWhoComesMovesAndGoes(t *testing.T) {
	h := newHouse(t)
	h.announced(func(e presenceEvent) bool { return len(e.People) == 0 })

	h.enter("s1", "Ada", "lobby")
	got := h.announced(func(e presenceEvent) bool { return len(e.People) == 1 })
	if diff := cmp.Diff(personEntry{"s1", "Ada", []string{"lobby"}}, got.People[0]); diff != "" {
		t.Error(diff)
	}

	h.tell(received("s1", eventJoin, `["tea"]`, ""))
	got = h.announced(func(e presenceEvent) bool { return len(e.Rooms) == len(fixedRooms)+1 })
	if diff := cmp.Diff(roomEntry{"tea", "", 1}, got.Rooms[len(fixedRooms)]); diff != "" {
		t.Error(diff)
	}

	h.tell(disconnected("s1"))
	h.announced(func(e presenceEvent) bool {
		return len(e.People) == 0 && e.Rooms[0].Members == 0 && len(e.Rooms) == len(fixedRooms)
	})
}
