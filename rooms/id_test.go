package rooms

import (
	"errors"
	"strings"
	"testing"
)

func TestNewSocketID(t *testing.T) {
	seen := map[SocketID]bool{}
	for range 1000 {
		id := NewSocketID()
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
		back, err := ParseSocketID(id.String())
		if err != nil || back != id {
			t.Fatalf("ParseSocketID(%q) = %s, %v", id, back, err)
		}
	}
}

func TestParseSocketID(t *testing.T) {
	good := "AZaz09-_AZaz09-_AZaz"
	if id, err := ParseSocketID(good); err != nil || id.String() != good {
		t.Errorf("ParseSocketID(%q) = %q, %v", good, id, err)
	}
	for i := range good {
		if _, err := ParseSocketID(good[:i]); !errors.Is(err, ErrSocketID) {
			t.Errorf("prefix of %d characters: %v", i, err)
		}
	}
	if _, err := ParseSocketID(good + "A"); !errors.Is(err, ErrSocketID) {
		t.Errorf("21 characters: %v", err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for c := range 256 {
		s := good[:7] + string([]byte{byte(c)}) + good[8:]
		_, err := ParseSocketID(s)
		if ok := err == nil; ok != strings.Contains(alphabet, string([]byte{byte(c)})) {
			t.Errorf("ParseSocketID(%q): %v", s, err)
		}
	}
}

// PROTOCOL 2.7.
func TestParseSocketIDIn(t *testing.T) {
	const id = "AZaz09-_AZaz09-_AZaz"
	for _, tc := range []struct {
		namespace, s string
		ok           bool
	}{
		{"/", id, true},
		{"/chat", id, true},
		{"/chat", "/chat#" + id, true},
		{"/", "/#" + id, true},
		{"/a#b", "/a#b#" + id, true},
		{"/chat", "/#" + id, false},
		{"/", "/chat#" + id, false},
		{"/chat", "/chas#" + id, false},
		{"/chat", "/chat" + id, false},
		{"/chat", "/chat/" + id, false},
		{"/chat", "chat#" + id, false},
		{"/chat", "#" + id, false},
		{"/chat", "/chat#", false},
		{"/chat", "/chat#" + id + "A", false},
		{"/chat", "/chat#" + id[1:], false},
		{"/chat", "/chat#/chat#" + id, false},
		{"/chat", "/chat##" + id[1:], false},
		{"/chat", "", false},
	} {
		got, err := ParseSocketIDIn(tc.namespace, tc.s)
		if tc.ok && (err != nil || got.String() != id) || !tc.ok && !errors.Is(err, ErrSocketID) {
			t.Errorf("%q in %s: %s, %v", tc.s, tc.namespace, got, err)
		}
	}
}

// PROTOCOL 2.7: <namespace>#<id> is the room that the socket is in by itself, for whoever asks by that name.
func TestRoomNameWithNamespaceNamesTheSocket(t *testing.T) {
	n := newNamespace("/chat")
	a := add(t, n, 1, "", "/chat#"+idOf(1).String(), "lobby")
	alias := "/chat#" + a.ID().String()
	add(t, n, 2, "", "lobby")
	for _, tc := range []struct {
		t    Target
		want string
	}{
		{Target{Rooms: []string{alias}}, "1"},
		{Target{Rooms: []string{alias, a.ID().String()}}, "1"},
		{Target{Rooms: []string{"lobby"}, ExceptRooms: []string{alias}}, "2"},
		{Target{ExceptRooms: []string{alias}}, "2"},
		{Target{Rooms: []string{"/#" + a.ID().String()}}, ""},
		{Target{Rooms: []string{"/chat#" + idOf(3).String()}}, ""},
	} {
		if got := picture(t, n, tc.t); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.t, got, tc.want)
		}
	}
	if got := n.Rooms("", 10); len(got) != 1 {
		t.Errorf("%v: what the id implies was stored", got)
	}
	// As for the id itself, others may join a room of that name.
	n.Join(Target{Sockets: []SocketID{idOf(2)}}, alias)
	if got := picture(t, n, Target{Rooms: []string{alias}}); got != "1 2" {
		t.Errorf("with one who joined: %q", got)
	}
	checkLists(t, n)
}
