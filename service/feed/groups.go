package feed

import (
	"slices"
	"sync"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// group is one consumer group: a lane for each socket, and the members that the lanes are shared out to.
//
// A lane that has something to deliver is queued: with its owner, or among homeless if it has none and nobody has room. It
// is queued nowhere while it is delayed, and while it is to be handed over and something is in flight.
type group struct {
	// Fixed at construction.
	name string
	cfg  *GroupConfig
	want func(delta int) // Config.WantRoomEvents, not nil
	drop func(*group)    // takes it out of the feed if it has no members

	mu       sync.Mutex // guards the following, every lane, and the members as they say
	filter   Filter     // as the members said it, sorted
	matches  compiled
	lanes    map[laneKey]*lane
	homeless laneQueue
	members  []*Member
	held     []*lane // whose clients wait for room in the group, in that order; those that do no longer are skipped
	resumer  *time.Timer
	arrivals arrivals
	expiry   *time.Timer // runs while there are no members
	wanting  bool        // events of rooms are wanted for it
	ending   bool        // the feed is shut down
	ended    bool        // dropped from the feed
	stats    GroupStats
}

// GroupStats is what happened in a group, and what there is now.
type GroupStats struct {
	Name string
	// Members, Sockets, Backlog, BacklogBytes, InFlight and Held are how many there are now: members, sockets that the group
	// knows, events that are not settled, their bytes, those of them that are in flight, clients that are held.
	Members, Sockets, Backlog, BacklogBytes, InFlight, Held int
	// Oldest is how old the oldest event is that is not settled; zero if there is none.
	Oldest time.Duration
	// Events counts what was put into the group.
	Events uint64
	// Delivered counts deliveries, Redelivered those of them that were not an event's first.
	Delivered, Redelivered uint64
	// Acked, Nacked, Released and TimedOut count how deliveries ended, Lost those whose member was lost, Stale what members
	// said of deliveries that had ended before.
	Acked, Nacked, Released, TimedOut, Lost, Stale uint64
	// DeadLettered counts events that failed too often, Dropped those of rooms and users beyond the bound.
	DeadLettered, Dropped uint64
	// Refused counts events that were refused, Holds how often a client was held.
	Refused, Holds uint64
}

// effects is what is to be done once the lock is released.
type effects struct {
	resume, disconnect []laneKey
}

func (g *group) carryOut(do effects) {
	for _, k := range do.resume {
		g.cfg.Resume(k.namespace, k.socket)
	}
	for _, k := range do.disconnect {
		g.cfg.Disconnect(k.namespace, k.socket)
	}
}

// terminal reports whether e is the last event of its socket.
func terminal(e *rooms.Event) bool {
	return e.Kind == rooms.KindExpired || e.Kind == rooms.KindDisconnected && !e.Recoverable
}

// refuses reports why the event, of KindEvent, cannot be put into the group; empty: it can.
func (g *group) refuses(e *rooms.Event, bytes int) rooms.Refusal {
	if bytes <= MaxEventBytes && g.cfg.Overflow != OverflowRefuse {
		return ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.matches.match(e) {
		return ""
	}
	switch {
	case bytes > MaxEventBytes:
		g.stats.Refused++
		return rooms.RefusedTooLarge
	case g.cfg.Overflow == OverflowRefuse && (g.full() || g.laneFull(laneKey{e.Namespace, e.Socket})):
		g.stats.Refused++
		return rooms.RefusedOverloaded
	}
	return ""
}

func (g *group) laneFull(key laneKey) bool {
	l := g.lanes[key]
	return l != nil && l.bytes >= g.cfg.SocketBytes
}

// full reports whether the group has no room.
func (g *group) full() bool {
	return g.stats.BacklogBytes >= g.cfg.Bytes || g.cfg.MaxAge > 0 && g.oldest() >= g.cfg.MaxAge
}

// oldest is the age of the oldest event that is not settled.
func (g *group) oldest() time.Duration {
	if at, ok := g.arrivals.oldest(); ok {
		return time.Since(at)
	}
	return 0
}

// observe puts e into the group if the filter wants it, and reports whether the client is to be held.
func (g *group) observe(e *rooms.Event, bytes int) (hold bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	last := terminal(e)
	key := laneKey{e.Namespace, e.Socket}
	l := g.lanes[key]
	if e.Kind == rooms.KindDisconnected && l != nil {
		g.released(l) // the client is gone, and its hold with it
	}
	if g.matches.match(e) && g.roomFor(e) {
		if l == nil {
			l = &lane{key: key, base: 1, gone: e.Socket == rooms.SocketID{}} // of rooms: nothing to remember
			g.lanes[key] = l
		}
		fits, bytes := fitting(e, bytes)
		g.push(l, fits, bytes)
		hold = g.holds(l, e)
	}
	if l != nil && last {
		l.gone = true
	}
	if l != nil {
		g.tidy(l)
	}
	return hold
}

// roomFor reports whether e may be put in. What clients sent was read already, and sockets come and go in any case; events
// of rooms, which services cause, are bounded by the group alone.
func (g *group) roomFor(e *rooms.Event) bool {
	if !e.Kind.OfRooms() || g.stats.BacklogBytes < g.cfg.Bytes {
		return true
	}
	g.stats.Dropped++
	g.cfg.Logger.Warn("event of a room dropped: the consumer group has no room", "group", g.name, "kind", e.Kind.String())
	return false
}

// fitting returns e, without what the client said as it connected if that makes it too large to be sent, and its size.
func fitting(e *rooms.Event, bytes int) (*rooms.Event, int) {
	if bytes <= MaxEventBytes || e.Kind != rooms.KindConnected {
		return e, bytes
	}
	smaller, info := *e, *e.Info
	smaller.Auth, info.Auth = nil, nil
	smaller.Info = &info
	return &smaller, size(&smaller)
}

func (g *group) push(l *lane, e *rooms.Event, bytes int) {
	l.push(e, bytes)
	g.arrivals.add(l)
	g.stats.Events++
	g.stats.Backlog++
	g.stats.BacklogBytes += bytes
	g.schedule(l)
}

// holds reports whether the client whose event e was put in last is to be held from now on, and notes it.
func (g *group) holds(l *lane, e *rooms.Event) bool {
	if l.held || g.cfg.Overflow != OverflowPause || e.Kind != rooms.KindEvent && e.Kind != rooms.KindConnected {
		return false
	}
	full := g.full()
	if l.bytes < g.cfg.SocketBytes && !full {
		return false
	}
	l.held = true
	g.stats.Held++
	g.stats.Holds++
	if full {
		g.list(l)
	}
	return true
}

// list notes that the client of l may be resumed once the group has room.
func (g *group) list(l *lane) {
	if l.listed {
		return
	}
	l.listed = true
	if len(g.held) > 2*g.stats.Held+maxResumed {
		g.held = slices.DeleteFunc(g.held, func(l *lane) bool {
			l.listed = l.held
			return !l.held
		})
	}
	g.held = append(g.held, l)
}

// released notes that the client is held no longer.
func (g *group) released(l *lane) {
	if l.held {
		l.held = false
		g.stats.Held--
	}
}

const (
	// maxResumed is how many clients are resumed at once, and resumePause how long the next wait: they all may have something
	// to send, and there is room for some.
	maxResumed  = 64
	resumePause = 5 * time.Millisecond
)

// hasRoom reports whether clients may be resumed: a quarter of the bound is free.
func (g *group) hasRoom() bool { return g.stats.BacklogBytes <= g.cfg.Bytes/4*3 && !g.full() }

// resumes takes holds off while there is room.
func (g *group) resumes(do *effects) {
	if len(g.held) == 0 || !g.hasRoom() {
		return
	}
	n := 0
	for ; n < len(g.held) && len(do.resume) < maxResumed; n++ {
		l := g.held[n]
		l.listed = false
		if l.held && l.bytes <= g.cfg.SocketBytes/2 { // otherwise done lists it again
			g.released(l)
			do.resume = append(do.resume, l.key)
		}
	}
	g.held = slices.Delete(g.held, 0, n)
	if len(g.held) == 0 {
		g.held = nil
	} else if g.resumer == nil {
		g.resumer = time.AfterFunc(resumePause, g.resumeMore)
	}
}

func (g *group) resumeMore() {
	var do effects
	g.mu.Lock()
	g.resumer = nil
	if !g.ended {
		g.resumes(&do)
	}
	g.mu.Unlock()
	g.carryOut(do)
}

// tidy removes a lane that is empty and stays so.
func (g *group) tidy(l *lane) {
	if !l.gone || !l.empty() || g.lanes[l.key] != l {
		return
	}
	l.unqueue()
	if l.owner != nil {
		l.owner.lanes--
		l.owner = nil
	}
	delete(g.lanes, l.key)
}

// done settles an entry for good.
func (g *group) done(l *lane, number uint64) {
	e := l.at(number)
	g.stats.Backlog--
	g.stats.BacklogBytes -= int(e.bytes)
	l.settle(e)
	if l.held && l.bytes <= g.cfg.SocketBytes/2 {
		g.list(l)
	}
	g.tidy(l)
	g.arrivals.trim(g.stats.Backlog)
	if g.ending && g.stats.Backlog == 0 {
		g.wakeAll()
	}
}

// fail notes that the entry's delivery failed because of it, and gives it up if that is too often.
func (g *group) fail(l *lane, number uint64, do *effects) (gaveUp bool) {
	e := l.at(number)
	e.failures++
	if g.cfg.MaxFailures == 0 || int(e.failures) < g.cfg.MaxFailures {
		return false
	}
	g.stats.DeadLettered++
	g.cfg.Logger.Warn("event given up: no member of the consumer group could handle it",
		"group", g.name, "kind", e.event.Kind.String(), "socket", l.key.socket.String(), "attempts", e.attempts)
	if g.cfg.DeadLetter == DeadLetterDisconnect && e.event.Kind == rooms.KindEvent {
		do.disconnect = append(do.disconnect, l.key)
	}
	g.done(l, number)
	return true
}

// shutdown lets members end once everything is settled; nobody can join any more.
func (g *group) shutdown() {
	g.mu.Lock()
	abandoned := len(g.members) == 0 && !g.ended
	g.ending = true
	if g.expiry != nil {
		g.expiry.Stop()
	}
	g.wakeAll()
	g.mu.Unlock()
	if abandoned {
		g.end("the server shut down")
	}
}

// end drops everything; the group is out of the feed already, or about to be. It returns how many events are lost.
func (g *group) end(why string) (lost int) {
	var do effects
	g.mu.Lock()
	g.ended = true
	lost = g.stats.Backlog
	wanting := g.wanting
	for _, l := range g.lanes {
		if l.held {
			do.resume = append(do.resume, l.key)
		}
		if l.delayed != nil {
			l.delayed.Stop()
		}
	}
	if g.resumer != nil {
		g.resumer.Stop()
	}
	g.lanes, g.held, g.homeless, g.arrivals, g.wanting = nil, nil, laneQueue{}, arrivals{}, false
	g.stats.Backlog, g.stats.BacklogBytes, g.stats.Held = 0, 0, 0
	g.mu.Unlock()
	if lost > 0 {
		g.cfg.Logger.Warn("events lost: "+why, "group", g.name, "events", lost)
	}
	if wanting {
		g.want(-1)
	}
	g.carryOut(do)
	return lost
}

func (g *group) snapshot() GroupStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	stats := g.stats
	stats.Name, stats.Members, stats.Sockets, stats.Oldest = g.name, len(g.members), len(g.lanes), g.oldest()
	return stats
}

// arrivals are the entries of a group in the order in which they came.
type arrivals struct {
	list []arrival // what is left is list[head:]
	head int
}

type arrival struct {
	lane   *lane
	number uint64
}

func (a *arrivals) add(l *lane) {
	if len(a.list) == cap(a.list) && a.head > len(a.list)/2 {
		n := copy(a.list, a.list[a.head:])
		clear(a.list[n:])
		a.list, a.head = a.list[:n], 0
	}
	a.list = append(a.list, arrival{l, l.last()})
}

// oldest returns when the first entry happened that is not settled.
func (a *arrivals) oldest() (time.Time, bool) {
	a.skip()
	if a.head == len(a.list) {
		return time.Time{}, false
	}
	first := a.list[a.head]
	return first.lane.at(first.number).event.Time, true
}

// skip lets go of what is settled at the front.
func (a *arrivals) skip() {
	for ; a.head < len(a.list) && a.list[a.head].settled(); a.head++ {
		a.list[a.head] = arrival{}
	}
	if a.head == len(a.list) {
		a.list, a.head = a.list[:0], 0
	}
}

func (a arrival) settled() bool { return a.lane.at(a.number) == nil }

// trim takes out what is settled in the middle once that is most of it, so that one socket that is stuck does not keep the
// arrivals of all others.
func (a *arrivals) trim(backlog int) {
	a.skip()
	if len(a.list)-a.head <= 2*backlog+64 {
		return
	}
	kept := a.list[:0]
	for _, arrived := range a.list[a.head:] {
		if !arrived.settled() {
			kept = append(kept, arrived)
		}
	}
	clear(a.list[len(kept):])
	a.list, a.head = kept, 0
}
