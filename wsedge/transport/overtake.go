package transport

import (
	"bytes"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// No stock client sends its upgrade packet while a POST of its own runs. One
// that does finds that POST refused as a whole, or, if its packets were being
// handled already, handled as a whole: until then the switch waits, and with it
// what the candidate sends behind its upgrade packet (PROTOCOL 1.6: nothing is
// lost or reordered). So does its orderly end; a reset that is seen meanwhile ends
// the session at once.

// held is what a candidate sent behind its upgrade packet while a POST was being
// handled. It is bounded by MaxPayload and by what one read brings, as the
// connection is not read meanwhile.
type held struct {
	packets []engineio.Packet // their data is their own
	bytes   int
	ending  *ending // what comes behind them; nothing does after that
}

// ending is how a wire ends.
type ending struct {
	reason    engineio.Reason
	cause     Cause
	closeBody []byte
}

// hold keeps a packet of w for later, if it comes too early, and reports whether
// it did. The lock is held.
func (w *socketWire) hold(p engineio.Packet) bool {
	s := w.s
	switch {
	case w.held != nil && w.held.ending != nil:
		return true
	case w.held != nil:
		if w.held.bytes += len(p.Data); w.held.bytes > s.srv.cfg.Settings.MaxPayload {
			w.held.ending = &ending{engineio.TransportError, CauseProtocol, ws.NewCloseFrameBody(errTooBig.code, "")}
			return true
		}
		p.Data = bytes.Clone(p.Data)
		w.held.packets = append(w.held.packets, p)
		return true
	case w.candidate && p.Type == engineio.PacketUpgrade && s.poll != nil && s.poll.handling && s.poll.candidate == w:
		w.held = &held{}
		s.poll.overtaking = w
		w.conn.Pause()
		return true
	}
	return false
}

// handled ends the handling of a POST that arrived at a polling session: the
// switch that waited for it comes now, and then what waited for the switch.
// limit tells that the packets were more than the client may send.
func (s *Session) handled(at *poll) (limit bool) {
	s.mu.Lock()
	s.machine.PostDone()
	at.handling = false
	limit = s.ended && s.cause == CauseLimit
	w := at.overtaking
	if w != nil && !w.closing {
		s.act(s.machine.Receive(engineio.Candidate, engineio.Packet{Type: engineio.PacketUpgrade}, s.now()), w)
	}
	s.unlock()
	for w != nil {
		s.mu.Lock()
		if len(w.held.packets) == 0 {
			last := w.held.ending
			w.held, at.overtaking = nil, nil
			w.conn.Resume()
			s.mu.Unlock()
			if last != nil {
				w.end(last.reason, last.cause, last.closeBody)
			}
			break
		}
		p := w.held.packets[0]
		w.held.packets = w.held.packets[1:]
		s.take(w, p)
	}
	return limit
}
