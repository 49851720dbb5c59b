package netpoll

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newTestPoller(t *testing.T) (p *poller, wake func()) {
	p = must(newPoller(clock{time.Now()}))
	fd := must(p.eventfd())
	t.Cleanup(func() { p.close(); unix.Close(fd) })
	return p, func() { must(unix.Write(fd, wakeUp)) }
}

func TestPollerWaits(t *testing.T) {
	p, wake := newTestPoller(t)
	if events := p.wait(false); len(events) != 0 {
		t.Errorf("%d events in a new set", len(events))
	}
	p.wakeAt(time.Hour)
	for range 3 { // Each write is one event.
		wake()
		if events := p.wait(false); len(events) != 1 || events[0].Fd != -1 {
			t.Errorf("a wake-up is %v", events)
		}
	}
	if events := p.wait(true); len(events) != 0 {
		t.Errorf("%d events after the wake-up", len(events))
	}
	at := time.Since(p.began) + 20*time.Millisecond
	p.wakeAt(at)
	if events := p.wait(false); len(events) != 0 || time.Since(p.began) < at {
		t.Errorf("%d events at %v, to be woken at %v", len(events), time.Since(p.began), at)
	}
	p.wait(false) // And from then on.
	p.wakeAt(time.Hour)
	woken := make(chan int)
	go func() { woken <- len(p.wait(false)) }()
	wake()
	if n := wait(t, "end of the wait", woken); n != 1 {
		t.Errorf("%d events", n)
	}
}

// While goroutines queue for a P the poller looks by itself and does not park.
func TestPollerInACrowd(t *testing.T) {
	p, wake := newTestPoller(t)
	p.wakeAt(time.Hour)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var crowd sync.WaitGroup
	for range 2 {
		crowd.Go(func() {
			for !stop.Load() {
				for begin := time.Now(); time.Since(begin) < 4*crowdedYield; {
				}
				runtime.Gosched()
			}
		})
	}
	for p.crowded == 0 {
		wake() // In case that it does park.
		p.probed = -time.Hour
		p.wait(false)
	}
	for range 100 {
		p.wait(false) // Would hang if it parked.
	}
	stop.Store(true)
	crowd.Wait()
	for p.crowded > 0 {
		wake()
		p.wait(false)
	}
}
