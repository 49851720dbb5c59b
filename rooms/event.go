package rooms

import "time"

// EventKind says what a socket did. The zero value is no kind.
type EventKind uint8

// The kinds of Event. Per socket the order is one KindConnected, any number of KindEvent, one KindDisconnected.
const (
	KindConnected    EventKind = iota + 1 // the client has joined the namespace
	KindEvent                             // the client emitted an event
	KindDisconnected                      // the socket has left the namespace and all rooms
)

// String returns the kind in lower case, for logs and labels.
func (k EventKind) String() string {
	switch k {
	case KindConnected:
		return "connected"
	case KindEvent:
		return "event"
	case KindDisconnected:
		return "disconnected"
	default:
		return "unknown"
	}
}

// Event is something that one socket did, on its way up. Immutable and shared; it may be kept.
type Event struct {
	Kind      EventKind
	Namespace string
	Socket    SocketID
	User      string // empty: none
	Time      time.Time

	// KindEvent only.
	Name         string   // the event's name; when it was a JSON number, the number's text
	NameIsNumber bool     // the name was a JSON number
	Args         []byte   // as in Message
	Attachments  [][]byte // as in Message
	WantsAck     bool     // the client asked for an acknowledgement: Member.Reply with AckID
	AckID        uint64   // meaningful only with WantsAck; 0 is an id like any other

	// KindConnected only.
	Info *Info
	Auth []byte // JSON object text as the client sent it, or nil

	// KindDisconnected only.
	Reason      Reason
	Description string   // detail for people, may be empty
	Rooms       []string // the rooms it held until now, sorted, without the room that its id implies
}

// Reason is why a socket was disconnected, in Socket.IO's words.
type Reason string

// The reasons of a server-side socket.
const (
	ReasonClientDisconnect  Reason = "client namespace disconnect" // the client left the namespace
	ReasonServerDisconnect  Reason = "server namespace disconnect" // Member.Disconnect
	ReasonShuttingDown      Reason = "server shutting down"        // the process ends
	ReasonForcedServerClose Reason = "forced server close"         // protocol violation or no namespace joined in time, on an idle polling wire
	ReasonForcedClose       Reason = "forced close"                // the same on a wire that closes at once
	ReasonTransportClose    Reason = "transport close"             // the wire was closed
	ReasonTransportError    Reason = "transport error"             // the wire broke
	ReasonPingTimeout       Reason = "ping timeout"                // no pong in time
	ReasonParseError        Reason = "parse error"                 // bytes that are no Engine.IO packet
)

// Question asks whether a socket may connect to a namespace. Verdict answers it.
type Question struct {
	Namespace string
	Socket    SocketID
	Auth      []byte // JSON object text as the client sent it, or nil
	Handshake *Handshake
}

// Verdict answers a Question. The zero value accepts a socket without user, rooms and data.
type Verdict struct {
	Refused bool

	// Refusal only: what the client's connect_error shows.
	Message   string
	ErrorData []byte // JSON, or nil: the error has no data

	// Acceptance only: holds before the client hears that it is connected.
	User  string // empty: none
	Rooms []string
	Data  []byte // JSON, or nil
}
