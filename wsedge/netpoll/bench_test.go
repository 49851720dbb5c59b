package netpoll

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
)

// eachEngine runs a benchmark over TCP on every engine.
func eachEngine(b *testing.B, f func(b *testing.B, x fixture, e Engine)) {
	for _, x := range fixtures() {
		if x.tcp {
			b.Run(x.name, func(b *testing.B) { f(b, x, x.engine(b)) })
		}
	}
}

// Frames of 40 bytes there and back; the client writes one on every connection
// before it reads the answers, so that the engine has something to batch.
func BenchmarkEcho(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			eachEngine(b, func(b *testing.B, x fixture, e Engine) {
				clients := make([]net.Conn, n)
				for i := range clients {
					h := newHooks(b)
					h.read = func(p []byte) { h.conn.TryWrite(p) }
					clients[i] = x.attach(b, e, h)
				}
				frame := make([]byte, 40)
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += n {
					for _, c := range clients {
						c.Write(frame)
					}
					for _, c := range clients {
						if _, err := io.ReadFull(c, frame); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		})
	}
}

// One frame of 100 bytes to each of many connections in turn, as a broadcast is.
func BenchmarkTryWrite(b *testing.B) {
	eachEngine(b, func(b *testing.B, x fixture, e Engine) {
		const n = 200
		hs := make([]*hooks, n)
		for i := range hs {
			hs[i] = newHooks(b)
			ready := make(chan struct{}, 1)
			hs[i].writable = func() { ready <- struct{}{} }
			go io.Copy(io.Discard, x.attach(b, e, hs[i]))
		}
		frame := make([]byte, 100)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			for k, _ := hs[i%n].conn.TryWrite(frame); k < len(frame); k += len(frame) {
				runtime.Gosched() // Dropped, as volatile messages are.
			}
		}
	})
}

func BenchmarkAttachClose(b *testing.B) {
	eachEngine(b, func(b *testing.B, x fixture, e Engine) {
		for range b.N {
			b.StopTimer()
			h := newHooks(b)
			server, client := x.pair(b)
			b.StartTimer()
			if err := e.Attach(server, nil, h, h.bind); err != nil {
				b.Fatal(err)
			}
			h.conn.Close()
			<-h.end
			b.StopTimer()
			client.(*net.TCPConn).SetLinger(0)
			client.Close()
		}
	})
}

// What an idle connection costs beyond a net.Conn that nobody reads.
func BenchmarkIdleConn(b *testing.B) {
	eachEngine(b, func(b *testing.B, x fixture, e Engine) {
		const n = 1000
		for range b.N {
			servers, conns := make([]net.Conn, n), make([]Conn, n)
			for i := range servers {
				servers[i], _ = x.pair(b)
			}
			before := memory()
			for i, c := range servers {
				if err := e.Attach(c, nil, nobody{}, func(c Conn) { conns[i] = c }); err != nil {
					b.Fatal(err)
				}
				servers[i] = nil
			}
			b.ReportMetric(float64(memory()-before)/n, "B/conn")
			for _, c := range conns {
				c.Close()
			}
		}
	})
}

// memory is what heap and stacks hold.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// nobody hears nothing.
type nobody struct{}

func (nobody) OnRead([]byte)     {}
func (nobody) OnWritable()       {}
func (nobody) OnResume()         {}
func (nobody) OnDeadline(Millis) {}
func (nobody) OnClose(error)     {}
