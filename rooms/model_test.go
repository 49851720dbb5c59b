package rooms

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is a namespace as one would explain it: sets of names, and nothing clever.
type model struct {
	members map[int]*modelMember
}

type modelMember struct {
	fake  *fake
	user  string
	rooms map[string]bool
}

// implies reports whether room is the name of the i-th member's own room, in either form (PROTOCOL 2.7).
func implies(i int, room string) bool {
	return room == idOf(i).String() || room == "/#"+idOf(i).String()
}

// in reports whether the i-th member is in a room, the implied one included.
func (m *modelMember) in(i int, room string) bool { return m.rooms[room] || implies(i, room) }

func (m *modelMember) listed() []string { return slices.Sorted(maps.Keys(m.rooms)) }

func (m *modelMember) join(i int, rooms []string) {
	for _, room := range rooms {
		if room != "" && !implies(i, room) {
			m.rooms[room] = true
		}
	}
}

func (m *model) selected(t Target) (is []int) {
	everyone := len(t.Rooms)+len(t.Users)+len(t.Sockets) == 0
	for i, member := range m.members {
		in := func(room string) bool { return member.in(i, room) }
		included := everyone || slices.ContainsFunc(t.Rooms, in) || slices.Contains(t.Sockets, idOf(i)) ||
			member.user != "" && slices.Contains(t.Users, member.user)
		if included && !slices.ContainsFunc(t.ExceptRooms, in) && !slices.Contains(t.ExceptSockets, idOf(i)) {
			is = append(is, i)
		}
	}
	slices.Sort(is)
	return is
}

func (m *model) sizes(after string) (sizes []RoomSize) {
	count := map[string]int{}
	for _, member := range m.members {
		for room := range member.rooms {
			count[room]++
		}
	}
	for _, room := range slices.Sorted(maps.Keys(count)) {
		if room > after {
			sizes = append(sizes, RoomSize{room, count[room]})
		}
	}
	return sizes
}

// pair drives the namespace and its model together. Both know the sockets 0 to sockets-1.
type pair struct {
	n       *Namespace
	m       model
	told    *mirror
	sockets int
	emitted int
}

func (p *pair) socket() *rapid.Generator[int] { return rapid.IntRange(0, p.sockets-1) }

func (p *pair) ids() *rapid.Generator[[]SocketID] {
	return rapid.SliceOfN(rapid.Map(p.socket(), idOf), 0, 3)
}

func (p *pair) roomNames() *rapid.Generator[[]string] {
	return rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "c", "d", "ann"}),
		rapid.Map(p.socket(), func(i int) string { return idOf(i).String() }),
		rapid.Map(p.socket(), func(i int) string { return "/#" + idOf(i).String() }),
	), 0, 4)
}

func (p *pair) user() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "ann", "bob", "a"})
}

func (p *pair) target(t *rapid.T) Target {
	return Target{
		Rooms:         p.roomNames().Draw(t, "rooms"),
		Users:         rapid.SliceOfN(p.user(), 0, 2).Draw(t, "users"),
		Sockets:       p.ids().Draw(t, "sockets"),
		ExceptRooms:   p.roomNames().Draw(t, "except rooms"),
		ExceptSockets: p.ids().Draw(t, "except sockets"),
	}
}

