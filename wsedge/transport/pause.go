package transport

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Pause makes the session read nothing more from its client until Resume or its end (I4): TCP, or QUIC, holds the client
// back. It is cheap, and without effect on a session that is paused or has ended. The Handler returns false from each
// Message that comes all the same: the one that was under way, or the next of the read during which the pause began.
//
// That message and what was read behind it, 64 KiB as a rule and never more than that and one message, is kept for Resume.
// A POST waits, before its body is read or, if its packets are being handled, before the next of them, and is answered
// after Resume. Polls, messages to the client, its upgrade and what ends the session on this side go on. So does the
// heartbeat, but nothing is expected of the client (engineio.Session.Pause): that it has gone is noticed by what cannot be
// written and by polls that do not come, an end in good order perhaps only after Resume, behind all that came before it.
func (s *Session) Pause() {
	s.mu.Lock()
	if !s.paused && !s.machine.Closed() {
		s.paused = true
		s.srv.stats.Paused.Add(1)
		s.machine.Pause(s.now())
		if s.wire != nil {
			s.wire.regulate()
		}
	}
	s.unlock()
}

// Resume undoes Pause: what was kept is handled first, in order, by whoever reads. It is cheap, and without effect on a
// session that is not paused.
func (s *Session) Resume() {
	s.mu.Lock()
	s.resume()
	s.unlock()
}

// resume does the work of Resume; the end of a session calls it as well. The lock is held.
func (s *Session) resume() {
	if !s.paused {
		return
	}
	s.paused = false
	s.srv.stats.Paused.Add(-1)
	s.machine.Resume(s.now())
	if s.poll != nil {
		s.poll.proceed()
	}
	if s.wire != nil {
		s.wire.regulate()
	}
}

// proceed lets a POST go on that waits. Session.mu is held.
func (p *poll) proceed() {
	if p.resumed != nil {
		close(p.resumed)
		p.resumed = nil
	}
}

// patiently returns when a POST of the session may go on: it is not paused, or does not poll any longer. Meanwhile the
// request, whose deadlines control sets, has all the time there is; then its time begins anew.
func (s *Session) patiently(control *http.ResponseController) {
	s.mu.Lock()
	for s.paused && s.poll != nil {
		if s.poll.resumed == nil {
			s.poll.resumed = make(chan struct{})
		}
		resumed := s.poll.resumed
		s.mu.Unlock()
		_ = control.SetReadDeadline(time.Time{}) // net/http takes a deadline that passes for the client's end
		_ = control.SetWriteDeadline(time.Time{})
		<-resumed
		now := time.Now()
		_ = control.SetReadDeadline(now.Add(s.srv.cfg.BodyTimeout))
		_ = control.SetWriteDeadline(now.Add(s.srv.cfg.BodyTimeout + answerTimeout))
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// regulate makes the engine read the wire, or not. The lock is held.
func (w *socketWire) regulate() {
	switch {
	case w.conn == nil: // bind will do it
	case w.early || w.s.paused && w == w.s.wire:
		w.conn.Pause()
	default:
		w.conn.Resume()
	}
}

// errWaits stops a decoder: what follows is for later.
var errWaits = errors.New("transport: paused")

// kept is what a wire brought that its session was not ready for. It exists between a Pause of the wire and OnResume, during
// which nothing is read.
type kept struct {
	packet *engineio.Packet // comes first, nil if none does; its data is its own
	rest   []byte           // what was read behind it
}

// accept hands a packet that the wire brought to the session. The error is errWaits, if what follows has to wait, maybe
// with this packet.
func (w *socketWire) accept(p engineio.Packet) error {
	switch w.s.receive(w, p) {
	case notYet:
		own := p // p itself stays off the heap
		own.Data = bytes.Clone(p.Data)
		w.kept = &kept{packet: &own}
		return errWaits
	case noMore:
		return errWaits
	}
	return nil
}

// keep keeps the rest of what was read, which nobody else uses.
func (w *socketWire) keep(rest []byte) {
	if w.kept == nil && len(rest) > 0 {
		w.kept = new(kept)
	}
	if w.kept != nil {
		w.kept.rest = rest
	}
}

// goOn handles what was kept, and keeps again what has to wait again. read is that of the wire.
func (w *socketWire) goOn(read func([]byte) (rest []byte, err error)) {
	k := w.kept
	if k == nil {
		return
	}
	w.kept = nil
	rest, err := k.rest, error(nil)
	if k.packet != nil {
		err = w.accept(*k.packet)
	}
	if err == nil {
		rest, err = read(rest)
	}
	if err != nil {
		w.keep(rest)
	}
}
