package transport

import (
	"sync/atomic"
)

// Bundle is several messages that many sessions get at once: a session that
// nothing keeps from writing takes them in one write, whose bytes all such
// sessions share. It is immutable.
type Bundle struct {
	items    []*Prepared
	volatile uint64 // bit i: item i is

	forms [formCount]atomic.Pointer[[]byte]
}

// NewBundle makes a bundle of at most 64 messages, in order; bit i of volatile
// says whether item i is. It owns items.
func NewBundle(items []*Prepared, volatile uint64) *Bundle {
	return &Bundle{items: items, volatile: volatile}
}

// bytes is what goes on a wire of that layout.
func (b *Bundle) bytes(l layout) []byte {
	if done := b.forms[l.form].Load(); done != nil {
		return *done
	}
	var made []byte
	for _, p := range b.items {
		made = append(made, p.bytes(l)...)
	}
	b.forms[l.form].CompareAndSwap(nil, &made)
	return *b.forms[l.form].Load()
}

// SendBundleUnless is SendUnless for each message of b, in order: bit i of what
// it returns says whether message i was taken.
func (s *Session) SendBundleUnless(gone *atomic.Bool, b *Bundle) (taken uint64) {
	s.mu.Lock()
	if !s.machine.Closed() && (gone == nil || !gone.Load()) {
		taken = s.pushBundle(b)
	}
	s.unlock()
	return taken
}

// pushBundle writes b or queues it. The lock is held and the session open.
func (s *Session) pushBundle(b *Bundle) (taken uint64) {
	if s.out != nil || s.corks > 0 || s.wire == nil {
		s.corks++ // what is there goes in one write, or in one payload
		taken = s.pushEach(b, 0)
		if !s.ended {
			s.corks--
			s.flush()
		}
		return taken
	}
	l := s.wire.layout()
	frames := b.bytes(l)
	n, err := s.conn.TryWrite(frames)
	if n == len(frames) || err != nil {
		return 1<<len(b.items) - 1 // after an error the engine's OnClose ends the session
	}
	first := 0 // that has not gone as a whole
	for size := len(b.items[0].bytes(l)); n >= size; size = len(b.items[first].bytes(l)) {
		n -= size
		first++
	}
	s.queue(b.items[first]) // a part of it has gone, or it is what finds the wire blocked
	s.out.sent = n
	s.block()
	return 1<<(first+1) - 1 | s.pushEach(b, first+1)
}

// pushEach queues the messages from number first on, as push would. Nothing is
// written.
func (s *Session) pushEach(b *Bundle, first int) (taken uint64) {
	for i := first; i < len(b.items) && !s.ended; i++ {
		if b.volatile>>i&1 != 0 && !s.writable() {
			s.srv.stats.VolatileDropped.Add(1)
			continue
		}
		s.push(b.items[i])
		if !s.ended {
			taken |= 1 << i
		}
	}
	return taken
}
