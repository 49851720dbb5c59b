package netpoll

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// callsPerTurn bounds the OnDeadline, the OnResume and the OnClose calls of one
// turn of a loop, so that a burst of one does not hold up what others read.
const callsPerTurn = 128

// loop is one goroutine with one epoll set, its connections and its timers.
type loop struct {
	// Fixed at construction.
	clock
	calls      *caller
	poller     *poller
	sweepEvery time.Duration
	done       chan struct{} // closed when the goroutine has ended

	live atomic.Int64 // connections that have not heard OnClose

	// Owned by the loop goroutine.
	buf       []byte
	batch     [maxEvents]*fdConn // what the events mean
	ending    []*fdConn          // to be finished, in order
	resuming  []*fdConn          // to hear OnResume, in order
	lingering int                // connections that linger
	nextSweep Millis
	cursor    uint32 // slot where a sweep goes on; 0: none is under way
	quitBy    Millis // 0: there are live connections, or no shutdown

	mu      sync.Mutex // guards the following; no other lock is taken under it
	table   table
	inbox   []*fdConn // on their way to ending
	resumes []*fdConn // on their way to resuming; each is there once
	wakefd  int       // eventfd; -1 after the goroutine
	stopped bool      // nothing is added any longer
}

func newLoop(cfg Config, clk clock, calls *caller) (*loop, error) {
	p, err := newPoller(clk)
	if err != nil {
		return nil, err
	}
	l := &loop{
		clock: clk, calls: calls, poller: p, sweepEvery: cfg.SweepEvery,
		done: make(chan struct{}), buf: make([]byte, cfg.ReadBuffer),
		table: table{free: noSlot},
	}
	l.wakefd, err = p.eventfd()
	if err != nil {
		p.close()
		return nil, err
	}
	return l, nil
}

// add makes c one of the loop's; false: the loop is shut down.
func (l *loop) add(c *fdConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	l.table.put(l, c)
	l.live.Add(1)
	return true
}

// end asks the loop goroutine to finish c, which says why.
func (l *loop) end(c *fdConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inbox = append(l.inbox, c)
	if len(l.inbox) == 1 {
		l.wake()
	}
}

// resume asks the loop goroutine for c's OnResume.
func (l *loop) resume(c *fdConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumes = append(l.resumes, c)
	if len(l.resumes) == 1 {
		l.wake()
	}
}

