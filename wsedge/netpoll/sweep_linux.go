package netpoll

import "time"

// sweep calls OnDeadline where it is due, every sweepEvery; true: a sweep has
// been interrupted and wants to go on in the next turn.
//
// It looks at the cells of live and free slots alike without any lock: 1
// million cells take about 1 ms. A cell that is not 0 belongs to a connection
// that only the loop goroutine can take out of its slot.
func (l *loop) sweep() bool {
	now := l.now()
	if l.cursor == 0 {
		if now < l.nextSweep {
			return false
		}
		next := time.Since(l.began) + l.sweepEvery
		l.nextSweep = next.Milliseconds() + 1
		_ = l.poller.wakeAt(next)
	}
	l.mu.Lock()
	chunks, used := l.table.chunks, l.table.used
	l.mu.Unlock()
	tick, calls := uint32(now>>tickBits), 0
	for i := l.cursor; i < used; i++ {
		ch := chunks[i>>chunkBits]
		at := ch.deadlines[i&(chunkSize-1)].Load()
		if at == 0 || at > tick {
			continue
		}
		l.due(ch.slots[i&(chunkSize-1)].conn, at, now)
		if calls++; calls == callsPerTurn {
			l.cursor = i + 1
			return true
		}
	}
	l.cursor = 0
	return false
}

// due handles one deadline that has passed, and was at when it was looked at.
func (l *loop) due(c *fdConn, at uint32, now Millis) {
	switch state := c.snapshot(); {
	case state&lingering != 0:
		l.discard(c)
		if c.snapshot()&lingering != 0 {
			l.release(c)
		}
	case state&(attaching|closed) != 0: // The next sweep, or never.
	case c.deadline().CompareAndSwap(at, 0): // Otherwise it has just been moved.
		if !l.calls.deadline(c.handler, now) {
			c.stop(panicked)
		}
	}
}
