package engineio

// probe is the data of the ping and the pong that try a candidate.
const probe = "probe"

// CandidateArrived takes a transport t that names the session: WebSocket or WebTransport. None: it is the candidate for
// UpgradeTimeout, and its packets come to Receive. DropCandidate: the newcomer is closed, because the session is Closed, is
// upgrading or not on polling, because upgrades are not allowed, or because t cannot be upgraded to; the first candidate
// is not affected.
func (s *Session) CandidateArrived(now Millis, t Transport) Action {
	if s.Closed() || s.transport != Polling || s.candidate != noCandidate || !s.set.AllowUpgrades {
		return DropCandidate
	}
	if t != WebSocket && t != WebTransport {
		return DropCandidate
	}
	s.candidate = t
	s.upgrade = now + s.set.UpgradeTimeout
	return None
}

// CandidateLost tells that the candidate ended, or sent what cannot be parsed, before Switch. Polling goes on and another
// candidate may come. It is harmless when there is no candidate.
func (s *Session) CandidateLost(_ Millis) { s.forget() }

// Probed reports whether a candidate was probed: the client waits for its poll and its POST, and then sends the upgrade
// packet.
func (s *Session) Probed() bool { return s.release != 0 }

// upgrading reports whether the time of a candidate runs.
func (s *Session) upgrading() bool { return s.candidate != noCandidate && !s.Paused() }

// drop gives the candidate up from the server's side.
func (s *Session) drop() Action {
	s.forget()
	return DropCandidate
}

// forget ends the attempt to upgrade.
func (s *Session) forget() { s.candidate, s.release = noCandidate, 0 }

// receiveCandidate takes a packet of the candidate: a probe, the upgrade packet, or what ends the attempt. As with the
// reference server the upgrade packet needs no probe before it; a client that sends it so gives up its own running
// requests, nothing else.
func (s *Session) receiveCandidate(p Packet, now Millis) Action {
	switch {
	case s.candidate == noCandidate:
		return None // read before the candidate's closing took effect
	case p.Type == PacketPing && !p.Binary && string(p.Data) == probe:
		s.release = now + releaseTick
		return ReplyProbe
	case p.Type == PacketUpgrade:
		s.transport = s.candidate
		s.forget()
		s.posting = false
		switch {
		case s.phase == closing:
			s.due = now // the client can be told now
		case s.revision == Revision3:
			// Clients hold their pings back while they upgrade. The reference server stops waiting for them here, for
			// ever (PROTOCOL 2.8).
			s.awaitPing(now)
		}
		return Switch
	}
	return s.drop()
}
