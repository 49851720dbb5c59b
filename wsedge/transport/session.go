package transport

import (
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// Handler is the application's side of one session. Message calls come one
// after the other, in the order in which the client sent them. No lock of this
// package is held during any call, and none of them may block for long: the
// caller is a loop that other sessions share.
type Handler interface {
	// Opened comes first, once. What is sent from within it follows the open
	// packet at once.
	Opened()
	// Message takes one message. data is valid during the call only. A Handler that has paused the session meanwhile,
	// from another goroutine, returns false: the message comes again, first of all, when the session is resumed.
	Message(data []byte, binary bool) (taken bool)
	// Alarm follows SetAlarm, once.
	Alarm()
	// Closed comes exactly once; a Message or an Alarm that was on its way then
	// may still follow it. It may come from any goroutine, also from within a
	// method of the Session that the Handler itself calls.
	Closed(reason engineio.Reason, cause Cause)
}

// Session is one Engine.IO session: the state machine, its queue, and what it
// is carried by at the moment. Every method may be called from any goroutine;
// none blocks.
type Session struct {
	// Fixed at construction.
	srv       *Server
	app       Handler
	handshake encodedHandshake
	id        engineio.ID // secret: the sid of the open packet

	mu      sync.Mutex // guards the following; a leaf: only netpoll's own locks are taken under it
	machine engineio.Session
	conn    netpoll.Conn   // keeps the deadlines: the WebSocket, or a timer while polling
	wire    *socketWire    // the WebSocket, nil while polling
	poll    *poll          // nil once a WebSocket carries the session
	out     *outbox        // what waits, nil when nothing does
	alarm   netpoll.Millis // when the application wants to be called, 0 = never
	armed   netpoll.Millis // the deadline that conn knows
	corks   uint16         // while > 0 nothing is written, only queued
	blocked bool           // the WebSocket took less than offered: OnWritable follows
	paused  bool           // the client is not read
	cause   Cause
	ended   bool // machine said End: the application hears of it
	told    bool // app.Closed was called
	gone    bool // the record is out of the table
}

// poll is what only a polling session has.
type poll struct {
	waiting   chan<- payload // the parked GET takes its body here, nil when there is none
	style     pollStyle      // what that GET wants
	candidate *socketWire    // a WebSocket, or a WebTransport stream, that wants to take over

	handling   bool        // the packets of a POST are being handled
	overtaking *socketWire // the candidate whose upgrade packet came meanwhile, nil when none did
}

// ID is the session's id, the sid of its open packet. It is a secret: whoever
// knows it can speak for the client. Only a client of revision 3 has it as the
// public id of its socket as well (PROTOCOL 2.7).
func (s *Session) ID() engineio.ID { return s.id }

// Handler is what Config.OnSession returned for this session.
func (s *Session) Handler() Handler { return s.app }

// Handshake returns what the client said in its first request.
func (s *Session) Handshake() *Handshake { return s.handshake.decode() }

// Transport is what carries the session at the moment.
func (s *Session) Transport() engineio.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Transport()
}

// Revision is the revision of Engine.IO that the client speaks; it never changes.
func (s *Session) Revision() engineio.Revision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Revision()
}

// Writable reports whether a message would go out now: the WebSocket takes
// bytes, or a poll waits. A volatile message is dropped otherwise.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.machine.Closed() && s.writable()
}

// Closed reports whether the session has ended; Handler.Closed has been called or
// is about to be.
func (s *Session) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Closed()
}

// SetAlarm asks for one Handler.Alarm after the given time (late by the
// engine's sweep period at most); 0 takes it back.
func (s *Session) SetAlarm(after time.Duration) {
	s.mu.Lock()
	s.alarm = 0
	if after > 0 {
		s.alarm = s.srv.engine.Now() + after.Milliseconds()
	}
	s.unlock()
}

// Close ends the session: what waits is still written, then the client hears
// the close. Handler.Closed follows with ForcedClose, unless the session has
// ended already. It reports whether the client could be told at once: a polling
// client without a waiting request hears of it with its next one.
func (s *Session) Close() (immediate bool) {
	return s.closeBecause(CauseNone)
}

func (s *Session) closeBecause(cause Cause) bool {
	s.mu.Lock()
	if !s.machine.Closed() {
		s.cause = cause
		s.act(s.machine.Close(engineio.ForcedClose, s.now()), nil)
	}
	immediate := !s.machine.Closing()
	s.unlock()
	return immediate
}

// Reject ends the session because its client asks for more than it may. The
// client is told why: by the close code 1008 and reason, at most 123 bytes of
// UTF-8, on a WebSocket, and by the status 429 if a POST is being handled.
func (s *Session) Reject(reason string) {
	s.mu.Lock()
	if !s.machine.Closed() {
		s.lose(engineio.ForcedClose, CauseLimit, ws.NewCloseFrameBody(ws.StatusPolicyViolation, reason))
	}
	s.unlock()
}

func (s *Session) now() engineio.Millis { return engineio.Millis(s.srv.engine.Now()) }

// unlock releases the lock after having armed the next deadline, and tells the
// application if the session has ended.
func (s *Session) unlock() {
	s.rearm()
	tell := s.ended && !s.told
	s.told = s.told || tell
	forget := s.ended && !s.gone && !s.machine.Closing()
	s.gone = s.gone || forget
	reason, cause := s.machine.Reason(), s.cause
	s.mu.Unlock()
	if forget {
		s.srv.sessions.remove(s.id)
		s.srv.limits.end(s.handshake)
	}
	if tell {
		s.srv.stats.closed(reason)
		s.srv.noteEnd(reason, cause)
		s.app.Closed(reason, cause)
	}
}

