package rooms

import (
	"slices"
	"sync"
)

// How a Target becomes a list of members, without a map per call:
//
//   - One source (a room, a socket, a user, or everyone) and nothing excepted: its list is copied.
//   - Up to fewCandidates members in all sources: each is looked for among those already taken, and the excepted rooms
//     are looked for among its own.
//   - More: a bit per member of the namespace says "taken or excepted". The bits are pooled and cleared anew each time,
//     which at a million members takes some microseconds. The members of the excepted rooms are marked first, unless
//     these rooms are so much larger than the sources that asking each candidate for them is cheaper.

const (
	// fewCandidates is up to where comparing pairs is as fast as marking bits.
	fewCandidates = 64
	// maxPooled bounds, in entries, each list that is kept for reuse: half a megabyte of pointers. Whoever selects more
	// pays for an allocation, which is nothing beside that many deliveries.
	maxPooled = 1 << 16
	// usualPlaces is what it is assumed to cost to ask a member for one room, in steps of marking one member.
	usualPlaces = 4
)

var selections = sync.Pool{New: func() any { return new(selection) }}

// selection is one Target's members, and the scratch that it takes to find them. It is valid, without any lock, from
// the moment that it was collected until release.
type selection struct {
	members []*Membership

	// The target with its names looked up.
	all           bool
	rooms         []*room // users are rooms as well
	sockets       []*Membership
	exceptRooms   []*room
	exceptSockets []*Membership

	marks []uint64 // a bit for each Membership.at: taken or excepted; empty: not in use
}

// selected collects t's members. The caller releases the selection.
func (n *Namespace) selected(t *Target) *selection {
	s := selections.Get().(*selection)
	n.mu.RLock()
	s.collect(n, t)
	n.mu.RUnlock()
	return s
}

// release gives the selection back to the pool, where it pins no member.
func (s *selection) release() {
	s.members = emptied(s.members)
	s.rooms = emptied(s.rooms)
	s.sockets = emptied(s.sockets)
	s.exceptRooms = emptied(s.exceptRooms)
	s.exceptSockets = emptied(s.exceptSockets)
	s.marks = s.marks[:0]
	selections.Put(s)
}

// emptied returns s for reuse, holding on to nothing; nil if s is too large to keep.
func emptied[E any](s []E) []E {
	if cap(s) > maxPooled {
		return nil
	}
	clear(s)
	return s[:0]
}

// collect fills an empty selection. The namespace's lock is held, for reading at least.
func (s *selection) collect(n *Namespace, t *Target) {
	s.resolve(n, t)
	switch {
	case !s.plain():
		s.sift(n)
	case s.all:
		s.members = append(s.members, n.members...)
	case len(s.rooms) == 1:
		s.members = slices.Grow(s.members, len(s.rooms[0].seats))
		for _, seat := range s.rooms[0].seats {
			s.members = append(s.members, seat.member)
		}
	default:
		s.members = append(s.members, s.sockets...)
	}
}

// resolve looks up the target's names.
func (s *selection) resolve(n *Namespace, t *Target) {
	s.all = len(t.Rooms)+len(t.Users)+len(t.Sockets) == 0
	for _, name := range t.Rooms {
		s.rooms, s.sockets = n.resolveRoom(s.rooms, s.sockets, name)
	}
	for _, name := range t.Users {
		if r := n.users.m[name]; r != nil {
			s.rooms = append(s.rooms, r)
		}
	}
	for _, id := range t.Sockets {
		if m := n.find(id); m != nil {
			s.sockets = append(s.sockets, m)
		}
	}
	for _, name := range t.ExceptRooms {
		s.exceptRooms, s.exceptSockets = n.resolveRoom(s.exceptRooms, s.exceptSockets, name)
	}
	for _, id := range t.ExceptSockets {
		if m := n.find(id); m != nil {
			s.exceptSockets = append(s.exceptSockets, m)
		}
	}
}

// resolveRoom appends what a room's name stands for: the room that was joined, and the socket whose id it is.
func (n *Namespace) resolveRoom(rooms []*room, sockets []*Membership, name string) ([]*room, []*Membership) {
	if r := n.rooms.m[name]; r != nil {
		rooms = append(rooms, r)
	}
	if id := untagged(n.name, name); len(id) == len(SocketID{}) {
		if m := n.find(SocketID([]byte(id))); m != nil {
			sockets = append(sockets, m)
		}
	}
	return rooms, sockets
}

// plain reports that there is at most one source and nothing excepted.
func (s *selection) plain() bool {
	return len(s.rooms)+len(s.sockets) <= 1 && len(s.exceptRooms)+len(s.exceptSockets) == 0
}

// candidates is how many members the sources have, those that are in several counted for each.
func (s *selection) candidates(n *Namespace) int {
	if s.all {
		return len(n.members)
	}
	return len(s.sockets) + occupancy(s.rooms)
}

func occupancy(rooms []*room) (seats int) {
	for _, r := range rooms {
		seats += len(r.seats)
	}
	return seats
}

// sift takes each candidate once and leaves out what is excepted.
func (s *selection) sift(n *Namespace) {
	candidates := s.candidates(n)
	s.members = slices.Grow(s.members, min(candidates, len(n.members)))
	if candidates > fewCandidates {
		s.markExcepted(n, candidates)
	}
	if s.all {
		for _, m := range n.members {
			s.take(m)
		}
		return
	}
	for _, r := range s.rooms {
		for i := range r.seats {
			s.take(r.seats[i].member)
		}
	}
	for _, m := range s.sockets {
		s.take(m)
	}
}

// markExcepted turns to bits: it marks what is excepted and empties the lists of it, but for rooms that are too large
// to be worth it.
func (s *selection) markExcepted(n *Namespace, candidates int) {
	words := len(n.members)/64 + 1
	s.marks = slices.Grow(s.marks[:0], words)[:words]
	clear(s.marks)
	for _, m := range s.exceptSockets {
		s.mark(m)
	}
	s.exceptSockets = emptied(s.exceptSockets)
	if occupancy(s.exceptRooms) > usualPlaces*candidates*len(s.exceptRooms) {
		return
	}
	for _, r := range s.exceptRooms {
		for i := range r.seats {
			s.mark(r.seats[i].member)
		}
	}
	s.exceptRooms = emptied(s.exceptRooms)
}

// mark sets the member's bit and reports whether it was clear.
func (s *selection) mark(m *Membership) bool {
	word, bit := m.at/64, uint64(1)<<(m.at%64)
	if s.marks[word]&bit != 0 {
		return false
	}
	s.marks[word] |= bit
	return true
}

// take adds m unless it is there or excepted.
func (s *selection) take(m *Membership) {
	if slices.Contains(s.exceptSockets, m) || m.inAny(s.exceptRooms) {
		return
	}
	if len(s.marks) > 0 && !s.mark(m) || len(s.marks) == 0 && slices.Contains(s.members, m) {
		return
	}
	s.members = append(s.members, m)
}
