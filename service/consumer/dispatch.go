package consumer

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// fence is a lane with a fence that holds until then.
type fence struct {
	*lane
	until time.Time
}

// dispatcher hands deliveries to workers, socket by socket. It outlives streams, so that K1 holds across them.
type dispatcher struct {
	// Fixed at construction.
	cfg     Config
	handler Handler

	mu       sync.Mutex // guards the following
	work     sync.Cond  // a worker is wanted, or ended has become true
	lanes    map[key]*lane
	fenced   []fence // the oldest first, at most Config.MaxEvents
	first    *lane   // of the lanes that are ready: something waits and nothing runs
	last     *lane
	workers  int
	idle     int // workers that wait for work
	waking   bool
	running  int           // handlers
	draining bool          // nothing more begins
	ended    bool          // workers are to go
	rest     chan struct{} // closed when draining and nothing runs
	gone     sync.WaitGroup
}

func newDispatcher(cfg Config, handler Handler) *dispatcher {
	d := &dispatcher{cfg: cfg, handler: handler, lanes: make(map[key]*lane), rest: make(chan struct{})}
	d.work.L = &d.mu
	return d
}

// add takes in what came on a stream, in order. It returns the ids of what will not be handled and is to be given back.
func (d *dispatcher) add(batch []*delivery, now time.Time) (refused []uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range batch {
		if d.draining {
			refused = append(refused, one.id)
			continue
		}
		k := one.key()
		l := d.lanes[k]
		if l == nil {
			l = &lane{key: k}
			d.lanes[k] = l
		}
		refused = append(refused, l.admit(one, now)...)
		d.push(l)
	}
	d.wake()
	return refused
}

// push makes a lane ready if it is.
func (d *dispatcher) push(l *lane) {
	if l.running || l.ready || l.first == nil {
		return
	}
	l.ready = true
	if d.last == nil {
		d.first = l
	} else {
		d.last.next = l
	}
	d.last = l
}

// pop takes the first lane that is ready.
func (d *dispatcher) pop() *lane {
	l := d.first
	d.first, l.next, l.ready = l.next, nil, false
	if d.first == nil {
		d.last = nil
	}
	return l
}

// wake gets one more worker going if there is something to do for it. There is one at a time that has been called and has not come yet: it
// calls the next. So handlers that take no time are run by few workers, and slow ones by as many as are needed.
func (d *dispatcher) wake() {
	switch {
	case d.first == nil || d.waking:
	case d.idle > 0:
		d.waking = true
		d.work.Signal()
	case d.workers < d.cfg.Concurrency && !d.ended:
		d.waking = true
		d.workers++
		d.gone.Add(1)
		go d.worker()
	}
}

// worker handles events until the dispatcher ends.
func (d *dispatcher) worker() {
	defer d.gone.Done()
	defer func() { // deferred, as a handler may end the goroutine
		d.mu.Lock()
		defer d.mu.Unlock()
		d.workers--
		d.wake()
	}()
	called := true
	for {
		one, l := d.next(called)
		if one == nil {
			return
		}
		d.handle(l, one)
		called = false
	}
}

// next waits for the next delivery to handle; nil when the dispatcher has ended.
func (d *dispatcher) next(called bool) (*delivery, *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if called {
		d.waking = false
	}
	for {
		for d.first != nil {
			l := d.pop()
			if l.first == nil { // taken back meanwhile
				d.forget(l, time.Now())
				continue
			}
			l.running = true
			d.running++
			d.wake()
			return l.take(), l
		}
		if d.ended {
			return nil, nil
		}
		d.idle++
		d.work.Wait()
		d.idle--
		d.waking = false
	}
}

// handle runs the handler for one delivery and settles it.
func (d *dispatcher) handle(l *lane, one *delivery) {
	err := errGoexit
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value, debug.Stack()}
		}
		one.ctx.end()
		d.finish(l, one, err)
	}()
	switch {
	case one.stream.ctx.Err() != nil:
		err = ErrStreamLost
		return
	case !time.Now().Before(one.until):
		err = errTooLate
		return
	}
	one.ctx.parent, one.ctx.deadline = one.stream.ctx, one.until
	var ctx context.Context = &one.ctx
	if d.cfg.Context != nil {
		ctx = d.cfg.Context(ctx, &one.Event)
	}
	err = d.handler.Handle(ctx, &one.Event)
}

