package wsedge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// seedEnv repeats a walk, whose seed a failure prints.
const seedEnv = "REALTIME_TEST_SEED"

// PROTOCOL 5 as a model: clients in random rooms are cut at random, when they have read a random part of what was
// written to them, and come back, while several goroutines emit to random targets. As long as a client is recovered, it
// gets every message that is addressed to it, once, in the order of the offsets, and nothing else.
func TestProtocol5Model(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for walk := range uint64(3) {
		t.Run(fmt.Sprintf("%s=%d", seedEnv, seed+walk), func(t *testing.T) {
			w := newWalk(t, seed+walk)
			for range 12 {
				w.round()
			}
			w.finish()
		})
	}
}

const (
	walkRooms    = 5
	walkEmitters = 3
)

// walk is one run of the model.
type walk struct {
	t      *testing.T
	h      *harness
	random *rand.Rand
	guests []*walker

	emitted [walkEmitters]int

	mu       sync.Mutex // guards what walkers are owed
	volatile int        // how many more there may be: a socket remembers confusions of them
}

// walker is one client with what it must get.
type walker struct {
	*guest
	socket rooms.SocketID // the same as long as it is recovered
	rooms  []string
	owed   map[string]bool // messages on their way to it, not read yet; guarded by walk.mu
	last   [walkEmitters]int
	at     uint64 // position of the last message
	gone   bool   // its connection was cut
}

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{t: t, random: rand.New(rand.NewPCG(seed, 0)), volatile: confusions}
	w.h = startRecovering(t, RecoveryConfig{}, func(c *Config) {
		c.Observer = nil
		c.Admitter = admits(func(q *rooms.Question) (v rooms.Verdict) {
			_ = json.Unmarshal(q.Auth, &v)
			return v
		})
	})
	for range 12 {
		w.guests = append(w.guests, &walker{guest: &guest{h: w.h, namespace: "/"}})
		w.begin(w.guests[len(w.guests)-1])
	}
	return w
}

// begin connects a client as a new one, in random rooms.
func (w *walk) begin(g *walker) {
	g.rooms = nil
	for i := range walkRooms {
		if w.random.IntN(2) == 0 {
			g.rooms = append(g.rooms, fmt.Sprint("room ", i))
		}
	}
	auth, _ := json.Marshal(rooms.Verdict{Rooms: g.rooms})
	g.guest = &guest{h: w.h, namespace: "/", peer: w.h.open()}
	g.send("40" + string(auth))
	g.answer()
	*g = walker{guest: g.guest, socket: g.id, rooms: g.rooms, owed: make(map[string]bool)}
}

// round lets everybody emit at once, and meanwhile cuts clients and brings them back.
func (w *walk) round() {
	var emitters sync.WaitGroup
	for e := range walkEmitters {
		random := rand.New(rand.NewPCG(w.random.Uint64(), 0))
		emitters.Go(func() {
			for range 40 {
				w.emit(random, e)
			}
		})
	}
	for range 30 {
		g := w.guests[w.random.IntN(len(w.guests))]
		switch {
		case g.gone:
			w.back(g)
		case w.random.IntN(3) == 0:
			g.conn.Close() // what has not been read is lost
			g.gone = true
		default:
			for range w.random.IntN(10) {
				w.read(g)
			}
		}
	}
	emitters.Wait()
	// New clients come while nothing is on its way, so that it is known what they are owed.
	if g := w.guests[w.random.IntN(len(w.guests))]; g.gone {
		w.expire(g)
	}
}

// emit sends one message of emitter e to a random target.
func (w *walk) emit(random *rand.Rand, e int) {
	target := w.target(random)
	w.emitted[e]++ // by its own goroutine only
	args := fmt.Sprintf("%d,%d", e, w.emitted[e])
	w.mu.Lock()
	for _, g := range w.guests {
		if g.selectedBy(&target) {
			g.owed[args] = true
		}
	}
	confuse := w.volatile > 0 && random.IntN(20) == 0
	if confuse {
		w.volatile--
	}
	w.mu.Unlock()
	w.h.emit("/", target, "m", args)
	if confuse {
		w.h.volatile("v", `"text `+args+`"`)
	}
}

