package socketio

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The AppendMsgpack functions append one packet for a client that uses the MessagePack parser, to be sent as one binary
// Engine.IO message, and return the longer slice. The keys come in the order in which the reference has them. Lengths and
// integers take the shortest form, as the JavaScript encoder writes them.

// AppendMsgpackConnect appends the answer to a client that joined ns, as AppendConnect.
func AppendMsgpackConnect(dst []byte, ns, sid, pid string) []byte {
	dst = appendMsgType(append(dst, 0x83), Connect)
	dst = appendMsgString(dst, "data")
	if pid == "" {
		dst = append(dst, 0x81)
	} else {
		dst = append(dst, 0x82)
	}
	dst = appendMsgString(dst, "sid")
	dst = appendMsgString(dst, sid)
	if pid != "" {
		dst = appendMsgString(dst, "pid")
		dst = appendMsgString(dst, pid)
	}
	return appendMsgNamespace(dst, ns)
}

// AppendMsgpackConnectError appends the answer to a client that may not join ns, as AppendConnectError.
func AppendMsgpackConnectError(dst []byte, ns, message string, data []byte) []byte {
	dst = appendMsgType(append(dst, 0x83), ConnectError)
	dst = appendMsgString(dst, "data")
	if len(data) == 0 {
		dst = append(dst, 0x81)
	} else {
		dst = append(dst, 0x82)
	}
	dst = appendMsgString(dst, "message")
	dst = appendMsgString(dst, message)
	if len(data) > 0 {
		dst = appendMsgString(dst, "data")
		var few [fewHeaders]msgHeader
		e := newMsgEncoder(dst, data, nil, few[:0])
		e.s.next()
		e.value()
		dst = e.finish()
	}
	return appendMsgNamespace(dst, ns)
}

// AppendMsgpackDisconnect appends the packet that makes the client leave ns.
func AppendMsgpackDisconnect(dst []byte, ns string) []byte {
	return appendMsgNamespace(appendMsgType(append(dst, 0x82), Disconnect), ns)
}

// AppendMsgpackEvent appends an event. Its arguments are converted in one pass over their text, in linear time:
//
//   - Whole numbers within int64 or uint64 are integers, in whatever notation they come; a whole number with a fraction or an
//     exponent only if JavaScript keeps it exact. All other numbers are float64, beyond its range infinite, as JSON.parse has
//     them.
//   - A lone surrogate becomes U+FFFD: a MessagePack string is UTF-8, which cannot say it.
//   - A placeholder becomes the attachment that it stands for; without attachments it is plain data.
//
// An attachment that stands in several places is written at each. As that could make a short text very long, attachments
// that together take more than 8 times the bytes of all attachments and arguments, and 64 KiB, are null where they come last.
func AppendMsgpackEvent(dst []byte, out *OutEvent) []byte {
	fields := byte(0x83)
	if out.HasID {
		fields++
	}
	dst = appendMsgType(append(dst, fields), Event)
	dst = appendMsgString(dst, "data")
	var few [fewHeaders]msgHeader
	e := newMsgEncoder(dst, out.Args, out.Attachments, few[:0])
	h := e.begin(0x90)
	e.dst = appendMsgString(e.dst, out.Name)
	count := 1 + e.arguments()
	if out.Offset != "" {
		e.dst = appendMsgString(e.dst, out.Offset)
		count++
	}
	e.end(h, count)
	dst = appendMsgNamespace(e.finish(), out.Namespace)
	if out.HasID {
		dst = appendMsgUint(appendMsgString(dst, "id"), out.ID)
	}
	return dst
}

// AppendMsgpackAck appends the answer out to a client's event. Its arguments are as for AppendMsgpackEvent.
func AppendMsgpackAck(dst []byte, out *OutEvent) []byte {
	dst = appendMsgUint(appendMsgString(append(dst, 0x84), "id"), out.ID)
	dst = appendMsgType(dst, Ack)
	dst = appendMsgString(dst, "data")
	var few [fewHeaders]msgHeader
	e := newMsgEncoder(dst, out.Args, out.Attachments, few[:0])
	h := e.begin(0x90)
	e.end(h, e.arguments())
	return appendMsgNamespace(e.finish(), out.Namespace)
}

func appendMsgType(dst []byte, t PacketType) []byte {
	return append(appendMsgString(dst, "type"), byte(t))
}

func appendMsgNamespace(dst []byte, ns string) []byte {
	return appendMsgString(appendMsgString(dst, "nsp"), ns)
}

// appendMsgString appends a string; what of it is not UTF-8 becomes U+FFFD.
func appendMsgString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return append(appendMsgLength(dst, len(s)), s...)
}

// appendMsgLength appends what comes before a string of n bytes.
func appendMsgLength(dst []byte, n int) []byte {
	if n < 32 {
		return append(dst, 0xa0|byte(n))
	}
	return appendMsgSize(dst, 0xd9, n)
}

// appendMsgSize appends the length n after the first of the three formats that have it in 1, 2 and 4 bytes.
func appendMsgSize(dst []byte, format byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, format, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, format+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, format+2), uint32(n))
}

func appendMsgUint(dst []byte, n uint64) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
}

func appendMsgInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendMsgUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
}
