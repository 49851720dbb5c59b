package rooms

import (
	"sync"
	"sync/atomic"
)

// How emits to one large room share their work: while one of them delivers, those that come for the same target wait. When
// it is done, the first of them takes all that wait as one [Batch] and hands each member the whole of it, which is one
// write for many messages where each emit by itself would cost one. An emit that finds nobody delivering pays for nothing
// but a look at a counter.

const (
	// combineFrom is from how many members on an emit lets others wait for it. To fewer, it is done before they have queued.
	combineFrom = 64
	// MaxBatch bounds the messages of a Batch. Their bytes are bounded by maxBatchBytes, but for one that is larger by itself
	// and then is the only one.
	MaxBatch      = 64
	maxBatchBytes = 32 << 10
)

// Batch is several messages for the same members, in order: at least one, at most MaxBatch. None of them wants an
// acknowledgement. It is valid until DeliverBatch returns.
type Batch struct {
	Messages []*Message

	forms [MaxForms]atomic.Value
}

// Form is Message.Form for the batch as a whole.
func (b *Batch) Form(i int, build func() any) any { return formOf(&b.forms[i], build) }

// BatchMember is a Member that takes a batch at once. The others are given its messages one by one.
type BatchMember interface {
	// DeliverBatch is Deliver for each message in order. Bit i of what it returns says whether message i was taken.
	DeliverBatch(b *Batch) (taken uint64)
}

// source names the members that an emit is for, if that is a single room, a single user or everyone.
type source struct {
	name string
	kind sourceKind
}

type sourceKind uint8

const (
	sourceNone sourceKind = iota
	sourceAll
	sourceRoom
	sourceUser
)

// source returns t's; its kind is sourceNone if it has none.
func (t *Target) source() source {
	switch {
	case len(t.ExceptRooms)+len(t.ExceptSockets)+len(t.Sockets) > 0 || len(t.Rooms)+len(t.Users) > 1:
		return source{}
	case len(t.Rooms) == 1:
		return source{t.Rooms[0], sourceRoom}
	case len(t.Users) == 1:
		return source{t.Users[0], sourceUser}
	}
	return source{kind: sourceAll}
}

// combiner holds the emits that wait for others to the same source.
type combiner struct {
	flows atomic.Int32 // how many sources are being delivered to

	mu      sync.Mutex           // guards the following
	waiting map[source][]*parcel // those that are being delivered to; mostly nobody waits
}

// parcel is an emit that waits.
type parcel struct {
	message            *Message
	matched, delivered int
	turn               chan bool // capacity 1: true, it delivers what waits, itself first; false, it has been delivered
}

var parcels = sync.Pool{New: func() any { return &parcel{turn: make(chan bool, 1)} }}

// wait queues m behind an emit to the same source, and returns what became of it; ok is false if there is no such emit. A nil
// selection with ok says that it is the caller's turn.
func (n *Namespace) wait(t *Target, from source, m *Message) (matched, delivered int, ok bool) {
	c := &n.combiner
	c.mu.Lock()
	list, ok := c.waiting[from]
	if !ok {
		c.mu.Unlock()
		return 0, 0, false
	}
	p := parcels.Get().(*parcel)
	p.message = m
	c.waiting[from] = append(list, p)
	c.mu.Unlock()
	if <-p.turn {
		n.deliverWaiting(t, from)
	}
	matched, delivered = p.matched, p.delivered
	p.message = nil
	parcels.Put(p)
	return matched, delivered, true
}

// occupy makes emits to the source wait. It reports false if another emit did before.
func (c *combiner) occupy(from source) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.waiting[from]; ok {
		return false
	}
	if c.waiting == nil {
		c.waiting = make(map[source][]*parcel)
	}
	c.waiting[from] = nil
	c.flows.Add(1)
	return true
}

// vacate gives the source to the first who waits for it.
func (c *combiner) vacate(from source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if list := c.waiting[from]; len(list) > 0 {
		list[0].turn <- true
		return
	}
	delete(c.waiting, from)
	c.flows.Add(-1)
}

// take takes as many off those that wait as may go together.
func (c *combiner) take(from source) []*parcel {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.waiting[from]
	n, bytes := 1, list[0].message.bytes()
	for n < min(len(list), MaxBatch) {
		if bytes += list[n].message.bytes(); bytes > maxBatchBytes {
			break
		}
		n++
	}
	c.waiting[from] = list[n:]
	return list[:n:n]
}

// deliverWaiting delivers a batch of those that wait; the caller is the first of them.
func (n *Namespace) deliverWaiting(t *Target, from source) {
	batch := n.combiner.take(from)
	defer func() { // also when a member panics
		for _, p := range batch[1:] {
			p.turn <- false
		}
		n.combiner.vacate(from)
	}()
	s := n.selected(t)
	if len(batch) == 1 {
		batch[0].matched, batch[0].delivered = s.emit(batch[0].message)
		return
	}
	s.deliverBatch(batch)
	s.release()
}

// deliverBatch hands the selected members the messages of parcels, and notes what became of each.
func (s *selection) deliverBatch(parcels []*parcel) {
	b := &Batch{Messages: make([]*Message, len(parcels))}
	for i, p := range parcels {
		b.Messages[i], p.matched, p.delivered = p.message, len(s.members), 0
	}
	all := uint64(1)<<len(parcels) - 1 // also of 64
	whole := 0
	for i, member := range s.members {
		taken := member.deliverBatch(b)
		if taken == all {
			whole++
		} else {
			for j, p := range parcels {
				p.delivered += int(taken >> j & 1)
			}
		}
		s.pace(i)
	}
	for _, p := range parcels {
		p.delivered += whole
	}
}

func (m *Membership) deliverBatch(b *Batch) (taken uint64) {
	if member, ok := m.self.(BatchMember); ok {
		return member.DeliverBatch(b)
	}
	for i, message := range b.Messages {
		if m.self.Deliver(message) {
			taken |= 1 << i
		}
	}
	return taken
}

// bytes is about what the message takes on a wire.
func (m *Message) bytes() int {
	n := len(m.Event) + len(m.Args)
	for _, a := range m.Attachments {
		n += len(a)
	}
	return n
}