func (w *walk) target(random *rand.Rand) (t rooms.Target) {
	some := func() (names []string) {
		for range 1 + random.IntN(2) {
			names = append(names, fmt.Sprint("room ", random.IntN(walkRooms)))
		}
		return names
	}
	one := func() []rooms.SocketID { return []rooms.SocketID{w.guests[random.IntN(len(w.guests))].socket} }
	if random.IntN(2) == 0 {
		t.Rooms = some()
	}
	switch random.IntN(5) {
	case 0:
		t.Sockets = one()
	case 1:
		t.ExceptRooms = some()
	case 2:
		t.ExceptSockets = one()
	case 3:
		t.Rooms = append(t.Rooms, one()[0].String())
	}
	return t
}

// selectedBy is the rule as it is written, not as it is implemented.
func (g *walker) selectedBy(t *rooms.Target) bool {
	names := append([]string{g.socket.String()}, g.rooms...)
	in := func(list []string) bool {
		for _, name := range list {
			if slices.Contains(names, name) {
				return true
			}
		}
		return false
	}
	if len(t.Rooms)+len(t.Sockets) > 0 && !in(t.Rooms) && !slices.Contains(t.Sockets, g.socket) {
		return false
	}
	return !in(t.ExceptRooms) && !slices.Contains(t.ExceptSockets, g.socket)
}

// read reads one message if one is on its way, and what is volatile before it.
func (w *walk) read(g *walker) {
	w.mu.Lock()
	owed := len(g.owed)
	w.mu.Unlock()
	for owed > 0 && !w.got(g, g.event(g.next())) {
	}
}

// got checks what a client has got; false: it was volatile.
func (w *walk) got(g *walker, event string) bool {
	w.t.Helper()
	args, ok := strings.CutPrefix(event, `+["m",`)
	if !ok {
		if !strings.HasPrefix(event, `["v","text `) {
			w.t.Fatalf("got %q", event)
		}
		return false
	}
	args = strings.TrimSuffix(args, "]")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !g.owed[args] {
		w.t.Fatalf("%s got %s twice, or it is not for it", g.id, args)
	}
	delete(g.owed, args)
	var e, n int
	_, _ = fmt.Sscanf(args, "%d,%d", &e, &n)
	at, _ := w.h.server.cfg.Recovery.parseOffset(*g.offset)
	if n <= g.last[e] || at < g.at {
		w.t.Fatalf("%s got %s at %d after %d at %d", g.id, args, at, g.last[e], g.at)
	}
	g.last[e], g.at = n, at
	return true
}

func (w *walk) back(g *walker) {
	w.t.Helper()
	recovered, missed := g.back()
	if !recovered {
		w.t.Fatalf("%s was not recovered", g.id)
	}
	for _, m := range missed {
		w.got(g, m)
	}
	g.gone = false
}

// expire lets the time of a client pass; it then begins anew.
func (w *walk) expire(g *walker) {
	w.t.Helper()
	r, n := w.h.server.cfg.Recovery, w.h.namespace("/")
	w.h.until(func() bool { p, _ := r.find(n, g.id); return p != nil })
	if p, _ := r.find(n, g.id); r.take(p) {
		r.expired([]*parked{p})
	}
	if recovered, _ := g.back(); recovered {
		w.t.Fatalf("%s was recovered after its time", g.id)
	}
	g.conn.Close()
	w.begin(g)
}

// finish reads what is left; then there must be nothing more.
func (w *walk) finish() {
	for _, g := range w.guests {
		if g.gone {
			w.back(g)
		}
		for len(g.owed) > 0 {
			w.read(g)
		}
	}
	w.h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "end"})
	for _, g := range w.guests {
		event := g.event(g.next())
		for strings.HasPrefix(event, `["v"`) {
			event = g.event(g.next())
		}
		if event != `+["end"]` {
			w.t.Fatalf("%s got %s after the last", g.id, event)
		}
	}
}
