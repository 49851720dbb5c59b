package netpoll

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// idleRead is the size of the buffer in which a connection waits for
	// bytes. An idle session has one, so it is small.
	idleRead = 512
	// busyRead is the most that is read at once while a connection is busy: a
	// TLS record brings no more.
	busyRead = 16 << 10
)

// portable is the portable engine. Each connection has a goroutine that reads,
// and while something is to be written one that writes; one more goroutine
// sweeps the deadlines while there are connections.
type portable struct {
	// Fixed at construction.
	clock
	cfg    Config
	calls  *caller
	reads  sync.Pool // of *buffer, of min(ReadBuffer, busyRead)
	writes sync.Pool // of *buffer, as large as they have grown

	live       atomic.Int64   // connections that have not heard OnClose
	goroutines sync.WaitGroup // one for each connection in conns, its writers, the sweeper

	mu        sync.Mutex // guards the following; no other lock is taken under it
	conns     map[*streamConn]struct{}
	stopSweep chan struct{} // ends the sweeper; nil: it does not run
	stopped   bool          // nothing is added any longer
}

// buffer is bytes that a pool keeps without allocating.
type buffer struct{ b []byte }

// NewPortable makes the portable engine: it serves any net.Conn, with a
// goroutine for each. It has no goroutine while it has no Conn, and works
// inside a testing/synctest bubble.
func NewPortable(cfg Config) Engine { return newPortable(cfg.withDefaults()) }

func newPortable(cfg Config) *portable {
	return &portable{
		clock: clock{began: time.Now()}, cfg: cfg, calls: &caller{log: cfg.Logger},
		reads:  sync.Pool{New: func() any { return &buffer{b: make([]byte, min(cfg.ReadBuffer, busyRead))} }},
		writes: sync.Pool{New: func() any { return new(buffer) }},
		conns:  make(map[*streamConn]struct{}),
	}
}

// Attach implements Engine.
func (e *portable) Attach(c net.Conn, early []byte, h Handler, bind func(Conn)) error {
	c, early = unwrap(c, early)
	sc := &streamConn{engine: e, conn: c, handler: h}
	if !e.add(sc) {
		_ = c.Close()
		return ErrShutdown
	}
	_ = c.SetDeadline(time.Time{}) // A connection that is closed already says so when it is read.
	sc.begin(early, bind)
	go sc.run()
	return nil
}

// Timer implements Engine.
func (e *portable) Timer(h Handler) Conn {
	c := &streamConn{engine: e, handler: h}
	if !e.add(c) {
		c.closed, c.ended = true, true
		go e.calls.end(h, ErrClosed)
	}
	return c
}

// Len implements Engine.
func (e *portable) Len() int { return int(e.live.Load()) }

// Now implements Engine.
func (e *portable) Now() Millis { return e.now() }

// Panics implements Engine.
func (e *portable) Panics() uint64 { return e.calls.panics.Load() }

// Shutdown implements Engine.
func (e *portable) Shutdown() {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	for _, c := range e.all() {
		c.Close()
	}
	cut := time.AfterFunc(shutdownLinger, func() {
		for _, c := range e.all() {
			c.abort()
		}
	})
	defer cut.Stop()
	e.goroutines.Wait()
}

// add makes c one of the engine's; false: it is shut down.
func (e *portable) add(c *streamConn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.conns[c] = struct{}{}
	e.live.Add(1)
	e.goroutines.Add(1)
	if e.stopSweep == nil {
		stop := make(chan struct{})
		e.stopSweep = stop
		e.goroutines.Go(func() { e.sweepUntil(stop) })
	}
	return true
}

// remove forgets c, of which nothing is left.
func (e *portable) remove(c *streamConn) {
	e.mu.Lock()
	delete(e.conns, c)
	if len(e.conns) == 0 {
		close(e.stopSweep)
		e.stopSweep = nil
	}
	e.mu.Unlock()
	e.goroutines.Done()
}

// all is the connections of this moment.
func (e *portable) all() []*streamConn {
	e.mu.Lock()
	defer e.mu.Unlock()
	conns := make([]*streamConn, 0, len(e.conns))
	for c := range e.conns {
		conns = append(conns, c)
	}
	return conns
}

// sweepUntil is the goroutine that calls OnDeadline where it is due.
func (e *portable) sweepUntil(stop <-chan struct{}) {
	ticker := time.NewTicker(e.cfg.SweepEvery)
	defer ticker.Stop()
	var due []*streamConn
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := e.now()
		e.mu.Lock()
		for c := range e.conns {
			if at := c.deadline.Load(); at > 0 && at <= now {
				due = append(due, c)
			}
		}
		e.mu.Unlock()
		for _, c := range due {
			c.due(now)
		}
		clear(due)
		due = due[:0]
	}
}
