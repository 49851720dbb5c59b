package socketio

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Bounds of what attachments may take when they stand in several places: repeatFactor times the bytes of all attachments and
// arguments, and repeatBytes.
const (
	repeatFactor = 8
	repeatBytes  = 64 << 10
)

// msgEncoder writes JSON, which has been validated, as MessagePack. Of a text that is no JSON it makes something that is no
// MessagePack.
type msgEncoder struct {
	s           scanner
	dst         []byte
	attachments [][]byte
	room        int // how many bytes attachments may still take

	// headers are those arrays and maps, in the order of the text, whose headers are still one byte long but have to be
	// longer, and those that have one of these inside. They are widened all at once in the end: widening each when its
	// count is known would move its contents once for every array around it.
	headers []msgHeader
}

// fewHeaders is how many headers have room on the caller's stack.
const fewHeaders = 8

// msgHeader is the header of an array or a map.
type msgHeader struct {
	pos   int // in dst
	count int // elements, or pairs; below 16 nothing has to be done
}

// newMsgEncoder makes an encoder that writes text behind dst. Few is where headers begins.
func newMsgEncoder(dst, text []byte, attachments [][]byte, few []msgHeader) msgEncoder {
	e := msgEncoder{s: scanner{text: text, depth: deepest}, dst: dst, attachments: attachments, headers: few}
	if len(attachments) > 0 {
		e.room = len(text)
		for _, a := range attachments {
			e.room += len(a)
		}
		e.room = repeatFactor*e.room + repeatBytes
	}
	return e
}

// begin begins an array or a map, with the first byte that it has when it is empty.
func (e *msgEncoder) begin(format byte) (header int) {
	e.headers = append(e.headers, msgHeader{pos: len(e.dst)})
	e.dst = append(e.dst, format)
	return len(e.headers) - 1
}

// end ends the array or map that has this header.
func (e *msgEncoder) end(header, count int) {
	h := &e.headers[header]
	if count >= 16 {
		h.count = count
		return
	}
	e.dst[h.pos] |= byte(count)
	if header == len(e.headers)-1 {
		e.headers = e.headers[:header]
	}
}

func (h *msgHeader) extra() int {
	switch {
	case h.count < 16:
		return 0
	case h.count <= math.MaxUint16:
		return 2
	}
	return 4
}

// finish widens the headers, from the last to the first, and returns what has been written.
func (e *msgEncoder) finish() []byte {
	shift := 0
	for i := range e.headers {
		shift += e.headers[i].extra()
	}
	end := len(e.dst)
	e.dst = append(e.dst, make([]byte, shift)...)
	for i := len(e.headers) - 1; shift > 0; i-- {
		h := &e.headers[i]
		extra := h.extra()
		if extra == 0 {
			continue
		}
		copy(e.dst[h.pos+1+shift:], e.dst[h.pos+1:end])
		format := byte(0xdc)
		if e.dst[h.pos]&0xf0 == 0x80 {
			format = 0xde
		}
		end = h.pos
		shift -= extra
		header := append(e.dst[:h.pos+shift], format)
		if extra == 2 {
			binary.BigEndian.AppendUint16(header, uint16(h.count))
		} else {
			header[len(header)-1]++
			binary.BigEndian.AppendUint32(header, uint32(h.count))
		}
	}
	return e.dst
}

// arguments writes values that have commas between, and returns how many there are.
func (e *msgEncoder) arguments() (count int) {
	for e.s.next() != 0 && e.value() {
		count++
		if e.s.next() != ',' {
			break
		}
		e.s.pos++
	}
	return count
}

// value writes the value that begins here.
func (e *msgEncoder) value() bool {
	s := &e.s
	if s.pos == len(s.text) {
		return false
	}
	switch s.text[s.pos] {
	case '"':
		return e.quoted()
	case '{':
		return e.object()
	case '[':
		return e.array()
	case 't':
		e.dst = append(e.dst, 0xc3)
		return s.literal("true")
	case 'f':
		e.dst = append(e.dst, 0xc2)
		return s.literal("false")
	case 'n':
		e.dst = append(e.dst, 0xc0)
		return s.literal("null")
	}
	start := s.pos
	if !s.number() {
		return false
	}
	e.dst = appendMsgNumber(e.dst, s.text[start:s.pos])
	return true
}

