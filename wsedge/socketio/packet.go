package socketio

import (
	"errors"
	"strconv"
)

// PacketType is the kind of a packet; on the wire it is one digit.
type PacketType uint8

// The packet types, with what follows the header.
const (
	Connect      PacketType = iota // client: auth object or nothing; server: {"sid":"…"}
	Disconnect                     // nothing
	Event                          // [name, argument…]
	Ack                            // [argument…]
	ConnectError                   // server only: {"message":"…","data":…}
	BinaryEvent                    // as Event, with attachments to follow
	BinaryAck                      // as Ack, with attachments to follow
)

// MaxID is the largest acknowledgement id: the largest integer that JavaScript keeps exact.
const MaxID = 1<<53 - 1

// Packet is one decoded packet, without its attachments. Its slices are parts of the text that was decoded, except
// a Name that was escaped; they must not be changed.
type Packet struct {
	Type      PacketType
	Namespace []byte // "/" when the text names none; otherwise as it stands there, any query string included

	// ID is the acknowledgement id, 0 to MaxID, of an event that asks for an answer or of the answer. 0 is an id like
	// any other.
	ID    uint64
	HasID bool

	Attachments int // how many binary messages follow: at least 1 for the binary types, otherwise 0

	Data []byte // the JSON text after the header; nil when there is none

	// Name is an event's first element: the contents of the string, unescaped (a lone surrogate becomes U+FFFD), or, when
	// NameIsNumber, the text of the number as it was sent.
	Name         []byte
	NameIsNumber bool

	// Args are the elements after the name, of an ack all elements: JSON values separated by commas, without the
	// brackets and the white space around. They are passed on as these bytes, never parsed and written again.
	Args []byte

	// Empty marks an event or an ack without any JSON text. It is valid and has no effect (PROTOCOL 3).
	Empty bool
}

// Limits bounds what Decode and DecodeMsgpack take. A nil *Limits or a zero field means the default.
type Limits struct {
	Attachments    int // binary messages of one packet; 10
	Depth          int // arrays and objects around a value, the outermost included; 64, at most 10,000
	NamespaceBytes int // 256

	// QueryBytes is how long a query string in a namespace may be, its question mark included; it does not count against
	// NamespaceBytes then. 0: a query string is part of the name, as it is for clients of revision 5. See SplitQuery.
	QueryBytes int

	Binaries int // binary values in one MessagePack packet; 1000
}

const (
	defaultAttachments    = 10
	defaultDepth          = 64
	defaultNamespaceBytes = 256
	defaultBinaries       = 1000

	// deepest bounds the recursion whatever the caller says: a goroutine whose stack overflows ends the process.
	deepest = 10_000
)

func (l *Limits) attachments() int {
	if l == nil || l.Attachments == 0 {
		return defaultAttachments
	}
	return l.Attachments
}

func (l *Limits) depth() int {
	if l == nil || l.Depth == 0 {
		return defaultDepth
	}
	return min(l.Depth, deepest)
}

func (l *Limits) namespaceBytes() int {
	if l == nil || l.NamespaceBytes == 0 {
		return defaultNamespaceBytes
	}
	return l.NamespaceBytes
}

func (l *Limits) queryBytes() int {
	if l == nil {
		return 0
	}
	return l.QueryBytes
}

func (l *Limits) binaries() int {
	if l == nil || l.Binaries == 0 {
		return defaultBinaries
	}
	return l.Binaries
}

// What can be wrong with a packet.
var (
	ErrType        = errors.New("unknown packet type")
	ErrAttachments = errors.New("illegal number of attachments")
	ErrNamespace   = errors.New("illegal namespace")
	ErrID          = errors.New("illegal acknowledgement id")
	ErrPayload     = errors.New("payload does not fit the packet type")
	ErrReserved    = errors.New("reserved event name")
	ErrJSON        = errors.New("invalid JSON")
	ErrDepth       = errors.New("JSON nested too deep")
	ErrPlaceholder = errors.New("placeholder without attachment")
	ErrMsgpack     = errors.New("invalid MessagePack")
)

// ParseError is what Decode and DecodeMsgpack return: one of the errors above and where it was noticed.
type ParseError struct {
	Offset int // bytes before the faulty part
	Err    error
}

// Error names the fault and its place; it never quotes the text.
func (e *ParseError) Error() string {
	return "socketio: " + e.Err.Error() + " at byte " + strconv.Itoa(e.Offset)
}

// Unwrap returns the error without the place.
func (e *ParseError) Unwrap() error { return e.Err }
