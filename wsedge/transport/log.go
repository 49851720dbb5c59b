package transport

import "github.com/realtime-svc/realtime-svc/wsedge/engineio"

// What is refused or dropped is logged once, where it happens, at info level and with a "reason" from a closed set. What a
// client chose is in none of these lines.

// noteEnd logs the end of a session that was the fault of its client; one that its application decided on is for that to
// log. No lock is held.
func (s *Server) noteEnd(reason engineio.Reason, cause Cause) {
	switch {
	case cause == CauseOverflow, cause == CauseProtocol:
		s.cfg.Logger.Info("session closed", "reason", cause.String())
	case reason == engineio.ParseError:
		s.cfg.Logger.Info("session closed", "reason", reason.String())
	}
}

// Why a request's body is refused.
const (
	bodyTooLarge = "larger than Config.MaxPayload"
	bodiesFull   = "more than Config.MaxBodies at a time"
)

func (s *Server) noteBody(reason string) {
	s.cfg.Logger.Info("request body refused", "reason", reason)
}
