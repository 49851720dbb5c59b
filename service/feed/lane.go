package feed

import (
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// laneKey names a socket. Ids are unique in a namespace only as far as clients of Socket.IO 1 and 2 are concerned. The
// events of rooms that belong to no socket have the zero id.
type laneKey struct {
	namespace string
	socket    rooms.SocketID
}

// lane is what one socket did that the group has not settled, in order: first what is in flight, with what is settled
// already in between, then what waits. All of it is guarded by the group's lock.
type lane struct {
	key     laneKey
	owner   *Member // who gets its events; nil: whoever has room
	entries []item  // what is left is entries[head:]
	head    int
	base    uint64 // the number of entries[head]; numbers never repeat
	next    int    // index of the first entry that waits
	flying  int    // in flight, all of it with owner
	bytes   int    // of all that is left

	held     bool // the group holds the client
	listed   bool // it is in group.held
	gone     bool // nothing more comes: the lane goes when it is empty
	handOver bool // it leaves its owner when nothing is in flight
	delayed  *time.Timer

	queue      *laneQueue // where it is queued, nil: nowhere
	prev, succ *lane      // its neighbours there
}

// item is one event in a lane.
type item struct {
	event    *rooms.Event // nil: settled
	flight   uint64       // the id of its delivery while it is in flight, otherwise zero
	bytes    int32
	attempts int32 // deliveries so far
	failures int32 // of which so many failed because of it
}

// push appends an event.
func (l *lane) push(e *rooms.Event, bytes int) {
	if len(l.entries) == cap(l.entries) && l.head > len(l.entries)/2 {
		n := copy(l.entries, l.entries[l.head:])
		clear(l.entries[n:])
		l.next -= l.head
		l.entries, l.head = l.entries[:n], 0
	}
	l.entries = append(l.entries, item{event: e, bytes: int32(bytes)})
	l.bytes += bytes
}

// at returns the entry of that number, nil if it is settled.
func (l *lane) at(number uint64) *item {
	if number < l.base {
		return nil
	}
	if e := &l.entries[l.head+int(number-l.base)]; e.event != nil {
		return e
	}
	return nil
}

// last is the number of the newest entry.
func (l *lane) last() uint64 { return l.base + uint64(len(l.entries)-l.head) - 1 }

// empty reports that nothing is left.
func (l *lane) empty() bool { return l.head == len(l.entries) }

// waits returns the entry that is to be delivered next, and its number; nil if there is none.
func (l *lane) waits() (*item, uint64) {
	for ; l.next < len(l.entries); l.next++ { // past what was settled before it was rewound
		if e := &l.entries[l.next]; e.event != nil {
			return e, l.base + uint64(l.next-l.head)
		}
	}
	return nil, 0
}

// keptEntries is how many places an empty lane keeps, so that the usual socket, which sends an event now and then, costs no
// allocation for it.
const keptEntries = 2

// settle takes an entry out for good, and lets go of what is settled at the front.
func (l *lane) settle(e *item) {
	l.bytes -= int(e.bytes)
	*e = item{}
	for l.head < len(l.entries) && l.entries[l.head].event == nil {
		l.head++
		l.base++
	}
	l.next = max(l.next, l.head)
	if l.empty() {
		l.entries, l.head, l.next = l.entries[:0], 0, 0
		if cap(l.entries) > keptEntries {
			l.entries = nil
		}
	}
}

// laneQueue is a list of lanes; a lane is in one at most. The zero value is empty.
type laneQueue struct {
	front, back *lane
	n           int
}

func (q *laneQueue) push(l *lane) {
	l.queue, l.prev, l.succ = q, q.back, nil
	if q.back == nil {
		q.front = l
	} else {
		q.back.succ = l
	}
	q.back = l
	q.n++
}

// unqueue takes l out of where it is.
func (l *lane) unqueue() {
	q := l.queue
	if q == nil {
		return
	}
	if l.prev == nil {
		q.front = l.succ
	} else {
		l.prev.succ = l.succ
	}
	if l.succ == nil {
		q.back = l.prev
	} else {
		l.succ.prev = l.prev
	}
	q.n--
	l.queue, l.prev, l.succ = nil, nil, nil
}
