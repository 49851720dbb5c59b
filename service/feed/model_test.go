package feed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

var (
	modelSeed   = flag.Uint64("model.seed", 0, "replay the model checker's round of this seed alone")
	modelRounds = flag.Int("model.rounds", 1000, "how many rounds the model checker runs")
	modelTime   = flag.Duration("model.time", 0, "run rounds for so long instead")
)

// TestModelOfGroups drives consumer groups at random, on virtual time, beside a model that knows of each event what may become
// of it. A seed makes the same round again.
func TestModelOfGroups(t *testing.T) {
	var total modelCounts
	base := uint64(time.Now().UnixNano())
	began, rounds := time.Now(), 0
	for ; !t.Failed(); rounds++ {
		seed := base + uint64(rounds)
		switch {
		case *modelSeed != 0 && rounds == 0:
			seed = *modelSeed
		case *modelSeed != 0, *modelTime > 0 && time.Since(began) > *modelTime, *modelTime == 0 && rounds >= *modelRounds:
			t.Logf("%d rounds from seed %d: %+v", rounds, base, total)
			return
		}
		synctest.Test(t, func(t *testing.T) { newModel(t, seed, &total).run() })
	}
	t.Logf("round %d of those from seed %d failed", rounds, base)
}

// modelCounts says what the rounds came by, so that one can see that they came by everything.
type modelCounts struct {
	events, deliveries, redeliveries, acked, nacked, released, timedOut, lost, dead, refused, holds, joins, leaves, deaths, disconnects int
}

// model is one round.
type model struct {
	t     *testing.T
	r     *rand.Rand
	seed  uint64
	count *modelCounts

	feed    *Feed
	cfg     GroupConfig
	groups  []*modelGroup
	sockets []*modelSocket
	next    int // the next socket's number

	mu     sync.Mutex             // timers of the feed call back; guards the following
	holds  map[rooms.SocketID]int // how often each is held, less how often it was resumed
	kicked map[rooms.SocketID]bool
}

// hold counts how often a client is held.
func (m *model) hold(id rooms.SocketID, delta int) (now int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holds[id] += delta
	return m.holds[id]
}

func (m *model) kick(id rooms.SocketID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kicked[id] = true
}

func (m *model) wasKicked(id rooms.SocketID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kicked[id]
}

// modelSocket is a client that is connected.
type modelSocket struct {
	id     rooms.SocketID
	events int
}

// modelGroup is a group as it must be.
type modelGroup struct {
	m       *model
	name    string
	filter  Filter
	matches compiled
	members []*modelMember
	lanes   map[rooms.SocketID][]*modelEvent
	empty   time.Time // since when it has no members
	exists  bool
	left    int // events that are not settled
}

// modelEvent is an event that the group accepted.
type modelEvent struct {
	event     *rooms.Event
	bytes     int
	attempts  int
	failures  int
	settled   bool
	by        *modelMember // who has it in flight
	notBefore time.Time
}

// modelMember is a member and what it has in flight.
type modelMember struct {
	g       *modelGroup
	real    *Member
	timeout time.Duration
	flights map[uint64]*modelFlight
	credit  int
	bytes   int // the bound
	used    int // bytes in flight
	leaving bool
	asleep  bool
}

type modelFlight struct {
	id       uint64
	event    *modelEvent
	socket   rooms.SocketID
	deadline time.Time
}

func newModel(t *testing.T, seed uint64, count *modelCounts) *model {
	m := &model{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), seed: seed, count: count,
		holds: map[rooms.SocketID]int{}, kicked: map[rooms.SocketID]bool{},
	}
	m.cfg = GroupConfig{
		Bytes: MaxEventBytes, SocketBytes: 1 + m.r.IntN(2<<20), Retention: time.Minute,
		MaxFailures: m.r.IntN(4), Overflow: pickOne(m.r, OverflowPause, OverflowRefuse), DeadLetter: pickOne(m.r, DeadLetterDrop, DeadLetterDisconnect),
		Resume:     func(_ string, id rooms.SocketID) { m.hold(id, -1) },
		Disconnect: func(_ string, id rooms.SocketID) { m.kick(id) },
	}
	m.feed = newFeed(t, Config{Groups: m.cfg})
	for i, f := range []Filter{
		{}, {Kinds: []rooms.EventKind{rooms.KindConnected, rooms.KindDisconnected}}, {Prefixes: []string{"a"}}, {Names: []string{"b1"}},
	} {
		m.groups = append(m.groups, &modelGroup{m: m, name: "g" + strconv.Itoa(i), filter: f, matches: f.compile(), lanes: map[rooms.SocketID][]*modelEvent{}})
	}
	return m
}

