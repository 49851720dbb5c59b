package rooms

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mirror is what somebody believes who only listens: it builds the rooms of one namespace from the events, and finds what
// cannot follow on what came before.
type mirror struct {
	mu      sync.Mutex // guards the following
	rooms   map[string]map[SocketID]bool
	last    *Event
	problem string // the first
}

// listened returns a namespace to which a mirror listens.
func listened(t interface {
	Helper()
	Fatalf(format string, args ...any)
}) (*Namespace, *mirror) {
	t.Helper()
	m := &mirror{rooms: map[string]map[SocketID]bool{}}
	h, err := NewHub(HubConfig{Namespaces: []string{"/"}, RoomEvents: m.hear})
	if err != nil {
		t.Fatalf("NewHub: %v", err)
	}
	h.WantRoomEvents(1)
	n, _ := h.Namespace("/")
	return n, m
}

func (m *mirror) hear(e *Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if problem := m.apply(e); problem != "" && m.problem == "" {
		m.problem = fmt.Sprintf("%s: %v %q %s", problem, e.Kind, e.Room, e.Socket)
	}
	m.last = e
}

func (m *mirror) apply(e *Event) (problem string) {
	in, exists := m.rooms[e.Room]
	if last := m.last; last != nil {
		switch {
		case e.Time.Before(last.Time):
			return "before the event before"
		case last.Kind == KindRoomCreated && (e.Kind != KindJoined || e.Room != last.Room):
			return "after room created"
		case last.Kind == KindLeft && len(m.rooms[last.Room]) == 0 && (e.Kind != KindRoomDeleted || e.Room != last.Room):
			return "after the last has left"
		}
	}
	switch {
	case e.Namespace != "/" || e.Room == "" || (e.Socket == SocketID{}) != (e.Kind == KindRoomCreated || e.Kind == KindRoomDeleted):
		return "incomplete"
	case e.Kind == KindRoomCreated && !exists:
		m.rooms[e.Room] = map[SocketID]bool{}
	case e.Kind == KindJoined && exists && !in[e.Socket]:
		in[e.Socket] = true
	case e.Kind == KindLeft && in[e.Socket]:
		delete(in, e.Socket)
	case e.Kind == KindRoomDeleted && exists && len(in) == 0:
		delete(m.rooms, e.Room)
	default:
		return "impossible"
	}
	return ""
}

func (m *mirror) has(room string, id SocketID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rooms[room][id]
}

// differs says where the mirror differs from n, empty: nowhere.
func (m *mirror) differs(n *Namespace) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problem != "" {
		return m.problem
	}
	want := map[string]map[SocketID]bool{}
	enter := func(room string, id SocketID) {
		if want[room] == nil {
			want[room] = map[SocketID]bool{}
		}
		want[room][id] = true
	}
	n.mu.RLock()
	for _, member := range n.members {
		enter(member.id.String(), member.id)
		for _, room := range member.rooms() {
			enter(room, member.id)
		}
	}
	n.mu.RUnlock()
	for room, in := range want {
		if !maps.Equal(in, m.rooms[room]) {
			return fmt.Sprintf("room %q has %d, told were %d", room, len(in), len(m.rooms[room]))
		}
	}
	if len(want) != len(m.rooms) {
		return fmt.Sprintf("%d rooms, told were %d", len(want), len(m.rooms))
	}
	return ""
}

// tape is what was told, in words.
type tape struct{ words []string }

func (tp *tape) hear(e *Event) {
	word := map[EventKind]string{KindRoomCreated: "+", KindJoined: "in", KindLeft: "out", KindRoomDeleted: "-"}[e.Kind]
	short := func(s string) string { return strings.Replace(s, "socket-000000000000", "s", 1) }
	word += " " + short(e.Room)
	if e.Socket != (SocketID{}) {
		word += " " + short(e.Socket.String())
	}
	if e.User != "" {
		word += " " + e.User
	}
	tp.words = append(tp.words, word)
}

// rewind returns what came since the last call, in one line.
func (tp *tape) rewind() string {
	line := strings.Join(tp.words, ", ")
	tp.words = nil
	return line
}

