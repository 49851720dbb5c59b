package rooms

import (
	"errors"
	"slices"
	"time"
)

var (
	// ErrAckUnknown is Reply's: no event with this id waits for an answer (never asked, already answered, or too old).
	ErrAckUnknown = errors.New("rooms: no such acknowledgement is wanted")
	// ErrSocketGone is Reply's: the socket is no longer connected.
	ErrSocketGone = errors.New("rooms: the socket is gone")
)

// Member is one socket as a namespace sees it. Its type embeds Membership by value, which provides the unexported
// method. All methods may be called from any goroutine. No lock of this package is held while one of them runs (I3),
// so it may call the namespace back.
type Member interface {
	// Deliver hands the member a message and never blocks. False means not taken: closed, overflowed, or the message
	// is volatile and the wire not writable now. If m.Acks is not nil and the message was taken, the member owes
	// m.Acks exactly one call of Acked or Gone, unless ForgetAck(m.AckID) comes first.
	Deliver(m *Message) bool
	// ForgetAck says that nobody waits for the answer to this message any longer. An unknown id is ignored.
	ForgetAck(ackID uint64)
	// Reply answers an event in which the client asked for an acknowledgement (Event.AckID). args is as in
	// Message.Args. Errors: ErrAckUnknown, ErrSocketGone.
	Reply(ackID uint64, args []byte, attachments [][]byte) error
	// SetData replaces what Info.Data is: JSON, or nil. The member shares data with others; nobody changes it.
	SetData(data []byte)
	// Disconnect ends the socket with ReasonServerDisconnect, and with closeSession the whole session, every other
	// namespace included. Repeating it is harmless.
	Disconnect(closeSession bool)
	// Info returns a snapshot.
	Info() Info

	membership() *Membership
}

// Membership is what a namespace keeps about one member. Embed it in the member's type by value; it must not be copied
// after Add.
type Membership struct {
	// Fixed by Init.
	id SocketID

	// Guarded by the namespace's lock.
	at     int32 // index in Namespace.members; a bit of this number stands for the member in a selection
	places []place

	// Written once, by Add, before the member can be found; never cleared, since an Emit that selected the member
	// before its Remove still calls it.
	self Member
}

// place is one room a member is in. The seat points back, so that either side finds the other at once.
type place struct {
	room *room
	seat int32 // index in room.seats
}

// Init names the member. Call it once, before Add.
func (m *Membership) Init(id SocketID) { m.id = id }

// ID returns the id given to Init.
func (m *Membership) ID() SocketID { return m.id }

func (m *Membership) membership() *Membership { return m }

// Handshake is what the client said when its session began. It is frozen at the session's first request: an upgrade
// does not change it. Immutable and shared.
type Handshake struct {
	Address string   // the peer's IP address without port
	URL     string   // path and raw query of the first request
	Query   string   // raw query, without "?"
	Headers []Header // only those that configuration keeps
	Secure  bool     // the request came over TLS
	XDomain bool     // the request had an Origin header
	Issued  time.Time
}

// Without returns h without the headers of these names, which are in lower case: a copy, or h itself if it has none of
// them.
func (h *Handshake) Without(names []string) *Handshake {
	named := func(f Header) bool { return slices.Contains(names, f.Name) }
	if !slices.ContainsFunc(h.Headers, named) {
		return h
	}
	out := *h
	out.Headers = slices.DeleteFunc(slices.Clone(h.Headers), named)
	return &out
}

// Header is one request header. Name is in lower case.
type Header struct{ Name, Value string }

// Info is a snapshot of one socket.
type Info struct {
	ID          SocketID
	Namespace   string
	User        string   // empty: none
	Rooms       []string // sorted, without the room that its id implies
	Data        []byte   // JSON, or nil
	Auth        []byte   // JSON object text as the client sent it; nil: it sent none, or the edge does not keep it
	Transport   string   // "polling", "websocket" or "webtransport", at the moment of the snapshot
	ConnectedAt time.Time
	Handshake   Handshake
	Grant       any // Verdict.Grant of who let the socket in; only in a KindConnected, and nil if the socket was recovered
}
