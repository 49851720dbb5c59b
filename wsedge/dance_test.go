package wsedge

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// The dance: sessions that begin with polling and go over to a WebSocket while messages cross in both directions, with
// delays, cuts and rude clients in between. Nothing may be lost, doubled or reordered (PROTOCOL 1.6, 2.6; I2).
//
//	REALTIME_TEST_DANCES=100000   how many; make dances
//	REALTIME_TEST_SEED=1,17       one of them: the seed and the number that a failure names
const (
	dancesEnv    = "REALTIME_TEST_DANCES"
	danceSeedEnv = "REALTIME_TEST_SEED"
	fewDances    = 1000
	dancers      = 200 // sessions at a time
)

// fate is what becomes of an upgrade.
type fate int

const (
	fateUpgrades    fate = iota // as the stock client does it
	fateRude                    // the upgrade packet comes while a poll waits
	fateUnprobed                // the upgrade packet comes without a probe
	fateTwice                   // it comes twice
	fateCrossing                // it crosses a POST of the same client
	fateCutEarly                // the candidate is cut before its probe
	fateCutProbed               // … after its probe
	fateGarbage                 // it sends what is no packet
	fateCutUpgraded             // the WebSocket is cut right after the upgrade packet
	fateServerEnds              // the server closes the session meanwhile
	fateClientEnds              // the client closes it by POST meanwhile
	fates
)

// ends reports whether the session ends with that fate, so that messages may be missing at the end.
func (f fate) ends() bool { return f >= fateCutUpgraded }

// floor is where dances take place: a server, and what it observed of each socket.
type floor struct {
	h       *harness
	holds   bool // clients are held at random
	resumes sync.WaitGroup
	early   atomic.Int64 // events of a client that was held

	mu    sync.Mutex // guards the following
	heard map[rooms.SocketID]*heard

	tally struct{ dances, switched, failed, ended, waited, overtaken, down, up, held atomic.Int64 }
}

// heard is what one socket's events said, in order.
type heard struct {
	mu    sync.Mutex // guards numbers
	said  []string
	gone  chan struct{} // closed when it is disconnected
	known chan struct{} // closed when it is connected
	held  atomic.Int64
}

// Observe implements Observer.
func (f *floor) Observe(e *rooms.Event) rooms.Flow {
	h := f.of(e.Socket)
	switch e.Kind {
	case rooms.KindConnected:
		close(h.known)
	case rooms.KindEvent:
		h.mu.Lock()
		h.said = append(h.said, string(e.Args))
		h.mu.Unlock()
		yield(4) // so that a POST takes its time, and something can come between two of its packets
	case rooms.KindDisconnected:
		close(h.gone)
		return rooms.Flow{Holds: 1} // says nothing
	}
	return f.hold(h, e)
}

// hold holds a client at random, and lets another goroutine resume it, maybe before it is held.
func (f *floor) hold(h *heard, e *rooms.Event) rooms.Flow {
	if h.held.Load() > 0 {
		f.early.Add(1)
	}
	holds := rand.IntN(6) - 3
	if !f.holds || holds <= 0 {
		return rooms.Flow{}
	}
	f.tally.held.Add(1)
	h.held.Add(int64(holds))
	f.resumes.Go(func() {
		for range holds {
			yield(rand.IntN(8))
			h.held.Add(-1)
			f.h.server.Resume(e.Namespace, e.Socket)
		}
	})
	return rooms.Flow{Holds: holds}
}

// last is what was said last.
func (h *heard) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.said) == 0 {
		return ""
	}
	return h.said[len(h.said)-1]
}

func (f *floor) of(id rooms.SocketID) *heard {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heard[id] == nil {
		f.heard[id] = &heard{gone: make(chan struct{}), known: make(chan struct{})}
	}
	return f.heard[id]
}

func (f *floor) forget(id rooms.SocketID) {
	f.mu.Lock()
	delete(f.heard, id)
	f.mu.Unlock()
}

