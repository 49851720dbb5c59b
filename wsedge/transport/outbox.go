package transport

import "sync"

// outbox is what waits for one session: references to shared messages, in
// order. It exists only while something waits.
type outbox struct {
	items []*Prepared
	head  int // items before it are gone
	sent  int // bytes of items[head] that the wire has taken already
	bytes int // charged for the items that wait
}

// outboxes are reused: a burst makes many sessions wait for a moment.
var outboxes = sync.Pool{New: func() any { return new(outbox) }}

// maxPooledItems bounds what an idle outbox keeps.
const maxPooledItems = 1024

func (o *outbox) push(p *Prepared) {
	if len(o.items) == cap(o.items) && o.head > len(o.items)/2 {
		// The places of what is gone are used again: a queue that is never
		// empty must not grow with what has gone through it.
		n := copy(o.items, o.items[o.head:])
		clear(o.items[n:])
		o.items, o.head = o.items[:n], 0
	}
	o.items = append(o.items, p)
	o.bytes += p.size()
}

// waiting is what has not gone, in order; of its first item a part may have.
func (o *outbox) waiting() []*Prepared { return o.items[o.head:] }

// last is what was pushed last; something waits.
func (o *outbox) last() *Prepared { return o.items[len(o.items)-1] }

func (o *outbox) empty() bool { return o.head == len(o.items) }

// advance takes n bytes off the front.
func (o *outbox) advance(n int, l layout) {
	for n > 0 {
		left := len(o.items[o.head].bytes(l)) - o.sent
		if n < left {
			o.sent += n
			return
		}
		n -= left
		o.pop()
	}
}

func (o *outbox) pop() {
	o.bytes -= o.items[o.head].size()
	o.items[o.head] = nil
	o.head++
	o.sent = 0
}

// gather returns the next bytes for the wire. One long item goes as it is;
// several short ones are copied into scratch, as one write of four frames costs
// a quarter of four writes.
func (o *outbox) gather(scratch []byte, l layout) []byte {
	first := o.items[o.head].bytes(l)[o.sent:]
	if len(first) >= cap(scratch)/2 || o.head+1 == len(o.items) {
		return first
	}
	scratch = append(scratch[:0], first...)
	for _, p := range o.items[o.head+1:] {
		frame := p.bytes(l)
		if len(scratch)+len(frame) > cap(scratch) {
			break
		}
		scratch = append(scratch, frame...)
	}
	return scratch
}

// recycle gives an outbox back. It must not be used afterwards.
func (o *outbox) recycle() {
	if cap(o.items) > maxPooledItems {
		return
	}
	clear(o.items[:cap(o.items)])
	*o = outbox{items: o.items[:0]}
	outboxes.Put(o)
}
