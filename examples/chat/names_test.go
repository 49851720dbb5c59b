package main

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckNickname(t *testing.T) {
	for _, tt := range []struct{ wanted, nickname, reason string }{
		{"Ada", "Ada", ""},
		{"  Ada \t Lovelace\n", "Ada Lovelace", ""},
		{"Жанна", "Жанна", ""},
		{"李小龍", "李小龍", ""},
		{"🦊", "🦊", ""},
		{"o'brien-2", "o'brien-2", ""},
		{strings.Repeat("é", maxNickname), strings.Repeat("é", maxNickname), ""},
		{strings.Repeat("é", maxNickname+1), "", "too_long"},
		{"", "", "empty"},
		{" \u00a0\u2003 ", "", "empty"},
		{"a\x00b", "", "characters"},
		{"a\u202eb", "", "characters"}, // turns the rest of the line around
		{"a\u200bb", "", "characters"}, // looks like ab
		{"a\xffb", "", "characters"},
		{"...", "", "characters"},
		{"\u0301\u0301", "", "characters"},
		{"admin", "", "reserved"},
		{"Admin", "", "reserved"},
		{" SYSTEM ", "", "reserved"},
		{"administrators", "administrators", ""},
	} {
		nickname, err := checkNickname(tt.wanted)
		reason := ""
		if refused := (*nicknameError)(nil); errors.As(err, &refused) {
			reason = refused.reason
			if refused.Error() == "" {
				t.Errorf("%q is refused without a text", tt.wanted)
			}
		}
		if nickname != tt.nickname || reason != tt.reason {
			t.Errorf("checkNickname(%q) = %q, %q, want %q, %q", tt.wanted, nickname, reason, tt.nickname, tt.reason)
		}
	}
}

func TestReservedNicknamesAreFolded(t *testing.T) {
	for _, name := range reservedNicknames {
		if foldNickname(name) != name {
			t.Errorf("%q is reserved, but it is %q that is compared", name, foldNickname(name))
		}
	}
}

func TestCheckRoom(t *testing.T) {
	for _, tt := range []struct{ wanted, name string }{
		{"lobby", "lobby"},
		{"# Tea  House ", "tea-house"},
		{"#go_1-26", "go_1-26"},
		{"Straße", "straße"},
		{"हिन्दी", "हिन्दी"},
		{strings.Repeat("ü", maxRoomName), strings.Repeat("ü", maxRoomName)},
		{strings.Repeat("ü", maxRoomName+1), ""},
		{"", ""},
		{" # ", ""},
		{"a/b", ""},
		{"a:b", ""},
		{"<b>", ""},
		{"a\x00", ""},
	} {
		name, err := checkRoom(tt.wanted)
		if name != tt.name || (err == nil) != (tt.name != "") {
			t.Errorf("checkRoom(%q) = %q, %v, want %q", tt.wanted, name, err, tt.name)
		}
		if _, told := answerTo(err); err != nil && !told {
			t.Errorf("checkRoom(%q): %v is not for the client's eyes", tt.wanted, err)
		}
	}
}

func TestCheckRoomKeepsProperNames(t *testing.T) {
	for _, fixed := range fixedRooms {
		if name, err := checkRoom(fixed.name); name != fixed.name || err != nil {
			t.Errorf("checkRoom(%q) = %q, %v", fixed.name, name, err)
		}
	}
}

func TestRoomsOfTheServiceAreNoSockets(t *testing.T) {
	// 20 characters, as the ids of sockets: nobody can join somebody else's own room.
	const id = "abcdefghijklmnopqrst"
	name, err := checkRoom(id)
	if err != nil {
		t.Fatal(err)
	}
	if got := serviceRoom(name); got == id || len(got) == len(id) {
		t.Errorf("the service is asked for room %q", got)
	}
	if back, ok := chatRoom(serviceRoom(name)); back != name || !ok {
		t.Errorf("back from the service it is %q, %v", back, ok)
	}
	if _, ok := chatRoom("of-another-backend"); ok {
		t.Error("a room without the prefix is taken for one of the chat")
	}
}
