package feed

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// MemberConfig says what a member of a group takes.
type MemberConfig struct {
	// MaxEvents and MaxBytes bound what is delivered to it and not settled. A MaxEvents of zero: nothing is delivered. One event
	// of any size is delivered to a member that has none.
	MaxEvents, MaxBytes int
	// AckTimeout is how long a delivery may be unsettled. More than zero.
	AckTimeout time.Duration
}

// Delivery is one event that is to be settled.
type Delivery struct {
	// ID names it: 1, 2, 3 and so on for each member.
	ID uint64
	// Attempt is how often the event has been delivered, this time included.
	Attempt int
	// Event is what happened.
	Event *rooms.Event
}

// Nack gives a delivery back.
type Nack struct {
	ID uint64
	// Delay is how long the socket's events are held back before it comes again.
	Delay time.Duration
	// Release says that the event is not to blame, and that the socket may go to another member.
	Release bool
}

// Member is one member of a consumer group. Next is for one goroutine at a time; everything else may be called from any.
type Member struct {
	// Fixed at construction.
	group   *group
	timeout time.Duration
	wake    chan struct{} // capacity 1; filled when Next may have something to return

	interrupted atomic.Bool

	// Owned by the goroutine that calls Next.
	batch []Delivery

	// Guarded by group.mu.
	maxEvents, maxBytes int
	ready               laneQueue // its lanes that have something to deliver
	lanes               int       // how many lanes it owns
	flights             []flight  // what is in flight, and what was in between: flights[head:]
	head                int
	firstID             uint64 // of flights[head]
	flying, flyingBytes int    // in flight
	alarm               *time.Timer
	alarmed             bool      // alarm runs
	late                bool      // a delivery timed out, and nothing was acknowledged since
	lateAt              time.Time // when the last did
	leaving             bool
	closed              bool
}

// flight is one delivery.
type flight struct {
	lane     *lane // nil: it has ended
	number   uint64
	bytes    int
	deadline time.Time
}

