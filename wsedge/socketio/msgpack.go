package socketio

import (
	"math"
	"unicode/utf8"
)

// msgKind is what a MessagePack value is to a Socket.IO client. The JavaScript encoder (notepack.io) uses extension type 0
// for what MessagePack lacks: undefined, dates and array buffers.
type msgKind uint8

const (
	kindNone msgKind = iota // no value begins with this byte
	kindNil
	kindUndefined
	kindFalse
	kindTrue
	kindInt    // bits: an int64
	kindUint   // bits: a uint64
	kindFloat  // bits: a float64
	kindDate   // bits: an int64, milliseconds since 1970
	kindString // body
	kindBinary // body
	kindExt    // body, ext: its type
	kindArray  // count elements follow
	kindMap    // count keys and values follow

	kindFixExt // only in msgFormats
)

// msgFormats are the formats that begin with the bytes 0xc0 to 0xdf: the kind, and how many bytes of number, length or count
// follow. Of kindFixExt it is the length itself.
var msgFormats = [32]struct {
	kind  msgKind
	bytes uint8
}{
	{kindNil, 0}, {kindNone, 0}, {kindFalse, 0}, {kindTrue, 0}, {kindBinary, 1}, {kindBinary, 2}, {kindBinary, 4}, {kindExt, 1},
	{kindExt, 2}, {kindExt, 4}, {kindFloat, 4}, {kindFloat, 8}, {kindUint, 1}, {kindUint, 2}, {kindUint, 4}, {kindUint, 8},
	{kindInt, 1}, {kindInt, 2}, {kindInt, 4}, {kindInt, 8}, {kindFixExt, 1}, {kindFixExt, 2}, {kindFixExt, 4}, {kindFixExt, 8},
	{kindFixExt, 16}, {kindString, 1}, {kindString, 2}, {kindString, 4}, {kindArray, 2}, {kindArray, 4}, {kindMap, 2}, {kindMap, 4},
}

// msgToken is a MessagePack value, of an array or a map only the header. The body is a part of the data.
type msgToken struct {
	kind  msgKind
	ext   int8
	count uint32
	bits  uint64
	body  []byte
}

// msgReader walks over MessagePack. Its methods leave pos behind what they have read and return false when the data ends too
// early or is none.
type msgReader struct {
	data  []byte
	pos   int
	depth int  // how many more arrays and maps may be open at a time
	deep  bool // the fault is that depth was not enough
}

// token reads a value, of an array or a map only the header.
func (r *msgReader) token() (msgToken, bool) {
	if r.pos == len(r.data) {
		return msgToken{}, false
	}
	c := r.data[r.pos]
	r.pos++
	switch {
	case c < 0x80:
		return msgToken{kind: kindInt, bits: uint64(c)}, true
	case c < 0x90:
		return msgToken{kind: kindMap, count: uint32(c & 0x0f)}, true
	case c < 0xa0:
		return msgToken{kind: kindArray, count: uint32(c & 0x0f)}, true
	case c < 0xc0:
		return r.body(msgToken{kind: kindString}, uint64(c&0x1f))
	case c >= 0xe0:
		return msgToken{kind: kindInt, bits: uint64(int64(int8(c)))}, true
	}
	return r.formatted(msgFormats[c-0xc0].kind, int(msgFormats[c-0xc0].bytes))
}

// formatted reads what follows the first byte of a value that says n in msgFormats.
func (r *msgReader) formatted(kind msgKind, n int) (msgToken, bool) {
	t := msgToken{kind: kind}
	if kind == kindFixExt {
		return r.extension(msgToken{kind: kindExt}, uint64(n), true)
	}
	if n > len(r.data)-r.pos {
		return t, false
	}
	for _, c := range r.data[r.pos : r.pos+n] {
		t.bits = t.bits<<8 | uint64(c)
	}
	r.pos += n
	switch kind {
	case kindNone:
		return t, false
	case kindInt:
		unused := 64 - 8*n
		t.bits = uint64(int64(t.bits<<unused) >> unused)
	case kindUint:
		if t.bits <= math.MaxInt64 {
			t.kind = kindInt
		}
	case kindFloat:
		if n == 4 {
			t.bits = math.Float64bits(float64(math.Float32frombits(uint32(t.bits))))
		}
	case kindString, kindBinary:
		return r.body(t, t.bits)
	case kindExt:
		return r.extension(t, t.bits, false)
	case kindArray, kindMap:
		t.count = uint32(t.bits)
	}
	return t, true
}

// body reads n bytes.
func (r *msgReader) body(t msgToken, n uint64) (msgToken, bool) {
	if n > uint64(len(r.data)-r.pos) {
		return t, false
	}
	t.body = r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return t, true
}

// extension reads the type and n bytes. Fixed is whether the format has no length of its own: the JavaScript encoder
// writes undefined and dates so, and array buffers otherwise.
func (r *msgReader) extension(t msgToken, n uint64, fixed bool) (msgToken, bool) {
	if r.pos == len(r.data) {
		return t, false
	}
	t.ext = int8(r.data[r.pos])
	r.pos++
	t, ok := r.body(t, n)
	switch {
	case !ok || t.ext != 0:
	case !fixed:
		t.kind = kindBinary
	case n == 1:
		t.kind = kindUndefined
	case n == 8:
		t.kind, t.bits = kindDate, 0
		for _, c := range t.body {
			t.bits = t.bits<<8 | uint64(c)
		}
	}
	return t, ok
}

// open enters an array or a map.
func (r *msgReader) open() bool {
	r.depth--
	r.deep = r.depth < 0
	return !r.deep
}

// skip reads a value with all that it holds. As every value has at least one byte, its time is linear in the data, whatever
// a header announces.
func (r *msgReader) skip() bool {
	t, ok := r.token()
	if !ok || t.kind != kindArray && t.kind != kindMap {
		return ok
	}
	if !r.open() {
		return false
	}
	for range t.count {
		if t.kind == kindMap && !r.skip() {
			return false
		}
		if !r.skip() {
			return false
		}
	}
	r.depth++
	return true
}

// fault is why a method returned false.
func (r *msgReader) fault() error {
	if r.deep {
		return ErrDepth
	}
	return ErrMsgpack
}

// whole returns the value of a number that JavaScript calls an integer and keeps exact.
func (t *msgToken) whole() (int64, bool) {
	n := int64(t.bits)
	if t.kind == kindFloat {
		f := math.Float64frombits(t.bits)
		if math.Abs(f) > MaxID || f != math.Trunc(f) {
			return 0, false // the latter also of what is not a number
		}
		n = int64(f)
	}
	return n, (t.kind == kindInt || t.kind == kindFloat) && -MaxID <= n && n <= MaxID
}

// text returns the contents of a string in UTF-8.
func (t *msgToken) text() []byte {
	if utf8.Valid(t.body) {
		return t.body
	}
	return []byte(string([]rune(string(t.body))))
}
