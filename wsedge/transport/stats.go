package transport

import (
	"sync/atomic"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// Cause says more about the end of a session than its reason, where there is
// more to say. It is a closed set, fit for a metric label.
type Cause uint8

// Causes.
const (
	CauseNone     Cause = iota
	CauseOverflow       // the client did not keep up: its queue reached Config.MaxOutbox
	CauseProtocol       // the client broke RFC 6455 or Engine.IO's HTTP rules
	CauseAborted        // the client gave up a request that was under way
	CauseShutdown       // the server is going down
	CauseInternal       // the handler of the session panicked
	CauseLimit          // the client asked for more than it may: Session.Reject
)

// String returns the text that services see as a disconnect's description;
// empty for CauseNone.
func (c Cause) String() string {
	switch c {
	case CauseOverflow:
		return "outbox overflow"
	case CauseProtocol:
		return "protocol violation"
	case CauseAborted:
		return "request aborted"
	case CauseShutdown:
		return "server shutting down"
	case CauseInternal:
		return "internal error"
	case CauseLimit:
		return "limit exceeded"
	default:
		return ""
	}
}

// Stats counts what a Server did since it began. The fields are read and
// written atomically.
type Stats struct {
	Upgraded        atomic.Uint64 // sessions that went from polling to another transport
	Received        atomic.Uint64 // messages from clients
	Paused          atomic.Int64  // sessions that are paused now
	Overflows       atomic.Uint64 // sessions closed because their queue was full
	VolatileDropped atomic.Uint64 // volatile messages that found their client not writable
	// Handshakes refused as their address has Config.MaxSessionsPerAddress sessions,
	// or begins them faster than Config.HandshakesPerSecond. Connections refused for
	// Config.MaxConnectionsPerAddress are Refused of Door.
	LimitedSessions   atomic.Uint64
	LimitedHandshakes atomic.Uint64
	IdleEvicted       atomic.Uint64 // connections closed as the longest idle of Config.MaxIdleConnections
	LimitedBodies     atomic.Uint64 // request bodies refused for Config.MaxBodies
	// Opened counts sessions by the engineio.Transport that they began with.
	Opened [engineio.WebTransport + 1]atomic.Uint64
	// ClosedBy counts ended sessions by engineio.Reason.
	ClosedBy [engineio.ParseError + 1]atomic.Uint64
	// RefusedBy counts refused requests by Engine.IO error code (PROTOCOL 1.2).
	RefusedBy [6]atomic.Uint64
	// RefusedFor counts the same requests by RefusalContext.
	RefusedFor [refusalContexts]atomic.Uint64
}

// Idle counts the connections that net/http holds without a request under way.
func (s *Server) Idle() int { return s.idle.len() }

// Door returns what became of the connections that were accepted.
func (s *Server) Door() netpoll.DoorStats { return s.door.Stats() }

func (s *Stats) closed(r engineio.Reason) {
	if int(r) < len(s.ClosedBy) {
		s.ClosedBy[r].Add(1)
	}
}

func (s *Stats) refused(r *engineio.Refusal) {
	if r.Code >= 0 && r.Code < len(s.RefusedBy) {
		s.RefusedBy[r.Code].Add(1)
	}
}
