package rooms

import "time"

// EventKind says what a socket did. The zero value is no kind.
type EventKind uint8

// The kinds of Event. Per socket the order is one KindConnected, any number of KindEvent, one KindDisconnected, and
// possibly one KindExpired. The kinds of rooms are told only while somebody listens (HubConfig.RoomEvents), those of one
// namespace in the order in which they happened. What a socket joins as it connects, its own room last, comes before its
// KindConnected, and what it leaves as it goes comes before its KindDisconnected, as in the reference, where join-room
// comes before "connection" and leave-room before "disconnect" (PROTOCOL 4.1, 4.4).
const (
	KindConnected    EventKind = iota + 1 // the client has joined the namespace
	KindEvent                             // the client emitted an event
	KindDisconnected                      // the socket has left the namespace and all rooms
	KindExpired                           // the socket was disconnected, and can be recovered no longer
	KindJoined                            // the socket is in Room from now on
	KindLeft                              // the socket is in Room no longer
	KindRoomCreated                       // Room has its first socket, whose KindJoined follows
	KindRoomDeleted                       // Room has no socket any more: the KindLeft of the last came right before
)

var kindNames = [...]string{
	KindConnected:    "connected",
	KindEvent:        "event",
	KindDisconnected: "disconnected",
	KindExpired:      "expired",
	KindJoined:       "joined",
	KindLeft:         "left",
	KindRoomCreated:  "room created",
	KindRoomDeleted:  "room deleted",
}

// String returns the kind in lower case, for logs and labels.
func (k EventKind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// OfRooms reports whether the kind is one of those that are told by HubConfig.RoomEvents.
func (k EventKind) OfRooms() bool { return k >= KindJoined && k <= KindRoomDeleted }

// Event is something that one socket did, or that became of a room, on its way up. Immutable and shared; it may be kept.
type Event struct {
	Kind      EventKind
	Namespace string
	Socket    SocketID // zero for KindRoomCreated and KindRoomDeleted
	User      string   // empty: none
	Time      time.Time
	Trace     string // W3C traceparent of the trace that it belongs to; empty: none. Set before anybody else hears of it

	// KindEvent only.
	Name         string   // the event's name; when it was a JSON number, the number's text
	NameIsNumber bool     // the name was a JSON number
	Args         []byte   // as in Message
	Attachments  [][]byte // as in Message
	WantsAck     bool     // the client asked for an acknowledgement: Member.Reply with AckID
	AckID        uint64   // meaningful only with WantsAck; 0 is an id like any other

	// KindConnected only.
	Info      *Info
	Auth      []byte // JSON object text as the client sent it, or nil
	Recovered bool   // the socket is one that was disconnected: its id, rooms and data are what they were

	// KindJoined, KindLeft, KindRoomCreated and KindRoomDeleted only: the name of the room. The rooms that ids imply are
	// told as well, by the id itself.
	Room string

	// KindDisconnected only.
	Recoverable bool // the socket may come back; if it does not, KindExpired follows
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

// Question asks whether a socket may connect to a namespace or, if it names none, whether a client may begin a session.
// Verdict answers it.
type Question struct {
	Handshake *Handshake

	// Of a socket only.
	Namespace string // empty: it is about a handshake
	Socket    SocketID
	Auth      []byte // JSON object text as the client sent it, or nil

	// Of a handshake only: how the session would begin, "polling", "websocket" or "webtransport".
	Transport string
}

// AboutHandshake reports whether it asks about a session that would begin.
func (q *Question) AboutHandshake() bool { return q.Namespace == "" }

// Verdict answers a Question. The zero value accepts a socket without user, rooms and data. That on a handshake has none
// of them, and no ErrorData.
type Verdict struct {
	Refused bool

	// Refusal only: what the client's connect_error shows.
	Message   string
	ErrorData []byte // JSON, or nil: the error has no data

	// Acceptance only: holds before the client hears that it is connected.
	User  string // empty: none
	Rooms []string
	Data  []byte // JSON, or nil
	// Grant is for whoever decided: the Info of the socket's KindConnected hands it back. Nobody else looks into it.
	Grant any
}
