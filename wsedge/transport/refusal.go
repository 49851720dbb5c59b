package transport

import (
	"net/http"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// RefusalContext says which check refused a request, where the code says less
// (PROTOCOL 1.2). It is a closed set, fit for a metric label.
type RefusalContext uint8

// Contexts, in the order of the checks.
const (
	RefusedTransport         RefusalContext = iota // code 0: transport missing, unknown or not enabled
	RefusedInvalidOrigin                           // code 3: the Origin header has characters that no header may have
	RefusedOrigin                                  // code 4: Origin is not among HTTPConfig.AllowedOrigins
	RefusedSession                                 // code 1: sid is not a live session's
	RefusedTransportMismatch                       // code 3: the session is on another transport, and this is no upgrade
	RefusedProtocolMismatch                        // code 3: the session began with another EIO
	RefusedMethod                                  // code 2: a handshake with another method than GET
	RefusedHandshake                               // code 3: transport=websocket without a WebSocket handshake that can be answered
	RefusedAdmission                               // code 4: HTTPConfig.Admit said no
	RefusedProtocol                                // code 5: the revision that EIO selects is not served
	RefusedOvertaken                               // code 3: an upgrade overtook a POST
	refusalContexts
)

var refusalContextNames = [...]string{
	"TRANSPORT_UNKNOWN", "INVALID_ORIGIN", "ORIGIN_NOT_ALLOWED", "SESSION_UNKNOWN", "TRANSPORT_MISMATCH", "PROTOCOL_MISMATCH",
	"BAD_METHOD", "TRANSPORT_HANDSHAKE_ERROR", "NOT_ADMITTED", "PROTOCOL_UNSUPPORTED", "OVERTAKEN",
}

// String returns the reference's name for the context where it has one,
// otherwise one of the same kind.
func (c RefusalContext) String() string {
	if int(c) < len(refusalContextNames) {
		return refusalContextNames[c]
	}
	return "UNKNOWN"
}

// Refusals whose code alone does not tell their context. Which of them it is
// tells the pointer.
var (
	errInvalidOrigin     = &engineio.Refusal{Code: engineio.ErrBadRequest.Code, Message: engineio.ErrBadRequest.Message}
	errOriginNotAllowed  = &engineio.Refusal{Code: engineio.ErrForbidden.Code, Message: engineio.ErrForbidden.Message}
	errTransportMismatch = &engineio.Refusal{Code: engineio.ErrBadRequest.Code, Message: engineio.ErrBadRequest.Message}
	errProtocolMismatch  = &engineio.Refusal{Code: engineio.ErrBadRequest.Code, Message: engineio.ErrBadRequest.Message}
	errOvertaken         = &engineio.Refusal{Code: engineio.ErrBadRequest.Code, Message: engineio.ErrBadRequest.Message}
)

func contextOf(r *engineio.Refusal) RefusalContext {
	switch r {
	case errInvalidOrigin:
		return RefusedInvalidOrigin
	case errOriginNotAllowed:
		return RefusedOrigin
	case errTransportMismatch:
		return RefusedTransportMismatch
	case errProtocolMismatch:
		return RefusedProtocolMismatch
	case errOvertaken:
		return RefusedOvertaken
	}
	switch r.Code {
	case engineio.ErrTransportUnknown.Code:
		return RefusedTransport
	case engineio.ErrSessionUnknown.Code:
		return RefusedSession
	case engineio.ErrBadHandshakeMethod.Code:
		return RefusedMethod
	case engineio.ErrForbidden.Code:
		return RefusedAdmission
	case engineio.ErrUnsupportedProtocol.Code:
		return RefusedProtocol
	default:
		return RefusedHandshake
	}
}

// noteRefusal makes a refusal known to whoever watches: every refused request
// comes through here.
func (s *Server) noteRefusal(r *http.Request, refusal *engineio.Refusal) {
	why := contextOf(refusal)
	s.stats.refused(refusal)
	s.stats.RefusedFor[why].Add(1)
	s.cfg.Logger.Info("request refused", "reason", why.String(), "code", refusal.Code)
	if hook := s.cfg.HTTP.OnRefused; hook != nil {
		hook(r, refusal, why)
	}
}
