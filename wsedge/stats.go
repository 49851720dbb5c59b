package wsedge

import (
	"sync/atomic"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// counters are what the Socket.IO side counts; all fields are atomic.
type counters struct {
	Connected         atomic.Uint64
	Refused           atomic.Uint64
	InvalidNamespaces atomic.Uint64
	Events            atomic.Uint64
	Malformed         atomic.Uint64
	Violations        atomic.Uint64
	ConnectTimeouts   atomic.Uint64
	AcksRefused       atomic.Uint64
	AcksExpired       atomic.Uint64
	NamespacesLimited atomic.Uint64
	EventsLimited     atomic.Uint64
	BytesLimited      atomic.Uint64
	Recovered         atomic.Uint64
	Expired           atomic.Uint64
	Panics            atomic.Uint64
	Holds             atomic.Uint64
	// refusedBy counts refused events, in the order of refusals.
	refusedBy [len(refusals)]atomic.Uint64
	// byReason counts disconnects, in the order of disconnectReasons.
	byReason [len(disconnectReasons)]atomic.Uint64
}

// disconnectReasons is the closed set of reasons.
var disconnectReasons = [...]rooms.Reason{
	rooms.ReasonClientDisconnect, rooms.ReasonServerDisconnect, rooms.ReasonShuttingDown,
	rooms.ReasonForcedServerClose, rooms.ReasonForcedClose, rooms.ReasonTransportClose,
	rooms.ReasonTransportError, rooms.ReasonPingTimeout, rooms.ReasonParseError,
}

func (c *counters) disconnected(reason rooms.Reason) {
	for i, r := range disconnectReasons {
		if r == reason {
			c.byReason[i].Add(1)
		}
	}
}

// Stats is a snapshot of what a Server has and did. Counters begin at zero with
// the Server and never fall.
type Stats struct {
	// Gauges.
	Sessions     int // live Engine.IO sessions
	PendingHeads int // connections whose request head is being read
	Paused       int // sessions that are not read, as one of their sockets is held

	// Accepted connections, and those closed before they had said what they
	// want: as the oldest of too many, or as their head did not come in time.
	Accepted     uint64
	HeadsEvicted uint64
	HeadsFailed  uint64

	// Sessions, by how they began, and upgrades from polling to another transport.
	SessionsPolling      uint64
	SessionsWebSocket    uint64
	SessionsWebTransport uint64
	Upgrades             uint64
	// SessionsClosed counts ended sessions by Engine.IO reason.
	SessionsClosed map[string]uint64
	// RequestsRefused counts refused requests by Engine.IO error text.
	RequestsRefused map[string]uint64
	// RefusalContexts counts the same requests by transport.RefusalContext, such
	// as ORIGIN_NOT_ALLOWED.
	RefusalContexts map[string]uint64

	// Sockets that were connected, and that were disconnected, by reason.
	Connected    uint64
	Disconnected map[string]uint64
	// ConnectsRefused counts CONNECTs that admission refused;
	// InvalidNamespaces those to a namespace that does not exist.
	ConnectsRefused   uint64
	InvalidNamespaces uint64
	ConnectTimeouts   uint64 // sessions closed because they joined no namespace in time

	MessagesReceived uint64 // Engine.IO messages from clients
	Events           uint64 // events from clients, acknowledgements not included
	Holds            uint64 // holds that the Observer has asked for (rooms.Flow)
	// EventsRefused counts those of Events that the Observer did not accept, by the
	// reason that clients see, such as OVERLOADED.
	EventsRefused   map[string]uint64
	Malformed       uint64 // sessions closed for what was no Socket.IO packet
	Violations      uint64 // sessions closed for breaking Socket.IO's rules
	VolatileDropped uint64 // volatile messages whose client was not writable
	Overflows       uint64 // sessions closed because their queue was full
	AcksRefused     uint64 // messages not sent as too many of the socket's answers were outstanding
	AcksExpired     uint64 // client events whose wanted answer was given up, for the same reason
	// What the limits of one address turned down: connections, and handshakes
	// because of the sessions that it has or begins.
	ConnectionsLimited, SessionsLimited, HandshakesLimited uint64
	// Connections closed as the longest idle of too many, those whose PROXY header
	// was none, and bodies refused because too much of others is being received.
	IdleEvicted, ProxyFailed, BodiesLimited uint64
	// What the limits of one client turned down: CONNECTs, and sessions.
	NamespacesLimited, EventsLimited, BytesLimited uint64
	// Sockets that came back, that did not in time, and that are away now; and
	// the bytes that are kept for them.
	Recovered, Expired         uint64
	SocketsAway, RecoveryBytes int
	Panics                     uint64 // handlers that panicked: each a bug
}

// Stats returns a snapshot. The values are not taken at one instant.
func (s *Server) Stats() Stats {
	t, door := s.transport.Stats(), s.transport.Door()
	out := Stats{
		Sessions:             s.transport.Len(),
		PendingHeads:         door.Pending,
		Paused:               int(t.Paused.Load()),
		Accepted:             door.Accepted,
		HeadsEvicted:         door.Evicted,
		HeadsFailed:          door.Failed,
		SessionsPolling:      t.Opened[engineio.Polling].Load(),
		SessionsWebSocket:    t.Opened[engineio.WebSocket].Load(),
		SessionsWebTransport: t.Opened[engineio.WebTransport].Load(),
		Upgrades:             t.Upgraded.Load(),
		SessionsClosed:       make(map[string]uint64),
		RequestsRefused:      make(map[string]uint64),
		RefusalContexts:      make(map[string]uint64),
		Connected:            s.stats.Connected.Load(),
		Disconnected:         make(map[string]uint64),
		ConnectsRefused:      s.stats.Refused.Load(),
		InvalidNamespaces:    s.stats.InvalidNamespaces.Load(),
		ConnectTimeouts:      s.stats.ConnectTimeouts.Load(),
		MessagesReceived:     t.Received.Load(),
		Events:               s.stats.Events.Load(),
		Holds:                s.stats.Holds.Load(),
		EventsRefused:        make(map[string]uint64),
		Malformed:            s.stats.Malformed.Load(),
		Violations:           s.stats.Violations.Load(),
		VolatileDropped:      t.VolatileDropped.Load(),
		Overflows:            t.Overflows.Load(),
		AcksRefused:          s.stats.AcksRefused.Load(),
		AcksExpired:          s.stats.AcksExpired.Load(),
		NamespacesLimited:    s.stats.NamespacesLimited.Load(),
		EventsLimited:        s.stats.EventsLimited.Load(),
		BytesLimited:         s.stats.BytesLimited.Load(),
		Recovered:            s.stats.Recovered.Load(),
		Expired:              s.stats.Expired.Load(),
		Panics:               s.transport.Panics() + s.stats.Panics.Load(),
	}
	out.ConnectionsLimited, out.ProxyFailed = door.Refused, door.Proxy
	out.SessionsLimited, out.HandshakesLimited = t.LimitedSessions.Load(), t.LimitedHandshakes.Load()
	out.IdleEvicted, out.BodiesLimited = t.IdleEvicted.Load(), t.LimitedBodies.Load()
	if r := s.cfg.Recovery; r != nil {
		out.SocketsAway, out.RecoveryBytes = r.usage()
	}
	for r := engineio.TransportError; r <= engineio.ParseError; r++ {
		out.SessionsClosed[r.String()] = t.ClosedBy[r].Load()
	}
	for _, r := range []*engineio.Refusal{
		engineio.ErrTransportUnknown, engineio.ErrSessionUnknown, engineio.ErrBadHandshakeMethod,
		engineio.ErrBadRequest, engineio.ErrForbidden, engineio.ErrUnsupportedProtocol,
	} {
		out.RequestsRefused[r.Message] = t.RefusedBy[r.Code].Load()
	}
	for i, r := range refusals {
		out.EventsRefused[r.reason] = s.stats.refusedBy[i].Load()
	}
	for why := range t.RefusedFor {
		out.RefusalContexts[transport.RefusalContext(why).String()] = t.RefusedFor[why].Load()
	}
	for i, r := range disconnectReasons {
		out.Disconnected[string(r)] = s.stats.byReason[i].Load()
	}
	return out
}
