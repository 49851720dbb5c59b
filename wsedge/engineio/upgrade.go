package engineio

// probe is the data of the ping and the pong that try a candidate.
const probe = "probe"

// CandidateArrived takes a WebSocket that names the session. None: it is the candidate for UpgradeTimeout, and its
// packets come to Receive. DropCandidate: the newcomer is closed, because the session is Closed, is upgrading or not on
// polling, or upgrades are not allowed; the first candidate is not affected.
func (s *Session) CandidateArrived(now Millis) Action {
	if s.closed || s.transport != Polling || s.candidate != noCandidate || !s.set.AllowUpgrades {
		return DropCandidate
	}
	s.candidate = arrived
	s.upgrade = now + s.set.UpgradeTimeout
	return None
}

// CandidateLost tells that the candidate ended, or sent what cannot be parsed, before Switch. Polling goes on and another
// candidate may come. It is harmless when there is no candidate.
func (s *Session) CandidateLost(_ Millis) { s.candidate = noCandidate }

// receiveCandidate takes a packet of the candidate: a probe, the upgrade packet, or what ends the attempt. As with the
// reference server the upgrade packet needs no probe before it; a client that sends it so gives up its own running
// requests, nothing else.
func (s *Session) receiveCandidate(p Packet, now Millis) Action {
	switch {
	case s.candidate == noCandidate:
		return None // read before the candidate's closing took effect
	case p.Type == PacketPing && string(p.Data) == probe:
		s.candidate = probed
		s.release = now + releaseTick
		return ReplyProbe
	case p.Type == PacketUpgrade:
		s.candidate = noCandidate
		s.transport = WebSocket
		s.posting = false
		if s.closing {
			s.due = now // the client can be told now
		}
		return Switch
	}
	s.candidate = noCandidate
	return DropCandidate
}
