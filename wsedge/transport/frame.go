package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
)

// protocolError is a violation of RFC 6455 by the peer: the code goes into the
// close frame, the reason into the log.
type protocolError struct {
	code   ws.StatusCode
	reason string
}

func (e *protocolError) Error() string {
	return fmt.Sprintf("transport: websocket: %s (%d)", e.reason, e.code)
}

var (
	errUnmasked     = &protocolError{ws.StatusProtocolError, "frame is not masked"}
	errReserved     = &protocolError{ws.StatusProtocolError, "reserved bit set"}
	errOpcode       = &protocolError{ws.StatusProtocolError, "reserved opcode"}
	errControl      = &protocolError{ws.StatusProtocolError, "control frame too long or fragmented"}
	errLength       = &protocolError{ws.StatusProtocolError, "length not in its shortest form"}
	errContinuation = &protocolError{ws.StatusProtocolError, "continuation out of place"}
	errCloseFrame   = &protocolError{ws.StatusProtocolError, "malformed close frame"}
	errTooBig       = &protocolError{ws.StatusMessageTooBig, "message too big"}
	errUTF8         = &protocolError{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
)

// maxHeader is the longest header of a masked frame: 2 bytes, 8 of extended
// length, 4 of mask.
const maxHeader = 14

// parseHeader reads a frame header (section 5.2). n is its size in bytes, 0
// when b does not hold all of it.
func parseHeader(b []byte) (h ws.Header, n int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] >> 4 & 0x07
	h.OpCode = ws.OpCode(b[0] & 0x0f)
	h.Masked = b[1]&0x80 != 0
	h.Length = int64(b[1] & 0x7f)
	n = 2
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < 126 {
			return h, 0, errLength
		}
		n = 4
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		length := binary.BigEndian.Uint64(b[2:])
		if length <= 0xffff {
			return h, 0, errLength
		}
		if length >= 1<<62 { // also the most significant bit, which MUST be 0
			return h, 0, errTooBig
		}
		h.Length = int64(length)
		n = 10
	}
	if !h.Masked {
		return h, n, nil
	}
	if len(b) < n+4 {
		return h, 0, nil
	}
	copy(h.Mask[:], b[n:])
	return h, n + 4, nil
}

// headerRoom is what the header of an unmasked frame takes at the most.
const headerRoom = 10

// putHeader writes the header of an unmasked, final frame so that it ends at
// b[end] and returns where it begins. b must have headerRoom bytes before end.
func putHeader(b []byte, end int, op ws.OpCode, length int) int {
	var start int
	switch {
	case length < 126:
		start = end - 2
		b[start+1] = byte(length)
	case length <= 0xffff:
		start = end - 4
		b[start+1] = 126
		binary.BigEndian.PutUint16(b[start+2:], uint16(length))
	default:
		start = end - 10
		b[start+1] = 127
		binary.BigEndian.PutUint64(b[start+2:], uint64(length))
	}
	b[start] = 0x80 | byte(op)
	return start
}

// appendFrame appends one unmasked, final frame.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	var header [headerRoom]byte
	start := putHeader(header[:], headerRoom, op, len(payload))
	dst = append(dst, header[start:]...)
	return append(dst, payload...)
}