// finish settles a delivery and makes its lane ready for the next.
func (d *dispatcher) finish(l *lane, one *delivery, err error) {
	now := time.Now()
	out, reply := settlement{id: one.id}, one.end()
	acked, retryIn := verdict(err, one.Attempt, d.cfg.RetryPause)
	late := !now.Before(one.until)
	var released []uint64

	d.mu.Lock()
	current := one.pass == l.pass // or the server has sent it again already
	switch {
	case errors.Is(err, errTooLate):
		out.kind = settleRelease
	case acked:
		// If it is late, the server has begun again, though the reply may still be welcome.
		out.kind, out.reply = settleAck, reply
	default:
		out.kind, out.delay = settleNack, retryIn
	}
	if current && (late || !acked) {
		released = d.giveBack(l, now)
	}
	d.release(l, now)
	d.mu.Unlock()

	d.log(one, err, acked, retryIn)
	one.stream.settle(out, released)
}

// release makes a lane ready for its next delivery, after a handler, and forgets it if there is nothing more to do for it.
func (d *dispatcher) release(l *lane, now time.Time) {
	l.running = false
	d.push(l)
	d.forget(l, now)
	d.running--
	d.rested()
}

func (d *dispatcher) rested() {
	if d.draining && d.running == 0 {
		select {
		case <-d.rest:
		default:
			close(d.rest)
		}
	}
}

// giveBack ends a lane's pass, and remembers the lane for as long as what crossed that on the wire can arrive.
func (d *dispatcher) giveBack(l *lane, now time.Time) []uint64 {
	ids := l.giveBack(now)
	for len(d.fenced) > 0 && (len(d.fenced) >= d.cfg.MaxEvents || now.After(d.fenced[0].until)) {
		oldest := d.fenced[0]
		d.fenced = d.fenced[1:]
		if oldest.lane != l && oldest.fenceUntil.Equal(oldest.until) { // or it has got another one meanwhile
			oldest.fence = 0
			d.forget(oldest.lane, now)
		}
	}
	d.fenced = append(d.fenced, fence{l, l.fenceUntil})
	return ids
}

// forget drops a lane that is idle.
func (d *dispatcher) forget(l *lane, now time.Time) {
	if l.idle(now) && !l.ready && d.lanes[l.key] == l {
		delete(d.lanes, l.key)
	}
}

// lost is called when a stream is over: what waits came on it, and comes again.
func (d *dispatcher) lost() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.fenced = nil
	for _, l := range d.lanes {
		l.restart()
		d.forget(l, now)
	}
}

// drain has nothing more begin. It returns the ids of what waited, rising; rest is closed when the handlers that run have returned.
func (d *dispatcher) drain() (released []uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.draining = true
	for _, l := range d.lanes {
		released = append(released, l.clear()...)
	}
	d.rested()
	slices.Sort(released)
	return released
}

// close waits for the handlers that run, and a little longer for those whose contexts have ended with ctx. It returns how many are left.
func (d *dispatcher) close(ctx context.Context) (left int) {
	select {
	case <-d.rest:
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.Background(), cutGrace)
		defer cancel()
		select {
		case <-d.rest:
		case <-grace.Done():
		}
	}
	d.mu.Lock()
	d.ended = true
	d.work.Broadcast()
	left = d.running
	d.mu.Unlock()
	if left == 0 {
		d.gone.Wait()
	}
	return left
}

func (d *dispatcher) log(one *delivery, err error, acked bool, retryIn time.Duration) {
	if err == nil {
		return
	}
	attrs := []any{slog.Any("error", err), slog.Uint64("attempt", uint64(one.Attempt))}
	panicked := (*panicError)(nil)
	switch {
	case errors.As(err, &panicked):
		d.cfg.Logger.Error("handler of an event panicked, it comes again", append(attrs, slog.String("stack", string(panicked.stack)))...)
	case acked:
		d.cfg.Logger.Error("event dropped, its handler failed for good", attrs...)
	case one.stream.ctx.Err() != nil: // which has been logged, and is mostly why
	case errors.Is(err, errTooLate):
		d.cfg.Logger.Warn("event given back, it waited for its turn for too long", attrs...)
	default:
		d.cfg.Logger.Warn("event not handled, it comes again", append(attrs, slog.Duration("in", retryIn))...)
	}
}