// Next returns deliveries, those of one socket in order, and waits for one if there is none; after Interrupt it may return none.
// The slice is valid until the next call. Errors: that of ctx; ErrLeft after Leave once everything is settled, and ErrShutdown
// after Feed.Shutdown once that is so and nothing else waits that the member could get.
func (m *Member) Next(ctx context.Context) ([]Delivery, error) {
	for {
		batch, err := m.take()
		if len(batch) > 0 || err != nil || m.interrupted.Swap(false) {
			return batch, err
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Interrupt lets the call of Next that waits, or the next one, return.
func (m *Member) Interrupt() {
	m.interrupted.Store(true)
	m.notify()
}

func (m *Member) notify() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// laneTurn is how many events of one socket go into a batch before those of the next.
const laneTurn = 16

// take begins as many deliveries as fit into a batch.
func (m *Member) take() ([]Delivery, error) {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(m.batch) // an idle member must not hold the events that it has passed on
	m.batch = m.batch[:0]
	if err := m.over(); err != nil {
		return nil, err
	}
	bytes, now := 0, time.Now()
	for len(m.batch) < MaxBatchEvents && bytes < MaxBatchBytes {
		g.adopt(m)
		l := m.ready.front
		if l == nil || m.leaving {
			break
		}
		n := m.takeFrom(l, now, MaxBatchBytes-bytes)
		if n == 0 {
			break
		}
		bytes += n
	}
	m.arm()
	return m.batch, nil
}

// over is the error that Next ends with.
func (m *Member) over() error {
	switch {
	case m.closed, m.leaving && m.flying == 0:
		return ErrLeft
	case m.group.ended, m.group.ending && m.idle():
		return ErrShutdown
	}
	return nil
}

// idle reports whether the member has nothing unsettled, and nothing to take.
func (m *Member) idle() bool {
	return m.flying == 0 && (m.maxEvents == 0 || m.ready.n+m.group.homeless.n == 0)
}

// takeFrom begins deliveries of the lane at the front and returns their bytes: zero if the member, or a batch with that much
// space, has no room for the first.
func (m *Member) takeFrom(l *lane, now time.Time, space int) (bytes int) {
	for range laneTurn {
		e, number := l.waits()
		if e == nil {
			break
		}
		size := int(e.bytes)
		if !m.fits(size) || size > space-bytes && len(m.batch) > 0 || len(m.batch) == MaxBatchEvents {
			return bytes
		}
		bytes += size
		m.deliver(l, e, number, now)
	}
	l.unqueue()
	m.group.schedule(l)
	return bytes
}

// fits reports whether the member may get one more event of that size.
func (m *Member) fits(bytes int) bool {
	return m.flying < m.maxEvents && (m.flying == 0 || bytes <= m.maxBytes-m.flyingBytes)
}

func (m *Member) deliver(l *lane, e *item, number uint64, now time.Time) {
	stats := &m.group.stats
	if m.head > len(m.flights)/2 && len(m.flights) == cap(m.flights) {
		m.flights, m.head = slices.Delete(m.flights, 0, m.head), 0
	}
	m.flights = append(m.flights, flight{lane: l, number: number, bytes: int(e.bytes), deadline: now.Add(m.timeout)})
	e.flight = m.firstID + uint64(len(m.flights)-m.head) - 1
	e.attempts++
	m.flying++
	m.flyingBytes += int(e.bytes)
	l.flying++
	l.next++
	stats.InFlight++
	stats.Delivered++
	if e.attempts > 1 {
		stats.Redelivered++
	}
	m.batch = append(m.batch, Delivery{ID: e.flight, Attempt: int(e.attempts), Event: e.event})
}

// arm lets the alarm go off when the first delivery times out.
func (m *Member) arm() {
	if m.alarmed || m.flying == 0 || m.closed {
		return
	}
	m.alarmed = true
	left := time.Until(m.flights[m.head].deadline)
	if m.alarm == nil {
		m.alarm = time.AfterFunc(left, m.timeOut)
	} else {
		m.alarm.Reset(left)
	}
}

// ends ends the delivery of that id and returns its lane and the number of its entry; nil if it has ended before, or never
// was.
func (m *Member) ends(id uint64) (*lane, uint64) {
	if id < m.firstID || id-m.firstID >= uint64(len(m.flights)-m.head) {
		return nil, 0
	}
	f := &m.flights[m.head+int(id-m.firstID)]
	l, number := f.lane, f.number
	if l == nil {
		return nil, 0
	}
	l.at(number).flight = 0
	l.flying--
	m.flying--
	m.flyingBytes -= f.bytes
	m.group.stats.InFlight--
	*f = flight{}
	for m.head < len(m.flights) && m.flights[m.head].lane == nil {
		m.head++
		m.firstID++
	}
	if m.head == len(m.flights) {
		m.flights, m.head = m.flights[:0], 0
	}
	return l, number
}

// Settle ends deliveries: those of acks are done, those of nacks are given back. Ids of deliveries that have ended are ignored.
func (m *Member) Settle(acks []uint64, nacks []Nack) {
	g := m.group
	var do effects
	g.mu.Lock()
	if m.closed || g.ended {
		g.mu.Unlock()
		return
	}
	for _, id := range acks {
		m.ack(id)
	}
	for _, n := range nacks {
		m.nack(n, &do)
	}
	g.settled(&do)
	m.notify()
	g.mu.Unlock()
	g.carryOut(do)
}

func (m *Member) ack(id uint64) {
	l, number := m.ends(id)
	if l == nil {
		m.group.stats.Stale++
		return
	}
	m.late = false
	m.group.stats.Acked++
	m.group.done(l, number)
	m.group.landed(l)
}

func (m *Member) nack(n Nack, do *effects) {
	g := m.group
	l, number := m.ends(n.ID)
	if l == nil {
		g.stats.Stale++
		return
	}
	if n.Release {
		g.stats.Released++
	} else {
		g.stats.Nacked++
	}
	if !n.Release && g.fail(l, number, do) {
		g.landed(l)
		return
	}
	l.handOver = l.handOver || n.Release
	g.rewind(l, number)
	if n.Delay > 0 {
		g.delay(l, n.Delay)
	}
	g.landed(l)
}

// timeOut gives back what has been unsettled for too long.
func (m *Member) timeOut() {
	g := m.group
	var do effects
	g.mu.Lock()
	m.alarmed = false
	if m.closed || g.ended {
		g.mu.Unlock()
		return
	}
	now := time.Now()
	for m.flying > 0 && !m.flights[m.head].deadline.After(now) {
		l, number := m.ends(m.firstID)
		m.late, m.lateAt = true, now
		g.stats.TimedOut++
		l.handOver = true
		if !g.fail(l, number, &do) {
			g.rewind(l, number)
		}
		g.landed(l)
	}
	if m.late && g.healthy() {
		g.relieve(m)
	}
	m.arm()
	g.settled(&do)
	m.notify() // it has room again, whoever got what timed out
	g.mu.Unlock()
	g.carryOut(do)
}

// Credit replaces the bounds on what may be unsettled; a maxBytes of zero leaves that one as it is.
func (m *Member) Credit(maxEvents, maxBytes int) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.maxEvents = maxEvents
	if maxBytes > 0 {
		m.maxBytes = maxBytes
	}
	m.notify()
}

// Leave ends the deliveries: what waits for the member goes to others, for each socket once nothing of it is in flight. What is
// unsettled is still to be settled; then Next returns ErrLeft. Calling it again is harmless.
func (m *Member) Leave() {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.leaving || m.closed {
		return
	}
	m.leaving = true
	g.relieve(m)
	g.wakeAll()
}

// Close takes the member out of its group; what is unsettled goes to others. If the member is lost, and not just closed, the first
// unsettled event of each socket counts as failed. Calling it again is harmless.
func (m *Member) Close(lost bool) {
	g := m.group
	var do effects
	g.mu.Lock()
	if m.alarm != nil {
		m.alarm.Stop()
	}
	if m.closed || g.ended {
		m.closed = true
		g.mu.Unlock()
		return
	}
	m.closed = true
	g.members = slices.DeleteFunc(g.members, func(other *Member) bool { return other == m })
	for m.flying > 0 {
		l, number := m.ends(m.firstID)
		l.handOver = true
		g.stats.Lost++
		if lost && g.fail(l, number, &do) {
			g.takeBack(l) // what is behind it has not failed
		} else {
			g.rewind(l, number)
		}
		g.landed(l)
	}
	g.relieve(m)
	g.settled(&do)
	ends := len(g.members) == 0 && g.ending
	if len(g.members) == 0 && !ends {
		g.expires()
	}
	g.mu.Unlock()
	g.carryOut(do)
	if ends {
		g.end("the server shut down")
	}
}
