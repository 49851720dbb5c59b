package rooms

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// drain reads until the channel is closed and returns what came, by socket. It fails on a second answer of one socket.
func drain(t *testing.T, c *AckCall) map[SocketID]Answer {
	t.Helper()
	got := map[SocketID]Answer{}
	for a := range c.Answers() {
		if _, twice := got[a.Socket]; twice {
			t.Errorf("%s answered twice", a.Socket)
		}
		got[a.Socket] = a
	}
	return got
}

func TestEmitWithAck(t *testing.T) {
	n := newNamespace("/")
	at, later, refuses, both := add(t, n, 1, ""), add(t, n, 2, ""), add(t, n, 3, ""), add(t, n, 4, "")
	attachments := [][]byte{{1}}
	at.onDeliver = func(m *Message) bool {
		m.Acks.Acked(at.ID(), []byte(`1,{"_placeholder":true,"num":0}`), attachments)
		m.Acks.Acked(at.ID(), []byte(`2`), nil) // again: dropped
		m.Acks.Gone(at.ID())
		return true
	}
	refuses.onDeliver = func(*Message) bool { return false }
	both.onDeliver = func(m *Message) bool {
		m.Acks.Gone(both.ID()) // refuses and says so besides
		return false
	}
	m := &Message{Event: "ask"}
	c := n.EmitWithAck(Target{}, m)
	if c.Matched() != 4 || len(c.Answers()) != 3 {
		t.Errorf("matched %d, %d answers so far", c.Matched(), len(c.Answers()))
	}
	m.Acks.Acked(NewSocketID(), nil, nil) // a stranger
	m.Acks.Gone(later.ID())
	got := drain(t, c)
	if a := got[at.ID()]; a.Gone || string(a.Args) != `1,{"_placeholder":true,"num":0}` || len(a.Attachments) != 1 {
		t.Errorf("answer %+v", a)
	}
	if !got[later.ID()].Gone || !got[refuses.ID()].Gone || !got[both.ID()].Gone || len(got) != 4 {
		t.Errorf("answers %+v", got)
	}
	c.Cancel()
	for _, f := range []*fake{at, later, refuses, both} {
		if len(f.forgot) != 0 {
			t.Errorf("%s, who has answered, is told to forget", f.ID())
		}
	}
}

// PROTOCOL 4.3 and 11.17: a broadcast to an empty room is answered at once, by nobody.
func TestEmitWithAckToNobody(t *testing.T) {
	n := newNamespace("/")
	add(t, n, 1, "", "a")
	for _, target := range []Target{
		{Rooms: []string{"empty"}}, {Users: []string{"nobody"}}, {Sockets: []SocketID{idOf(2)}},
		{Rooms: []string{"a"}, ExceptSockets: []SocketID{idOf(1)}}, {ExceptRooms: []string{"a"}},
	} {
		c := n.EmitWithAck(target, &Message{})
		if _, open := <-c.Answers(); open || c.Matched() != 0 {
			t.Errorf("%+v: not closed at once", target)
		}
		c.Cancel()
		c.Cancel()
	}
}

// PROTOCOL 4.3: who is in several of the rooms is asked, and counted, once.
func TestEmitWithAckToAUnion(t *testing.T) {
	n := newNamespace("/")
	for i, names := range [][]string{{"a"}, {"b"}, {"a", "b"}, {"a", "c"}, {"d"}} {
		f := add(t, n, i, "", names...)
		f.onDeliver = func(m *Message) bool {
			m.Acks.Acked(f.ID(), nil, nil)
			return true
		}
	}
	c := n.EmitWithAck(Target{Rooms: []string{"a", "b", "a"}, ExceptRooms: []string{"c"}}, new(Message))
	seen := map[SocketID]int{}
	for a := range c.Answers() {
		seen[a.Socket]++
	}
	if c.Matched() != 3 || len(seen) != 3 || seen[idOf(2)] != 1 {
		t.Errorf("%d asked, answers %v", c.Matched(), seen)
	}
}

func TestAckIDsAreOfTheNamespace(t *testing.T) {
	n := newNamespace("/")
	a, b := add(t, n, 1, ""), add(t, n, 2, "")
	for want := uint64(1); want < 5; want++ {
		m := new(Message)
		n.EmitWithAck(Target{}, m).Cancel()
		if m.AckID != want || a.got[want-1] != m || b.got[want-1] != m {
			t.Errorf("id %d, want %d for all", m.AckID, want)
		}
	}
	if want := []uint64{1, 2, 3, 4}; !slices.Equal(a.forgot, want) || !slices.Equal(b.forgot, want) {
		t.Errorf("forgotten: %v and %v", a.forgot, b.forgot)
	}
}

