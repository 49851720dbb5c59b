package netpoll

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// loops is the descriptor engine.
type loops struct {
	// Fixed at construction.
	clock
	calls *caller
	loops []*loop
	other *portable // for what is not a *net.TCPConn
}

// NewLoops makes the descriptor engine: cfg.Loops goroutines with an epoll set
// each. It takes the descriptor out of a *net.TCPConn, so that an idle
// connection costs neither goroutine nor buffer; any other net.Conn (TLS, a
// Unix socket) goes to a portable engine that it embeds. The error is what
// epoll failed with.
func NewLoops(cfg Config) (Engine, error) {
	cfg = cfg.withDefaults()
	other := newPortable(cfg)
	e := &loops{clock: other.clock, calls: other.calls, other: other}
	for range cfg.Loops {
		l, err := newLoop(cfg, e.clock, e.calls)
		if err != nil {
			e.Shutdown()
			return nil, fmt.Errorf("netpoll: new loop: %w", err)
		}
		e.loops = append(e.loops, l)
		go l.run()
	}
	return e, nil
}

// Attach implements Engine.
func (e *loops) Attach(c net.Conn, early []byte, h Handler, bind func(Conn)) error {
	c, early = unwrap(c, early)
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return e.other.Attach(c, early, h, bind)
	}
	fd, err := detach(tcp)
	if err != nil {
		return err
	}
	fc := &fdConn{handler: h, fd: fd, state: attaching}
	if !e.idlest().add(fc) {
		_ = unix.Close(int(fd))
		return ErrShutdown
	}
	ok = e.calls.bind(bind, fc)
	if ok && len(early) > 0 && fc.snapshot()&closed == 0 {
		ok = e.calls.read(h, early)
	}
	if !ok {
		fc.stop(panicked)
	}
	fc.attached()
	return nil
}

// Timer implements Engine.
func (e *loops) Timer(h Handler) Conn {
	c := &fdConn{handler: h, fd: -1}
	if !e.idlest().add(c) {
		c.state = closed | ended
		go e.calls.end(h, ErrClosed)
	}
	return c
}

// Len implements Engine.
func (e *loops) Len() int {
	n := e.other.Len()
	for _, l := range e.loops {
		n += int(l.live.Load())
	}
	return n
}

// Now implements Engine.
func (e *loops) Now() Millis { return e.now() }

// Panics implements Engine.
func (e *loops) Panics() uint64 { return e.calls.panics.Load() }

// Shutdown implements Engine.
func (e *loops) Shutdown() {
	for _, l := range e.loops {
		l.stop()
	}
	e.other.Shutdown()
	for _, l := range e.loops {
		<-l.done
	}
}

// idlest is the loop with the fewest connections.
func (e *loops) idlest() *loop {
	best := e.loops[0]
	for _, l := range e.loops[1:] {
		if l.live.Load() < best.live.Load() {
			best = l
		}
	}
	return best
}
