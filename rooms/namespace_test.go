package rooms

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestAdd(t *testing.T) {
	n := newNamespace("/")
	f := add(t, n, 1, "ann", "b", "a", "b", "")
	if got, ok := n.RoomsOf(f.ID()); !ok || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("RoomsOf = %q, %v", got, ok)
	}
	if m, ok := n.Member(f.ID()); !ok || m != Member(f) {
		t.Errorf("Member = %v, %v", m, ok)
	}
	if got := n.Count(Target{Users: []string{"ann"}}); got != 1 {
		t.Errorf("the user has %d sockets", got)
	}
	if got := n.Count(Target{Rooms: []string{"ann"}}); got != 0 {
		t.Errorf("the user's name is a room of %d", got)
	}
	checkLists(t, n)
}

func TestAddRefusesDuplicates(t *testing.T) {
	n := newNamespace("/")
	f := add(t, n, 1, "ann", "lobby")
	if err := n.Add(f, "", nil); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same member: %v", err)
	}
	if err := n.Add(newFake(1), "bob", []string{"kitchen"}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("another one with its id: %v", err)
	}
	if got := n.Rooms("", 10); len(got) != 1 || n.Count(Target{Users: []string{"bob"}}) != 0 {
		t.Errorf("a refused member left traces: %v", got)
	}
	n.Remove(f)
	if err := n.Add(f, "", nil); !errors.Is(err, ErrDuplicate) {
		t.Errorf("a removed member: %v", err)
	}
	if got := n.Count(Target{}); got != 0 {
		t.Errorf("a removed member came back: %d", got)
	}
	add(t, n, 1, "") // the id is free again
}

func TestRemove(t *testing.T) {
	n := newNamespace("/")
	a := add(t, n, 1, "ann", "x", "b", "a")
	b := add(t, n, 2, "ann", "a")
	if got, ok := n.Remove(newFake(1)); ok || got != nil {
		t.Errorf("Remove of a stranger with a member's id = %q, %v", got, ok)
	}
	if got, ok := n.Remove(a); !ok || !slices.Equal(got, []string{"a", "b", "x"}) {
		t.Errorf("Remove = %q, %v", got, ok)
	}
	if got, ok := n.Remove(a); ok || got != nil {
		t.Errorf("second Remove = %q, %v", got, ok)
	}
	if _, ok := n.Member(a.ID()); ok {
		t.Error("a removed member is found")
	}
	if _, ok := n.RoomsOf(a.ID()); ok {
		t.Error("a removed member has rooms")
	}
	if got := n.Rooms("", 10); !slices.Equal(got, []RoomSize{{"a", 1}}) {
		t.Errorf("Rooms = %v", got)
	}
	if got := n.Select(nil, Target{Users: []string{"ann"}}); len(got) != 1 || got[0] != Member(b) {
		t.Errorf("the user's sockets: %v", got)
	}
	if got := n.Join(Target{Sockets: []SocketID{a.ID()}}, "a"); got != 0 {
		t.Errorf("a removed member joined: %d", got)
	}
	checkLists(t, n)
	if rooms, ok := n.Remove(b); !ok || len(n.users.m)+len(n.rooms.m)+len(n.members) != 0 {
		t.Errorf("after the last Remove = %q, %v: %v, %v", rooms, ok, n.rooms.m, n.users.m)
	}
}

func TestJoinAndLeave(t *testing.T) {
	n := newNamespace("/")
	for i := range 6 {
		add(t, n, i, fmt.Sprint("user", i%2), fmt.Sprint("third", i%3))
	}
	steps := []struct {
		name string
		do   func(Target, ...string) int
		t    Target
		to   []string
		want int
		size []RoomSize
	}{
		{"join by user", n.Join, Target{Users: []string{"user0"}}, []string{"even"}, 3, []RoomSize{{"even", 3}}},
		{"join again", n.Join, Target{Users: []string{"user0"}}, []string{"even", "even"}, 3, []RoomSize{{"even", 3}}},
		{"join by room", n.Join, Target{Rooms: []string{"even", "third1"}}, []string{"x", "y"}, 4,
			[]RoomSize{{"even", 3}, {"x", 4}, {"y", 4}}},
		{"join nobody", n.Join, Target{Rooms: []string{"nowhere"}}, []string{"z"}, 0,
			[]RoomSize{{"even", 3}, {"x", 4}, {"y", 4}}},
		{"join no room", n.Join, Target{}, nil, 6, []RoomSize{{"even", 3}, {"x", 4}, {"y", 4}}},
		{"join the nameless room", n.Join, Target{}, []string{""}, 6, []RoomSize{{"even", 3}, {"x", 4}, {"y", 4}}},
		{"leave by except", n.Leave, Target{ExceptRooms: []string{"even"}}, []string{"x", "z"}, 3,
			[]RoomSize{{"even", 3}, {"x", 3}, {"y", 4}}},
		{"leave the room that selects", n.Leave, Target{Rooms: []string{"y"}}, []string{"y"}, 4,
			[]RoomSize{{"even", 3}, {"x", 3}}},
		{"leave all", n.Leave, Target{}, []string{"x", "even"}, 6, nil},
	}
	thirds := []RoomSize{{"third0", 2}, {"third1", 2}, {"third2", 2}}
	for _, s := range steps {
		if got := s.do(s.t, s.to...); got != s.want {
			t.Errorf("%s: matched %d, want %d", s.name, got, s.want)
		}
		want := lowest(append(s.size, thirds...), 100)
		if got := n.Rooms("", 100); !slices.Equal(got, want) {
			t.Errorf("%s: rooms %v, want %v", s.name, got, want)
		}
		checkLists(t, n)
	}
}