func (e *msgEncoder) array() bool {
	if !e.s.open() {
		return false
	}
	h := e.begin(0x90)
	count := 0
	if !e.s.closeArray() {
		count = e.arguments()
		if !e.s.closeArray() {
			return false
		}
	}
	e.end(h, count)
	return true
}

// object writes an object, or the attachment that it turns out to stand for.
func (e *msgEncoder) object() bool {
	s := &e.s
	if !s.open() {
		return false
	}
	start := len(e.dst)
	h := e.begin(0x80)
	var o msgPlaceholder
	if s.next() != '}' && !e.members(&o) {
		return false
	}
	s.depth++
	s.pos++
	if o.marked && o.attached {
		e.headers = e.headers[:h]
		e.dst = e.dst[:start]
		e.attachment(e.attachments[o.num])
		return true
	}
	e.end(h, o.count)
	return true
}

// msgPlaceholder is what an object says of itself.
type msgPlaceholder struct {
	placeholder
	num   int
	count int // members
}

// members writes the members of an object, at least one, up to its closing brace.
func (e *msgEncoder) members(o *msgPlaceholder) bool {
	s := &e.s
	for s.next() == '"' {
		start := len(e.dst)
		if !e.quoted() || s.next() != ':' {
			return false
		}
		s.pos++
		s.next()
		marker := byte(0)
		if len(e.attachments) > 0 {
			marker = markerOf(e.dst[start:])
		}
		start = s.pos
		if !e.value() {
			return false
		}
		switch value := s.text[start:s.pos]; marker {
		case 'p':
			o.marked = string(value) == "true"
		case 'n':
			num, whole := wholeNumber(value)
			o.num, o.attached = num, whole && num < len(e.attachments)
		}
		o.count++
		if c := s.next(); c != ',' {
			return c == '}'
		}
		s.pos++
	}
	return false
}

// markerOf tells what a key, as it has been written, is to a placeholder: 'p', 'n' or 0.
func markerOf(key []byte) byte {
	switch string(key) {
	case "\xac_placeholder":
		return 'p'
	case "\xa3num":
		return 'n'
	}
	return 0
}

func (e *msgEncoder) attachment(a []byte) {
	if len(a) > e.room {
		e.dst = append(e.dst, 0xc0)
		return
	}
	e.room -= len(a)
	e.dst = append(appendMsgSize(e.dst, 0xc4, len(a)), a...)
}

// quoted writes the string that begins here.
func (e *msgEncoder) quoted() bool {
	start := e.s.pos + 1
	escaped, ok := e.s.quoted()
	if !ok {
		return false
	}
	raw := e.s.text[start : e.s.pos-1]
	if !escaped {
		e.dst = append(appendMsgLength(e.dst, len(raw)), raw...)
		return true
	}
	// How long the contents are is known when they stand there. The header is put before them then.
	at := len(e.dst)
	e.dst = appendUnescaped(e.dst, raw)
	n := len(e.dst) - at
	var header [5]byte
	h := appendMsgLength(header[:0], n)
	e.dst = append(e.dst, h...)
	copy(e.dst[at+len(h):], e.dst[at:at+n])
	copy(e.dst[at:], h)
	return true
}

// appendMsgNumber appends a JSON number.
func appendMsgNumber(dst, text []byte) []byte {
	negative := text[0] == '-'
	digits := text
	if negative {
		digits = text[1:]
	}
	n, whole := wholeDigits(digits)
	switch {
	case whole && !negative:
		return appendMsgUint(dst, n)
	case whole && n <= 1<<63:
		return appendMsgInt(dst, -int64(n))
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range it is infinite
	if f == math.Trunc(f) && math.Abs(f) <= MaxID {
		return appendMsgInt(dst, int64(f))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(f))
}

// wholeDigits reads a number that is nothing but digits and fits.
func wholeDigits(text []byte) (n uint64, ok bool) {
	for _, c := range text {
		d := uint64(c - '0')
		if !digit(c) || n > math.MaxUint64/10 || n*10 > math.MaxUint64-d {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
