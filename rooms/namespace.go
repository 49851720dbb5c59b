package rooms

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrDuplicate is Add's: the id is taken, or the member was added before.
var ErrDuplicate = errors.New("rooms: this socket is or was a member already")

// Namespace holds the sockets that are connected to one namespace, their rooms and their users. Safe for concurrent
// use; every method may be called from within a Member's methods (I3).
type Namespace struct {
	// Fixed at construction.
	name    string
	pattern string      // of a dynamic one
	hub     *Hub        // nil: it is in none
	events  *roomEvents // the hub's; nil: nobody hears of rooms

	// Guarded by Hub.mu.
	entries int // of a dynamic one: Enters less Exits

	opened   sync.Once // sets recorder, before anybody has the namespace
	recorder Recorder  // nil: none

	acks atomic.Uint64 // the last acknowledgement id given out

	combiner combiner

	telling sync.Mutex // held while events are told, so that they arrive in order

	mu       sync.RWMutex           // guards the following, and Membership.at and .places of every member
	members  []*Membership          // in no order; each knows its index
	index    table[SocketID, int32] // into members; without pointers, so that the collector skips it
	rooms    table[string, *room]   // those that somebody joined; none is empty
	users    table[string, *room]   // the same for users
	happened []*Event               // what nobody has been told yet; unlock takes it
}

func newNamespace(name string) *Namespace { return &Namespace{name: name} }

// open completes a namespace that is in a hub. Every way to it leads through here.
func (n *Namespace) open() {
	n.opened.Do(func() {
		if n.hub.recorder != nil {
			n.recorder = n.hub.recorder(n)
		}
	})
}

// Name returns the namespace's name, "/" included.
func (n *Namespace) Name() string { return n.name }

// Dynamic reports whether the namespace is not configured by name: it goes when nobody uses it.
func (n *Namespace) Dynamic() bool { return n.pattern != "" }

// Pattern returns the pattern that admitted a dynamic namespace, as HubConfig.Patterns has it; empty for others. Unlike
// the name, no client chose it.
func (n *Namespace) Pattern() string { return n.pattern }

// Recorder is what HubConfig.Recorder returned for this namespace, or nil.
func (n *Namespace) Recorder() Recorder { return n.recorder }

// Exit undoes one [Hub.Enter], after the member that was added for it, if any, has been removed. A dynamic namespace that
// nobody uses any longer ceases to exist, with its rooms and its recorder; one that is configured is not changed.
func (n *Namespace) Exit() {
	if n.Dynamic() && n.hub != nil {
		n.hub.exit(n)
	}
}

// Add makes m a member, belonging to user (empty: to none) and in these rooms. Nobody sees it without them. A member is
// added once in its life, to one namespace; a second time is ErrDuplicate, as is an id that another member has.
//
// It is told as KindJoined for each of the rooms, in their order, and last for the one that the id implies.
func (n *Namespace) Add(m Member, user string, rooms []string) error {
	ms := m.membership()
	n.mu.Lock()
	defer n.unlock()
	if ms.self != nil || n.find(ms.id) != nil {
		return ErrDuplicate
	}
	ms.self = m
	ms.at = int32(len(n.members))
	n.members = append(n.members, ms)
	n.index.put(ms.id, ms.at)
	if user != "" {
		ms.places = make([]place, 0, len(rooms)+1)
		n.user(user).enter(ms)
	} else if len(rooms) > 0 {
		ms.places = make([]place, 0, len(rooms))
	}
	for _, name := range rooms {
		n.join(name, ms)
	}
	if n.events.listening() {
		own := ms.id.String()
		n.noteJoined(own, ms, n.rooms.m[own] == nil)
	}
	return nil
}

