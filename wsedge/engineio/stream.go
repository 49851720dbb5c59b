package engineio

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// A stream carries packets one after the other, each behind a header that says what it is and how long (PROTOCOL 1.10,
// WebTransport):
//
//	1 byte     top bit: 1 = binary, 0 = text; the 7 bits below: the length, or 126, or 127
//	2 bytes    big endian, after 126: the length
//	8 bytes    big endian, after 127: the length
//
// The payload of a text frame is the packet in text form, type included (ParseText, AppendText); that of a binary frame
// is the data of a binary message (ParseBinary). A length may be written longer than it needs to be: the reference takes
// that too. It cannot be 0, so an empty binary message has to travel as text.

// Errors of a stream. Each ends the session with the reason ParseError; what follows in the stream cannot be understood.
var (
	// ErrStreamEmpty reports a frame of length 0.
	ErrStreamEmpty = errors.New("engineio: stream: empty frame")
	// ErrStreamTooBig reports a frame that is longer than the limit.
	ErrStreamTooBig = errors.New("engineio: stream: frame too big")
	// ErrStreamLength reports a length of 2^53 or more, which JavaScript cannot tell from others.
	ErrStreamLength = errors.New("engineio: stream: length out of range")
	// ErrStreamUTF8 reports a text frame that is not UTF-8. The reference replaces the bad bytes; no client sends any.
	ErrStreamUTF8 = errors.New("engineio: stream: text is not UTF-8")
)

const (
	streamBinary   = 0x80 // the top bit of the header's first byte
	streamLength16 = 126
	streamLength64 = 127
	// MaxStreamHeader is the longest header of a frame, in bytes.
	MaxStreamHeader = 9
	// maxStreamLength is the largest integer that every JavaScript engine keeps exactly.
	maxStreamLength = 1<<53 - 1
)

// AppendStreamHeader appends the header of a frame with length bytes of payload, in its shortest form. A length of 0 is
// an error to every peer: see AppendStream.
func AppendStreamHeader(dst []byte, isBinary bool, length int) []byte {
	var flag byte
	if isBinary {
		flag = streamBinary
	}
	switch {
	case length < streamLength16:
		return append(dst, flag|byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, flag|streamLength16), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, flag|streamLength64), uint64(length))
	}
}

// AppendStream appends p as one frame. A binary message without data becomes the text "b", which every client decodes to
// just that; the reference sends a length of 0 instead and thereby ends the session.
func AppendStream(dst []byte, p Packet) []byte {
	if p.Binary && len(p.Data) > 0 {
		return append(AppendStreamHeader(dst, true, len(p.Data)), p.Data...)
	}
	return AppendText(AppendStreamHeader(dst, false, 1+len(p.Data)), p)
}

// StreamHeader is the header of a frame.
type StreamHeader struct {
	// Binary tells a frame of bytes from a frame of text.
	Binary bool
	// Length is the payload's, in bytes: 1 or more.
	Length int
}

// ParseStreamHeader reads the header at the beginning of b. n is its size in bytes; 0 with a nil error means that b does
// not hold all of it. limit bounds the length in bytes, inclusive. The errors are ErrStreamEmpty, ErrStreamTooBig and
// ErrStreamLength.
func ParseStreamHeader(b []byte, limit int) (h StreamHeader, n int, err error) {
	if len(b) == 0 {
		return h, 0, nil
	}
	n = streamHeaderSize(b[0])
	if len(b) < n {
		return h, 0, nil
	}
	length := uint64(b[0] &^ streamBinary)
	switch length {
	case streamLength16:
		length = uint64(binary.BigEndian.Uint16(b[1:]))
	case streamLength64:
		length = binary.BigEndian.Uint64(b[1:])
	}
	switch {
	case length == 0:
		return h, 0, ErrStreamEmpty
	case length > maxStreamLength:
		return h, 0, ErrStreamLength
	case length > uint64(max(limit, 0)):
		return h, 0, ErrStreamTooBig
	}
	return StreamHeader{Binary: b[0]&streamBinary != 0, Length: int(length)}, n, nil
}

// streamHeaderSize is the size of the header that begins with first.
func streamHeaderSize(first byte) int {
	switch first &^ streamBinary {
	case streamLength16:
		return 3
	case streamLength64:
		return MaxStreamHeader
	default:
		return 1
	}
}

// StreamDecoder finds the frames in a stream that comes in pieces. The zero value is ready. It keeps nothing while no
// frame is incomplete, and otherwise a buffer of at most twice the bytes that came: a length that was only announced
// takes no memory. It is not safe for concurrent use.
type StreamDecoder struct {
	held []byte // the beginning of an incomplete frame; nil: none
}

// Feed takes the next piece of the stream and hands each complete frame to sink, in order: text is valid UTF-8 with the
// type first, binary is plain data. data is a part of buf, or the decoder's, and valid during the call only. limit bounds
// one frame in bytes, inclusive.
//
// The errors are the ErrStream values, as soon as the bytes that show them are there; after one the decoder must not be
// fed again. An error of sink is returned as it is, with what of buf follows the frame that sink had: fed with that, the
// decoder goes on. rest is a part of buf, and says nothing otherwise.
func (d *StreamDecoder) Feed(buf []byte, limit int, sink func(data []byte, isBinary bool) error) (rest []byte, err error) {
	for len(buf) > 0 {
		if d.held != nil {
			buf, err = d.resume(buf, limit, sink)
		} else {
			buf, err = d.next(buf, limit, sink)
		}
		if err != nil {
			d.held = nil
			return buf, err
		}
	}
	return nil, nil
}

// next takes the frame at the beginning of buf in place, or keeps buf if the frame is incomplete. It returns what
// follows the frame.
func (d *StreamDecoder) next(buf []byte, limit int, sink func([]byte, bool) error) ([]byte, error) {
	h, n, err := ParseStreamHeader(buf, limit)
	if err != nil {
		return nil, err
	}
	if n == 0 || len(buf)-n < h.Length {
		d.held = append([]byte(nil), buf...)
		return nil, nil
	}
	end := n + h.Length
	return buf[end:], deliverStream(h, buf[n:end], sink)
}

// resume completes what is held: first the header, then the frame, as far as buf goes.
func (d *StreamDecoder) resume(buf []byte, limit int, sink func([]byte, bool) error) ([]byte, error) {
	need := streamHeaderSize(d.held[0])
	if len(d.held) >= need {
		h, n, err := ParseStreamHeader(d.held, limit)
		if err != nil {
			return nil, err
		}
		need = n + h.Length
	}
	take := min(need-len(d.held), len(buf))
	d.grow(take, need)
	d.held = append(d.held, buf[:take]...)
	buf = buf[take:]
	if len(d.held) < need {
		return buf, nil
	}
	h, n, err := ParseStreamHeader(d.held, limit)
	if err != nil {
		return nil, err
	}
	if len(d.held)-n < h.Length {
		return buf, nil
	}
	frame := d.held
	d.held = nil
	return buf, deliverStream(h, frame[n:], sink)
}

// grow makes room for more bytes of a frame of need: twice what is there at the most, as a peer may announce a long frame
// and never send it.
func (d *StreamDecoder) grow(more, need int) {
	if cap(d.held)-len(d.held) >= more {
		return
	}
	d.held = append(make([]byte, 0, min(need, 2*(len(d.held)+more))), d.held...)
}

func deliverStream(h StreamHeader, payload []byte, sink func([]byte, bool) error) error {
	if !h.Binary && !utf8.Valid(payload) {
		return ErrStreamUTF8
	}
	return sink(payload, h.Binary)
}