func pickOne[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("seed %d: %s", m.seed, fmt.Sprintf(format, args...))
}

func (m *model) run() {
	steps := []struct {
		weight int
		do     func()
	}{
		{30, m.emit}, {6, m.connect}, {4, m.disconnect}, {30, m.take}, {20, m.settle}, {3, m.join},
		{2, m.leave}, {2, m.die}, {2, m.credit}, {8, m.pass},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	m.groups[0].join()
	for range 100 + m.r.IntN(300) {
		n := m.r.IntN(total)
		for _, s := range steps {
			if n -= s.weight; n < 0 {
				s.do()
				break
			}
		}
		m.check()
	}
	m.end()
}

// observe puts what a socket does into the feed and the model.
func (m *model) observe(e *rooms.Event) {
	e.Time = time.Now()
	bytes := size(e)
	flow := m.feed.Observe(e)
	if flow.Refused != "" {
		if m.cfg.Overflow != OverflowRefuse || e.Kind != rooms.KindEvent {
			m.fail("refused %v", e.Kind)
		}
		m.count.refused++
		return
	}
	m.count.events++
	m.hold(e.Socket, flow.Holds)
	m.count.holds += flow.Holds
	for _, g := range m.groups {
		if g.exists && g.matches.match(e) {
			g.lanes[e.Socket] = append(g.lanes[e.Socket], &modelEvent{event: e, bytes: bytes})
			g.left++
		}
	}
	if e.Kind == rooms.KindDisconnected {
		m.mu.Lock()
		delete(m.holds, e.Socket)
		m.mu.Unlock()
	}
}

func (m *model) connect() {
	if len(m.sockets) > 8 {
		return
	}
	m.next++
	s := &modelSocket{id: rooms.SocketID(fmt.Appendf(nil, "socket-%013d", m.next))}
	m.sockets = append(m.sockets, s)
	m.observe(&rooms.Event{Kind: rooms.KindConnected, Namespace: "/", Socket: s.id, Info: &rooms.Info{ID: s.id}})
}

// payload is shared, as what the events hold is not looked at.
var payload = make([]byte, 600<<10)

func (m *model) emit() {
	if len(m.sockets) == 0 {
		return
	}
	s := m.sockets[m.r.IntN(len(m.sockets))]
	if m.hold(s.id, 0) > 0 {
		return // it is not read
	}
	s.events++
	m.observe(&rooms.Event{
		Kind: rooms.KindEvent, Namespace: "/", Socket: s.id, Name: pickOne(m.r, "a", "a2", "b1", "c"),
		Args: payload[:pickOne(m.r, 10, 1000, 100<<10, 600<<10)],
	})
}

func (m *model) disconnect() {
	if len(m.sockets) == 0 {
		return
	}
	i := m.r.IntN(len(m.sockets))
	s := m.sockets[i]
	m.sockets = append(m.sockets[:i], m.sockets[i+1:]...)
	m.count.disconnects++
	m.observe(&rooms.Event{Kind: rooms.KindDisconnected, Namespace: "/", Socket: s.id})
}

func (m *model) join() { m.groups[m.r.IntN(len(m.groups))].join() }

func (g *modelGroup) join() {
	if len(g.members) > 4 {
		return
	}
	m := g.m
	mm := &modelMember{
		g: g, timeout: time.Duration(1+m.r.IntN(10)) * time.Second, credit: m.r.IntN(30), bytes: pickOne(m.r, 1, 100<<10, 4<<20),
		flights: map[uint64]*modelFlight{}, asleep: m.r.IntN(6) == 0,
	}
	member, joined, err := m.feed.Join(g.name, g.filter, MemberConfig{MaxEvents: mm.credit, MaxBytes: mm.bytes, AckTimeout: mm.timeout})
	if err != nil {
		m.fail("join: %v", err)
	}
	if joined.Created == g.exists || joined.Members != len(g.members)+1 || joined.Backlog != g.left {
		m.fail("%s: joined %+v, want members %d, backlog %d, exists %v", g.name, joined, len(g.members)+1, g.left, g.exists)
	}
	mm.real, g.exists = member, true
	g.members = append(g.members, mm)
	m.count.joins++
}

func (m *model) member() *modelMember {
	g := m.groups[m.r.IntN(len(m.groups))]
	if len(g.members) == 0 {
		return nil
	}
	return g.members[m.r.IntN(len(g.members))]
}

func (m *model) take() {
	if mm := m.member(); mm != nil && !mm.asleep {
		mm.take()
	}
}

// take reads what the member gets, as Next would, and checks every delivery.
func (mm *modelMember) take() {
	batch, err := mm.real.take()
	if err != nil {
		if !mm.leaving || len(mm.flights) > 0 || err.Error() != ErrLeft.Error() {
			mm.g.m.fail("take: %v", err)
		}
		mm.gone(false)
		return
	}
	for _, d := range batch {
		mm.deliver(d)
	}
}

func (mm *modelMember) deliver(d Delivery) {
	g, m := mm.g, mm.g.m
	what := fmt.Sprintf("%s: delivery %d, %s %q of %s", g.name, d.ID, d.Event.Kind, d.Event.Name, d.Event.Socket)
	if mm.leaving {
		m.fail("%s to a member that leaves", what)
	}
	lane := g.lanes[d.Event.Socket]
	var e *modelEvent
	for _, other := range lane {
		if other.event == d.Event {
			e = other
			break
		}
		if !other.settled && other.by != mm {
			m.fail("%s before %s %q, which comes first", what, other.event.Kind, other.event.Name)
		}
	}
	switch {
	case e == nil:
		m.fail("%s was not accepted", what)
	case e.settled, e.by != nil:
		m.fail("%s again: settled %v", what, e.settled)
	case d.Attempt != e.attempts+1:
		m.fail("%s has attempt %d, want %d", what, d.Attempt, e.attempts+1)
	case time.Now().Before(e.notBefore):
		m.fail("%s comes %s too early", what, time.Until(e.notBefore))
	case len(mm.flights) >= mm.credit:
		m.fail("%s is more than the credit of %d", what, mm.credit)
	case len(mm.flights) > 0 && mm.used+e.bytes > mm.bytes:
		m.fail("%s is more than the credit of %d bytes", what, mm.bytes)
	}
	for _, other := range lane {
		if other.by != nil && other.by != mm {
			m.fail("%s while another member has something of the socket", what)
		}
	}
	m.count.deliveries++
	if e.attempts > 0 {
		m.count.redeliveries++
	}
	e.attempts++
	e.by = mm
	mm.used += e.bytes
	mm.flights[d.ID] = &modelFlight{d.ID, e, d.Event.Socket, time.Now().Add(mm.timeout)}
}

// land ends a delivery.
func (mm *modelMember) land(f *modelFlight) {
	delete(mm.flights, f.id)
	mm.used -= f.event.bytes
	f.event.by = nil
}

// settledFor is the end of an event.
func (g *modelGroup) settledFor(e *modelEvent) {
	e.settled = true
	g.left--
}

// failed counts a failure and reports whether the event was given up.
func (g *modelGroup) failed(f *modelFlight) bool {
	f.event.failures++
	if g.m.cfg.MaxFailures == 0 || f.event.failures < g.m.cfg.MaxFailures {
		return false
	}
	g.settledFor(f.event)
	g.m.count.dead++
	if g.m.cfg.DeadLetter == DeadLetterDisconnect && f.event.event.Kind == rooms.KindEvent && !g.m.wasKicked(f.socket) {
		g.m.fail("%s: the socket %s of a dead letter was not disconnected", g.name, f.socket)
	}
	return true
}

// rewind takes from the member what it has of the socket behind f.
func (mm *modelMember) rewind(f *modelFlight, delay time.Duration) {
	behind := false
	for _, e := range mm.g.lanes[f.socket] {
		behind = behind || e == f.event
		if !behind {
			continue
		}
		e.notBefore = time.Now().Add(delay)
		for _, other := range mm.flights {
			if other.event == e {
				mm.land(other)
			}
		}
	}
}

// inOrder returns the member's flights in the order of their ids.
func (mm *modelMember) inOrder() (list []*modelFlight) {
	most := uint64(0)
	for id := range mm.flights {
		most = max(most, id)
	}
	for id := uint64(1); id <= most; id++ {
		if f := mm.flights[id]; f != nil {
			list = append(list, f)
		}
	}
	return list
}

func (m *model) settle() {
	mm := m.member()
	if mm == nil || mm.asleep {
		return
	}
	var acks []uint64
	var nacks []Nack
	for _, f := range mm.inOrder() {
		switch n := m.r.IntN(10); {
		case n < 5:
			acks = append(acks, f.id)
		case n == 5:
			nacks = append(nacks, Nack{ID: f.id, Delay: time.Duration(m.r.IntN(3)) * time.Second})
		case n == 6:
			nacks = append(nacks, Nack{ID: f.id, Release: true})
		}
	}
	if m.r.IntN(4) == 0 {
		acks = append(acks, 1+m.r.Uint64N(500)) // perhaps one that has ended, or will never be
	}
	mm.settle(acks, nacks)
}

func (mm *modelMember) settle(acks []uint64, nacks []Nack) {
	m := mm.g.m
	mm.real.Settle(acks, nacks)
	for _, id := range acks {
		if f := mm.flights[id]; f != nil {
			mm.land(f)
			mm.g.settledFor(f.event)
			m.count.acked++
		}
	}
	for _, n := range nacks {
		f := mm.flights[n.ID]
		if f == nil {
			continue // rewound with one before it
		}
		if n.Release {
			m.count.released++
		} else {
			m.count.nacked++
		}
		mm.land(f)
		if !n.Release && mm.g.failed(f) {
			continue
		}
		mm.rewind(f, n.Delay)
	}
}

func (m *model) credit() {
	mm := m.member()
	if mm == nil {
		return
	}
	mm.credit = m.r.IntN(30)
	mm.real.Credit(mm.credit, 0)
}

func (m *model) leave() {
	if mm := m.member(); mm != nil {
		mm.real.Leave()
		mm.leaving = true
		m.count.leaves++
	}
}

func (m *model) die() {
	mm := m.member()
	if mm == nil {
		return
	}
	lost := m.r.IntN(2) == 0
	mm.real.Close(lost)
	m.count.deaths++
	mm.gone(lost)
}

// gone takes the member out of its group.
func (mm *modelMember) gone(lost bool) {
	g := mm.g
	mm.real.Close(false)
	for _, f := range mm.inOrder() {
		if mm.flights[f.id] == nil {
			continue // rewound
		}
		g.m.count.lost++
		mm.land(f)
		if lost {
			g.failed(f)
		}
		mm.rewind(f, 0) // what is behind it has not failed
	}
	for i, other := range g.members {
		if other == mm {
			g.members = append(g.members[:i], g.members[i+1:]...)
			break
		}
	}
	if len(g.members) == 0 {
		g.empty = time.Now()
	}
}

// pass lets time pass: deliveries time out, and groups without members end.
func (m *model) pass() {
	m.sleep(pickOne(m.r, 100*time.Millisecond, time.Second, 5*time.Second, 30*time.Second))
}

// sleep goes from one thing that happens to the next, so that the model does the same in the same order.
func (m *model) sleep(d time.Duration) {
	until := time.Now().Add(d)
	for {
		next := until
		for _, g := range m.groups {
			for _, mm := range g.members {
				for _, f := range mm.flights {
					if f.deadline.Before(next) {
						next = f.deadline
					}
				}
			}
		}
		time.Sleep(time.Until(next))
		synctest.Wait()
		for _, g := range m.groups {
			g.elapse()
		}
		if !next.Before(until) {
			return
		}
	}
}

func (g *modelGroup) elapse() {
	now := time.Now()
	for _, mm := range g.members {
		for _, f := range mm.inOrder() {
			if mm.flights[f.id] == nil || f.deadline.After(now) {
				continue
			}
			g.m.count.timedOut++
			mm.land(f)
			if !g.failed(f) {
				mm.rewind(f, 0)
			}
		}
	}
	if g.exists && len(g.members) == 0 && now.Sub(g.empty) >= g.m.cfg.Retention {
		*g = modelGroup{m: g.m, name: g.name, filter: g.filter, matches: g.matches, lanes: map[rooms.SocketID][]*modelEvent{}}
	}
}

// check compares what the feed says of itself.
func (m *model) check() {
	stats := map[string]GroupStats{}
	for _, s := range m.feed.Groups() {
		stats[s.Name] = s
	}
	for _, g := range m.groups {
		s, ok := stats[g.name]
		if ok != g.exists {
			m.fail("%s exists: %v, want %v", g.name, ok, g.exists)
		}
		inFlight, bytes := 0, 0
		for _, mm := range g.members {
			inFlight += len(mm.flights)
		}
		for _, lane := range g.lanes {
			for _, e := range lane {
				if !e.settled {
					bytes += e.bytes
				}
			}
		}
		if s.Backlog != g.left || s.InFlight != inFlight || s.BacklogBytes != bytes || s.Members != len(g.members) {
			m.fail("%s: %+v, want backlog %d, in flight %d, %d bytes", g.name, s, g.left, inFlight, bytes)
		}
		// Each client that was not held when it sent has one event beyond the bound.
		if limit := m.cfg.Bytes + (m.next+1)*(600<<10+eventOverhead+256); bytes > limit {
			m.fail("%s has %d bytes, the bound is %d", g.name, bytes, limit)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, n := range m.holds {
		if n < 0 {
			m.fail("%s was resumed more often than held", id)
		}
	}
}

// end lets a healthy member of each group take everything: nothing is lost, nothing is left, and nobody stays held.
func (m *model) end() {
	for len(m.sockets) > 3 {
		m.disconnect()
	}
	for _, g := range m.groups {
		for len(g.members) > 0 {
			g.members[0].real.Close(false)
			g.members[0].gone(false)
		}
		if g.exists {
			g.join()
			mm := g.members[0]
			mm.asleep, mm.credit, mm.bytes = false, 1000, 8<<20
			mm.real.Credit(mm.credit, mm.bytes)
		}
	}
	m.sleep(4 * time.Second) // whatever was delayed
	for range 10_000 {
		left := 0
		for _, g := range m.groups {
			for _, mm := range g.members {
				mm.take()
				var acks []uint64
				for _, f := range mm.inOrder() {
					acks = append(acks, f.id)
				}
				mm.settle(acks, nil)
			}
			left += g.left
		}
		m.check()
		if left == 0 {
			break
		}
	}
	m.sleep(time.Second) // resumes are paced
	for _, g := range m.groups {
		if g.left > 0 {
			m.fail("%s: %d events never came", g.name, g.left)
		}
	}
	for _, s := range m.sockets {
		if n := m.hold(s.id, 0); n != 0 {
			m.fail("%s stays held %d times", s.id, n)
		}
	}
	for len(m.sockets) > 0 {
		m.disconnect()
	}
	m.finish()
}

// finish takes the last events and looks into what is left of the groups.
func (m *model) finish() {
	for i, g := range m.groups {
		for _, mm := range g.members {
			mm.take()
			var acks []uint64
			for _, f := range mm.inOrder() {
				acks = append(acks, f.id)
			}
			mm.settle(acks, nil)
			group := mm.real.group
			if len(group.lanes) > 0 && i == 0 {
				m.fail("%s keeps %d sockets that are gone", g.name, len(group.lanes))
			}
			if group.homeless.n > 0 || mm.real.ready.n > 0 {
				m.fail("%s keeps lanes queued", g.name)
			}
			mm.real.Close(false)
		}
	}
	m.feed.Shutdown()
}
