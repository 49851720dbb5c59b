package feed

import (
	"context"
	"sync"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// A batch ends before it has more events or bytes than this; one larger event is a batch of its own.
const (
	MaxBatchEvents = 256
	MaxBatchBytes  = 1 << 20
)

// Batch is some events in the order in which they were observed.
type Batch struct {
	// Missed is how many matching events were lost right before Events: they did not fit into the queue, or were larger
	// than MaxEventBytes.
	Missed uint64
	// Events may be empty if Missed is not zero. The slice is valid until the next call of Next; the events may be
	// kept.
	Events []*rooms.Event
}

// Watcher reads what one filter matches. Next is for one goroutine at a time.
type Watcher struct {
	// Fixed at construction.
	feed   *Feed
	filter compiled
	wake   chan struct{} // capacity 1; filled when there is something to take after there was nothing

	// Owned by the goroutine that calls Next.
	batch []*rooms.Event

	mu     sync.Mutex // guards the following
	queue  []entry    // what waits is queue[head:]
	head   int
	bytes  int    // of what waits
	gap    uint64 // events lost after the last entry
	ended  bool   // takes nothing any more
	closed bool   // Close was called
}

// entry is one event in a queue.
type entry struct {
	event  *rooms.Event
	bytes  int
	missed uint64 // events lost right before this one
}

// Next returns the next batch and waits for one if there is none. Errors: that of ctx; ErrShutdown once everything was
// read.
func (w *Watcher) Next(ctx context.Context) (Batch, error) {
	for {
		b, ended := w.take()
		if len(b.Events) > 0 || b.Missed > 0 {
			return b, nil
		}
		if ended {
			return Batch{}, ErrShutdown
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// Close ends the watcher and drops what it has not read. Calling it again is harmless.
func (w *Watcher) Close() {
	w.feed.remove(w)
	w.mu.Lock()
	first := !w.closed
	w.closed, w.ended = true, true
	w.queue, w.head, w.bytes, w.gap = nil, 0, 0, 0
	w.mu.Unlock()
	if first {
		w.want(-1)
	}
}

// want asks for the events of rooms, or no longer, if the filter has them.
func (w *Watcher) want(delta int) {
	if want := w.feed.cfg.WantRoomEvents; want != nil && w.filter.ofRooms() {
		want(delta)
	}
}

// end lets the watcher read what is queued and nothing more.
func (w *Watcher) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.notify()
}

func (w *Watcher) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// push queues e, or counts it as missed.
func (w *Watcher) push(e *rooms.Event, bytes int) {
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return
	}
	waiting := len(w.queue) - w.head
	wasEmpty := waiting == 0 && w.gap == 0
	if cfg := &w.feed.cfg; waiting >= cfg.QueueEvents || bytes > MaxEventBytes || bytes > cfg.QueueBytes-w.bytes {
		w.gap++
		w.feed.missed.Add(1)
	} else {
		w.append(entry{event: e, bytes: bytes, missed: w.gap})
		w.gap = 0
		w.bytes += bytes
		w.feed.queued.Add(1)
	}
	w.mu.Unlock()
	if wasEmpty {
		w.notify()
	}
}

// append moves what waits to the front of a full slice if at least half of it is free, so that a queue that is
// never empty does not grow without end.
func (w *Watcher) append(e entry) {
	if len(w.queue) == cap(w.queue) && w.head > len(w.queue)/2 {
		n := copy(w.queue, w.queue[w.head:])
		clear(w.queue[n:])
		w.queue, w.head = w.queue[:n], 0
	}
	w.queue = append(w.queue, e)
}

// take cuts a batch off the queue: up to the next gap, as Missed stands for what was lost before the first event.
func (w *Watcher) take() (b Batch, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.batch) // an idle watcher must not hold the events that it has passed on
	w.batch = w.batch[:0]
	bytes := 0
	for w.head < len(w.queue) && len(w.batch) < MaxBatchEvents {
		e := &w.queue[w.head]
		if len(w.batch) == 0 {
			b.Missed = e.missed
		} else if e.missed > 0 || bytes+e.bytes > MaxBatchBytes {
			break
		}
		bytes += e.bytes
		w.batch = append(w.batch, e.event)
		*e = entry{}
		w.head++
	}
	w.bytes -= bytes
	if w.head == len(w.queue) {
		w.queue, w.head = w.queue[:0], 0
	}
	if len(w.batch) == 0 {
		b.Missed, w.gap = w.gap, 0
	}
	b.Events = w.batch
	return b, w.ended
}
