package rooms

import (
	"fmt"
	"testing"
)

// crowd returns a namespace of that many members; the i-th is in the rooms "ten<i/10>" and "half<i%2>".
func crowd(b *testing.B, members int) *Namespace {
	n := newNamespace("/")
	all := make([]deaf, members)
	for i := range all {
		all[i].Init(idOf(i))
		if err := n.Add(&all[i], "", []string{fmt.Sprint("ten", i/10), fmt.Sprint("half", i%2)}); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

func BenchmarkSelect(b *testing.B) {
	n := crowd(b, 100_000)
	for _, bc := range []struct {
		name string
		t    Target
	}{
		{"socket", Target{Sockets: []SocketID{idOf(4711)}}},
		{"room of 10", Target{Rooms: []string{"ten4711"}}},
		{"room of 10 but one", Target{Rooms: []string{"ten4711"}, ExceptSockets: []SocketID{idOf(47110)}}},
		{"two rooms of 10", Target{Rooms: []string{"ten4711", "ten4712"}}},
		{"ten rooms of 10", Target{Rooms: []string{"ten0", "ten1", "ten2", "ten3", "ten4", "ten5", "ten6", "ten7", "ten8", "ten9"}}},
		{"room of 50k but one", Target{Rooms: []string{"half0"}, ExceptSockets: []SocketID{idOf(0)}}},
		{"room of 10 but room of 50k", Target{Rooms: []string{"ten4711"}, ExceptRooms: []string{"half1"}}},
		{"two rooms of 50k", Target{Rooms: []string{"half0", "half1"}}},
		{"everyone", Target{}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []Member
			for b.Loop() {
				dst = n.Select(dst[:0], bc.t)
			}
			b.ReportMetric(float64(len(dst)), "members")
		})
	}
}

func BenchmarkEmit(b *testing.B) {
	n := crowd(b, 20_000)
	m := new(Message)
	for _, bc := range []struct {
		name string
		t    Target
	}{
		{"socket", Target{Sockets: []SocketID{idOf(4711)}}},
		{"room of 10", Target{Rooms: []string{"ten471"}}},
		{"room of 10k", Target{Rooms: []string{"half0"}}},
		{"room of 10k but one", Target{Rooms: []string{"half0"}, ExceptSockets: []SocketID{idOf(0)}}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.Emit(bc.t, m)
			}
		})
	}
	b.Run("room of 10, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n.Emit(Target{Rooms: []string{"ten471"}}, m)
			}
		})
	})
}

func BenchmarkEmitWithAck(b *testing.B) {
	n := crowd(b, 1000)
	for _, bc := range []struct {
		name string
		t    Target
	}{
		{"socket", Target{Sockets: []SocketID{idOf(471)}}},
		{"1000", Target{}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.EmitWithAck(bc.t, new(Message)).Cancel()
			}
		})
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	n := crowd(b, 20_000)
	b.Run("room of 10k", func(b *testing.B) {
		b.ReportAllocs()
		target := Target{Sockets: []SocketID{idOf(5000)}}
		for b.Loop() {
			n.Leave(target, "half0")
			n.Join(target, "half0")
		}
	})
	b.Run("room of its own", func(b *testing.B) {
		b.ReportAllocs()
		target := Target{Sockets: []SocketID{idOf(5000)}}
		for b.Loop() {
			n.Join(target, "alone")
			n.Leave(target, "alone")
		}
	})
	b.Run("add and remove", func(b *testing.B) {
		b.ReportAllocs()
		rooms := []string{"half0", "ten3"}
		for b.Loop() {
			m := new(deaf)
			m.Init(idOf(1 << 30))
			if err := n.Add(m, "", rooms); err != nil {
				b.Fatal(err)
			}
			n.Remove(m)
		}
	})
}

func BenchmarkNamespace(b *testing.B) {
	h := newHub(b, HubConfig{Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+"}})
	if _, err := h.Enter("/room-1"); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"/chat", "/room-1", "/room-2"} {
		b.Run(name[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := h.Namespace(name); !ok {
					b.Fatal(name)
				}
			}
		})
	}
}

func BenchmarkEmitRecorded(b *testing.B) {
	n := crowd(b, 100)
	n.recorder = recorderFunc(func(*Target, *Message) func() { return func() {} })
	m := new(Message)
	b.ReportAllocs()
	for b.Loop() {
		n.Emit(Target{Rooms: []string{"ten7"}}, m)
	}
}

func BenchmarkJoinLeaveTold(b *testing.B) {
	told := 0
	h := newHub(b, HubConfig{Namespaces: []string{"/"}, RoomEvents: func(*Event) { told++ }})
	h.WantRoomEvents(1)
	n, _ := h.Namespace("/")
	m := new(deaf)
	m.Init(idOf(1))
	if err := n.Add(m, "", nil); err != nil {
		b.Fatal(err)
	}
	target := Target{Sockets: []SocketID{idOf(1)}}
	b.ReportAllocs()
	for b.Loop() {
		n.Join(target, "a")
		n.Leave(target, "a")
	}
	b.ReportMetric(float64(told)/float64(b.N), "events/op")
}
