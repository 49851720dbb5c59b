package rooms

import (
	"sync/atomic"
	"time"
)

// roomEvents is who hears of rooms, shared by the namespaces of a hub.
type roomEvents struct {
	tell   func(e *Event) // fixed at construction; nil: nobody
	wanted atomic.Int64   // listeners
}

// listening reports whether what happens now is to be told.
func (r *roomEvents) listening() bool { return r != nil && r.tell != nil && r.wanted.Load() > 0 }

// note keeps an event of a room for unlock to tell; m is nil where no socket belongs to it. The lock is held.
func (n *Namespace) note(kind EventKind, room string, m *Membership) {
	e := &Event{Kind: kind, Namespace: n.name, Room: room, Time: time.Now()}
	if m != nil {
		e.Socket, e.User = m.id, m.user()
	}
	n.happened = append(n.happened, e)
}

// noteJoined notes that m is in the room of that name from now on, and that the room came into being with it. The lock
// is held, and somebody listens.
func (n *Namespace) noteJoined(room string, m *Membership, created bool) {
	if created {
		n.note(KindRoomCreated, room, nil)
	}
	n.note(KindJoined, room, m)
}

// noteLeft is the contrary.
func (n *Namespace) noteLeft(room string, m *Membership, deleted bool) {
	n.note(KindLeft, room, m)
	if deleted {
		n.note(KindRoomDeleted, room, nil)
	}
}

// noteRemoved notes that m leaves these rooms, which are all it joined, and its own. It is still there, with its user.
func (n *Namespace) noteRemoved(m *Membership, rooms []string) {
	for _, name := range rooms {
		n.noteLeft(name, m, len(n.rooms.m[name].seats) == 1 && !n.implied(name))
	}
	own := m.id.String()
	n.noteLeft(own, m, n.rooms.m[own] == nil)
}

// implied reports whether a member's id implies the room of that name.
func (n *Namespace) implied(room string) bool {
	return len(room) == len(SocketID{}) && n.find(SocketID([]byte(room))) != nil
}

// unlock releases the lock after a change and tells what happened. It returns when all of that has been told, by this
// goroutine or by one that was quicker.
func (n *Namespace) unlock() {
	silent := len(n.happened) == 0
	n.mu.Unlock()
	if !silent {
		n.tell()
	}
}

func (n *Namespace) tell() {
	n.telling.Lock()
	defer n.telling.Unlock()
	n.mu.Lock()
	happened := n.happened
	n.happened = nil
	n.mu.Unlock()
	for _, e := range happened {
		n.events.tell(e)
	}
}
