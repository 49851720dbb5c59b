package feed

import (
	"slices"
	"time"
)

// Who gets what. The group's lock is held in all of it.

// schedule queues a lane that has something to deliver where it belongs.
func (g *group) schedule(l *lane) {
	if l.queue != nil || l.delayed != nil {
		return
	}
	if e, _ := l.waits(); e == nil {
		return
	}
	if g.mustMove(l) {
		if l.flying > 0 {
			return // landed comes back to it
		}
		g.disown(l)
	}
	if l.owner == nil {
		m := g.pick()
		if m == nil {
			g.homeless.push(l)
			return
		}
		g.own(l, m)
	}
	l.owner.ready.push(l)
	l.owner.notify()
}

// mustMove reports whether the lane is to leave its owner.
func (g *group) mustMove(l *lane) bool {
	return l.owner != nil && (l.handOver || l.owner.leaving || l.owner.closed)
}

// landed follows the end of a delivery: the socket may go to another member once nothing of it is in flight.
func (g *group) landed(l *lane) {
	if g.mustMove(l) && l.flying == 0 {
		g.disown(l)
	}
	g.schedule(l)
}

// rewind lets the entry of that number, and all that is in flight behind it, wait again.
func (g *group) rewind(l *lane, number uint64) {
	from := l.head + int(number-l.base)
	for i := from; i < l.next; i++ {
		if id := l.entries[i].flight; id != 0 {
			l.owner.ends(id)
		}
	}
	l.next = from
	l.unqueue()
}

// takeBack lets all that is in flight wait again.
func (g *group) takeBack(l *lane) {
	for i := l.head; i < l.next; i++ {
		if l.entries[i].flight != 0 {
			number := l.base + uint64(i-l.head)
			l.owner.ends(l.entries[i].flight)
			g.rewind(l, number)
			return
		}
	}
}

// delay holds a lane back.
func (g *group) delay(l *lane, d time.Duration) {
	l.unqueue()
	if l.delayed != nil {
		l.delayed.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if l.delayed == timer && !g.ended {
			l.delayed = nil
			g.schedule(l)
		}
	})
	l.delayed = timer
}

func (g *group) own(l *lane, m *Member) {
	l.owner = m
	m.lanes++
}

func (g *group) disown(l *lane) {
	l.unqueue()
	l.owner.lanes--
	l.owner, l.handOver = nil, false
}

// takes reports whether the member may be given a lane more; healthy is what the group's method says. One that let a delivery time out is passed over while there
// are others, but for one lane now and then, to see whether it is well again.
func (m *Member) takes(healthy bool) bool {
	if m.leaving || m.closed || m.ready.n >= m.maxEvents-m.flying {
		return false
	}
	return !m.late || !healthy || m.flying+m.ready.n == 0 && time.Since(m.lateAt) >= m.timeout
}

// healthy reports whether some member acknowledges in time, as far as is known. One that wants nothing does not count.
func (g *group) healthy() bool {
	return slices.ContainsFunc(g.members, func(m *Member) bool { return !m.late && !m.leaving && m.maxEvents > 0 })
}

// pick returns who gets the next lane: of those with room the one that has the fewest; nil if nobody has room.
func (g *group) pick() (best *Member) {
	healthy := g.healthy()
	for _, m := range g.members {
		if m.takes(healthy) && (best == nil || m.lanes < best.lanes || m.lanes == best.lanes && m.flying < best.flying) {
			best = m
		}
	}
	return best
}

// adopt gives a member lanes that nobody had room for.
func (g *group) adopt(m *Member) {
	if g.homeless.front == nil {
		return
	}
	healthy := g.healthy()
	for g.homeless.front != nil && m.takes(healthy) {
		l := g.homeless.front
		l.unqueue()
		g.own(l, m)
		m.ready.push(l)
	}
}

// relieve moves what waits for a member to others, but for what has something in flight.
func (g *group) relieve(m *Member) {
	for l := m.ready.front; l != nil; {
		succ := l.succ
		switch {
		case l.flying == 0:
			g.disown(l)
			g.schedule(l)
		case m.leaving || m.closed:
			l.unqueue()
		}
		l = succ
	}
}

// settled follows whatever ended deliveries: there may be room for clients, and for lanes.
func (g *group) settled(do *effects) {
	g.resumes(do)
	if g.homeless.front == nil {
		return
	}
	healthy := g.healthy()
	for _, m := range g.members {
		if m.takes(healthy) {
			m.notify()
		}
	}
}

func (g *group) wakeAll() {
	for _, m := range g.members {
		m.notify()
	}
}
