package socketio

import "strconv"

// The Append functions append one packet's text, to be sent as an Engine.IO message, and return the longer slice. They
// write what they are given: namespaces and arguments have been checked where they came in.

// AppendConnect appends the answer to a client that joined ns: its socket's id.
func AppendConnect(dst []byte, ns, sid string) []byte {
	dst = appendHeader(dst, Connect, 0, ns)
	dst = append(dst, `{"sid":`...)
	dst = appendQuoted(dst, sid)
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

// AppendEvent appends an event. Args are JSON values separated by commas, as in Packet.Args; attachments is how many
// binary messages the caller sends right after it, and makes it a BinaryEvent when above 0. The client is asked for an
// answer under id if hasID.
func AppendEvent(dst []byte, ns, name string, args []byte, attachments int, id uint64, hasID bool) []byte {
	dst = appendHeader(dst, Event, attachments, ns)
	if hasID {
		dst = strconv.AppendUint(dst, id, 10)
	}
	dst = append(dst, '[')
	dst = appendQuoted(dst, name)
	if len(args) > 0 {
		dst = append(dst, ',')
		dst = append(dst, args...)
	}
	return append(dst, ']')
}

// AppendAck appends the answer to the client's event that had this id. Args and attachments are as for AppendEvent.
func AppendAck(dst []byte, ns string, args []byte, attachments int, id uint64) []byte {
	dst = appendHeader(dst, Ack, attachments, ns)
	dst = strconv.AppendUint(dst, id, 10)
	dst = append(dst, '[')
	dst = append(dst, args...)
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
