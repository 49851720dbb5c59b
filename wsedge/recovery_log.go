package wsedge

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// messageLog keeps what was emitted in one namespace, for clients that come
// back: it is the namespace's rooms.Recorder.
//
// Its lock is held while one message goes out, so that every socket gets the
// namespace's recorded messages in the order of their offsets: a client that
// names the last offset that it has seen has seen all before it. It is the first
// of all locks, and no loop waits for it.
type messageLog struct {
	// Fixed at construction.
	recovery  *Recovery
	namespace *rooms.Namespace
	done      func() // recorded, made once

	delivered atomic.Uint64 // the position up to which all messages have been given to their sockets

	mu       sync.Mutex // held while a recorded message goes out; guards the following
	position uint64     // of the message that goes out
	gone     []*parked  // gave way to it

	// Guarded by Recovery.mu.
	entries queue[*logEntry] // in ascending order of position
	dropped uint64           // the highest position of a message that is not kept any more
}

// logEntry is one message and whom it was for. Immutable.
type logEntry struct {
	log      *messageLog
	position uint64
	at       time.Time
	bytes    int
	target   *rooms.Target
	message  *rooms.Message
}

func newMessageLog(r *Recovery, n *rooms.Namespace) *messageLog {
	l := &messageLog{recovery: r, namespace: n, dropped: r.position.Load()}
	l.delivered.Store(l.dropped)
	l.done = l.recorded
	return l
}

// logOf is the log of a namespace, nil if it has none.
func logOf(n *rooms.Namespace) *messageLog {
	l, _ := n.Recorder().(*messageLog)
	return l
}

// Record implements rooms.Recorder.
func (l *messageLog) Record(t *rooms.Target, m *rooms.Message) (done func()) {
	l.mu.Lock()
	l.position = l.recovery.position.Add(1)
	m.Offset = l.recovery.offset(l.position)
	l.gone = l.recovery.keep(&logEntry{
		log: l, position: l.position, bytes: entryBytes(t, m), target: t, message: m,
	})
	return l.done
}

// recorded is what follows when every socket has been given the message.
func (l *messageLog) recorded() {
	l.delivered.Store(l.position)
	gone := l.gone
	l.gone = nil
	l.mu.Unlock()
	l.recovery.noteGivenUp(gone)
	l.recovery.expired(gone)
}

// entryOverhead is what a kept message costs beyond its texts: its entry and
// places, the message and its target, one finished form.
const entryOverhead = 720

// entryBytes is about what a kept message costs.
func entryBytes(t *rooms.Target, m *rooms.Message) int {
	bytes := entryOverhead + 2*(len(m.Event)+len(m.Args)) // as text, and in its finished form
	for _, a := range m.Attachments {
		bytes += 2 * len(a)
	}
	for _, names := range [][]string{t.Rooms, t.Users, t.ExceptRooms} {
		for _, name := range names {
			bytes += len(name) + 16
		}
	}
	return bytes + (len(t.Sockets)+len(t.ExceptSockets))*len(rooms.SocketID{})
}

// keep keeps a message, unless it never fits. The caller tells of the sockets that
// are gone for it.
func (r *Recovery) keep(e *logEntry) (gone []*parked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone, ok := r.reserve(e.bytes)
	if !ok {
		e.log.dropped = e.position
		// What is older is of no use any more to whoever misses this one, but may
		// be all that another socket needs, whom this one was not for.
		return gone
	}
	e.at = time.Now()
	e.log.entries.push(e)
	r.kept.push(e)
	return gone
}

// dropMessage drops the oldest message of all. The lock is held, and there is one.
func (r *Recovery) dropMessage() {
	e := r.kept.first()
	r.kept.pop()
	e.log.entries.pop() // the same: both are in the order in which they were kept
	e.log.dropped = max(e.log.dropped, e.position)
	r.bytes -= e.bytes
}

// missed returns the messages after from that were for p, in order; false if it
// cannot be told any more which those are. The lock is held, so that nothing goes
// out meanwhile.
//
// Up to p.delivered the socket was given all that was for it, p.last as the last:
// a client that has that one has missed nothing up to p.delivered, whatever the
// log has lost of it.
func (l *messageLog) missed(p *parked, from uint64) ([]*rooms.Message, bool) {
	if from >= p.last {
		from = max(from, p.delivered)
	}
	entries, ok := l.after(from)
	var missed []*rooms.Message
	for _, e := range entries {
		if p.selectedBy(l.namespace.Name(), e.target) {
			missed = append(missed, e.message)
		}
	}
	return missed, ok
}

// after returns the entries after a position; false if not all are there.
func (l *messageLog) after(from uint64) ([]*logEntry, bool) {
	l.recovery.mu.Lock()
	defer l.recovery.mu.Unlock()
	if l.dropped > from {
		return nil, false
	}
	all := l.entries.waiting()
	start, _ := slices.BinarySearchFunc(all, from+1, func(e *logEntry, position uint64) int {
		return cmp.Compare(e.position, position)
	})
	return slices.Clone(all[start:]), true // a copy, since loops wait for the lock
}

// selectedBy reports whether t would have selected the socket as it was when it
// left (PROTOCOL 5).
func (p *parked) selectedBy(namespace string, t *rooms.Target) bool {
	in := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return slices.Contains(p.rooms, name) || p.named(namespace, name)
		})
	}
	everyone := len(t.Rooms)+len(t.Users)+len(t.Sockets) == 0
	selected := everyone || in(t.Rooms) || slices.Contains(t.Sockets, p.id) ||
		p.user != "" && slices.Contains(t.Users, p.user)
	return selected && !in(t.ExceptRooms) && !slices.Contains(t.ExceptSockets, p.id)
}

// named reports whether name is the room that the socket's id implies.
func (p *parked) named(namespace, name string) bool {
	id, err := rooms.ParseSocketIDIn(namespace, name)
	return err == nil && id == p.id
}