func (s *Session) rearm() {
	if s.conn == nil || s.ended && s.wire != nil {
		return // a WebSocket that lingers after the end has a deadline of its own
	}
	at := netpoll.Millis(s.machine.Deadline())
	if s.alarm != 0 && !s.ended && (at == 0 || s.alarm < at) {
		at = s.alarm
	}
	if at != s.armed {
		s.armed = at
		s.conn.SetDeadline(at)
	}
}

// deadline is called when the deadline of conn has passed.
func (s *Session) deadline(now netpoll.Millis) {
	s.mu.Lock()
	s.armed = 0
	ring := s.alarm != 0 && s.alarm <= now && !s.ended
	if ring {
		s.alarm = 0
	}
	s.advance(engineio.Millis(now))
	s.unlock()
	if ring {
		s.app.Alarm()
	}
}

// advance tells the state machine the time and does what is due.
func (s *Session) advance(now engineio.Millis) {
	for a := s.machine.Advance(now); a != engineio.None; a = s.machine.Advance(now) {
		s.act(a, nil)
	}
}

// act does what the state machine decided. w is the WebSocket that the decision
// is about, where it is about one. The lock is held.
func (s *Session) act(a engineio.Action, w *socketWire) {
	switch a {
	case engineio.SendPing:
		if s.out == nil || s.out.last() != pingPacket { // a client that is not read may not read either
			s.push(pingPacket)
		}
	case engineio.SendPong:
		if s.out == nil || s.out.last() != pongPacket { // one body may hold very many pings
			s.push(pongPacket)
		}
	case engineio.ReplyProbe:
		if w.write(probePacket.bytes(w.layout())) {
			s.release(noopPacket)
		}
		if s.paused {
			s.srv.posts.wake(s)
		}
	case engineio.ReleasePoll:
		s.release(noopPacket)
	case engineio.Switch:
		s.switchTo(w)
		s.advance(s.now())
	case engineio.DropCandidate:
		s.dropCandidate()
	case engineio.End:
		s.end(nil)
	}
}

// end carries out the end of the session, whatever the reason: the client is
// told if it can be. closeBody is the payload of the WebSocket close frame; all
// closes that the server decides on have an empty one (PROTOCOL 1.5).
func (s *Session) end(closeBody []byte) {
	s.ended = true
	s.resume() // what waits is thrown away
	if s.machine.Closing() {
		return // queue and candidate stay until the client can be told
	}
	s.dropCandidate()
	if s.wire != nil {
		s.wire.shut(closeBody, s.cause)
		return
	}
	last := closePacket
	if s.machine.Reason() == engineio.TransportClose {
		last = noopPacket // PROTOCOL 1.4: a close by POST
	}
	s.release(last)
	s.dropQueue()
	if s.conn != nil {
		s.conn.Close()
	}
}

// switchTo makes the candidate the session's wire (PROTOCOL 1.6, step 2).
func (s *Session) switchTo(w *socketWire) {
	if s.poll.waiting != nil {
		s.poll.waiting <- s.poll.style.encode(noopPacket)
		s.poll.waiting = nil
		s.machine.PollAnswered()
	}
	s.conn.Close()
	w.candidate = false
	s.wire, s.conn, s.poll = w, w.conn, nil
	s.armed = 0
	if s.paused {
		w.regulate()
		s.srv.posts.wake(s) // it has been overtaken
	}
	s.srv.stats.Upgraded.Add(1)
	s.flush()
}

// dropCandidate closes the WebSocket that wanted to take over, and nothing else.
func (s *Session) dropCandidate() {
	if s.poll == nil || s.poll.candidate == nil {
		return
	}
	w := s.poll.candidate
	s.poll.candidate = nil
	w.shut(nil, CauseNone)
}

// progress is what became of a packet.
type progress uint8

const (
	goesOn progress = iota // it was handled
	isOver                 // so, or not, and nothing more counts that comes that way
	noMore                 // it was handled, but what follows has to wait for OnResume
	notYet                 // it has to be given again when the session is not paused any more
)

// receive handles one packet that came over w, or by POST when w is nil.
func (s *Session) receive(w *socketWire, p engineio.Packet) progress {
	from := engineio.Current
	s.mu.Lock()
	if w != nil {
		switch {
		case w.closing: // after our close frame
			s.unlock()
			return isOver
		case w.overtakes(p):
			s.unlock()
			return noMore
		case w.candidate:
			from = engineio.Candidate
		}
	}
	a := s.machine.Receive(from, p, s.now())
	if a == engineio.Deliver {
		s.unlock()
		return s.deliver(p)
	}
	s.act(a, w)
	open := !s.ended && (w == nil || !w.closing)
	s.unlock()
	if !open {
		return isOver
	}
	return goesOn
}

// deliver hands a message to the application. One that it does not take comes
// again at once if the session has been resumed by then.
func (s *Session) deliver(p engineio.Packet) progress {
	for !s.app.Message(p.Data, p.Binary) {
		s.mu.Lock()
		paused, over := s.paused, s.ended
		s.mu.Unlock()
		switch {
		case over:
			return isOver
		case paused:
			return notYet
		}
	}
	s.srv.stats.Received.Add(1)
	return goesOn
}

// lose ends the session because what carries it failed, for good if it is
// closing already.
func (s *Session) lose(reason engineio.Reason, cause Cause, closeBody []byte) {
	if !s.ended {
		s.cause = cause
	}
	if s.machine.WireLost(reason) == engineio.End {
		s.end(closeBody)
	}
}
