package jwt

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// expiry knows until when sockets may stay. There is an entry for each that is connected, or away and may be recovered, and
// whose token has an expiry (J3); its goroutine acts on those that are due.
type expiry struct {
	// Fixed at construction.
	admitter *Admitter
	wake     chan struct{} // capacity 1: the first of queue is another one

	mu      sync.Mutex // guards the following, and all entries
	entries map[socketKey]*entry
	queue   queue // of those that are connected and wait for something
}

// socketKey names a socket: clients of Engine.IO v3 have one id in all namespaces.
type socketKey struct {
	namespace string
	id        rooms.SocketID
}

// entry is one socket. Times are in milliseconds since 1970.
type entry struct {
	key   socketKey
	user  string // that of the token
	until int64  // when it is disconnected
	ask   int64  // when it is asked for another token; 0: not any more
	next  int64  // when it is due: ask or until
	place int    // in expiry.queue; away: in none
}

// away is the place of an entry that is not in the queue: its socket is away, or was told to go.
const away = -1

// queue is a heap of entries by the time when they are due.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next < q[j].next }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.place = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.place = away
	return e
}

func newExpiry(a *Admitter) *expiry {
	return &expiry{admitter: a, wake: make(chan struct{}, 1), entries: make(map[socketKey]*entry)}
}

// Observe implements wsedge.Observer: it takes notes, and lets the next observer decide.
func (a *Admitter) Observe(e *rooms.Event) rooms.Flow {
	if a.expiry != nil {
		switch e.Kind {
		case rooms.KindConnected:
			a.expiry.connected(e)
		case rooms.KindDisconnected:
			a.expiry.disconnected(e)
		case rooms.KindExpired:
			a.expiry.forget(socketKey{e.Namespace, e.Socket})
		}
	}
	return a.observer.Observe(e)
}

// connected notes a socket, or notices that one is back.
func (x *expiry) connected(e *rooms.Event) {
	g, _ := e.Info.Grant.(*grant)
	if !e.Recovered && (g == nil || g.expires.IsZero()) {
		return
	}
	key := socketKey{e.Namespace, e.Socket}
	x.mu.Lock()
	defer x.mu.Unlock()
	en := x.entries[key]
	switch {
	case !e.Recovered:
		en = &entry{key: key, user: g.user, place: away}
		x.entries[key] = en
		x.times(en, g.expires)
	case en == nil: // it has no expiry
		return
	case x.admitter.cfg.Expiry == ExpiryAsk: // what it was asked before may be lost
		x.times(en, time.UnixMilli(en.until).Add(-x.admitter.cfg.Leeway))
	}
	x.enqueue(en)
}

// times sets when en is due, for a token that expires then.
func (x *expiry) times(en *entry, expires time.Time) {
	cfg := &x.admitter.cfg
	en.until = expires.Add(cfg.Leeway).UnixMilli()
	en.ask, en.next = 0, en.until
	if cfg.Expiry == ExpiryAsk {
		en.ask = max(expires.Add(-cfg.RefreshBefore).UnixMilli(), 1)
		en.next = min(en.ask, en.until)
	}
}

// enqueue puts en where it belongs in the queue.
func (x *expiry) enqueue(en *entry) {
	if en.place == away {
		heap.Push(&x.queue, en)
	} else {
		heap.Fix(&x.queue, en.place)
	}
	if en.place == 0 {
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
}

func (x *expiry) dequeue(en *entry) {
	if en.place != away {
		heap.Remove(&x.queue, en.place)
	}
}

// disconnected forgets a socket, unless it may come back.
func (x *expiry) disconnected(e *rooms.Event) {
	key := socketKey{e.Namespace, e.Socket}
	if !e.Recoverable {
		x.forget(key)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if en := x.entries[key]; en != nil {
		x.dequeue(en)
	}
}

func (x *expiry) forget(key socketKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if en := x.entries[key]; en != nil {
		x.dequeue(en)
		delete(x.entries, key)
	}
}

func (x *expiry) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.entries)
}

// maxWait is how long the goroutine sleeps at most: clocks may be set.
const maxWait = time.Minute

// maxBatch is how many sockets are acted on between two looks at the context.
const maxBatch = 256

// run is the goroutine.
func (x *expiry) run(ctx context.Context) {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	for ctx.Err() == nil {
		ask, end, wait := x.due(time.Now())
		for _, key := range end {
			x.disconnect(key)
		}
		x.askAll(ctx, ask)
		if len(ask)+len(end) > 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-x.wake:
		}
	}
}

// due returns the sockets that are to be asked and those that are to be disconnected now, at most maxBatch, and how long to
// wait for others if there are none. An entry whose socket is to go stays, so that it goes for good: if its connection is
// lost first and it is recovered, it is due again (J4).
func (x *expiry) due(now time.Time) (ask, end []socketKey, wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := now.UnixMilli()
	for len(x.queue) > 0 && x.queue[0].next <= at && len(ask)+len(end) < maxBatch {
		en := x.queue[0]
		if en.until <= at {
			x.dequeue(en)
			end = append(end, en.key)
			continue
		}
		ask = append(ask, en.key)
		en.ask, en.next = 0, en.until
		heap.Fix(&x.queue, 0)
	}
	wait = maxWait
	if len(x.queue) > 0 {
		wait = min(wait, time.UnixMilli(x.queue[0].next).Sub(now))
	}
	return ask, end, wait
}

// disconnect ends a socket whose token has expired.
func (x *expiry) disconnect(key socketKey) {
	n, ok := x.admitter.cfg.Hub.Namespace(key.namespace)
	if !ok {
		return
	}
	if m, ok := n.Member(key.id); ok {
		x.admitter.stats.expired.Add(1)
		m.Disconnect(false)
	}
}
