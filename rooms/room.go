package rooms

// room is who joined one name, or who belongs to one user. It exists while it has a member. Everything in it is
// guarded by the namespace's lock.
type room struct {
	name  string
	user  bool // it is a user's, so that it is not listed as a room
	seats []seat
}

// seat is one member of a room.
type seat struct {
	member *Membership
	place  int32 // index in member.places
}

// enter seats m, which must not be there already.
func (r *room) enter(m *Membership) {
	m.places = append(m.places, place{room: r, seat: int32(len(r.seats))})
	r.seats = append(r.seats, seat{member: m, place: int32(len(m.places) - 1)})
}

// vacate ends the member's place number i. On both sides the last one moves into the gap.
func (m *Membership) vacate(i int) {
	gone := m.places[i]
	seats := gone.room.seats
	last := len(seats) - 1
	if moved := seats[last]; int(gone.seat) != last {
		seats[gone.seat] = moved
		moved.member.places[moved.place].seat = gone.seat
	}
	seats[last] = seat{}
	gone.room.seats = shrunk(seats[:last])

	last = len(m.places) - 1
	if moved := m.places[last]; i != last {
		m.places[i] = moved
		moved.room.seats[moved.seat].place = int32(i)
	}
	m.places[last] = place{}
	m.places = shrunk(m.places[:last])
}

// placeOf returns the index of r in m.places, or -1. It walks the shorter of the two lists, so that a member of ten
// thousand small rooms costs no more than one of a few large ones.
func (m *Membership) placeOf(r *room) int {
	if len(r.seats) < len(m.places) {
		for i := range r.seats {
			if r.seats[i].member == m {
				return int(r.seats[i].place)
			}
		}
		return -1
	}
	for i := range m.places {
		if m.places[i].room == r {
			return i
		}
	}
	return -1
}

// inAny reports whether m is in one of rooms.
func (m *Membership) inAny(rooms []*room) bool {
	for _, r := range rooms {
		if m.placeOf(r) >= 0 {
			return true
		}
	}
	return false
}

// names reports whether name, without a namespace in front of it, is the room that the member's id implies.
func (m *Membership) names(name string) bool { return name == string(m.id[:]) }

// user returns whom the member belongs to, empty: nobody.
func (m *Membership) user() string {
	for _, p := range m.places {
		if p.room.user {
			return p.room.name
		}
	}
	return ""
}
