package rooms

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// BenchmarkGrowth is what the namespace costs with so many sockets, each in a room of ten and in one of two halves: per socket in
// bytes, and per operation. Flat lines are what it is about.
func BenchmarkGrowth(b *testing.B) {
	for _, members := range []int{15_000, 100_000, 1_000_000} {
		empty := heap()
		n := crowd(b, members)
		bytes := float64(heap()-empty) / float64(members)
		middle := fmt.Sprint("ten", members/20)
		var dst []Member
		guest := &deaf{}
		guest.Init(idOf(members))
		if err := n.Add(guest, "", nil); err != nil {
			b.Fatal(err)
		}
		for _, op := range []struct {
			name string
			do   func()
		}{
			{"select a room of 10", func() { dst = n.Select(dst[:0], Target{Rooms: []string{middle}}) }},
			{"join and leave a room of 10", func() {
				self := Target{Sockets: []SocketID{guest.ID()}}
				n.Join(self, middle)
				n.Leave(self, middle)
			}},
			{"join and leave a half", func() {
				self := Target{Sockets: []SocketID{guest.ID()}}
				n.Join(self, "half0")
				n.Leave(self, "half0")
			}},
			{"connect and disconnect", func() {
				m := &deaf{}
				m.Init(NewSocketID())
				if err := n.Add(m, "", []string{middle, "half0"}); err != nil {
					b.Fatal(err)
				}
				n.Remove(m)
			}},
		} {
			b.Run(fmt.Sprint(members, "/", op.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					op.do()
				}
				b.ReportMetric(bytes, "B/socket")
			})
		}
		b.Run(fmt.Sprint(members, "/collection"), func(b *testing.B) {
			var before, after debug.GCStats
			debug.ReadGCStats(&before)
			for b.Loop() {
				runtime.GC()
			}
			debug.ReadGCStats(&after)
			b.ReportMetric(float64(after.PauseTotal-before.PauseTotal)/float64(time.Microsecond)/float64(after.NumGC-before.NumGC), "us-stopped/GC")
		})
		runtime.KeepAlive(n)
	}
}
