package rooms

import (
	"fmt"
	"sync"
	"testing"
)

// fake is a Member that writes down what happens to it.
type fake struct {
	Membership
	onDeliver func(m *Message) bool // nil: takes everything
	onForget  func(ackID uint64)    // nil: nothing

	mu     sync.Mutex
	got    []*Message
	forgot []uint64
}

func (f *fake) Deliver(m *Message) bool {
	f.mu.Lock()
	f.got = append(f.got, m)
	f.mu.Unlock()
	return f.onDeliver == nil || f.onDeliver(m)
}

func (f *fake) ForgetAck(ackID uint64) {
	f.mu.Lock()
	f.forgot = append(f.forgot, ackID)
	f.mu.Unlock()
	if f.onForget != nil {
		f.onForget(ackID)
	}
}

func (f *fake) Reply(uint64, []byte, [][]byte) error { return ErrAckUnknown }
func (f *fake) SetData([]byte)                       {}
func (f *fake) Disconnect(bool)                      {}
func (f *fake) Info() Info                           { return Info{ID: f.ID()} }

// deaf is a Member that keeps nothing, for measuring.
type deaf struct{ Membership }

func (*deaf) Deliver(*Message) bool                { return true }
func (*deaf) ForgetAck(uint64)                     {}
func (*deaf) Reply(uint64, []byte, [][]byte) error { return nil }
func (*deaf) SetData([]byte)                       {}
func (*deaf) Disconnect(bool)                      {}
func (*deaf) Info() Info                           { return Info{} }

// idOf returns a readable id that is the same in each run.
func idOf(i int) SocketID { return SocketID(fmt.Appendf(nil, "socket-%013d", i)) }

func newFake(i int) *fake {
	f := new(fake)
	f.Init(idOf(i))
	return f
}

// add adds the i-th fake.
func add(t testing.TB, n *Namespace, i int, user string, rooms ...string) *fake {
	t.Helper()
	f := newFake(i)
	if err := n.Add(f, user, rooms); err != nil {
		t.Fatalf("Add(%d): %v", i, err)
	}
	return f
}

// checkLists fails unless every list of the namespace agrees with every other.
func checkLists(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, n *Namespace) {
	t.Helper()
	n.mu.RLock()
	defer n.mu.RUnlock()
	if len(n.members) != len(n.index.m) {
		t.Fatalf("%d members, %d in the index", len(n.members), len(n.index.m))
	}
	places, seats := 0, 0
	for i, m := range n.members {
		if int(m.at) != i || n.find(m.id) != m {
			t.Fatalf("member %s is at %d, knows %d", m.id, i, m.at)
		}
		for j, p := range m.places {
			if s := p.room.seats[p.seat]; s.member != m || int(s.place) != j {
				t.Fatalf("place %d of %s in %q points to a seat that does not point back", j, m.id, p.room.name)
			}
		}
		places += len(m.places)
	}
	for _, list := range []map[string]*room{n.rooms.m, n.users.m} {
		for name, r := range list {
			if len(r.seats) == 0 || r.name != name {
				t.Fatalf("room %q, listed as %q, has %d members", r.name, name, len(r.seats))
			}
			for i, s := range r.seats {
				if p := s.member.places[s.place]; p.room != r || int(p.seat) != i {
					t.Fatalf("seat %d of %q points to a place that does not point back", i, name)
				}
			}
			seats += len(r.seats)
		}
	}
	if places != seats {
		t.Fatalf("%d places, %d seats", places, seats)
	}
}
