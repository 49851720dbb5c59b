package netpoll

import (
	"math"
	"sync/atomic"
)

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
	noSlot    = math.MaxUint32 // ends the free list; the wake-up descriptor's slot in epoll

	// tickBits makes a deadline's tick 64 ms, so that 32 bits last for 8.7
	// years of one process. Later deadlines mean the end of that time.
	tickBits = 6
)

// chunk is a piece of a loop's slot table. It never moves, so a connection
// keeps a pointer to the chunk that holds its slot.
type chunk struct {
	loop *loop // fixed
	// deadlines are swept by the loop goroutine, set by anybody; ticks since
	// the engine began, rounded up; 0 is none. They lie apart from the slots
	// so that a sweep reads 4 bytes a connection.
	deadlines [chunkSize]atomic.Uint32
	slots     [chunkSize]slot
}

// slot is what an epoll event leads to. All fields are guarded by loop.mu.
type slot struct {
	conn *fdConn
	gen  uint32 // counts the owners, so that an event for an earlier one is known
	next uint32 // in the free list
}

// table hands out slots; guarded by loop.mu.
type table struct {
	chunks []*chunk // append only
	used   uint32   // slots ever handed out
	free   uint32   // head of the list of those given back
}

// put gives c a slot.
func (t *table) put(l *loop, c *fdConn) {
	i := t.free
	if i != noSlot {
		t.free = t.at(i).next
	} else {
		if i = t.used; i&(chunkSize-1) == 0 {
			t.chunks = append(t.chunks, &chunk{loop: l})
		}
		t.used++
	}
	s := t.at(i)
	s.conn = c
	c.chunk, c.slot, c.gen = t.chunks[i>>chunkBits], i, s.gen
}

// drop takes the slot of c back.
func (t *table) drop(c *fdConn) {
	s := t.at(c.slot)
	s.conn = nil
	s.gen++
	s.next, t.free = t.free, c.slot
}

// find is the connection that an epoll event means, nil if it is gone.
func (t *table) find(i, gen uint32) *fdConn {
	if i >= t.used {
		return nil
	}
	if s := t.at(i); s.gen == gen {
		return s.conn
	}
	return nil
}

// each calls f with every connection.
func (t *table) each(f func(*fdConn)) {
	for i := range t.used {
		if c := t.at(i).conn; c != nil {
			f(c)
		}
	}
}

func (t *table) at(i uint32) *slot { return &t.chunks[i>>chunkBits].slots[i&(chunkSize-1)] }

// tickOf is the first tick that is not before at.
func tickOf(at Millis) uint32 {
	if at <= 0 {
		return 0
	}
	return uint32(min((at-1)>>tickBits+1, math.MaxUint32))
}
