package engineio

// releaseTick is how long a poll may wait once the candidate was probed: the client waits for the poll to finish
// before it sends the upgrade packet (PROTOCOL 1.6).
const releaseTick Millis = 100

// Session is the state of one Engine.IO session: heartbeat, polls, upgrade and close, as PROTOCOL 1.4 to 1.8 say. It
// holds no packets and touches no wire: it is told what happened and when, and returns what to do. It is not safe for
// concurrent use; the owner calls it under the session's lock, carries an Action out before the next call, and sets its
// timer to Deadline after every call.
//
// The zero Session is of no use before Open. It must not be copied afterwards.
type Session struct {
	set *Settings // shared, read-only

	// due is when the next ping is due; while awaiting, when its pong must have come; while closing, when the
	// session is given up.
	due     Millis
	upgrade Millis // with a candidate: when it is dropped
	release Millis // with a probed candidate and a waiting poll: when the poll is released

	transport Transport
	reason    Reason // zero until the first End
	candidate candidate

	awaiting bool // a ping was sent and no pong came since
	waiting  bool // a GET waits for packets
	posting  bool // a POST is being received
	closed   bool // the first End was returned
	closing  bool // closed, and the close packet waits for a poll or for the upgrade
}

// candidate is how far an upgrade has come.
type candidate uint8

const (
	noCandidate candidate = iota
	arrived
	probed
)

// Open begins the session on t. The open packet is the owner's to send; on polling it answers the handshake's GET, which
// does not count as a poll. FirstPing is the distance to the first ping: owners spread it over half to a whole
// PingInterval, so that clients that came together are not pinged together.
func (s *Session) Open(set *Settings, t Transport, now, firstPing Millis) {
	*s = Session{set: set, transport: t, due: now + firstPing}
}

// Transport is what carries the session now.
func (s *Session) Transport() Transport { return s.transport }

// Closed reports whether End was returned: the session takes and sends nothing any more.
func (s *Session) Closed() bool { return s.closed }

// Closing reports whether the session is Closed but the client has not been told: it polls, and no poll waited at
// Close. The owner keeps the session and its queue until the second End.
func (s *Session) Closing() bool { return s.closing }

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
	if s.candidate != noCandidate {
		at = min(at, s.upgrade)
	}
	if s.candidate == probed && s.waiting {
		at = min(at, s.release)
	}
	return at
}

// Advance tells the session the time. It returns one of the actions that are due; the owner carries it out and calls
// again until it gets None. A late call moves what follows: a ping is answered within PingTimeout of when it was sent,
// not of when it was due.
func (s *Session) Advance(now Millis) Action {
	switch {
	case s.over():
		return None
	case s.candidate != noCandidate && now >= s.upgrade:
		s.candidate = noCandidate
		return DropCandidate
	case now >= s.due && (s.awaiting || s.closing):
		return s.end(PingTimeout)
	case now >= s.due:
		s.awaiting = true
		s.due = now + s.set.PingTimeout
		return SendPing
	case s.candidate == probed && s.waiting && now >= s.release:
		s.release = now + releaseTick
		return ReleasePoll
	}
	return None
}

// Receive takes one packet of the current transport or of the candidate. What cannot be parsed does not come here: it is
// WireLost(ParseError) on the current transport and CandidateLost on the candidate.
func (s *Session) Receive(from Wire, p Packet, now Millis) Action {
	if from == Candidate {
		return s.receiveCandidate(p, now)
	}
	if s.closed && p.Type != PacketClose {
		return None
	}
	switch p.Type {
	case PacketMessage:
		return Deliver
	case PacketPong:
		// An unsolicited pong is a sign of life like any other (PROTOCOL 1.7).
		s.awaiting = false
		s.due = now + s.set.PingInterval
		return None
	case PacketOpen, PacketUpgrade, PacketNoop:
		return None
	case PacketClose:
		return s.end(TransportClose)
	case PacketPing: // version 4 pings from the server only
		return s.end(TransportError)
	}
	return s.end(ParseError)
}

// WireLost tells that the current transport ended, or that what came over it broke the transport's rules.
func (s *Session) WireLost(r Reason) Action { return s.end(r) }

// Close closes the session from the server's side and returns End, or None if it is Closed already. If no poll waits to
// be told, the session is Closing for at most CloseTimeout. It then returns End once more: from PollArrived, from Advance
// when the time is over or the client has completed its upgrade, or from what else would have ended the session.
func (s *Session) Close(r Reason, now Millis) Action {
	if s.closed {
		return None
	}
	if s.transport != Polling || s.waiting {
		return s.end(r)
	}
	// The candidate stays: after its probe the client does not poll again before it has sent the upgrade packet.
	s.closed, s.closing, s.reason = true, true, r
	s.due = now + s.set.CloseTimeout
	return End
}

// over reports whether nothing more will happen.
func (s *Session) over() bool { return s.closed && !s.closing }

// end returns the session's End: the first one because of r, or the second one if it is Closing.
func (s *Session) end(r Reason) Action {
	if s.over() {
		return None
	}
	if !s.closed {
		s.reason = r
	}
	s.closed, s.closing = true, false
	s.candidate = noCandidate
	return End
}
