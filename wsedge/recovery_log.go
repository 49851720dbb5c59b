package wsedge

import (
	"slices"
	"strconv"
	"strings"
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
// names the last offset that it has seen has seen all before it. Whoever holds it
// may take a session's and a namespace's lock, and no other.
type messageLog struct {
	// Fixed at construction.
	recovery  *Recovery
	namespace *rooms.Namespace
	done      func() // recorded, made once

	delivered atomic.Uint64 // the position up to which all messages have been given to their sockets

	mu       sync.Mutex // held while a recorded message goes out; guards the following
	position uint64     // of the message that goes out
	entries  []logEntry // in ascending order of position; those before head are gone
	head     int
	dropped  uint64 // the highest position of a message that is not kept any more
}

// logEntry is one message and whom it was for.
type logEntry struct {
	position uint64
	at       int64 // milliseconds since 1970
	bytes    int
	target   rooms.Target
	message  *rooms.Message
}

func newMessageLog(r *Recovery, n *rooms.Namespace) *messageLog {
	l := &messageLog{recovery: r, namespace: n, dropped: r.position.Load()}
	l.delivered.Store(l.dropped)
	l.done = l.recorded
	return l
}

// Record implements rooms.Recorder.
func (l *messageLog) Record(t *rooms.Target, m *rooms.Message) (done func()) {
	l.mu.Lock()
	l.position = l.recovery.position.Add(1)
	m.Offset = l.recovery.offset(l.position)
	l.keep(l.position, t, m)
	return l.done
}

func (l *messageLog) recorded() {
	l.delivered.Store(l.position)
	l.mu.Unlock()
}

// entryOverhead is what a kept message costs beyond its bytes: the struct, its
// finished forms, its place.
const entryOverhead = 384

func (l *messageLog) keep(position uint64, t *rooms.Target, m *rooms.Message) {
	bytes := entryOverhead + 2*(len(m.Event)+len(m.Args)) // as text, and in its finished form
	for _, a := range m.Attachments {
		bytes += 2 * len(a)
	}
	for _, names := range [][]string{t.Rooms, t.Users, t.ExceptRooms} {
		for _, name := range names {
			bytes += len(name) + 16
		}
	}
	bytes += (len(t.Sockets) + len(t.ExceptSockets)) * len(rooms.SocketID{})
	now := time.Now().UnixMilli()
	l.expire(now)
	for !l.recovery.reserve(bytes) {
		if !l.dropOldest() { // others hold it all
			l.dropped = position
			return
		}
	}
	l.append(logEntry{position: position, at: now, bytes: bytes, target: *t, message: m})
	l.recovery.hold(l)
}

// append uses the places of what is gone again, so that a log that is never
// empty does not grow with what has gone through it.
func (l *messageLog) append(e logEntry) {
	if len(l.entries) == cap(l.entries) && l.head > len(l.entries)/2 {
		n := copy(l.entries, l.entries[l.head:])
		clear(l.entries[n:])
		l.entries, l.head = l.entries[:n], 0
	}
	l.entries = append(l.entries, e)
}

// dropOldest reports false when there is nothing to drop.
func (l *messageLog) dropOldest() bool {
	if l.head == len(l.entries) {
		return false
	}
	e := &l.entries[l.head]
	l.dropped = e.position
	l.recovery.release(e.bytes)
	*e = logEntry{}
	if l.head++; l.head == len(l.entries) {
		l.entries, l.head = nil, 0
	}
	return true
}

// expire drops what is older than a socket may be away, and reports whether
// anything is left.
func (l *messageLog) expire(now int64) (left bool) {
	for l.head < len(l.entries) && l.entries[l.head].at < now-l.recovery.cfg.MaxAge.Milliseconds() {
		l.dropOldest()
	}
	return l.head < len(l.entries)
}

// missed returns the messages after from that were for p, in order; false if it
// cannot be told any more which those are. The lock is held.
//
// Up to p.delivered the socket was given all that was for it, p.last as the last:
// a client that has that one has missed nothing up to p.delivered, whatever the
// log has lost of it.
func (l *messageLog) missed(p *parked, from uint64) ([]*rooms.Message, bool) {
	if from >= p.last {
		from = max(from, p.delivered)
	}
	if l.dropped > from {
		return nil, false
	}
	start, _ := slices.BinarySearchFunc(l.entries[l.head:], from+1, func(e logEntry, position uint64) int {
		return int(int64(e.position) - int64(position))
	})
	var missed []*rooms.Message
	for i := l.head + start; i < len(l.entries); i++ {
		if p.selectedBy(l.namespace.Name(), &l.entries[i].target) {
			missed = append(missed, l.entries[i].message)
		}
	}
	return missed, true
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

// offset is a position as clients get it: the process' own prefix, so that no
// text of a user's and no offset of another process is taken for one.
func (r *Recovery) offset(position uint64) string {
	return string(strconv.AppendUint(append(make([]byte, 0, len(r.prefix)+13), r.prefix...), position, 36))
}

// parseOffset returns the position that offset wrote; false for anything else.
func (r *Recovery) parseOffset(text string) (uint64, bool) {
	digits, ok := strings.CutPrefix(text, r.prefix)
	if !ok || digits == "" || digits[0] == '0' || digits[0] == '+' {
		return 0, false
	}
	position, err := strconv.ParseUint(digits, 36, 64)
	return position, err == nil && strconv.FormatUint(position, 36) == digits && position <= r.position.Load()
}
