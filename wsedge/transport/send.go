package transport

import (
	"sync"
	"sync/atomic"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Send writes p, or queues it behind what waits, and reports whether it was
// taken. A volatile message is dropped unless it can be written now. A message
// that does not fit behind what waits (Config.MaxOutbox) ends the session; one
// that finds nothing waiting is taken whatever its size.
func (s *Session) Send(p *Prepared, volatile bool) bool {
	return s.SendUnless(nil, p, volatile)
}

// SendUnless is Send, but takes nothing once gone is true. What was sent after
// gone was set is therefore not followed by anything that depends on it.
func (s *Session) SendUnless(gone *atomic.Bool, p *Prepared, volatile bool) bool {
	s.mu.Lock()
	ok := !s.machine.Closed() && (gone == nil || !gone.Load())
	if ok && volatile && !s.writable() {
		ok = false
		s.srv.stats.VolatileDropped.Add(1)
	}
	if ok {
		s.push(p)
		ok = !s.ended
	}
	s.unlock()
	return ok
}

// Cork makes everything wait that is sent until as many Uncorks followed.
func (s *Session) Cork() {
	s.mu.Lock()
	s.corks++
	s.mu.Unlock()
}

// Uncork undoes one Cork; the last one writes what waits.
func (s *Session) Uncork() {
	s.mu.Lock()
	if s.corks > 0 { // the end takes all corks away
		s.corks--
	}
	s.flush()
	s.unlock()
}

// writable reports whether a message would go out now, so that a volatile one
// need not be dropped.
func (s *Session) writable() bool {
	if s.wire != nil {
		return !s.blocked && (s.out == nil || s.corks > 0)
	}
	return s.poll != nil && s.poll.waiting != nil
}

// push writes p or queues it. The lock is held and the session open.
func (s *Session) push(p *Prepared) {
	if s.out == nil && s.corks == 0 && s.wire != nil {
		frames := p.bytes(s.wire.layout())
		n, err := s.conn.TryWrite(frames)
		if n == len(frames) || err != nil {
			return // after an error the engine's OnClose ends the session
		}
		s.queue(p)
		s.out.sent = n
		s.block()
		return
	}
	if s.out != nil && s.out.bytes+p.size() > s.srv.cfg.MaxOutbox {
		s.overflow()
		return
	}
	s.queue(p)
	s.flush()
}

// queue puts p behind what waits.
func (s *Session) queue(p *Prepared) {
	if s.out == nil {
		s.out = outboxes.Get().(*outbox)
	}
	s.out.push(p)
}

// overflow ends a session whose client does not keep up (I4).
func (s *Session) overflow() {
	s.cause = CauseOverflow
	s.srv.stats.Overflows.Add(1)
	s.dropQueue()
	s.act(s.machine.Close(engineio.TransportError, s.now()), nil)
}

// flush writes what waits, as far as it goes.
func (s *Session) flush() {
	if s.out == nil || s.corks > 0 {
		return
	}
	switch {
	case s.wire != nil && !s.blocked && s.conn != nil:
		s.drain()
	case s.wire == nil:
		s.release(nil)
	}
}

func (s *Session) drain() {
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	l := s.wire.layout()
	for !s.out.empty() {
		chunk := s.out.gather(*scratch, l)
		n, err := s.conn.TryWrite(chunk)
		if err != nil {
			return // OnClose follows and drops the queue
		}
		s.out.advance(n, l)
		if n < len(chunk) {
			s.block()
			return
		}
	}
	s.dropQueue()
	s.wire.drained()
}

// scratches hold several short frames for one write.
var scratches = sync.Pool{New: func() any {
	b := make([]byte, 0, 16<<10)
	return &b
}}

func (s *Session) block() {
	s.blocked = true
	s.conn.Arm()
}

func (s *Session) dropQueue() {
	if s.out == nil {
		return
	}
	s.out.recycle()
	s.out = nil
}

// release answers the waiting GET, if there is one, with what waits and with
// last, which may be nil if something waits.
func (s *Session) release(last *Prepared) {
	if s.poll == nil || s.poll.waiting == nil {
		return
	}
	s.poll.waiting <- s.takePayload(s.poll.style, last)
	s.poll.waiting = nil
	s.machine.PollAnswered()
}

// takePayload empties the queue into one polling body. last is appended when it says something (a close), or
// when nothing else does (a noop).
func (s *Session) takePayload(style pollStyle, last *Prepared) payload {
	switch {
	case s.out == nil:
		return style.encode(last)
	case last == closePacket:
		s.out.push(last)
	}
	body := style.encode(s.out.waiting()...)
	s.out.head = len(s.out.items) // all of it has gone
	s.dropQueue()
	return body
}