// stop refuses new connections, closes all there are, and lets the goroutine
// end when they have ended.
func (l *loop) stop() {
	var conns []*fdConn
	l.mu.Lock()
	l.stopped = true
	l.table.each(func(c *fdConn) { conns = append(conns, c) })
	l.wake()
	l.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// wake ends a blocking wait. mu must be held.
func (l *loop) wake() {
	if l.wakefd >= 0 {
		_, _ = unix.Write(l.wakefd, wakeUp)
	}
}

// run is the loop goroutine. Each turn: events, resumptions, ends, due deadlines.
func (l *loop) run() {
	defer close(l.done)
	more := false
	for {
		events := l.poller.wait(more)
		stopped := l.collect(events)
		for i, c := range l.batch[:len(events)] {
			if c != nil {
				l.event(c, events[i].Events)
			}
		}
		clear(l.batch[:len(events)])
		more = l.resumeSome()
		more = l.endSome() || more
		more = l.sweep() || more
		if stopped && l.mayQuit() {
			l.quit()
			return
		}
	}
}

// collect finds out what the events mean and empties the inboxes.
func (l *loop) collect(events []unix.EpollEvent) (stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, ev := range events {
		l.batch[i] = l.table.find(uint32(ev.Fd), uint32(ev.Pad))
	}
	l.ending, l.inbox = empty(l.ending, l.inbox)
	l.resuming, l.resumes = empty(l.resuming, l.resumes)
	return l.stopped
}

// empty moves what is in an inbox.
func empty(to, inbox []*fdConn) (filled, emptied []*fdConn) {
	to = append(to, inbox...)
	clear(inbox)
	return to, inbox[:0]
}

// event handles one epoll event. c may have ended since it was collected.
func (l *loop) event(c *fdConn, events uint32) {
	if events&unix.EPOLLOUT != 0 {
		l.writable(c)
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	switch state := c.snapshot(); {
	case state&lingering != 0:
		l.discard(c)
	case state&closed != 0: // It is in the inbox.
	case state&(paused|resumed) == 0:
		l.read(c)
	case state&paused == 0: // OnResume comes first
	case events&(unix.EPOLLHUP|unix.EPOLLERR) != 0:
		// Nothing can be masked here, so waiting for Resume would spin. The
		// connection is broken in both directions: what was not read is lost.
		errno, _ := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if errno == 0 {
			errno = int(unix.ECONNRESET)
		}
		l.finish(c, syscall.Errno(errno))
	}
}

// writable calls OnWritable if that is wanted.
func (l *loop) writable(c *fdConn) {
	c.mu.Lock()
	call := c.state&(armed|closed) == armed
	c.state &^= armed
	c.mu.Unlock()
	if call && !l.calls.writable(c.handler) {
		c.stop(panicked)
	}
	// Only now: most often OnWritable has armed again.
	c.mu.Lock()
	c.poll()
	c.mu.Unlock()
}

// read makes one OnRead, or finishes a connection that has ended; false: there
// was nothing to read.
func (l *loop) read(c *fdConn) bool {
	n, errno := receive(c.fd, l.buf)
	switch {
	case n > 0:
		if !l.calls.read(c.handler, l.buf[:n]) {
			c.stop(panicked)
		}
		return true
	case errno != unix.EAGAIN:
		l.finish(c, errno)
	}
	return false
}

// discard reads what a lingering connection brings, and releases it at its end.
func (l *loop) discard(c *fdConn) {
	if n, errno := receive(c.fd, l.buf); n == 0 && errno != unix.EAGAIN {
		l.release(c)
	}
}

// resumeSome calls OnResume where it is due; true: there is more.
func (l *loop) resumeSome() bool {
	n := min(len(l.resuming), callsPerTurn)
	for _, c := range l.resuming[:n] {
		l.resumed(c)
	}
	l.resuming = slices.Delete(l.resuming, 0, n)
	return len(l.resuming) > 0
}

// resumed calls OnResume if that is wanted still; then c may read.
func (l *loop) resumed(c *fdConn) {
	c.mu.Lock()
	call := c.state&(resumed|paused|closed) == resumed
	c.state &^= resumed
	c.mu.Unlock()
	if call && !l.calls.resume(c.handler) {
		c.stop(panicked)
	}
	c.mu.Lock()
	c.poll()
	c.mu.Unlock()
}

// endSome finishes what the inbox brought; true: there is more.
func (l *loop) endSome() bool {
	n := min(len(l.ending), callsPerTurn)
	for _, c := range l.ending[:n] {
		// What came before a write failed goes first.
		if c.snapshot()&resumed != 0 {
			l.resumed(c)
		}
		if c.snapshot()&(closed|paused) == 0 && l.read(c) {
			l.ending = append(l.ending, c)
			continue
		}
		l.finish(c, 0)
	}
	l.ending = slices.Delete(l.ending, 0, n)
	return len(l.ending) > 0
}

// finish ends c: OnClose, and the descriptor is closed, at once or after it
// has lingered. errno is what a read failed with.
func (l *loop) finish(c *fdConn, errno syscall.Errno) {
	c.mu.Lock()
	if c.state&ended != 0 {
		c.mu.Unlock()
		return
	}
	if c.errno == 0 {
		c.errno = uint16(errno)
	}
	why := c.why()
	linger := c.state&(closed|registered) == closed|registered && c.errno == 0
	c.state |= closed | ended
	c.state &^= armed
	if linger {
		c.state |= lingering
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR) // The end follows what the kernel took before.
		c.poll()
		c.deadline().Store(tickOf(l.now() + lingerTimeout.Milliseconds()))
		l.lingering++
	}
	c.mu.Unlock()
	if !linger {
		l.release(c)
	}
	h := c.handler
	c.handler = nil // A session is garbage from now on.
	l.calls.end(h, why)
	l.live.Add(-1)
	if linger {
		l.discard(c)
	}
}

// release closes the descriptor and gives the slot back. Only the loop
// goroutine does so, once for each connection.
func (l *loop) release(c *fdConn) {
	c.mu.Lock()
	if c.state&lingering != 0 {
		c.state &^= lingering
		l.lingering--
	}
	c.deadline().Store(0)
	if c.state&registered != 0 {
		// Before the close: a registration belongs to the open file, which a
		// duplicate somewhere might keep open.
		c.state &^= registered
		_ = c.control(unix.EPOLL_CTL_DEL)
	}
	if c.fd >= 0 {
		_ = unix.Close(int(c.fd))
		c.fd = -1
	}
	c.mu.Unlock()
	l.mu.Lock()
	l.table.drop(c)
	l.mu.Unlock()
}

// mayQuit says whether a stopped loop has nothing left to do.
func (l *loop) mayQuit() bool {
	if l.live.Load() > 0 {
		return false
	}
	if l.quitBy == 0 {
		l.quitBy = l.now() + shutdownLinger.Milliseconds()
	}
	return l.lingering == 0 || l.now() >= l.quitBy
}

// quit gives everything back that the kernel gave.
func (l *loop) quit() {
	var conns []*fdConn
	l.mu.Lock()
	l.table.each(func(c *fdConn) { conns = append(conns, c) })
	l.mu.Unlock()
	for _, c := range conns {
		l.release(c)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = unix.Close(l.wakefd)
	l.wakefd = -1
	l.poller.close()
}
