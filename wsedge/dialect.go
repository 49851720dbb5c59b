package wsedge

import (
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// dialect is how a client writes its packets and wants ours written: the
// revision of the Socket.IO protocol, and the parser that its page has chosen.
type dialect uint8

// The dialects.
const (
	dialectUnknown dialect = iota // it has sent nothing yet
	dialectJSON                   // revision 5, the default parser
	dialectMsgpack                // revision 5, socket.io-msgpack-parser
	dialectOld                    // revision 4: clients 1.x and 2.x, over Engine.IO v3
)

// The forms that a Message is kept in (rooms.Message.Form): one for each way of
// writing it, with and without its offset (PROTOCOL 5).
const (
	formJSON = iota
	formJSONOffset
	formMsgpack
	formMsgpackOffset
	formOld
)

// form is the form of a message that has an offset, or has none.
func (d dialect) form(offset bool) int {
	switch {
	case d == dialectMsgpack && offset:
		return formMsgpackOffset
	case d == dialectMsgpack:
		return formMsgpack
	case d == dialectOld: // it knows of no offsets, and would show it to the page
		return formOld
	case offset:
		return formJSONOffset
	default:
		return formJSON
	}
}

// event makes the finished message for all sockets of that dialect.
func (d dialect) event(namespace string, m *rooms.Message) *transport.Prepared {
	return m.Form(d.form(m.Offset != ""), func() any { return d.prepareEvent(namespace, m) }).(*transport.Prepared)
}

// bundle makes the finished messages of b for all sockets of that dialect.
func (d dialect) bundle(namespace string, b *rooms.Batch) *transport.Bundle {
	return b.Form(d.form(false), func() any {
		var volatile uint64
		items := make([]*transport.Prepared, len(b.Messages))
		for i, m := range b.Messages {
			items[i] = d.event(namespace, m)
			if m.Volatile {
				volatile |= 1 << i
			}
		}
		return transport.NewBundle(items, volatile)
	}).(*transport.Bundle)
}

func (d dialect) prepareEvent(namespace string, m *rooms.Message) *transport.Prepared {
	e := &socketio.OutEvent{
		Namespace: namespace, Name: m.Event, Args: m.Args, Attachments: m.Attachments,
		ID: m.AckID, HasID: m.Acks != nil,
	}
	if d != dialectOld {
		e.Offset = m.Offset
	}
	p := d.prepareOut(e, socketio.AppendEvent, socketio.AppendMsgpackEvent)
	if m.NoCompress {
		p.Uncompressed()
	}
	return p
}

// ack makes the answer to an event of the client's.
func (d dialect) ack(namespace string, id uint64, args []byte, attachments [][]byte) *transport.Prepared {
	e := &socketio.OutEvent{Namespace: namespace, Args: args, Attachments: attachments, ID: id, HasID: true}
	return d.prepareOut(e, socketio.AppendAck, socketio.AppendMsgpackAck)
}

// prepareOut makes a message of e with the encoder of its dialect.
func (d dialect) prepareOut(e *socketio.OutEvent, asJSON, asMsgpack func([]byte, *socketio.OutEvent) []byte) *transport.Prepared {
	const punctuation = 64
	size := len(e.Namespace) + len(e.Name) + len(e.Args) + len(e.Offset) + punctuation
	if d == dialectMsgpack {
		for _, a := range e.Attachments {
			size += len(a)
		}
		return transport.PrepareBinary(size, func(dst []byte) []byte { return asMsgpack(dst, e) })
	}
	return transport.Prepare(size, d.text(func(dst []byte) []byte { return asJSON(dst, e) }), e.Attachments)
}

// text makes what append appends fit for the dialect. Clients 1.x decode the text
// of a polling payload twice: they break the connection at what is not ASCII
// (the reference sends it to them).
func (d dialect) text(appendText func(dst []byte) []byte) func(dst []byte) []byte {
	if d != dialectOld {
		return appendText
	}
	return func(dst []byte) []byte {
		start := len(dst)
		return socketio.EscapeJSON(appendText(dst), start)
	}
}

// connect makes the answer to a CONNECT that was accepted. pid is empty without
// connection state recovery.
func (d dialect) connect(namespace, sid, pid string) *transport.Prepared {
	return d.prepare(len(namespace)+96,
		func(dst []byte) []byte { return socketio.AppendConnect(dst, namespace, sid, pid) },
		func(dst []byte) []byte { return socketio.AppendMsgpackConnect(dst, namespace, sid, pid) },
		func(dst []byte) []byte { return socketio.AppendConnect4(dst, namespace) })
}

// refuse makes the answer to a CONNECT that was refused.
func (d dialect) refuse(namespace, message string, data []byte) *transport.Prepared {
	return d.prepare(len(namespace)+len(message)+len(data)+48,
		func(dst []byte) []byte { return socketio.AppendConnectError(dst, namespace, message, data) },
		func(dst []byte) []byte { return socketio.AppendMsgpackConnectError(dst, namespace, message, data) },
		func(dst []byte) []byte { return socketio.AppendConnectError4(dst, namespace, message, data) })
}

// invalidNamespace makes the answer to a CONNECT to what does not exist.
func (d dialect) invalidNamespace(namespace string) *transport.Prepared {
	if d == dialectOld {
		return transport.Prepare(len(namespace)+48, func(dst []byte) []byte {
			return socketio.AppendInvalidNamespace(dst, namespace)
		}, nil)
	}
	return d.refuse(namespace, "Invalid namespace", nil)
}

// disconnect makes the packet that ends a socket.
func (d dialect) disconnect(namespace string) *transport.Prepared {
	asJSON := func(dst []byte) []byte { return socketio.AppendDisconnect(dst, namespace) }
	return d.prepare(len(namespace)+16, asJSON,
		func(dst []byte) []byte { return socketio.AppendMsgpackDisconnect(dst, namespace) }, asJSON)
}

func (d dialect) prepare(size int, asJSON, asMsgpack, asOld func([]byte) []byte) *transport.Prepared {
	switch d {
	case dialectMsgpack:
		return transport.PrepareBinary(size, asMsgpack)
	case dialectOld:
		return transport.Prepare(size, d.text(asOld), nil)
	default:
		return transport.Prepare(size, asJSON, nil)
	}
}
