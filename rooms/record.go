package rooms

import "slices"

// Recorder writes down what is emitted in one namespace, for sockets that are away and come back (PROTOCOL 5). Safe for
// concurrent use.
type Recorder interface {
	// Record is asked by Emit, before it selects members, for each message that is not volatile and that wants no
	// acknowledgement. It may set m.Offset. t is its own, m is shared; it may keep both. done, not nil, is called when
	// every Deliver has returned, on the same goroutine, also when one panicked.
	//
	// Record and done may hold a lock between them, so that the order of the records is that in which the members get the
	// messages: such emits of one namespace then happen one after the other.
	Record(t *Target, m *Message) (done func())
}

// emitRecorded is emit with the recorder around it. The copy for the recorder goes to the heap; were it the caller's
// Target, every Emit would have to allocate it.
func (n *Namespace) emitRecorded(t *Target, m *Message) (matched, delivered int) {
	done := n.recorder.Record(t.clone(), m)
	defer done()
	return n.emitAlone(t, m)
}

func (t *Target) clone() *Target {
	return &Target{
		Rooms:         slices.Clone(t.Rooms),
		Users:         slices.Clone(t.Users),
		Sockets:       slices.Clone(t.Sockets),
		ExceptRooms:   slices.Clone(t.ExceptRooms),
		ExceptSockets: slices.Clone(t.ExceptSockets),
	}
}
