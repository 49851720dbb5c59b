package engineio

// releaseTick is how long a poll may wait once the candidate was probed: the client waits for the poll to finish
// before it sends the upgrade packet (PROTOCOL 1.6).
const releaseTick Millis = 100

// Session is the state of one Engine.IO session: heartbeat, polls, upgrade and close, as PROTOCOL 1.4 to 1.8 and 2.1 say. It
// holds no packets and touches no wire: it is told what happened and when, and returns what to do. It is not safe for
// concurrent use; the owner calls it under the session's lock, carries an Action out before the next call, and sets its
// timer to Deadline after every call.
//
// The zero Session is of no use before Open. It must not be copied afterwards.
type Session struct {
	set *Settings // shared, read-only

	// due is when the next ping is due; while awaiting, when the client's pong or ping must have come; while paused, when
	// keepAlive is due; while closing, when the session is given up.
	due     Millis
	upgrade Millis // with a candidate: when it is dropped
	release Millis // zero until the candidate was probed; then, with a waiting poll: when the poll is released

	transport Transport
	revision  Revision
	reason    Reason    // zero until the first End
	candidate Transport // what wants to take over; noCandidate if nothing does

	awaiting bool // revision 4: a ping was sent and no pong came since; revision 3: always, for the next ping
	waiting  bool // a GET waits for packets
	posting  bool // a POST is being received
	phase    phase
}

// phase is a state in which a session is for a time; sessions are going as a rule.
type phase uint8

const (
	going     phase = iota
	paused          // nothing is read from the client
	unfetched       // so, and the client polls, but no poll has come since the last heartbeat
	resumed         // it was paused once: pongs to pings of that time may come at any time
	closing         // Closed, and the close packet waits for a poll or for the upgrade
)

const noCandidate Transport = 0

// Open begins the session on t. The open packet is the owner's to send; on polling it answers the handshake's GET, which
// does not count as a poll. FirstPing is the distance to the first ping: owners spread it over half to a whole
// PingInterval, so that clients that came together are not pinged together. Revision 3 does not use it: there the client
// pings.
func (s *Session) Open(set *Settings, t Transport, rev Revision, now, firstPing Millis) {
	*s = Session{set: set, transport: t, revision: rev, due: now + firstPing}
	if rev == Revision3 {
		s.awaiting = true
		s.awaitPing(now)
	}
}

// awaitPing gives a client of revision 3 its time for the next ping (PROTOCOL 2.1).
func (s *Session) awaitPing(now Millis) {
	if !s.Paused() {
		s.due = now + s.set.PingInterval + s.set.PingTimeout
	}
}

// Revision is what the session speaks.
func (s *Session) Revision() Revision { return s.revision }

// Transport is what carries the session now.
func (s *Session) Transport() Transport { return s.transport }

// Closed reports whether End was returned: the session takes and sends nothing any more.
func (s *Session) Closed() bool { return s.reason != 0 }

// Closing reports whether the session is Closed but the client has not been told: it polls, and no poll waited at
// Close. The owner keeps the session and its queue until the second End.
func (s *Session) Closing() bool { return s.phase == closing }

// Reason is why the session ended; zero while it is open. The first cause stays.
func (s *Session) Reason() Reason { return s.reason }

// PollWaiting reports whether a GET waits for an answer. It stays true over an End until PollAnswered.
func (s *Session) PollWaiting() bool { return s.waiting }

// PostRunning reports whether the packets of the POST that is being received still count. The owner asks when the body is
// complete: an upgrade in the meantime makes it false.
func (s *Session) PostRunning() bool { return s.posting }

// Deadline is when Advance wants to be called: never 0 while the session is open or Closing, 0 afterwards. It may lie in
// the past.
func (s *Session) Deadline() Millis {
	if s.over() {
		return 0
	}
	at := s.due
	if s.upgrading() {
		at = min(at, s.upgrade)
	}
	if s.release != 0 && s.waiting {
		at = min(at, s.release)
	}
	return at
}

// Advance tells the session the time. It returns one of the actions that are due; the owner carries it out and calls
// again until it gets None. A late call moves what follows: a ping is answered within PingTimeout of when it was sent,
// not of when it was due. Revision 3 has nothing to move: its End is due as long after the client's last ping as the
// client was told at the handshake.
func (s *Session) Advance(now Millis) Action {
	switch {
	case s.over():
		return None
	case s.upgrading() && now >= s.upgrade:
		return s.drop()
	case s.Paused() && now >= s.due:
		return s.keepAlive(now)
	case now >= s.due && (s.awaiting || s.phase == closing):
		return s.end(PingTimeout)
	case now >= s.due:
		s.awaiting = true
		s.due = now + s.set.PingTimeout
		return SendPing
	case s.release != 0 && s.waiting && now >= s.release:
		s.release = now + releaseTick
		return ReleasePoll
	}
	return None
}

// Receive takes one packet of the current transport or of the candidate. Only a ping (revision 3) or a pong (revision 4)
// puts off the PingTimeout. What cannot be parsed does not come here: it is
// WireLost(ParseError) on the current transport and CandidateLost on the candidate.
func (s *Session) Receive(from Wire, p Packet, now Millis) Action {
	if from == Candidate {
		return s.receiveCandidate(p, now)
	}
	if s.Closed() && p.Type != PacketClose {
		return None
	}
	switch p.Type {
	case PacketMessage:
		return Deliver
	case PacketPing:
		if s.revision != Revision3 { // version 4 pings from the server only
			return s.end(TransportError)
		}
		s.awaitPing(now)
		return SendPong
	case PacketPong:
		if s.revision == Revision3 {
			return s.end(TransportError)
		}
		// An unsolicited pong is a sign of life like any other (PROTOCOL 1.7), but for one that may be old and read late: it puts
		// off no ping, as the client waits no longer for that than it was told at the handshake.
		if s.awaiting || s.phase == going {
			s.awaiting = false
			s.due = now + s.set.PingInterval
		}
		return None
	case PacketOpen, PacketUpgrade, PacketNoop:
		return None
	case PacketClose:
		return s.end(TransportClose)
	}
	return s.end(ParseError)
}

// WireLost tells that the current transport ended, or that what came over it broke the transport's rules. R is not zero.
func (s *Session) WireLost(r Reason) Action { return s.end(r) }

// Close closes the session from the server's side because of r, which is not zero. It returns End, or None if the session
// is Closed already. If no poll waits to
// be told, the session is Closing for at most CloseTimeout. It then returns End once more: from PollArrived, from Advance
// when the time is over or the client has completed its upgrade, or from what else would have ended the session.
func (s *Session) Close(r Reason, now Millis) Action {
	if s.Closed() {
		return None
	}
	if s.transport != Polling || s.waiting {
		return s.end(r)
	}
	// The candidate stays: after its probe the client does not poll again before it has sent the upgrade packet.
	s.phase, s.reason = closing, r
	s.due = now + s.set.CloseTimeout
	return End
}

// over reports whether nothing more will happen.
func (s *Session) over() bool { return s.Closed() && s.phase != closing }

// end returns the session's End: the first one because of r, or the second one if it is Closing.
func (s *Session) end(r Reason) Action {
	if s.over() {
		return None
	}
	if !s.Closed() {
		s.reason = r
	}
	s.phase = going
	s.forget()
	return End
}
