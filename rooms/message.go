package rooms

import "sync/atomic"

// MaxForms is how many wire forms of one Message can be kept.
const MaxForms = 5

// Message is one event on its way down to sockets. It is emitted in one namespace, once, and immutable from then on:
// the receivers share it and its bytes. Use it by pointer only.
type Message struct {
	// Event is the event's name.
	Event string
	// Args is the JSON values of the arguments separated by commas, without the enclosing brackets, such as
	// `"hi",{"a":1}`. Empty means none. It is valid JSON: whoever built the message has checked it.
	Args []byte
	// Attachments is what the {"_placeholder":true,"num":i} in Args stand for.
	Attachments [][]byte
	// Volatile messages are dropped by a member whose wire is not writable now.
	Volatile bool
	// NoCompress messages are sent as they are, whatever compression was agreed on.
	NoCompress bool
	// Offset is what the client gives back when it recovers, to say what it has: sent as one more string argument, the
	// last. The namespace's Recorder sets it. Empty: there is none.
	Offset string
	// AckID is the id under which clients answer. Meaningful only when Acks is not nil.
	AckID uint64
	// Acks hears the answers. Nil: no acknowledgement is wanted. EmitWithAck sets both.
	Acks AckSink

	forms [MaxForms]atomic.Value
}

// AckSink hears who answered a message. Its methods are called from any goroutine, without locks, and must not block.
type AckSink interface {
	// Acked brings one socket's answer, args as in Message.Args. The sink may keep args and attachments.
	Acked(id SocketID, args []byte, attachments [][]byte)
	// Gone says that this socket will not answer: it disconnected first.
	Gone(id SocketID)
}

// Form returns the message's finished wire form number i, 0 <= i < MaxForms, and builds it if nobody has yet. When
// several goroutines build it at once, all get the one that was stored first. What build returns must not be nil and
// must be of the same concrete type each time for one i. What the numbers mean is the edge's business.
func (m *Message) Form(i int, build func() any) any { return formOf(&m.forms[i], build) }

func formOf(form *atomic.Value, build func() any) any {
	if v := form.Load(); v != nil {
		return v
	}
	if v := build(); form.CompareAndSwap(nil, v) {
		return v
	}
	return form.Load()
}
