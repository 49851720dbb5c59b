package netpoll

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// streamConn is a Conn of the portable engine.
type streamConn struct {
	// Fixed at construction.
	engine  *portable
	conn    net.Conn // nil: a Timer
	handler Handler

	deadline atomic.Int64 // 0: none

	// calls is held during every call of handler; mu may be taken under it.
	calls sync.Mutex
	ended bool // guarded by calls: OnClose has been called

	mu      sync.Mutex    // guards the following; no call of handler is made under it
	closed  bool          // no more calls but OnClose; writes return ErrClosed
	why     error         // what OnClose is to be told; nil: what the reading ends with
	armed   bool          // the owner wants OnWritable
	writing bool          // the writer goroutine runs
	failed  error         // what a write failed with: nothing more is written
	resume  chan struct{} // closed at the end of the pause; nil: there is none
	resumed bool          // OnResume is due
	drained chan struct{} // not nil: the writer closes it when it ends
	out     *buffer       // taken by TryWrite, not yet by the writer; nil: nothing
	queued  int           // bytes in out and with the writer, at most Config.WriteBuffer
}

// SetDeadline implements Conn.
func (c *streamConn) SetDeadline(at Millis) { c.deadline.Store(max(at, 0)) }

// Pause implements Conn.
func (c *streamConn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.resume != nil:
	case c.failed != nil: // it would not be seen to end
		c.cut()
	default:
		c.resume = make(chan struct{})
	}
}

// Resume implements Conn.
func (c *streamConn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumed = c.resumed || c.resume != nil
	c.goOn()
}

// goOn ends a pause. mu must be held.
func (c *streamConn) goOn() {
	if c.resume != nil {
		close(c.resume)
		c.resume = nil
	}
}

// Close implements Conn.
func (c *streamConn) Close() { c.stop(ErrClosed) }

// stop makes the Conn closed and leaves the rest to its goroutine.
func (c *streamConn) stop(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.why == nil {
		c.why = why
	}
	c.cut()
}

// cut makes the Conn closed and calls its goroutine from what it waits for. mu must be held.
func (c *streamConn) cut() {
	c.closed = true
	c.goOn()
	if c.conn == nil {
		go c.run()
		return
	}
	// Under mu, as the goroutine sets the next deadline when it sees closed.
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
}

// begin makes the calls of Attach.
func (c *streamConn) begin(early []byte, bind func(Conn)) {
	c.calls.Lock()
	defer c.calls.Unlock()
	ok := c.engine.calls.bind(bind, c)
	if ok && len(early) > 0 && c.ready() {
		ok = c.engine.calls.read(c.handler, early)
	}
	if !ok {
		c.stop(ErrPanic)
	}
}

// run is the connection's goroutine: it reads to the end and finishes. A
// Timer's begins when it is closed.
func (c *streamConn) run() {
	defer c.engine.remove(c)
	var err error
	if c.conn != nil {
		err = c.readAll()
	}
	err = c.end(err)
	if c.conn != nil {
		c.linger(err)
	}
}

// readAll feeds OnRead until the connection has ended.
func (c *streamConn) readAll() error {
	idle := make([]byte, min(idleRead, c.engine.cfg.ReadBuffer))
	var busy *buffer
	defer func() {
		if busy != nil {
			c.engine.reads.Put(busy)
		}
	}()
	for c.await() {
		p := idle
		if busy != nil {
			p = busy.b
		}
		n, err := c.conn.Read(p)
		if n > 0 && !c.read(p[:n]) {
			return ErrClosed
		}
		if err != nil {
			return err
		}
		switch full := n == len(p); {
		case full && busy == nil: // More is likely to be there.
			busy = c.engine.reads.Get().(*buffer)
		case !full && busy != nil: // It may wait for long now.
			c.engine.reads.Put(busy)
			busy = nil
		}
	}
	return ErrClosed
}

// await returns when the connection is not paused and OnResume is not due; false: it is closed.
func (c *streamConn) await() bool {
	for {
		c.mu.Lock()
		open, resume := !c.closed, c.resume
		call := resume == nil && c.resumed
		c.resumed = c.resumed && !call
		c.mu.Unlock()
		switch {
		case !open:
			return false
		case resume != nil:
			<-resume
		case call:
			c.call(c.engine.calls.resume)
		default:
			return true
		}
	}
}

// call makes one call of the handler, unless the connection is closed.
func (c *streamConn) call(f func(Handler) (ok bool)) {
	c.calls.Lock()
	defer c.calls.Unlock()
	if c.ready() && !f(c.handler) {
		c.stop(ErrPanic)
	}
}

// ready says whether the connection is open.
func (c *streamConn) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed
}

// read makes one OnRead, after a pause if there is one; false: the connection is closed.
func (c *streamConn) read(p []byte) bool {
	if !c.await() {
		return false
	}
	c.calls.Lock()
	defer c.calls.Unlock()
	if !c.ready() {
		return false
	}
	if !c.engine.calls.read(c.handler, p) {
		c.stop(ErrPanic)
	}
	return true
}

// writable makes one OnWritable if it is wanted still.
func (c *streamConn) writable() {
	c.calls.Lock()
	defer c.calls.Unlock()
	c.mu.Lock()
	call := c.armed && !c.closed && !c.ended
	c.armed = false
	c.mu.Unlock()
	if call && !c.engine.calls.writable(c.handler) {
		c.stop(ErrPanic)
	}
}

// due makes one OnDeadline if it is due still.
func (c *streamConn) due(now Millis) {
	c.calls.Lock()
	defer c.calls.Unlock()
	at := c.deadline.Load()
	if at == 0 || at > now || c.ended || !c.ready() || !c.deadline.CompareAndSwap(at, 0) {
		return
	}
	if !c.engine.calls.deadline(c.handler, now) {
		c.stop(ErrPanic)
	}
}

// end makes the last call. err is what the reading ended with; end returns
// what OnClose was told.
func (c *streamConn) end(err error) error {
	c.mu.Lock()
	if c.closed = true; c.why != nil {
		err = c.why
	}
	c.mu.Unlock()

	c.calls.Lock()
	defer c.calls.Unlock()
	c.ended = true
	c.engine.calls.end(c.handler, err)
	c.engine.live.Add(-1)
	return err
}

// linger does what the kernel does for a descriptor: what was taken before the
// end is still sent, within lingerTimeout. why is what OnClose was told.
func (c *streamConn) linger(why error) {
	defer func() { _ = c.conn.Close() }()
	if why != ErrClosed && why != ErrPanic && why != io.EOF { //nolint:errorlint // These very values, or the connection is broken.
		return
	}
	by := time.Now().Add(lingerTimeout)
	_ = c.conn.SetWriteDeadline(by)
	c.flushed()
	if why == io.EOF { //nolint:errorlint // As above.
		return
	}
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	// Closing while the peer still sends would reset the connection, and what has not arrived would be lost.
	_ = c.conn.SetReadDeadline(by)
	_, _ = io.Copy(io.Discard, c.conn)
}

// abort cuts a connection off that lingers.
func (c *streamConn) abort() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
