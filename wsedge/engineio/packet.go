package engineio

import (
	"encoding/base64"
	"errors"
)

// PacketType is the first character of a packet (PROTOCOL 1.3 to 1.8). Its value is that character.
type PacketType byte

// The packet types, with the direction that Engine.IO v4 gives them. In revision 3 the heartbeat goes the other way: the
// client pings, and the server answers with a pong.
const (
	PacketOpen    PacketType = '0' // server: the handshake, see AppendOpen
	PacketClose   PacketType = '1' // both: the session is over
	PacketPing    PacketType = '2' // server: heartbeat; client: "2probe" on a candidate
	PacketPong    PacketType = '3' // client: heartbeat; server: "3probe" on a candidate
	PacketMessage PacketType = '4' // both: application data
	PacketUpgrade PacketType = '5' // client: the candidate is the wire from here on
	PacketNoop    PacketType = '6' // server: releases a waiting poll
)

// Packet is one Engine.IO packet.
type Packet struct {
	Type PacketType
	// Binary tells a message of bytes from a message of text. In revision 4 only a PacketMessage is ever binary; in
	// revision 3 any type can be, though no client makes use of it.
	Binary bool
	// Data is what follows the type: UTF-8 text, or any bytes when Binary. A parsed packet's Data is a part of the
	// input, except when it had to be decoded from base64.
	Data []byte
}

// ErrParse reports a packet that is empty, of an unknown type, or binary with bad base64, a payload of revision 3 whose
// lengths do not fit, or a form without UTF-8. It ends the session with the reason ParseError.
var ErrParse = errors.New("engineio: parse error")

// binaryPrefix stands where the type would, before a binary message in base64.
const binaryPrefix = 'b'

// ParseText parses the payload of one WebSocket text frame, or one packet of a polling payload. The caller has checked
// that it is UTF-8. It returns ErrParse.
func ParseText(frame []byte) (Packet, error) {
	if len(frame) == 0 {
		return Packet{}, ErrParse
	}
	t, data := PacketType(frame[0]), frame[1:]
	if t == binaryPrefix {
		return parseBase64(PacketMessage, data)
	}
	if !t.known() {
		return Packet{}, ErrParse
	}
	return Packet{Type: t, Data: data}, nil
}

func (t PacketType) known() bool { return PacketOpen <= t && t <= PacketNoop }

// ParseBinary returns the payload of one WebSocket binary frame as a message: version 4 puts no type before it.
func ParseBinary(frame []byte) Packet {
	return Packet{Type: PacketMessage, Binary: true, Data: frame}
}

// parseBase64 takes base64 with or without padding. Node skips foreign characters; no client sends any, so they are an
// error here.
func parseBase64(t PacketType, text []byte) (Packet, error) {
	for range 2 {
		if n := len(text); n > 0 && text[n-1] == '=' {
			text = text[:n-1]
		}
	}
	data := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(data, text)
	if err != nil {
		return Packet{}, ErrParse
	}
	return Packet{Type: t, Binary: true, Data: data[:n]}, nil
}

// AppendText appends p as the payload of a text frame; a binary message becomes "b" and base64.
func AppendText(dst []byte, p Packet) []byte {
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(dst, binaryPrefix), p.Data)
	}
	return append(append(dst, byte(p.Type)), p.Data...)
}
