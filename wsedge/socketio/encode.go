package socketio

import "strconv"

// The Append functions append one packet's text, to be sent as an Engine.IO message, and return the longer slice. They
// write what they are given: namespaces and arguments have been checked where they came in.

// OutEvent is what a server sends: an event, or the answer to one. The same value is written as JSON by AppendEvent and
// AppendAck, and as MessagePack by AppendMsgpackEvent and AppendMsgpackAck, so that clients of both forms can share it. The
// functions only read it; it may be used by several goroutines at a time.
type OutEvent struct {
	Namespace string // with its slash, "/" included
	Name      string // of the event; an answer has none

	// Args are JSON values separated by commas, as in Packet.Args. They have been validated; so have their placeholders, if
	// there are Attachments.
	Args []byte

	// Attachments are what placeholders in Args stand for. In JSON the caller sends them right after the text, as one
	// binary message each; in MessagePack they are written where their placeholders stand.
	Attachments [][]byte

	// ID, at most MaxID, asks the client for an answer if HasID. Of an answer it is the id of the client's event, and HasID
	// does not matter.
	ID    uint64
	HasID bool

	// Offset is where the event stands in the store of a server that recovers connections. It becomes one more last
	// argument, unless it is empty (PROTOCOL 5). An answer has none.
	Offset string
}

// AppendConnect appends the answer to a client that joined ns: its socket's id, and pid, the secret with which it may ask
// for recovery, unless that is empty (PROTOCOL 5).
func AppendConnect(dst []byte, ns, sid, pid string) []byte {
	dst = appendHeader(dst, Connect, 0, ns)
	dst = append(dst, `{"sid":`...)
	dst = appendQuoted(dst, sid)
	if pid != "" {
		dst = append(dst, `,"pid":`...)
		dst = appendQuoted(dst, pid)
	}
	return append(dst, '}')
}

// AppendConnectError appends the answer to a client that may not join ns. Data is JSON, left out when empty.
func AppendConnectError(dst []byte, ns, message string, data []byte) []byte {
	dst = appendHeader(dst, ConnectError, 0, ns)
	dst = append(dst, `{"message":`...)
	dst = appendQuoted(dst, message)
	if len(data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, '}')
}

// AppendDisconnect appends the packet that makes the client leave ns.
func AppendDisconnect(dst []byte, ns string) []byte {
	return appendHeader(dst, Disconnect, 0, ns)
}

// AppendEvent appends an event, a BinaryEvent if it has attachments, which the caller sends right after it.
func AppendEvent(dst []byte, e *OutEvent) []byte {
	dst = appendHeader(dst, Event, len(e.Attachments), e.Namespace)
	if e.HasID {
		dst = strconv.AppendUint(dst, e.ID, 10)
	}
	dst = append(dst, '[')
	dst = appendQuoted(dst, e.Name)
	if len(e.Args) > 0 {
		dst = append(dst, ',')
		dst = append(dst, e.Args...)
	}
	if e.Offset != "" {
		dst = append(dst, ',')
		dst = appendQuoted(dst, e.Offset)
	}
	return append(dst, ']')
}

// AppendAck appends the answer e to a client's event, a BinaryAck if it has attachments, which the caller sends right after it.
func AppendAck(dst []byte, e *OutEvent) []byte {
	dst = appendHeader(dst, Ack, len(e.Attachments), e.Namespace)
	dst = strconv.AppendUint(dst, e.ID, 10)
	dst = append(dst, '[')
	dst = append(dst, e.Args...)
	return append(dst, ']')
}

// appendHeader appends the type, which attachments turn into its binary twin, and the namespace.
func appendHeader(dst []byte, t PacketType, attachments int, ns string) []byte {
	if attachments > 0 {
		t += BinaryEvent - Event
		dst = append(dst, '0'+byte(t))
		dst = strconv.AppendInt(dst, int64(attachments), 10)
		dst = append(dst, '-')
	} else {
		dst = append(dst, '0'+byte(t))
	}
	if ns != "/" {
		dst = append(dst, ns...)
		dst = append(dst, ',')
	}
	return dst
}
