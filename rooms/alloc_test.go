//go:build !race

package rooms

import (
	"fmt"
	"testing"
)

// Under the race detector pools drop what they are given, at random.
func TestEmitAllocatesNothing(t *testing.T) {
	n := newNamespace("/")
	for i := range 1000 {
		m := new(deaf)
		m.Init(idOf(i))
		if err := n.Add(m, fmt.Sprint("user", i%10), []string{"all", fmt.Sprint("half", i%2)}); err != nil {
			t.Fatal(err)
		}
	}
	m := new(Message)
	for name, target := range map[string]Target{
		"everyone":        {},
		"one socket":      {Sockets: []SocketID{idOf(1)}},
		"implied room":    {Rooms: []string{idOf(1).String()}},
		"one room":        {Rooms: []string{"half0"}},
		"one user":        {Users: []string{"user1"}},
		"room but sender": {Rooms: []string{"half0"}, ExceptSockets: []SocketID{idOf(0)}},
		"union":           {Rooms: []string{"half0", "half1"}, Users: []string{"user1"}},
		"room but room":   {Rooms: []string{"all"}, ExceptRooms: []string{"half1"}},
	} {
		if got := testing.AllocsPerRun(200, func() { n.Emit(target, m) }); got != 0 {
			t.Errorf("Emit to %s: %v allocations", name, got)
		}
		if got := testing.AllocsPerRun(200, func() { n.Count(target) }); got != 0 {
			t.Errorf("Count of %s: %v allocations", name, got)
		}
	}
	rejoin := Target{Sockets: []SocketID{idOf(5)}}
	if got := testing.AllocsPerRun(200, func() {
		n.Leave(rejoin, "all")
		n.Join(rejoin, "all")
	}); got != 0 {
		t.Errorf("Leave and Join: %v allocations", got)
	}
}

// Emit looks its namespace up: a configured one costs no lock and no allocation, be there patterns or not.
func TestLookupAllocatesNothing(t *testing.T) {
	h := newHub(t, HubConfig{Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+"}})
	if _, err := h.Enter("/room-1"); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock() // whoever takes it waits for ever
	got := testing.AllocsPerRun(200, func() { h.Namespace("/chat") })
	h.mu.Unlock()
	if got != 0 {
		t.Errorf("a configured one: %v allocations", got)
	}
	if got := testing.AllocsPerRun(200, func() { h.Namespace("/room-1") }); got != 0 {
		t.Errorf("a dynamic one: %v allocations", got)
	}
}

// While nobody listens, and without a recorder, both cost nothing.
func TestWhatNobodyHearsCostsNothing(t *testing.T) {
	h := newHub(t, HubConfig{Namespaces: []string{"/"}, RoomEvents: func(*Event) { t.Error("told") }})
	n, _ := h.Namespace("/")
	m := new(deaf)
	m.Init(idOf(5))
	if err := n.Add(m, "ann", []string{"all"}); err != nil {
		t.Fatal(err)
	}
	rejoin := Target{Sockets: []SocketID{idOf(5)}}
	if got := testing.AllocsPerRun(200, func() {
		n.Leave(rejoin, "all")
		n.Join(rejoin, "all")
	}); got > 4 { // the room itself, which comes and goes
		t.Errorf("Leave and Join: %v allocations", got)
	}
	message := new(Message)
	if got := testing.AllocsPerRun(200, func() { n.Emit(Target{Rooms: []string{"all"}}, message) }); got != 0 {
		t.Errorf("Emit: %v allocations", got)
	}
	if cap(n.happened) != 0 {
		t.Error("something was kept")
	}
}
