package engineio

// While a session is paused its owner reads nothing from the client, so neither a pong nor a ping can be seen. What would
// be late then is not: the client's ping and the candidate's upgrade packet have their whole time again from Resume on (a
// stock client sends the latter only once its running POST is answered, and is lost if the candidate goes meanwhile), and
// the first pong that is waited for is that of the first ping after Resume. The client must see no difference: revision 4
// gets its pings at their interval, also across Resume, and whenever its pongs are read; revision 3 gets pongs that it has
// not asked for, as often as an answer may be due.
//
// A client that polls shows that it is there by doing so: one that does not fetch a ping within PingTimeout has gone. While
// it upgrades it does not poll, and is believed.

// Pause tells that nothing more is read from the client. It is without effect on a session that is Closed or paused; the
// end of a session is the end of its pause.
func (s *Session) Pause(now Millis) {
	if s.Closed() || s.Paused() {
		return
	}
	s.phase = paused
	switch {
	case s.revision == Revision3:
		s.due = now + s.pongEvery()
	case s.awaiting:
		s.awaiting = false
		s.pingNext()
	}
}

// pingNext makes the next ping due an interval after the last one, whose pong or poll was due.
func (s *Session) pingNext() { s.due += s.set.PingInterval - s.set.PingTimeout }

// Resume tells that the client is read again. It is without effect on a session that is not paused.
func (s *Session) Resume(now Millis) {
	if !s.Paused() {
		return
	}
	late := s.phase == unfetched
	s.phase = resumed
	if s.candidate != noCandidate {
		s.upgrade = now + s.set.UpgradeTimeout
	}
	switch {
	case s.revision == Revision3:
		s.awaitPing(now)
	case late:
		s.pingNext()
	}
}

// Paused reports whether the session is paused.
func (s *Session) Paused() bool { return s.phase == paused || s.phase == unfetched }

// pongEvery is how often a client of revision 3 is answered whose pings are not read: soon enough for a ping that it sent
// just before the last answer.
func (s *Session) pongEvery() Millis { return max(min(s.set.PingInterval, s.set.PingTimeout)/2, 1) }

// keepAlive is the heartbeat of a paused session, which is due.
func (s *Session) keepAlive(now Millis) Action {
	polls := s.transport == Polling
	if polls && s.phase == unfetched && s.candidate == noCandidate {
		return s.end(PingTimeout)
	}
	s.phase = paused
	if polls {
		s.phase = unfetched
	}
	if s.revision == Revision3 {
		s.due = now + s.pongEvery()
		if polls {
			s.due = now + s.set.PingTimeout
		}
		return SendPong
	}
	s.due = now + s.set.PingInterval
	if polls {
		s.due = now + s.set.PingTimeout
	}
	return SendPing
}

// fetched notes that a paused client polls.
func (s *Session) fetched(now Millis) {
	if s.phase != unfetched {
		return
	}
	s.phase = paused
	s.due = now + s.set.PingInterval
	if s.revision == Revision3 {
		s.due = now + s.pongEvery()
	}
}
