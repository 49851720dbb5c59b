package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Pause makes the session read nothing more from its client until Resume or its end (I4): TCP, or QUIC, holds the client
// back. It is cheap, and without effect on a session that is paused or has ended. The Handler returns false from each
// Message that comes all the same: the one that was under way, or the next of the read during which the pause began.
//
// That message and what was read behind it, 64 KiB as a rule and never more than that and one message, is kept for Resume.
// A POST waits, before its body is read or, if its packets are being handled, before the next of them, and is answered
// after Resume, but for one that the client's upgrade waits for. Polls, messages to the client, its upgrade and what ends the session on this side go on. So does the
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
		if s.poll != nil && s.poll.overtaking != nil { // its client hears of heartbeats there only
			s.completeUpgrade(s.poll.overtaking)
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
	s.srv.posts.wake(s)
	if s.wire != nil {
		s.wire.regulate()
	}
}

// waiters are the POSTs that wait for the end of a pause, or for a reason to be answered during it: one of a session, as a
// rule. It is no part of a Session, as few have one.
type waiters struct {
	mu sync.Mutex // guards the following; a leaf, taken under Session.mu
	of map[*Session]chan struct{}
}

// wait returns what is closed when s has something new for its POST.
func (w *waiters) wait(s *Session) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[s] == nil {
		if w.of == nil {
			w.of = make(map[*Session]chan struct{})
		}
		w.of[s] = make(chan struct{})
	}
	return w.of[s]
}

func (w *waiters) wake(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.of[s]; c != nil {
		close(c)
		delete(w.of, s)
	}
}

// patiently returns when a POST of the session may go on. During a pause it waits, and so does its answer; its request has
// all the time there is then, and begins anew with it afterwards.
//
// A client whose candidate was probed fetches no heartbeat until its POST is answered and it has completed the upgrade, so
// this is not made to wait: it is read, and answered before its packets are handled.
func (s *Session) patiently(e *exchange) {
	s.mu.Lock()
	for s.paused {
		probed := s.machine.Probed()
		if !e.handling && (probed || s.poll == nil) {
			break
		}
		answer := probed && !e.answered
		var more <-chan struct{}
		if !answer {
			more = s.srv.posts.wait(s)
		}
		s.mu.Unlock()
		if answer {
			e.ok()
		} else {
			e.await(more)
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// exchange is a POST with its answer.
type exchange struct {
	// Fixed at construction.
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	timeout time.Duration // Config.BodyTimeout

	handling bool // its packets are being handled
	answered bool
}

// await lifts the deadlines of the request until more is closed.
func (e *exchange) await(more <-chan struct{}) {
	_ = e.control.SetReadDeadline(time.Time{}) // net/http takes a deadline that passes for the client's end
	_ = e.control.SetWriteDeadline(time.Time{})
	<-more
	now := time.Now()
	_ = e.control.SetReadDeadline(now.Add(e.timeout))
	_ = e.control.SetWriteDeadline(now.Add(e.timeout + answerTimeout))
}

// ok answers the POST, unless that was done.
func (e *exchange) ok() {
	if e.answered {
		return
	}
	e.answered = true
	const body = "ok"
	header := e.w.Header()
	header.Set("Content-Type", "text/html")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if e.handling && e.r.ProtoMajor < 2 { // the connection is in use for longer than the client can know
		header.Set("Connection", "close")
	}
	_, _ = io.WriteString(e.w, body)
	if e.handling {
		_ = e.control.Flush()
	}
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
