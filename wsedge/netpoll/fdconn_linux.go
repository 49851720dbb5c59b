package netpoll

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// fdConn is a Conn of the descriptor engine: 48 bytes.
type fdConn struct {
	// Owned by whoever makes the calls: Attach, then the loop goroutine.
	handler Handler // nil after OnClose

	// Fixed once the slot is given.
	chunk *chunk
	slot  uint32
	gen   uint32

	mu    sync.Mutex // guards the following; system calls on fd are made under it, except reads
	fd    int32      // -1: closed, or a Timer. Changed by the loop goroutine only
	state connState
	errno uint16 // what a write or the registration failed with; 0 is nothing
}

// connState is what fdConn.mu guards about one connection.
type connState uint16

const (
	attaching  connState = 1 << iota // Attach makes the calls; the loop keeps off
	closed                           // no more calls but OnClose; writes return ErrClosed
	failed                           // a write failed; writes return errno
	panicked                         // the Handler did
	ended                            // OnClose has been called, or is just being
	lingering                        // after OnClose: reads are discarded until the peer ends
	paused                           // the owner wants no OnRead
	resumed                          // it wants it again, and OnResume before
	armed                            // the owner wants OnWritable
	registered                       // in the epoll set
	pollsIn                          // there for EPOLLIN
	pollsOut                         // there for EPOLLOUT
)

// TryWrite implements Conn.
func (c *fdConn) TryWrite(p []byte) (int, error) {
	c.mu.Lock()
	if c.state&(closed|failed) != 0 || c.fd < 0 {
		defer c.mu.Unlock()
		if c.state&failed != 0 {
			return 0, syscall.Errno(c.errno)
		}
		return 0, ErrClosed
	}
	if len(p) == 0 {
		c.mu.Unlock()
		return 0, nil
	}
	n, errno := send(c.fd, p)
	if errno == 0 || errno == unix.EAGAIN {
		c.mu.Unlock()
		return n, nil
	}
	c.state |= failed
	c.errno = uint16(errno)
	tell := c.state&attaching == 0
	c.mu.Unlock()
	if tell {
		c.chunk.loop.end(c)
	}
	return 0, errno
}

// Arm implements Conn.
func (c *fdConn) Arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 && c.state&(closed|failed) == 0 {
		c.state |= armed
		c.poll()
	}
}

// SetDeadline implements Conn.
func (c *fdConn) SetDeadline(at Millis) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state&closed == 0 {
		c.deadline().Store(tickOf(at))
	}
}

// Pause implements Conn.
func (c *fdConn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 && c.state&closed == 0 {
		c.state |= paused
		c.poll()
	}
}

// Resume implements Conn. The loop polls for input again after OnResume.
func (c *fdConn) Resume() {
	c.mu.Lock()
	tell := false
	if c.state&(paused|closed) == paused {
		tell = c.state&(resumed|attaching) == 0 // otherwise it has been told, or attached will
		c.state = c.state&^paused | resumed
	}
	c.mu.Unlock()
	if tell {
		c.chunk.loop.resume(c)
	}
}

// Close implements Conn.
func (c *fdConn) Close() { c.stop(closed) }

// stop makes the Conn closed and leaves the rest to the loop.
func (c *fdConn) stop(why connState) {
	c.mu.Lock()
	tell := c.state&(closed|attaching) == 0
	if c.state&closed == 0 {
		c.state |= closed | why
	}
	c.mu.Unlock()
	if tell {
		c.chunk.loop.end(c)
	}
}

// deadline is the cell that the loop sweeps.
func (c *fdConn) deadline() *atomic.Uint32 { return &c.chunk.deadlines[c.slot&(chunkSize-1)] }

// snapshot is the state now.
func (c *fdConn) snapshot() connState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// why is what OnClose will say, as far as this side knows: of a connection
// that the peer ended, nil. mu must be held.
func (c *fdConn) why() error {
	switch {
	case c.state&panicked != 0:
		return ErrPanic
	case c.errno != 0:
		return syscall.Errno(c.errno)
	case c.state&closed != 0:
		return ErrClosed
	}
	return nil
}

// attached ends the attaching: from here on the calls are the loop's.
func (c *fdConn) attached() {
	c.mu.Lock()
	c.state &^= attaching
	c.state |= registered | c.wanted()
	if err := c.control(unix.EPOLL_CTL_ADD); err != nil {
		// Out of memory, or of fs.epoll.max_user_watches.
		c.state &^= registered
		c.state |= closed
		var errno syscall.Errno
		if errors.As(err, &errno) {
			c.errno = uint16(errno)
		}
	}
	ends, resumes := c.state&(closed|failed) != 0, c.state&resumed != 0
	c.mu.Unlock()
	if resumes {
		c.chunk.loop.resume(c)
	}
	if ends {
		c.chunk.loop.end(c)
	}
}

// wanted is what epoll ought to tell. mu must be held.
func (c *fdConn) wanted() connState {
	want := connState(0)
	if c.state&(paused|resumed) == 0 || c.state&lingering != 0 {
		want |= pollsIn
	}
	if c.state&armed != 0 {
		want |= pollsOut
	}
	return want
}

// poll asks epoll for what is wanted now, if that is news. mu must be held.
func (c *fdConn) poll() {
	if c.state&registered == 0 {
		return
	}
	if want := c.wanted(); c.state&(pollsIn|pollsOut) != want {
		c.state = c.state&^(pollsIn|pollsOut) | want
		_ = c.control(unix.EPOLL_CTL_MOD) // Cannot fail: it is registered, nothing is allocated.
	}
}

// control is epoll_ctl with the mask of the state. mu must be held.
func (c *fdConn) control(op int) error {
	// Without EPOLLRDHUP: the peer's end makes a socket readable as well, and
	// a paused connection would spin on it.
	ev := unix.EpollEvent{Fd: int32(c.slot), Pad: int32(c.gen)}
	if c.state&pollsIn != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if c.state&pollsOut != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(c.chunk.loop.poller.epfd, op, int(c.fd), &ev)
}
