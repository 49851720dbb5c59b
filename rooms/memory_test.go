package rooms

import (
	"fmt"
	"runtime"
	"testing"
)

// heap returns the bytes in use after everything unused is gone, pools included.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// What a member costs besides its own struct: two rooms, one of ten members and one of a hundred, and in the second
// case a user of its own.
func TestMemoryPerMember(t *testing.T) {
	const members = 15_000
	for _, tc := range []struct {
		name  string
		user  func(i int) string
		bound int64 // bytes per member; what was measured is half of it
	}{
		{"two rooms", func(int) string { return "" }, 300},
		{"two rooms and a user", func(i int) string { return fmt.Sprint("user", i) }, 600},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := make([]deaf, members)
			names := make([][]string, members)
			users := make([]string, members)
			for i := range all {
				all[i].Init(idOf(i))
				names[i] = []string{fmt.Sprint("ten", i/10), fmt.Sprint("hundred", i%(members/100))}
				users[i] = tc.user(i)
			}
			n := newNamespace("/")
			empty := heap()
			for i := range all {
				if err := n.Add(&all[i], users[i], names[i]); err != nil {
					t.Fatal(err)
				}
			}
			per := (heap() - empty) / members
			t.Logf("%d bytes per member", per)
			if per > tc.bound {
				t.Errorf("%d bytes per member, the bound is %d", per, tc.bound)
			}
			for i := range all {
				n.Remove(&all[i])
			}
			if left := heap() - empty; left > members*tc.bound/20 {
				t.Errorf("%d bytes are left after all have gone", left)
			}
			runtime.KeepAlive(names)
			runtime.KeepAlive(users)
			runtime.KeepAlive(all)
		})
	}
}

func TestRemovedMemberIsCollected(t *testing.T) {
	n := newNamespace("/")
	add(t, n, 1, "ann", "r")
	collected := make(chan struct{})
	func() {
		f := add(t, n, 2, "ann", "r", "s")
		runtime.AddCleanup(f, func(c chan struct{}) { close(c) }, collected)
		n.Emit(Target{Rooms: []string{"r", "s"}, ExceptSockets: []SocketID{idOf(1)}}, new(Message))
		n.EmitWithAck(Target{}, new(Message)).Cancel()
		n.Remove(f)
	}()
	runtime.GC()
	<-collected // a member that is pinned makes this wait for ever
	runtime.KeepAlive(n)
}
