package engineio

import "encoding/base64"

// ParseText3 parses the payload of one WebSocket text frame of revision 3, or one text packet of a polling payload
// (PROTOCOL 2.2): the type and the data, or "b", the type and base64. The caller has checked that it is UTF-8. It returns
// ErrParse.
func ParseText3(frame []byte) (Packet, error) {
	if len(frame) == 0 {
		return Packet{}, ErrParse
	}
	if frame[0] != binaryPrefix {
		return ParseText(frame)
	}
	if len(frame) == 1 || !PacketType(frame[1]).known() {
		return Packet{}, ErrParse
	}
	return parseBase64(PacketType(frame[1]), frame[2:])
}

// ParseBinary3 parses the payload of one WebSocket binary frame of revision 3, or one binary packet of a polling payload
// (PROTOCOL 2.5): the type as a raw byte from 0 to 6, and the data. It returns ErrParse; the reference server drops a
// packet of another type silently, and keeps the session.
func ParseBinary3(frame []byte) (Packet, error) {
	if len(frame) == 0 || frame[0] > rawType(PacketNoop) {
		return Packet{}, ErrParse
	}
	return Packet{Type: PacketOpen + PacketType(frame[0]), Binary: true, Data: frame[1:]}, nil
}

// rawType is a packet type as the byte that leads binary packets of revision 3.
func rawType(t PacketType) byte { return byte(t - PacketOpen) }

// AppendText3 appends p as the payload of a text frame of revision 3; a binary packet becomes "b", the type and base64.
func AppendText3(dst []byte, p Packet) []byte {
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(dst, binaryPrefix, byte(p.Type)), p.Data)
	}
	return append(append(dst, byte(p.Type)), p.Data...)
}

// AppendBinary3 appends p as the payload of a binary frame of revision 3: the type as a raw byte, and the data.
func AppendBinary3(dst []byte, p Packet) []byte {
	return append(append(dst, rawType(p.Type)), p.Data...)
}
