package rooms

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
)

func TestEmit(t *testing.T) {
	n := newNamespace("/")
	a, b, c := add(t, n, 1, "", "r"), add(t, n, 2, "", "r"), add(t, n, 3, "")
	b.onDeliver = func(*Message) bool { return false }
	m := &Message{Event: "x"}
	if matched, delivered := n.Emit(Target{Rooms: []string{"r"}}, m); matched != 2 || delivered != 1 {
		t.Errorf("matched %d, delivered %d", matched, delivered)
	}
	if matched, delivered := n.Emit(Target{Rooms: []string{"nowhere"}}, m); matched != 0 || delivered != 0 {
		t.Errorf("nobody: matched %d, delivered %d", matched, delivered)
	}
	for i, f := range []*fake{a, b, c} {
		if want := []int{1, 1, 0}[i]; len(f.got) != want {
			t.Errorf("member %d was called %d times", i+1, len(f.got))
		}
	}
	if a.got[0] != m || b.got[0] != m {
		t.Error("the message is a copy")
	}
	if m.Acks != nil {
		t.Error("Emit asks for answers")
	}
}

// I2: two Emits that one caller makes one after the other reach each member in that order.
func TestI2EmitsOfOneCallerArriveInOrder(t *testing.T) {
	const callers, members, emits = 4, 3 * yieldEvery, 30
	n := newNamespace("/")
	var fakes []*fake
	for i := range members {
		fakes = append(fakes, add(t, n, i, "ann", "r", fmt.Sprint("half", i%2)))
	}
	targets := []Target{ // each reaches everyone
		{}, {Rooms: []string{"r"}}, {Users: []string{"ann"}}, {Rooms: []string{"half0", "half1", "r"}},
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range emits {
				m := &Message{Event: fmt.Sprint(caller), Args: []byte(strconv.Itoa(i))}
				if i%5 == 4 {
					n.EmitWithAck(targets[i%len(targets)], m).Cancel()
				} else {
					n.Emit(targets[i%len(targets)], m)
				}
			}
		})
	}
	wg.Go(func() { // moves the seats meanwhile
		for i := range members {
			n.Leave(Target{Sockets: []SocketID{idOf(i)}}, "elsewhere")
			n.Join(Target{Sockets: []SocketID{idOf(i)}}, "elsewhere")
			n.Remove(add(t, n, members+i, ""))
		}
	})
	wg.Wait()
	for _, f := range fakes {
		next := map[string]int{}
		for _, m := range f.got {
			if want := strconv.Itoa(next[m.Event]); string(m.Args) != want {
				t.Fatalf("%s got number %s of caller %s instead of %s", f.ID(), m.Args, m.Event, want)
			}
			next[m.Event]++
		}
		for caller := range callers {
			if got := next[fmt.Sprint(caller)]; got != emits {
				t.Fatalf("%s got %d messages of caller %d", f.ID(), got, caller)
			}
		}
	}
}

// I3: no lock is held while a member is called, so each of its methods may call everything back.
func TestI3NoLockHeldWhileDelivering(t *testing.T) {
	h, err := NewHub(HubConfig{Namespaces: []string{"/"}})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := h.Namespace("/")
	everyMethod := func(depth string) {
		one := Target{Sockets: []SocketID{idOf(1)}}
		many := Target{Rooms: []string{"r", "s"}, ExceptRooms: []string{"t"}, ExceptSockets: []SocketID{idOf(7)}}
		for _, target := range []Target{one, many, {}, {Users: []string{"ann"}}} {
			n.Join(target, "joined in "+depth)
			n.Select(nil, target)
			n.Count(target)
			n.Leave(target, "joined in "+depth)
		}
		n.Member(idOf(1))
		n.RoomsOf(idOf(1))
		n.Rooms("", 10)
		other := add(t, n, 50, "eve", "r")
		n.Emit(Target{Sockets: []SocketID{idOf(50)}}, &Message{})
		call := n.EmitWithAck(Target{Users: []string{"eve"}}, &Message{})
		call.Cancel()
		n.Remove(other)
		h.Namespaces()
	}
	a, b := add(t, n, 1, "ann", "r", "s"), add(t, n, 2, "ann", "s")
	calls := 0
	nested := false
	reenter := func(where string) {
		calls++
		if nested {
			return // the calls it makes reach it again
		}
		nested = true
		everyMethod(where)
		nested = false
	}
	a.onDeliver = func(*Message) bool { reenter("Deliver"); return true }
	a.onForget = func(uint64) { reenter("ForgetAck") }
	b.onDeliver = func(*Message) bool { reenter("a refusing Deliver"); n.Remove(b); return false }

	matched, delivered := n.Emit(Target{Rooms: []string{"r", "s"}}, &Message{})
	if matched != 2 || delivered != 1 {
		t.Errorf("matched %d, delivered %d", matched, delivered)
	}
	n.EmitWithAck(Target{}, &Message{}).Cancel()
	if calls < 4 {
		t.Errorf("only %d calls back", calls)
	}
	checkLists(t, n)
}

// A member may remove itself and others while an Emit is on its way through them.
func TestRemoveWithinEmit(t *testing.T) {
	n := newNamespace("/")
	var fakes []*fake
	for i := range 2 * yieldEvery {
		fakes = append(fakes, add(t, n, i, "", "r"))
	}
	for i, f := range fakes {
		f.onDeliver = func(*Message) bool {
			n.Remove(f)
			n.Remove(fakes[(i+1)%len(fakes)])
			return true
		}
	}
	matched, delivered := n.Emit(Target{Rooms: []string{"r"}}, &Message{})
	if matched != len(fakes) || delivered != len(fakes) {
		t.Errorf("matched %d, delivered %d of %d", matched, delivered, len(fakes))
	}
	if got := n.Count(Target{}); got != 0 {
		t.Errorf("%d are left", got)
	}
	if slices.ContainsFunc(fakes, func(f *fake) bool { return len(f.got) != 1 }) {
		t.Error("somebody was not called exactly once")
	}
}