func (p *pair) add(t *rapid.T) {
	// Many at once, so that rooms grow beyond fewCandidates.
	first, count := p.socket().Draw(t, "first"), rapid.IntRange(1, max(1, p.sockets/3)).Draw(t, "count")
	for i := first; i < min(first+count, p.sockets); i++ {
		f, user, rooms := newFake(i), p.user().Draw(t, "user"), p.roomNames().Draw(t, "rooms")
		err := p.n.Add(f, user, rooms)
		if _, there := p.m.members[i]; there {
			if !errors.Is(err, ErrDuplicate) {
				t.Fatalf("Add(%d) again: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("Add(%d): %v", i, err)
		}
		p.m.members[i] = &modelMember{fake: f, user: user, rooms: map[string]bool{}}
		p.m.members[i].join(i, rooms)
	}
}

func (p *pair) remove(t *rapid.T) {
	i := p.socket().Draw(t, "socket")
	member := p.m.members[i]
	if member == nil {
		if rooms, ok := p.n.Remove(newFake(i)); ok || rooms != nil {
			t.Fatalf("Remove of nobody: %q, %v", rooms, ok)
		}
		return
	}
	delete(p.m.members, i)
	if rooms, ok := p.n.Remove(member.fake); !ok || !slices.Equal(rooms, member.listed()) {
		t.Fatalf("Remove(%d): %q, %v, want %q", i, rooms, ok, member.listed())
	}
}

func (p *pair) join(t *rapid.T) {
	target, rooms := p.target(t), p.roomNames().Draw(t, "into")
	is := p.m.selected(target)
	for _, i := range is {
		p.m.members[i].join(i, rooms)
	}
	if got := p.n.Join(target, rooms...); got != len(is) {
		t.Fatalf("Join matched %d, want %d", got, len(is))
	}
}

func (p *pair) leave(t *rapid.T) {
	target, rooms := p.target(t), p.roomNames().Draw(t, "out of")
	is := p.m.selected(target)
	for _, i := range is {
		for _, room := range rooms {
			delete(p.m.members[i].rooms, room)
		}
	}
	if got := p.n.Leave(target, rooms...); got != len(is) {
		t.Fatalf("Leave matched %d, want %d", got, len(is))
	}
}

func (p *pair) emit(t *rapid.T) {
	target := p.target(t)
	is := p.m.selected(target)
	p.emitted++
	m := &Message{Event: fmt.Sprint(p.emitted)}
	if rapid.Bool().Draw(t, "ask") {
		c := p.n.EmitWithAck(target, m)
		if c.Matched() != len(is) {
			t.Fatalf("EmitWithAck matched %d, want %d", c.Matched(), len(is))
		}
		c.Cancel()
	} else if matched, delivered := p.n.Emit(target, m); matched != len(is) || delivered != len(is) {
		t.Fatalf("Emit matched %d, delivered %d, want %d", matched, delivered, len(is))
	}
	for i, member := range p.m.members {
		got := member.fake.got
		if heard := len(got) > 0 && got[len(got)-1] == m; heard != slices.Contains(is, i) {
			t.Fatalf("%d heard the message: %v", i, heard)
		}
		if len(got) > 1 && got[len(got)-2] == m {
			t.Fatalf("%d heard the message twice", i)
		}
	}
}

func (p *pair) query(t *rapid.T) {
	target := p.target(t)
	is := p.m.selected(target)
	want := map[Member]bool{}
	for _, i := range is {
		want[p.m.members[i].fake] = true
	}
	got := map[Member]bool{}
	members := p.n.Select(nil, target)
	for _, m := range members {
		got[m] = true
	}
	if !maps.Equal(got, want) || len(members) != len(is) || p.n.Count(target) != len(is) {
		t.Fatalf("%d selected, %d different ones, %d counted, want %d", len(members), len(got), p.n.Count(target), len(is))
	}
	after := rapid.SampledFrom([]string{"", "a", "aa", "c", "z"}).Draw(t, "after")
	limit := rapid.IntRange(0, 5).Draw(t, "limit")
	sizes := p.m.sizes(after)
	if got := p.n.Rooms(after, limit); !slices.Equal(got, sizes[:min(limit, len(sizes))]) {
		t.Fatalf("Rooms(%q, %d) = %v of %v", after, limit, got, sizes)
	}
}

// check compares all that can be asked about each socket.
func (p *pair) check(t *rapid.T) {
	checkLists(t, p.n)
	for i := range p.sockets {
		member := p.m.members[i]
		rooms, ok := p.n.RoomsOf(idOf(i))
		m, found := p.n.Member(idOf(i))
		if member == nil {
			if ok || found {
				t.Fatalf("%d is there", i)
			}
			continue
		}
		if !ok || !found || m != Member(member.fake) || !slices.Equal(rooms, member.listed()) {
			t.Fatalf("%d: rooms %q, want %q; %v", i, rooms, member.listed(), m)
		}
	}
	if got, want := p.n.Rooms("", 1000), p.m.sizes(""); !slices.Equal(got, want) {
		t.Fatalf("Rooms = %v, want %v", got, want)
	}
	if diff := p.told.differs(p.n); diff != "" {
		t.Fatalf("whoever listened does not know the truth: %s", diff)
	}
}

func TestAgainstModel(t *testing.T) {
	for _, sockets := range []int{4, 12, 2 * fewCandidates} {
		t.Run(fmt.Sprint(sockets, " sockets"), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := &pair{m: model{members: map[int]*modelMember{}}, sockets: sockets}
				p.n, p.told = listened(t)
				t.Repeat(map[string]func(*rapid.T){
					"add": p.add, "remove": p.remove, "join": p.join, "leave": p.leave, "emit": p.emit, "query": p.query,
					"": p.check,
				})
			})
		})
	}
}
