package rooms

import (
	"slices"
	"strings"
)

// Member returns the member of that id, false if there is none.
func (n *Namespace) Member(id SocketID) (Member, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if m := n.find(id); m != nil {
		return m.self, true
	}
	return nil, false
}

// RoomsOf returns the rooms that the member of that id joined, sorted bytewise, without the one that its id implies;
// false if there is no such member.
func (n *Namespace) RoomsOf(id SocketID) ([]string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if m := n.find(id); m != nil {
		return m.rooms(), true
	}
	return nil, false
}

// Select appends to dst the members whom t selects at this moment, each once, in no order.
func (n *Namespace) Select(dst []Member, t Target) []Member {
	s := n.selected(&t)
	dst = slices.Grow(dst, len(s.members))
	for _, m := range s.members {
		dst = append(dst, m.self)
	}
	s.release()
	return dst
}

// Count returns how many members t selects.
func (n *Namespace) Count(t Target) int {
	s := selections.Get().(*selection)
	n.mu.RLock()
	s.resolve(n, &t)
	var count int
	if s.plain() {
		count = s.candidates(n)
	} else {
		s.sift(n)
		count = len(s.members)
	}
	n.mu.RUnlock()
	s.release()
	return count
}

// RoomSize is one room in a listing.
type RoomSize struct {
	Name    string
	Members int // at least 1
}

// Rooms lists rooms in ascending order of their names (bytewise): at most limit of those whose names come after the
// given one; the empty name comes before all. A limit of 0 or less lists nothing. One call looks at every room of the
// namespace once.
func (n *Namespace) Rooms(after string, limit int) []RoomSize {
	if limit <= 0 {
		return nil
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	// Two pages at most are kept: when they are full, the upper one goes, and with it all names to come that are
	// above the lower one.
	var page []RoomSize
	bounded := false
	for name, r := range n.rooms.m {
		if name <= after || bounded && name > page[limit-1].Name {
			continue
		}
		page = append(page, RoomSize{Name: name, Members: len(r.seats)})
		if len(page)/2 >= limit {
			page = lowest(page, limit)
			bounded = true
		}
	}
	return lowest(page, limit)
}

// lowest sorts page and cuts it to limit.
func lowest(page []RoomSize, limit int) []RoomSize {
	slices.SortFunc(page, func(a, b RoomSize) int { return strings.Compare(a.Name, b.Name) })
	return page[:min(limit, len(page))]
}