// Remove takes m out of the namespace and of everything in it. It returns the rooms that m held, sorted, without the one
// that its id implies; ok is false if m was not, or no longer, a member. An Emit that selected m before may still call
// its Deliver; none that begins later does.
//
// It is told as KindLeft for each of these rooms, in their order, and last for the one that the id implies.
func (n *Namespace) Remove(m Member) (rooms []string, ok bool) {
	ms := m.membership()
	n.mu.Lock()
	defer n.unlock()
	if n.find(ms.id) != ms {
		return nil, false
	}
	rooms = ms.rooms()
	if n.events.listening() {
		n.noteRemoved(ms, rooms)
	}
	for i := len(ms.places) - 1; i >= 0; i-- {
		n.vacate(ms, i)
	}
	ms.places = nil

	last := len(n.members) - 1
	if moved := n.members[last]; moved != ms {
		n.members[ms.at] = moved
		moved.at = ms.at
		n.index.put(moved.id, moved.at)
	}
	n.members[last] = nil
	n.members = shrunk(n.members[:last])
	n.index.delete(ms.id)
	return rooms, true
}

// Join puts everyone whom t selects into rooms and returns how many that are. Who is in a room already stays there. The
// empty name is no room and is skipped, as is, for each member, the room that its id implies.
func (n *Namespace) Join(t Target, rooms ...string) (matched int) {
	return n.update(&t, func(members []*Membership) {
		for _, name := range rooms {
			n.join(name, members...)
		}
	})
}

// Leave takes everyone whom t selects out of rooms and returns how many t selects, be they in these rooms or not.
// Nobody leaves the room that its id implies.
func (n *Namespace) Leave(t Target, rooms ...string) (matched int) {
	return n.update(&t, func(members []*Membership) {
		for _, name := range rooms {
			r := n.rooms.m[name]
			if r == nil {
				continue
			}
			for _, m := range members {
				if i := m.placeOf(r); i >= 0 {
					n.leave(m, i)
				}
			}
		}
	})
}

// update runs change on t's members, all under one lock, and returns how many they are.
func (n *Namespace) update(t *Target, change func(members []*Membership)) (matched int) {
	s := selections.Get().(*selection)
	n.mu.Lock()
	s.collect(n, t)
	change(s.members)
	n.unlock()
	matched = len(s.members)
	s.release()
	return matched
}

// join puts members into the room of that name, which comes into being with the first.
func (n *Namespace) join(name string, members ...*Membership) {
	if name == "" {
		return
	}
	listening := n.events.listening()
	own := untagged(n.name, name)
	r := n.rooms.m[name]
	for _, m := range members {
		if m.names(own) {
			continue
		}
		created := false
		if r == nil {
			// A copy of the name, as it may be a piece of something large.
			r = &room{name: strings.Clone(name)}
			n.rooms.put(r.name, r)
			created = !n.implied(name)
		}
		if m.placeOf(r) >= 0 {
			continue
		}
		r.enter(m)
		if listening {
			n.noteJoined(r.name, m, created)
		}
	}
}

// user returns the room of that user for its next member.
func (n *Namespace) user(name string) *room {
	r := n.users.m[name]
	if r == nil {
		r = &room{name: strings.Clone(name), user: true}
		n.users.put(r.name, r)
	}
	return r
}

// leave takes m out of the room in its place number i.
func (n *Namespace) leave(m *Membership, i int) {
	r := m.places[i].room
	n.vacate(m, i)
	if n.events.listening() {
		n.noteLeft(r.name, m, len(r.seats) == 0 && !n.implied(r.name))
	}
}

// vacate ends m's place number i; an empty room goes.
func (n *Namespace) vacate(m *Membership, i int) {
	r := m.places[i].room
	m.vacate(i)
	switch {
	case len(r.seats) > 0:
	case r.user:
		n.users.delete(r.name)
	default:
		n.rooms.delete(r.name)
	}
}

// find returns the member of that id, or nil.
func (n *Namespace) find(id SocketID) *Membership {
	if i, ok := n.index.m[id]; ok {
		return n.members[i]
	}
	return nil
}

// rooms returns the names of the rooms that the member joined, sorted.
func (m *Membership) rooms() []string {
	names := make([]string, 0, len(m.places))
	for _, p := range m.places {
		if !p.room.user {
			names = append(names, p.room.name)
		}
	}
	slices.Sort(names)
	return names
}
