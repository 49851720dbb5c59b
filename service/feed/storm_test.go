package feed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// storm is a group under clients and members that are all at work at once.
type storm struct {
	t       *testing.T
	feed    *Feed
	resumed map[rooms.SocketID]chan struct{} // fixed before anybody works; capacity 16

	mu       sync.Mutex // guards the following
	seen     map[rooms.SocketID]int
	settled  map[rooms.SocketID]map[int]bool
	left     int // events that nobody has acknowledged
	finished chan struct{}
}

const (
	stormSockets = 40
	stormEvents  = 200 // of each socket, connect and disconnect included
)

// Clients send at once while members take, acknowledge, give back, stall, leave and die at once: every event is acknowledged,
// those of one socket come first in their order, and nobody is forgotten while waiting.
func TestStormOfGroups(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := &storm{
		t: t, resumed: map[rooms.SocketID]chan struct{}{}, seen: map[rooms.SocketID]int{}, settled: map[rooms.SocketID]map[int]bool{},
		left: stormSockets * stormEvents, finished: make(chan struct{}),
	}
	ids := make([]rooms.SocketID, stormSockets)
	for i := range ids {
		ids[i] = rooms.SocketID(fmt.Appendf(nil, "socket-%013d", i))
		s.resumed[ids[i]] = make(chan struct{}, 16)
		s.settled[ids[i]] = map[int]bool{}
	}
	s.feed = newFeed(t, Config{Groups: GroupConfig{
		Bytes: MaxEventBytes, SocketBytes: 64 << 10,
		Resume: func(_ string, id rooms.SocketID) { s.resumed[id] <- struct{}{} },
	}})
	// So that the group is there before the clients. It takes nothing.
	idle, _, err := s.feed.Join("g", Filter{}, MemberConfig{AckTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close(false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var members, clients sync.WaitGroup
	for i := range 6 {
		members.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for s.member(ctx, r) {
			}
		})
	}
	for _, id := range ids {
		clients.Go(func() { s.client(id) })
	}
	clients.Wait()
	<-s.finished
	cancel()
	members.Wait()
	if stats := s.feed.Groups()[0]; stats.Backlog != 0 || stats.Held != 0 || stats.InFlight != 0 || stats.Sockets != 0 {
		t.Errorf("%+v", stats)
	}
	s.feed.Shutdown()
}

// client sends its events, and waits while it is held.
func (s *storm) client(id rooms.SocketID) {
	args := make([]byte, 8<<10)
	for i := range stormEvents {
		e := &rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: id, Time: time.Now(), AckID: uint64(i), Args: args}
		switch i {
		case 0:
			e.Kind, e.Info, e.Args = rooms.KindConnected, &rooms.Info{ID: id}, nil
		case stormEvents - 1:
			e.Kind, e.Args = rooms.KindDisconnected, nil
		}
		for range s.feed.Observe(e).Holds {
			<-s.resumed[id]
		}
	}
}

// member is one life of a member; it reports whether there is another.
func (s *storm) member(ctx context.Context, r *rand.Rand) bool {
	cfg := MemberConfig{MaxEvents: 1 + r.IntN(40), MaxBytes: 1 + r.IntN(1<<20), AckTimeout: time.Duration(1+r.IntN(40)) * time.Millisecond}
	m, _, err := s.feed.Join("g", Filter{}, cfg)
	if err != nil {
		s.t.Error(err)
		return false
	}
	defer m.Close(r.IntN(2) == 0)
	for range 1 + r.IntN(60) {
		batch, err := m.Next(ctx)
		switch {
		case errors.Is(err, ErrLeft):
			return true
		case err != nil:
			return false
		}
		acks, nacks := s.handle(r, batch)
		m.Settle(acks, nacks)
		if r.IntN(100) == 0 {
			m.Leave()
		}
	}
	return true
}

// handle notes a batch and decides what becomes of it.
func (s *storm) handle(r *rand.Rand, batch []Delivery) (acks []uint64, nacks []Nack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range batch {
		id, number := d.Event.Socket, int(d.Event.AckID)
		if number > s.seen[id] {
			s.t.Errorf("%s: event %d comes before %d", id, number, s.seen[id])
		}
		s.seen[id] = max(s.seen[id], number+1)
		switch r.IntN(12) {
		case 0:
			nacks = append(nacks, Nack{ID: d.ID, Release: r.IntN(2) == 0})
		case 1: // says nothing: it times out, or goes with the member
		default:
			acks = append(acks, d.ID)
			if !s.settled[id][number] {
				s.settled[id][number] = true
				if s.left--; s.left == 0 {
					close(s.finished)
				}
			}
		}
	}
	return acks, nacks
}
