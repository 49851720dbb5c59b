package rooms

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func randomTarget(r *rand.Rand, sockets int) Target {
	room := func() string { return fmt.Sprint("room", r.IntN(8)) }
	id := func() SocketID { return idOf(r.IntN(sockets)) }
	switch r.IntN(7) {
	case 0:
		return Target{}
	case 1:
		return Target{Rooms: []string{room()}}
	case 2:
		return Target{Sockets: []SocketID{id()}}
	case 3:
		return Target{Users: []string{fmt.Sprint("user", r.IntN(4))}, Rooms: []string{id().String()}}
	case 4:
		return Target{Rooms: []string{room()}, ExceptSockets: []SocketID{id()}}
	case 5:
		return Target{Rooms: []string{room(), room()}, ExceptRooms: []string{room()}}
	default:
		return Target{ExceptRooms: []string{room(), id().String()}}
	}
}

// Everything at once: sockets come and go, join, leave, are selected, asked and answer. At the end nothing is left.
func TestConcurrentUse(t *testing.T) {
	const workers, socketsEach, rounds = 6, 40, 120
	n, told := listened(t)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			mine := map[int]*fake{}
			for range rounds {
				i := w*socketsEach + r.IntN(socketsEach)
				if f := mine[i]; f == nil {
					f = newFake(i)
					f.onDeliver = func(m *Message) bool {
						if m.Acks != nil && f.ID()[19]%2 == 0 {
							m.Acks.Acked(f.ID(), nil, nil)
						}
						return f.ID()[19]%3 != 0
					}
					if err := n.Add(f, fmt.Sprint("user", i%4), []string{fmt.Sprint("room", i%8)}); err != nil {
						t.Errorf("Add: %v", err)
					}
					if !told.has(f.ID().String(), f.ID()) {
						t.Error("Add returned before all of it was told")
					}
					mine[i] = f
				} else if r.IntN(3) == 0 {
					rooms, ok := n.Remove(f)
					if !ok || !slices.IsSorted(rooms) {
						t.Errorf("Remove: %q, %v", rooms, ok)
					}
					if told.has(f.ID().String(), f.ID()) {
						t.Error("Remove returned before all of it was told")
					}
					delete(mine, i)
				}
				use(t, n, r, workers*socketsEach)
			}
			for _, f := range mine {
				n.Remove(f)
			}
		})
	}
	wg.Wait()
	checkLists(t, n)
	if len(n.members)+len(n.index.m)+len(n.rooms.m)+len(n.users.m) != 0 {
		t.Errorf("left: %d members, %d rooms, %d users", len(n.members), len(n.rooms.m), len(n.users.m))
	}
	if diff := told.differs(n); diff != "" || len(told.rooms) != 0 {
		t.Errorf("told otherwise: %s, %d rooms", diff, len(told.rooms))
	}
}

// use calls one method at random and checks what holds whatever others do meanwhile.
func use(t *testing.T, n *Namespace, r *rand.Rand, sockets int) {
	target := randomTarget(r, sockets)
	switch r.IntN(7) {
	case 0:
		n.Join(target, fmt.Sprint("room", r.IntN(8)), fmt.Sprint("room", r.IntN(8)))
	case 1:
		n.Leave(target, fmt.Sprint("room", r.IntN(8)))
	case 2:
		if matched, delivered := n.Emit(target, new(Message)); delivered > matched {
			t.Errorf("delivered %d of %d", delivered, matched)
		}
	case 3:
		c := n.EmitWithAck(target, new(Message))
		c.Cancel()
		if got := drain(t, c); len(got) > c.Matched() {
			t.Errorf("%d answers of %d", len(got), c.Matched())
		}
	case 4:
		seen := map[Member]bool{}
		for _, m := range n.Select(nil, target) {
			if seen[m] {
				t.Error("selected twice")
			}
			seen[m] = true
		}
	case 5:
		n.Count(target)
		checkLists(t, n)
	default:
		for _, room := range n.Rooms("", 3) {
			if room.Members < 1 {
				t.Errorf("%+v", room)
			}
		}
	}
}

// A Join of several members to several rooms is seen whole or not at all.
func TestJoinIsSeenWhole(t *testing.T) {
	const members = 200
	n := newNamespace("/")
	for i := range members {
		add(t, n, i, "", "all")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		for range 200 {
			n.Join(Target{Rooms: []string{"all"}}, "a", "b")
			n.Leave(Target{Rooms: []string{"all"}}, "b", "a")
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if got := n.Count(Target{Rooms: []string{"a", "b"}}); got != 0 && got != members {
				t.Errorf("%d of %d", got, members)
			}
			if got := n.Rooms("", 3); len(got) == 2 {
				t.Errorf("one of two rooms: %v", got)
			}
		}
	})
	wg.Wait()
}