func TestI2DancesLoseNothing(t *testing.T) { dances(t, &floor{}) }

// I4: so it is when clients are held at any moment and resumed at any other; while they are held nothing of them is heard.
func TestI4DancesOfHeldClients(t *testing.T) {
	f := &floor{holds: true}
	dances(t, f)
	f.resumes.Wait()
	if n := f.early.Load(); n != 0 {
		t.Errorf("%d events of clients that were held", n)
	}
	if s := f.h.server.Stats(); s.Paused != 0 || s.Holds == 0 {
		t.Errorf("%d sessions are paused after %d holds", s.Paused, s.Holds)
	}
	t.Logf("clients were held %d times", f.tally.held.Load())
}

func dances(t *testing.T, f *floor) {
	t.Helper()
	f.heard = make(map[rooms.SocketID]*heard)
	f.h = start(t, allowOld, func(c *Config) { c.Observer = f })
	before := f.h.warm()
	if text := os.Getenv(danceSeedEnv); strings.Contains(text, ",") {
		var seed, number uint64
		if _, err := fmt.Sscanf(text, "%d,%d", &seed, &number); err != nil {
			t.Fatal(err)
		}
		if err := f.dance(seed, number); err != nil {
			t.Fatal(err)
		}
		return
	}
	count, _ := strconv.Atoi(cmp.Or(os.Getenv(dancesEnv), strconv.Itoa(fewDances)))
	began, seed := time.Now(), rand.Uint64N(1<<32)
	var next atomic.Uint64
	var group sync.WaitGroup
	for range dancers {
		group.Go(func() {
			for n := next.Add(1); n <= uint64(count) && !t.Failed(); n = next.Add(1) {
				if err := f.dance(seed, n); err != nil {
					t.Errorf("%s=%d,%d: %v", danceSeedEnv, seed, n, err)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d dances in %v: %d upgraded, %d candidates failed, %d sessions ended, %d POSTs crossed and %d were refused, %d messages down, %d up",
		f.tally.dances.Load(), time.Since(began).Round(time.Millisecond), f.tally.switched.Load(), f.tally.failed.Load(),
		f.tally.ended.Load(), f.tally.waited.Load(), f.tally.overtaken.Load(), f.tally.down.Load(), f.tally.up.Load())
	f.h.leftNothing(before)
}

// held is what the process holds for a server.
type held struct{ sessions, descriptors, goroutines int }

// warm is what it holds once it has begun in earnest: its goroutines begin after start has returned.
func (h *harness) warm() held {
	h.t.Helper()
	p := h.poller()
	p.do("GET", "", "")
	before := h.holding()
	p.client.CloseIdleConnections()
	return before
}

func (h *harness) holding() held {
	fds, _ := os.ReadDir("/proc/self/fd")
	return held{h.server.Stats().Sessions, len(fds), runtime.NumGoroutine()}
}

// leftNothing waits until nothing is left of the sessions there were.
func (h *harness) leftNothing(before held) {
	h.t.Helper()
	by := time.Now().Add(patience)
	for {
		now := h.holding()
		if now.sessions == 0 && now.descriptors <= before.descriptors && now.goroutines <= before.goroutines {
			return
		}
		if time.Now().After(by) {
			h.t.Errorf("left: %+v, before %+v", now, before)
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

// dance is one session from its handshake to its end.
func (f *floor) dance(seed, number uint64) error {
	rng := rand.New(rand.NewPCG(seed, number))
	d := &dancer{floor: f, rng: rng, fate: fate(rng.IntN(int(fates))), old: rng.IntN(4) == 0, textual: rng.IntN(4) == 0}
	defer d.leave()
	err := d.perform()
	f.tally.dances.Add(1)
	if err != nil {
		return fmt.Errorf("fate %d, old %v, textual %v: %w", d.fate, d.old, d.textual, err)
	}
	return nil
}

func (d *dancer) perform() error {
	if err := d.handshake(); err != nil {
		return err
	}
	emitters := d.emitters()
	polls := make(chan error, 1)
	pausing, resume := make(chan chan struct{}), make(chan struct{})
	go func() { polls <- d.poll(pausing, resume) }()
	err := d.before()
	if err == nil {
		err = d.upgrade(pausing, resume)
	}
	emitters.Wait()
	if err == nil {
		err = d.finale()
	}
	d.end()
	if e := <-polls; err == nil && !d.fate.ends() {
		err = e
	}
	if err != nil {
		return err
	}
	return d.judge()
}

// emitters emit from the server's side, each its own numbers in order.
func (d *dancer) emitters() *sync.WaitGroup {
	group := new(sync.WaitGroup)
	n := d.floor.h.namespace("/")
	target := rooms.Target{Sockets: []rooms.SocketID{d.id}}
	for who := range d.emitted {
		count, pauses := d.rng.IntN(8), d.rng.IntN(60)
		binary := d.rng.IntN(3) == 0
		d.emitted[who] = count
		group.Go(func() {
			for i := range count {
				m := &rooms.Message{Event: "m", Args: fmt.Appendf(nil, "%d,%d", who, i)}
				if binary && i%2 == 0 {
					m.Args = fmt.Appendf(nil, `%d,%d,{"_placeholder":true,"num":0}`, who, i)
					m.Attachments = [][]byte{{byte(who), byte(i)}}
				}
				n.Emit(target, m)
				yield(pauses)
			}
		})
	}
	return group
}

// yield is a delay by scheduling.
func yield(times int) {
	for range times {
		runtime.Gosched()
	}
}

// judge compares what came with what was sent.
func (d *dancer) judge() error {
	tally := &d.floor.tally
	next := make([]int, len(d.emitted))
	came := append(d.polled, d.framed...)
	owed := "" // the attachment that must come next
	for _, m := range came {
		var who, i int
		if strings.HasPrefix(m, "attachment") {
			if m != owed {
				return fmt.Errorf("%q came when %q was due; all: %q", m, owed, came)
			}
			owed = ""
			continue
		}
		if owed != "" {
			return fmt.Errorf("%q came when %q was due; all: %q", m, owed, came)
		}
		if _, err := fmt.Sscanf(m, "%d,%d", &who, &i); err != nil {
			return fmt.Errorf("got %q", m)
		}
		if i != next[who] {
			return fmt.Errorf("message %d of emitter %d came when %d was due; all: %q", i, who, next[who], came)
		}
		if next[who]++; strings.Contains(m, "_placeholder") {
			owed = attachment([]byte{byte(who), byte(i)})
		}
		tally.down.Add(1)
	}
	if !d.fate.ends() && (owed != "" || !slices.Equal(next, d.emitted[:])) {
		return fmt.Errorf("of %v messages %v came, and %q did not: %q", d.emitted, next, owed, came)
	}
	return d.judgeUp()
}

// judgeUp: what was accepted was heard, once and in order; of what was not, a part may have been.
func (d *dancer) judgeUp() error {
	h := d.floor.of(d.id)
	h.mu.Lock()
	said := slices.Clone(h.said)
	h.mu.Unlock()
	i := 0
	for _, sent := range d.sent {
		switch {
		case i < len(said) && said[i] == sent.text:
			i++
		case sent.sure && !d.fate.ends():
			return fmt.Errorf("%s was accepted and not heard: %q of %v", sent.text, said, d.sent)
		case sent.sure && i < len(said):
			return fmt.Errorf("%s was accepted and overtaken: %q of %v", sent.text, said, d.sent)
		}
	}
	if i < len(said) {
		return fmt.Errorf("heard %q, of which %q was not sent then: %v", said, said[i:], d.sent)
	}
	d.floor.tally.up.Add(int64(len(said)))
	return nil
}
