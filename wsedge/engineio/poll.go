package engineio

// PollArrived takes a GET that names the session. None: it waits, and the owner answers it at once if packets are
// queued. RefuseBadRequest: the session is on another transport, or over. End with PollWaiting: the client polled twice
// at a time, so the first poll gets the close packet and this one an empty 400. End without PollWaiting: the session was
// Closing, and this poll fetches what is queued and the close packet.
func (s *Session) PollArrived(now Millis) Action {
	switch {
	case s.transport != Polling || s.over():
		return RefuseBadRequest
	case s.waiting || s.phase == closing:
		return s.end(TransportError)
	}
	s.waiting = true
	s.fetched(now)
	if s.release != 0 {
		s.release = now + releaseTick
	}
	return None
}

// PollAnswered tells that the waiting poll is about to be answered. It comes before the answer is written: the client
// may poll again as soon as it has read it.
func (s *Session) PollAnswered() { s.waiting = false }

// PollAborted tells that the client broke off a GET. It ends the session if that GET still waited.
func (s *Session) PollAborted() Action {
	if !s.waiting {
		return None
	}
	s.waiting = false
	if s.transport != Polling {
		return None // lost between Switch and its noop
	}
	return s.end(TransportError)
}

// PostArrived takes a POST that names the session, before its body. None: its packets come to Receive if PostRunning
// is still true when the body is complete. RefuseBadRequest: the session is on another transport, or over. End: the
// client posted twice at a time; this POST gets an empty 400. While Closing, a POST is taken and its packets are dropped.
func (s *Session) PostArrived() Action {
	switch {
	case s.transport != Polling || s.over():
		return RefuseBadRequest
	case s.posting:
		return s.end(TransportError)
	}
	s.posting = true
	return None
}

// PostDone tells that the POST is about to be answered, whatever the answer is. It comes before the answer is written.
func (s *Session) PostDone() { s.posting = false }

// PostAborted tells that the client broke off its POST. It ends the session unless it is Closed: breaking off the
// running POST is part of closing.
func (s *Session) PostAborted() Action {
	if !s.posting {
		return None
	}
	s.posting = false
	if s.Closed() {
		return None
	}
	return s.end(TransportError)
}