// Every socket is in the room named by its id, without joining it.
func TestImpliedRoom(t *testing.T) {
	n := newNamespace("/")
	a := add(t, n, 1, "", idOf(1).String(), idOf(2).String())
	b := add(t, n, 2, "")
	own := Target{Rooms: []string{a.ID().String()}}
	n.Join(own, a.ID().String())
	if got := n.Rooms("", 10); !slices.Equal(got, []RoomSize{{b.ID().String(), 1}}) {
		t.Errorf("rooms %v: the implied room is stored, or the joined one is not", got)
	}
	if got := n.Select(nil, own); len(got) != 1 || got[0] != Member(a) {
		t.Errorf("its own room: %v", got)
	}
	if got := n.Count(Target{Rooms: []string{b.ID().String()}}); got != 2 {
		t.Errorf("a room named like a socket that another joined has %d, want both", got)
	}
	if got := n.Count(Target{ExceptRooms: []string{b.ID().String()}}); got != 0 {
		t.Errorf("excepting that room leaves %d", got)
	}
	if got := n.Leave(own, a.ID().String()); got != 1 || n.Count(own) != 1 {
		t.Errorf("left its own room: %d", got)
	}
	n.Remove(b)
	if got := n.Select(nil, Target{Rooms: []string{b.ID().String()}}); len(got) != 1 || got[0] != Member(a) {
		t.Errorf("the room outlives the socket it is named like: %v", got)
	}
	checkLists(t, n)
}

func TestRoomsPages(t *testing.T) {
	n := newNamespace("/")
	var all []RoomSize
	for i := range 100 {
		name := fmt.Sprintf("room %02d", i)
		for j := range i%3 + 1 {
			add(t, n, i*10+j, "hidden", name)
		}
		all = append(all, RoomSize{name, i%3 + 1})
	}
	for _, limit := range []int{1, 2, 7, 49, 50, 51, 99, 100, 101, 1 << 62} {
		var got []RoomSize
		for after := ""; ; after = got[len(got)-1].Name {
			page := n.Rooms(after, limit)
			if len(page) > limit {
				t.Fatalf("limit %d: %d rooms", limit, len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if !slices.Equal(got, all) {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
	for _, limit := range []int{0, -1} {
		if got := n.Rooms("", limit); len(got) != 0 {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
	if got := n.Rooms("room 97~", 10); !slices.Equal(got, all[98:]) {
		t.Errorf("after a name that is not there: %v", got)
	}
}

// A member of very many rooms and its leaving cost in proportion to the rooms, not to their square.
func TestManyRoomsOfManyMembers(t *testing.T) {
	n := newNamespace("/")
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprint("room", i)
	}
	bots := []*fake{add(t, n, 0, "", names...), add(t, n, 1, "", names...), add(t, n, 2, "", names...)}
	checkLists(t, n)
	n.Leave(Target{Sockets: []SocketID{bots[1].ID()}}, names[1000:2000]...)
	checkLists(t, n)
	for i, want := range []int{3000, 2000, 3000} {
		if rooms, ok := n.Remove(bots[i]); !ok || len(rooms) != want {
			t.Errorf("bot %d held %d rooms, want %d", i, len(rooms), want)
		}
		checkLists(t, n)
	}
	if len(n.rooms.m) != 0 {
		t.Errorf("%d rooms are left", len(n.rooms.m))
	}
}
