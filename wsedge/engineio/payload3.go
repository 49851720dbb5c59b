package engineio

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"strconv"
	"unicode/utf8"
)

const (
	// lengthEnd ends the length of a packet in a text payload.
	lengthEnd = ':'
	// The kinds of packets in a binary payload, and the byte that ends their length.
	textKind, binaryKind, binaryLengthEnd = 0, 1, 255
	// maxLengthDigits bounds what is read in search of the end of a length (PROTOCOL 2.3).
	maxLengthDigits = 310
)

// AppendPayload3 appends p to the text payload of revision 3 that dst holds: the length of the packet in UTF-16 code units,
// a colon, and the packet as AppendText3 writes it (PROTOCOL 2.2). Dst may be empty or hold other packets.
func AppendPayload3(dst []byte, p Packet) []byte {
	n := 1 + utf16Len(p.Data)
	if p.Binary {
		n = 2 + base64.StdEncoding.EncodedLen(len(p.Data))
	}
	dst = strconv.AppendInt(dst, int64(n), 10)
	return AppendText3(append(dst, lengthEnd), p)
}

// AppendBinaryPayload3 appends p to the binary payload of revision 3 that dst holds (PROTOCOL 2.3): 0 for text or 1 for
// binary, the length of the packet in bytes as one byte from 0 to 9 a digit, 255, and the packet: text with its type digit,
// or bytes with the raw type before them.
func AppendBinaryPayload3(dst []byte, p Packet) []byte {
	kind := byte(textKind)
	if p.Binary {
		kind = binaryKind
	}
	dst = append(dst, kind)
	digits := len(dst)
	dst = strconv.AppendInt(dst, int64(1+len(p.Data)), 10)
	for i := digits; i < len(dst); i++ {
		dst[i] -= '0'
	}
	dst = append(dst, binaryLengthEnd)
	if p.Binary {
		return AppendBinary3(dst, p)
	}
	return AppendText3(dst, p)
}

// Payload3 yields the packets of one polling body of revision 3 in text form, in order. The caller has checked that it is
// UTF-8. At the first bad length or packet it yields ErrParse and stops; the packets before it count. An empty body is an
// error; a packet of length 0 is nothing, and "0:" is what clients send when they have nothing to say. A length that ends
// inside a character beyond U+FFFF is an error. Nothing is parsed ahead or read twice, and only base64 takes memory.
func Payload3(body []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if len(body) == 0 {
			yield(Packet{}, ErrParse)
			return
		}
		for rest := body; len(rest) > 0; {
			text, after, err := cutText(rest)
			if rest = after; err == nil && len(text) == 0 {
				continue
			}
			var p Packet
			if err == nil {
				p, err = ParseText3(text)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// BinaryPayload3 yields the packets of one polling body of revision 3 in binary form, in order. At the first bad length or
// packet, or text that is not UTF-8, it yields ErrParse and stops; the packets before it count. An empty body yields
// nothing. Half surrogates in text, which Socket.IO 1.7 encodes as if they were characters, become U+FFFD. Nothing is parsed
// ahead, and only base64 and text with half surrogates take memory.
func BinaryPayload3(body []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		for rest := body; len(rest) > 0; {
			var p Packet
			kind := rest[0]
			data, after, err := cutBytes(rest[1:])
			rest = after
			switch {
			case err != nil:
			case kind == binaryKind:
				p, err = ParseBinary3(data)
			case kind == textKind:
				p, err = parseUTF8(data)
			default:
				err = ErrParse
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// parseUTF8 parses text that nobody has checked yet.
func parseUTF8(text []byte) (Packet, error) {
	if !utf8.Valid(text) {
		if text = replaceSurrogates(text); !utf8.Valid(text) {
			return Packet{}, ErrParse
		}
	}
	return ParseText3(text)
}

// replaceSurrogates returns a copy of text in which U+FFFD stands for each surrogate, whose encoding is as long.
func replaceSurrogates(text []byte) []byte {
	text = bytes.Clone(text)
	for i := 0; i+2 < len(text); i++ {
		if text[i] == 0xed && text[i+1]>>5 == 0xa0>>5 && text[i+2]>>6 == 0x80>>6 {
			copy(text[i:], "\uFFFD")
		}
	}
	return text
}

// cutText cuts the first packet off a text payload.
func cutText(body []byte) (text, rest []byte, err error) {
	units, body, err := cutLength(body, '0', lengthEnd)
	if err != nil {
		return nil, nil, err
	}
	size, ok := utf16Prefix(body, units)
	if !ok {
		return nil, nil, ErrParse
	}
	return body[:size], body[size:], nil
}

// cutBytes cuts the length and the data of the first packet off a binary payload, whose kind was read.
func cutBytes(body []byte) (data, rest []byte, err error) {
	size, body, err := cutLength(body, 0, binaryLengthEnd)
	if err != nil || size > len(body) {
		return nil, nil, ErrParse
	}
	return body[:size], body[size:], nil
}

// cutLength cuts a decimal length and its end off b. It gives up at the first digit that makes the length more than b has
// bytes: neither bytes nor UTF-16 code units can be more.
func cutLength(b []byte, zero, end byte) (n int, rest []byte, err error) {
	for i, c := range b {
		if c == end && i > 0 {
			return n, b[i+1:], nil
		}
		digit := c - zero
		if digit > 9 || i == maxLengthDigits {
			break
		}
		if n = n*10 + int(digit); n > len(b) {
			break
		}
	}
	return 0, nil, ErrParse
}

// highBits are the bits that none of eight bytes of ASCII has.
const highBits = 0x8080808080808080

// utf16Len counts the UTF-16 code units of text.
func utf16Len(text []byte) int {
	n := 0
	for len(text) > 0 {
		if len(text) >= 8 && binary.NativeEndian.Uint64(text)&highBits == 0 {
			n, text = n+8, text[8:]
			continue
		}
		r, size := utf8.DecodeRune(text)
		n, text = n+utf16Units(r), text[size:]
	}
	return n
}

// utf16Prefix returns how many bytes the first n UTF-16 code units of text take, and false if there are fewer or n ends
// between the two units of one character.
func utf16Prefix(text []byte, n int) (size int, ok bool) {
	for n > 0 && size < len(text) {
		if n >= 8 && len(text)-size >= 8 && binary.NativeEndian.Uint64(text[size:])&highBits == 0 {
			n, size = n-8, size+8
			continue
		}
		r, width := utf8.DecodeRune(text[size:])
		n, size = n-utf16Units(r), size+width
	}
	return size, n == 0
}

func utf16Units(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}
