package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func posted(room, nickname, id string, at int64) message {
	return message{ID: id, Room: room, At: at, From: sender{Nickname: nickname}, Text: id}
}

func TestHistoryKeepsTheLatest(t *testing.T) {
	h := newHistory()
	for i := range keepMessages + 10 {
		h.add(posted("lobby", "Ada", fmt.Sprint(i), int64(i)))
	}
	kept := h.of("lobby")
	if len(kept) != keepMessages || kept[0].ID != "10" || kept[keepMessages-1].ID != fmt.Sprint(keepMessages+9) {
		t.Errorf("kept %d messages from %s to %s", len(kept), kept[0].ID, kept[len(kept)-1].ID)
	}
}

func TestHistoryKeepsRoomsApart(t *testing.T) {
	h := newHistory()
	h.add(posted("lobby", "Ada", "1", 1))
	h.add(posted("tea", "Ada", "2", 2))
	if got := h.of("tea"); len(got) != 1 || got[0].ID != "2" {
		t.Errorf("history of tea: %v", got)
	}
	if got := h.of("nowhere"); got != nil {
		t.Errorf("history of a silent room: %v", got)
	}
}

func TestHistoryFind(t *testing.T) {
	h := newHistory()
	h.add(posted("lobby", "Ada", "1", 7))
	for _, tt := range []struct {
		room, nickname, id string
		found              bool
	}{
		{"lobby", "Ada", "1", true},
		{"lobby", "Ada", "2", false},
		{"lobby", "Grace", "1", false}, // ids are the senders' own
		{"tea", "Ada", "1", false},
	} {
		m, found := h.find(tt.room, tt.nickname, tt.id)
		if found != tt.found || found && m.At != 7 {
			t.Errorf("find(%s, %s, %s) = %v, %v", tt.room, tt.nickname, tt.id, m, found)
		}
	}
}

func TestHistoryKnowsWhoHasSeen(t *testing.T) {
	h := newHistory()
	h.add(posted("lobby", "Ada", "1", 1))
	h.add(posted("lobby", "Ada", "2", 2))
	before := h.of("lobby")
	for _, by := range []string{"Grace", "Hedy", "Grace"} {
		h.seen("lobby", "Ada", "1", by)
	}
	h.seen("lobby", "Ada", "3", "Grace")
	h.seen("tea", "Ada", "1", "Grace")
	after := h.of("lobby")
	if diff := cmp.Diff([]string{"Grace", "Hedy"}, after[0].SeenBy); diff != "" || after[1].SeenBy != nil {
		t.Errorf("the second was seen by %v, the first by:\n%s", after[1].SeenBy, diff)
	}
	if before[0].SeenBy != nil {
		t.Error("what was asked for before has changed")
	}
	for i := range 2 * keepSeenBy {
		h.seen("lobby", "Ada", "2", fmt.Sprint(i))
	}
	if got := len(h.of("lobby")[1].SeenBy); got != keepSeenBy {
		t.Errorf("%d nicknames are kept, want %d", got, keepSeenBy)
	}
}

func TestHistoryForgetsTheMostSilentRoom(t *testing.T) {
	h := newHistory()
	for i := range keepHistories {
		h.add(posted(fmt.Sprint("room-", i), "Ada", "1", int64(i)))
	}
	h.add(posted("room-0", "Ada", "2", keepHistories))
	h.add(posted("one-more", "Ada", "3", keepHistories+1))
	if len(h.rooms) != keepHistories {
		t.Errorf("%d rooms have a history, want %d", len(h.rooms), keepHistories)
	}
	if h.of("room-1") != nil {
		t.Error("the room that was silent the longest is still there")
	}
	if len(h.of("room-0")) != 2 || len(h.of("one-more")) != 1 {
		t.Error("a room that was spoken in is gone")
	}
}

func TestHistoryHoldsNoPictureData(t *testing.T) {
	h := newHistory()
	m := posted("lobby", "Ada", "1", 1)
	m.Picture = &shownPicture{ID: "p", Name: "a.png", Data: firstAttachment}
	h.add(m)
	if got := h.of("lobby")[0].Picture; got.Data != nil || got.ID != "p" {
		t.Errorf("the history mentions %+v", got)
	}
	if m.Picture.Data == nil {
		t.Error("the message that is passed on has lost its data")
	}
}

// A history is sent as one event, which the service limits to 1 MiB.
func TestHistoryFitsIntoOneEvent(t *testing.T) {
	h := newHistory()
	for i := range keepMessages {
		m := posted("lobby", strings.Repeat("é", maxNickname), strings.Repeat("x", 64), int64(i))
		m.Text = strings.Repeat("<", maxText) // JSON writes it with six bytes
		for range keepSeenBy {
			m.SeenBy = append(m.SeenBy, strings.Repeat("é", maxNickname))
		}
		h.add(m)
	}
	if n := len(arguments(h.of("lobby"))); n > 1<<20 {
		t.Errorf("the longest history has %d bytes", n)
	}
}