func TestCancel(t *testing.T) {
	n := newNamespace("/")
	a, b := add(t, n, 1, ""), add(t, n, 2, "")
	m := new(Message)
	c := n.EmitWithAck(Target{}, m)
	m.Acks.Acked(a.ID(), nil, nil)
	b.onForget = func(uint64) { // locks are not held
		c.Cancel()
		m.Acks.Gone(b.ID())
	}
	c.Cancel()
	c.Cancel()
	m.Acks.Acked(b.ID(), nil, nil) // too late
	if got := drain(t, c); len(got) != 1 || got[a.ID()].Gone {
		t.Errorf("answers %+v", got)
	}
	if len(a.forgot) != 0 || !slices.Equal(b.forgot, []uint64{m.AckID}) {
		t.Errorf("forgotten: %v and %v", a.forgot, b.forgot)
	}
}

// Everyone who was asked has exactly one end: an answer, a Gone, or being told to forget, whatever races with what.
func TestAckCallRaces(t *testing.T) {
	const members, rounds = 20, 300
	n := newNamespace("/")
	var fakes []*fake
	for i := range members {
		fakes = append(fakes, add(t, n, i, ""))
	}
	for round := range rounds {
		for _, f := range fakes {
			f.onDeliver = nil
			if rand.IntN(4) == 0 {
				refuse := rand.IntN(2) == 0
				f.onDeliver = func(m *Message) bool {
					go m.Acks.Acked(f.ID(), nil, nil)
					return !refuse
				}
			}
		}
		m := new(Message)
		c := n.EmitWithAck(Target{}, m)
		var start, done sync.WaitGroup
		start.Add(1)
		for _, f := range fakes {
			done.Go(func() {
				start.Wait()
				m.Acks.Acked(f.ID(), fmt.Append(nil, round), nil)
			})
			done.Go(func() {
				start.Wait()
				m.Acks.Gone(f.ID())
			})
		}
		if round%2 == 0 {
			for range 2 {
				done.Go(func() {
					start.Wait()
					c.Cancel()
				})
			}
		}
		start.Done()
		got := drain(t, c) // while they race
		done.Wait()
		for _, f := range fakes {
			forgot := 0
			f.mu.Lock()
			for _, id := range f.forgot {
				if id == m.AckID {
					forgot++
				}
			}
			f.mu.Unlock()
			if _, answered := got[f.ID()]; answered == (forgot == 1) || forgot > 1 {
				t.Fatalf("round %d: %s answered: %v, was told to forget %d times", round, f.ID(), answered, forgot)
			}
		}
	}
}

// The members leave while they are asked; each says itself that it is gone, or refuses.
func TestAckCallWhileMembersLeave(t *testing.T) {
	const members = 500
	n := newNamespace("/")
	var fakes []*fake
	var gone [members]atomic.Bool
	for i := range members {
		f := add(t, n, i, "", "r")
		f.onDeliver = func(*Message) bool { return !gone[i].Load() }
		fakes = append(fakes, f)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, f := range fakes {
			gone[i].Store(true)
			n.Remove(f)
			f.mu.Lock()
			taken := slices.Clone(f.got)
			f.mu.Unlock()
			for _, m := range taken {
				m.Acks.Gone(f.ID())
			}
		}
	})
	for range 50 {
		wg.Go(func() {
			m := new(Message)
			c := n.EmitWithAck(Target{Rooms: []string{"r"}}, m)
			for _, f := range fakes {
				m.Acks.Acked(f.ID(), nil, nil)
			}
			if got := drain(t, c); len(got) != c.Matched() {
				t.Errorf("%d answers of %d", len(got), c.Matched())
			}
		})
	}
	wg.Wait()
}

// I4: what a slow reader holds up is bounded in bytes, and what is lost is told.
func TestI4AnswersAreBoundedInBytes(t *testing.T) {
	n := newNamespace("/")
	const size, members = 8 << 20, 12 // more than fits
	big := make([]byte, size/2)
	for i := range members {
		add(t, n, i, "")
	}
	m := &Message{Event: "x"}
	call := n.EmitWithAck(Target{}, m)
	defer call.Cancel()
	for i := range members {
		m.Acks.Acked(idOf(i), big, [][]byte{big})
	}
	dropped := 0
	for a := range call.Answers() {
		if a.Gone || a.Dropped == (a.Size() > 0) {
			t.Errorf("%+v", a.Socket)
		}
		if a.Dropped {
			dropped++
		}
	}
	if want := members - maxAnswerBytes/size; dropped != want {
		t.Errorf("%d answers were dropped, want %d", dropped, want)
	}
}

func TestReleasedAnswersMakeRoom(t *testing.T) {
	n := newNamespace("/")
	const members = 6
	big := make([]byte, maxAnswerBytes/2)
	for i := range members {
		add(t, n, i, "")
	}
	m := &Message{Event: "x"}
	call := n.EmitWithAck(Target{}, m)
	defer call.Cancel()
	for i := range members {
		m.Acks.Acked(idOf(i), big, nil)
		a := <-call.Answers()
		if a.Dropped {
			t.Errorf("answer %d was dropped", i)
		}
		call.Release(&a)
	}
}