// PROTOCOL 4.1 and 4.4: which room events there are, and in which order. What a socket brings along comes with its own room
// last, as in the reference, where that is what comes right before "connection".
func TestRoomEvents(t *testing.T) {
	told := new(tape)
	h := newHub(t, HubConfig{Namespaces: []string{"/"}, RoomEvents: told.hear})
	h.WantRoomEvents(1)
	n, _ := h.Namespace("/")
	self := func(i int) Target { return Target{Sockets: []SocketID{idOf(i)}} }
	id := func(i int) string { return idOf(i).String() }
	var one, two *fake
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"connects with rooms", func() { one = add(t, n, 1, "ann", "b", "a", "b") }, "+ b, in b s1 ann, + a, in a s1 ann, + s1, in s1 s1 ann"},
		{"connects with none", func() { two = add(t, n, 2, "") }, "+ s2, in s2 s2"},
		{"is refused", func() { _ = n.Add(newFake(2), "", []string{"z"}) }, ""},
		{"joins", func() { n.Join(self(2), "a", "c", "") }, "in a s2, + c, in c s2"},
		{"joins again", func() { n.Join(self(2), "a", "c", id(2), "/#"+id(2)) }, ""},
		{"nobody joins", func() { n.Join(Target{Rooms: []string{"none"}}, "d") }, ""},
		{"leaves", func() { n.Leave(self(1), "b", "a", "c", "none", id(1)) }, "out b s1 ann, - b, out a s1 ann"},
		{"another's own room is joined", func() { n.Join(self(2), id(1)) }, "in s1 s2"},
		{"and left", func() { n.Leave(self(2), id(1)) }, "out s1 s2"},
		{"both are moved", func() { n.Join(Target{Users: []string{"ann"}}, "c", id(2)) }, "in c s1 ann, in s2 s1 ann"},
		{"disconnects", func() { n.Remove(one) }, "out c s1 ann, out s2 s1 ann, out s1 s1 ann, - s1"},
		{"disconnects twice", func() { n.Remove(one) }, ""},
		{"a room named like one that is gone", func() { n.Join(self(2), id(1)) }, "+ s1, in s1 s2"},
		{"that one comes back, as on recovery", func() { one = add(t, n, 1, "") }, "in s1 s1"},
		{"the last two go", func() { n.Remove(one); n.Remove(two) },
			"out s1 s1, out a s2, - a, out c s2, - c, out s1 s2, - s1, out s2 s2, - s2"},
		{"queries and emits tell nothing", func() { n.Emit(Target{}, new(Message)); n.Count(Target{}); n.Rooms("", 9) }, ""},
	} {
		step.do()
		if got := told.rewind(); got != step.want {
			t.Errorf("%s:\n got %s\nwant %s", step.name, got, step.want)
		}
		checkLists(t, n)
	}
}

// Told is what changes while somebody listens, and nothing else.
func TestRoomEventsOnlyWhileSomebodyListens(t *testing.T) {
	told := new(tape)
	h := newHub(t, HubConfig{Namespaces: []string{"/"}, Patterns: []string{"/r"}, RoomEvents: told.hear})
	for _, n := range []*Namespace{enter(t, h, "/"), enter(t, h, "/r")} {
		step := func(delta int, want string, do func()) {
			t.Helper()
			h.WantRoomEvents(delta)
			do()
			if got := told.rewind(); got != want {
				t.Errorf("%s: %q, want %q", n.Name(), got, want)
			}
		}
		f := newFake(1)
		join := func() { n.Join(Target{}, "a") }
		step(0, "", func() { _ = n.Add(f, "", nil) })
		step(1, "+ a, in a s1", join)
		step(1, "out a s1, - a", func() { n.Leave(Target{}, "a") })
		step(-1, "+ a, in a s1", join)
		step(-1, "", func() { n.Leave(Target{}, "a") })
		step(1, "out s1 s1, - s1", func() { n.Remove(f) })
		step(-1, "", func() {})
	}
	silent := newHub(t, HubConfig{Namespaces: []string{"/"}})
	silent.WantRoomEvents(1)
	n, _ := silent.Namespace("/")
	add(t, n, 1, "", "a") // there is nobody to tell
	if len(n.happened) != 0 {
		t.Error("it is kept")
	}
}

// The namespace is not locked while it tells: queries go on. Changes wait for their turn, so that the order is one.
func TestI3RoomEventsAreToldWithoutTheNamespacesLock(t *testing.T) {
	var n *Namespace
	var events []*Event
	h := newHub(t, HubConfig{Namespaces: []string{"/"}, RoomEvents: func(e *Event) {
		events = append(events, e)
		n.Count(Target{})
		n.Emit(Target{}, new(Message))
		n.RoomsOf(e.Socket)
		n.Rooms("", 10)
	}})
	h.WantRoomEvents(1)
	n, _ = h.Namespace("/")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			f := newFake(i)
			if err := n.Add(f, "", []string{"a", "b"}); err != nil {
				t.Errorf("Add: %v", err)
			}
			n.Remove(f)
		})
	}
	wg.Wait()
	if !slices.IsSortedFunc(events, func(a, b *Event) int { return a.Time.Compare(b.Time) }) {
		t.Error("not in the order in which it happened")
	}
	joined := 0
	for _, e := range events {
		if e.Kind == KindJoined {
			joined++
		}
	}
	if joined != 8*3 {
		t.Errorf("%d joined", joined)
	}
}

func TestEventKindOfRooms(t *testing.T) {
	for k := range EventKind(12) {
		want := k == KindJoined || k == KindLeft || k == KindRoomCreated || k == KindRoomDeleted
		if k.OfRooms() != want {
			t.Errorf("%v.OfRooms() = %v", k, !want)
		}
	}
}
