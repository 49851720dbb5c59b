package transport

import (
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// No stock client sends its upgrade packet while a POST of its own runs. One
// that does finds that POST refused as a whole, or, if its packets were being
// handled already, handled as a whole: until then the switch waits, and with it
// what the candidate sends behind its upgrade packet (PROTOCOL 1.6: nothing is
// lost or reordered): the candidate is not read, as in a pause (pause.go). So
// does its orderly end; a reset that is seen meanwhile ends the session at once.
//
// During a pause the POST may wait for very long. Then the switch comes at once,
// so that the client hears of heartbeats, and only the reading waits.

// overtakes reports whether p is the upgrade packet of w and has to wait for a
// POST, and makes w wait with it. The lock is held.
func (w *socketWire) overtakes(p engineio.Packet) bool {
	s := w.s
	if !w.candidate || p.Type != engineio.PacketUpgrade || s.poll == nil || !s.poll.handling || s.poll.candidate != w {
		return false
	}
	w.early = true
	s.poll.overtaking = w
	w.regulate()
	if s.paused {
		s.completeUpgrade(w)
	}
	return true
}

// completeUpgrade switches to w. The lock is held.
func (s *Session) completeUpgrade(w *socketWire) {
	if !w.closing && w.candidate {
		s.act(s.machine.Receive(engineio.Candidate, engineio.Packet{Type: engineio.PacketUpgrade}, s.now()), w)
	}
}

// handled ends the handling of a POST that arrived at a polling session: the
// switch that waited for it comes now, and what waited for the switch is read.
// limit tells that the packets were more than the client may send.
func (s *Session) handled(at *poll) (limit bool) {
	s.mu.Lock()
	defer s.unlock()
	s.machine.PostDone()
	at.handling = false
	limit = s.ended && s.cause == CauseLimit
	if w := at.overtaking; w != nil {
		w.early, at.overtaking = false, nil
		s.completeUpgrade(w)
		w.regulate()
	}
	return limit
}
