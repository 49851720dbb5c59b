package rooms

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// picture returns who is selected, as one sorted line of numbers, after checking that Count agrees and nobody is there
// twice.
func picture(t testing.TB, n *Namespace, target Target) string {
	t.Helper()
	var ids []string
	for _, m := range n.Select(nil, target) {
		ids = append(ids, strings.TrimLeft(m.(*fake).ID().String()[7:], "0"))
	}
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("%+v: somebody is there twice: %v", target, ids)
	}
	if got := n.Count(target); got != len(ids) {
		t.Errorf("%+v: Count %d, Select %d", target, got, len(ids))
	}
	return strings.Join(ids, " ")
}

// PROTOCOL 4.3: several rooms are a union without duplicates, except is set minus, an empty target is everyone.
func TestSelect(t *testing.T) {
	n := newNamespace("/")
	add(t, n, 1, "ann", "a", "ab")
	add(t, n, 2, "ann", "b", "ab")
	add(t, n, 3, "bob", "c")
	add(t, n, 4, "")
	ids := func(is ...int) (s []SocketID) {
		for _, i := range is {
			s = append(s, idOf(i))
		}
		return s
	}
	names := func(s ...string) []string { return s }
	for _, tc := range []struct {
		t    Target
		want string
	}{
		{Target{}, "1 2 3 4"},
		{Target{Rooms: names("a")}, "1"},
		{Target{Rooms: names("ab")}, "1 2"},
		{Target{Rooms: names("a", "a")}, "1"},
		{Target{Rooms: names("a", "ab", "c")}, "1 2 3"},
		{Target{Rooms: names("nowhere")}, ""},
		{Target{Rooms: names("")}, ""},
		{Target{Rooms: names("nowhere", "c")}, "3"},
		{Target{Rooms: names("ann")}, ""},
		{Target{Users: names("ann")}, "1 2"},
		{Target{Users: names("a")}, ""},
		{Target{Users: names("ann", "bob", "ann")}, "1 2 3"},
		{Target{Sockets: ids(4)}, "4"},
		{Target{Sockets: ids(4, 4, 3, 9)}, "3 4"},
		{Target{Sockets: ids(9)}, ""},
		{Target{Rooms: names("a"), Users: names("bob"), Sockets: ids(1, 4)}, "1 3 4"},
		{Target{Rooms: names(idOf(4).String())}, "4"},
		{Target{Rooms: names(idOf(1).String(), "a")}, "1"},
		{Target{Rooms: names(idOf(9).String())}, ""},
		{Target{ExceptRooms: names("ab")}, "3 4"},
		{Target{ExceptRooms: names("nowhere")}, "1 2 3 4"},
		{Target{ExceptRooms: names("ann")}, "1 2 3 4"},
		{Target{ExceptRooms: names(idOf(3).String())}, "1 2 4"},
		{Target{ExceptSockets: ids(1, 4, 9)}, "2 3"},
		{Target{Rooms: names("ab"), ExceptSockets: ids(2)}, "1"},
		{Target{Rooms: names("ab"), ExceptRooms: names("a", "c")}, "2"},
		{Target{Rooms: names("ab"), ExceptRooms: names("ab")}, ""},
		{Target{Sockets: ids(1), ExceptSockets: ids(1)}, ""},
		{Target{Users: names("ann", "bob"), ExceptRooms: names("a"), ExceptSockets: ids(3)}, "2"},
	} {
		if got := picture(t, n, tc.t); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.t, got, tc.want)
		}
	}
}

// The same questions to sources on both sides of fewCandidates, so that pairs and bits, and both ways of asking for
// excepted rooms, give the same answers.
func TestSelectAroundFewCandidates(t *testing.T) {
	for _, size := range []int{fewCandidates/2 - 1, fewCandidates / 2, fewCandidates - 1, fewCandidates, fewCandidates + 1, 1000} {
		n := newNamespace("/")
		for i := range size {
			add(t, n, i, "", fmt.Sprint("half", i%2), fmt.Sprint("tenth", i%10), "crowd")
		}
		for i := size; i < 20*size; i++ {
			add(t, n, i, "", "crowd", "away")
		}
		for _, tc := range []struct {
			name string
			t    Target
			want int
		}{
			{"union", Target{Rooms: []string{"half0", "half1", "tenth3"}}, size},
			{"one is excepted", Target{Rooms: []string{"half0"}, ExceptSockets: []SocketID{idOf(0)}}, (size+1)/2 - 1},
			{"small exception", Target{Rooms: []string{"half0", "half1"}, ExceptRooms: []string{"tenth0", "tenth0"}}, size - (size+9)/10},
			{"large exception", Target{Rooms: []string{"half0", "half1"}, ExceptRooms: []string{"away"}}, size},
			{"all are excepted", Target{Rooms: []string{"half0", "half1"}, ExceptRooms: []string{"away", "crowd"}}, 0},
			{"everyone but", Target{ExceptRooms: []string{"away", "half1"}, ExceptSockets: []SocketID{idOf(1), idOf(2)}}, (size+1)/2 - 1},
		} {
			if got := n.Count(tc.t); got != tc.want {
				t.Errorf("%d, %s: %d, want %d", size, tc.name, got, tc.want)
			}
			picture(t, n, tc.t)
		}
	}
}

func TestSelectAppends(t *testing.T) {
	n := newNamespace("/")
	first := Member(newFake(9))
	f := add(t, n, 1, "")
	got := n.Select([]Member{first}, Target{})
	if len(got) != 2 || got[0] != first || got[1] != Member(f) {
		t.Errorf("%v", got)
	}
}

func TestSelectionPinsNobodyInThePool(t *testing.T) {
	n := newNamespace("/")
	for i := range 300 {
		add(t, n, i, "ann", "a", "b", "c")
	}
	target := Target{
		Rooms: []string{"a", "b", idOf(1).String()}, Users: []string{"ann"}, Sockets: []SocketID{idOf(2)},
		ExceptRooms: []string{"c", idOf(3).String()}, ExceptSockets: []SocketID{idOf(4)},
	}
	small := target
	small.Rooms, small.Users = nil, nil
	for _, target := range []Target{target, small, {Rooms: []string{"a"}}, {}} {
		s := n.selected(&target)
		s.release()
		for _, list := range [][]*Membership{s.members, s.sockets, s.exceptSockets} {
			for _, m := range list[:cap(list)] {
				if m != nil || len(list) != 0 {
					t.Fatalf("%+v: a member stays in the pool", target)
				}
			}
		}
		for _, list := range [][]*room{s.rooms, s.exceptRooms} {
			for _, r := range list[:cap(list)] {
				if r != nil || len(list) != 0 {
					t.Fatalf("%+v: a room stays in the pool", target)
				}
			}
		}
	}
}

func TestGiantListsAreNotPooled(t *testing.T) {
	s := &selection{
		members: make([]*Membership, maxPooled+1),
		sockets: make([]*Membership, maxPooled),
		rooms:   make([]*room, 0, maxPooled+1),
	}
	s.release()
	if s.members != nil || s.rooms != nil || cap(s.sockets) != maxPooled {
		t.Errorf("kept room for %d members, %d rooms, %d sockets", cap(s.members), cap(s.rooms), cap(s.sockets))
	}
}
