package main

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// witness reads what the members of one group say, all of them into one pipe, and so in the order in which they said it. A member
// says what it got before it does anything with it, and what it acknowledges before it does. One that is killed may have got more
// than it said.
type witness struct {
	t    *testing.T
	seed uint64
	name string
	pipe *os.File      // members write here
	done chan struct{} // closed when all is read

	mu         sync.Mutex // guards the following
	joined     map[int]bool
	seen       map[string]*life
	deliveries int
	again      int
}

// life is what was delivered of one socket. Its events have the numbers 0 (connected) and on; the end has the one after the last.
type life struct {
	next     int                  // the number that has not come yet
	over     bool                 // disconnected has come
	acked    map[int]bool         // numbers that a member said it acknowledges
	attempts map[[2]int]bool      // number and attempt of each delivery
	with     map[int]map[int]bool // the numbers that each process got
}

func newWitness(t *testing.T, seed uint64, name string) *witness {
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{t: t, seed: seed, name: name, pipe: pipe, done: make(chan struct{}), joined: map[int]bool{}, seen: map[string]*life{}}
	go w.read(r)
	return w
}

// read notes lines until the pipe is closed.
func (w *witness) read(r *os.File) {
	defer close(w.done)
	defer func() { _ = r.Close() }()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var pid, number, attempt int
		var what, socket string
		if _, err := fmt.Sscan(lines.Text(), &pid, &what, &socket, &number, &attempt); err != nil {
			w.fault("a member says %q", lines.Text())
			continue
		}
		w.note(pid, what, socket, number, attempt)
	}
}

func (w *witness) fault(format string, args ...any) {
	w.t.Errorf("seed %d, group %s: %s", w.seed, w.name, fmt.Sprintf(format, args...))
}

func (w *witness) note(pid int, what, socket string, number, attempt int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if what == saysJoined {
		w.joined[pid] = true
		return
	}
	l := w.seen[socket]
	if l == nil {
		l = &life{acked: map[int]bool{}, attempts: map[[2]int]bool{}, with: map[int]map[int]bool{}}
		w.seen[socket] = l
	}
	switch what {
	case saysGot:
		w.deliveries++
		if attempt > 1 {
			w.again++
		}
		if fault := l.got(pid, number, attempt); fault != "" {
			w.fault("%s: event %d, attempt %d: %s", socket, number, attempt, fault)
		}
	case saysAcks:
		l.acked[number] = true
	default:
		w.fault("a member: %s", what)
	}
}

// got notes a delivery, and says what is wrong with it.
func (l *life) got(pid, number, attempt int) string {
	end := number < 0
	switch {
	case end && !l.over:
		l.over = true
	case number > l.next:
		return fmt.Sprintf("comes before %d", l.next)
	case number == l.next && l.over:
		return "comes after the end"
	case number == l.next:
		l.next++
	}
	if l.attempts[[2]int{number, attempt}] {
		return "came already"
	}
	l.attempts[[2]int{number, attempt}] = true
	mine := l.with[pid]
	if mine == nil {
		mine = map[int]bool{}
		l.with[pid] = mine
	}
	mine[number] = true
	// All that is in flight of a socket is with one member: it has got whatever is before this and not acknowledged.
	before := number
	if end {
		before = l.next
	}
	for k := range before {
		if !l.acked[k] && !mine[k] {
			return fmt.Sprintf("comes to a member that has not got %d, which nobody has acknowledged", k)
		}
	}
	return ""
}

// awaitMember waits until the process is a member, or gone.
func (w *witness) awaitMember(pid int, gone chan error) {
	for {
		w.mu.Lock()
		ok := w.joined[pid]
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case err := <-gone:
			gone <- err
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// awaitAll waits until everything has come of every socket.
func (w *witness) awaitAll(expected map[string]fate) {
	deadline := time.Now().Add(chaosPatience)
	for id, f := range expected {
		for {
			missing := w.missing(id, f)
			if missing == "" {
				break
			}
			if time.Now().After(deadline) {
				w.fault("%s: %s", id, missing)
				break
			}
			<-time.After(10 * time.Millisecond)
		}
	}
}

// missing says what has not come of a socket; empty: nothing.
func (w *witness) missing(id string, f fate) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch l := w.seen[id]; {
	case l == nil:
		return "nothing came"
	case !l.over || l.next-1 > f.sent || l.next-1 < f.sent && !f.cut:
		return fmt.Sprintf("%d of %d came, the end: %v", l.next-1, f.sent, l.over)
	}
	return ""
}

// agree checks that the other group got the same of every socket: of one that was cut off, only the server knows how much it read.
func (w *witness) agree(other *witness, expected map[string]fate) {
	for id := range expected {
		if mine, its := w.seen[id], other.seen[id]; mine != nil && its != nil && mine.next != its.next {
			w.fault("%s: %d events came, %d to %s", id, mine.next-1, its.next-1, other.name)
		}
	}
}
