package socketio

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// DecodeMsgpack decodes one binary Engine.IO message of a client that uses the MessagePack parser: a whole packet, a map of
// type, nsp, data and id in any order (PROTOCOL 3, last line). Other keys are skipped; of equal keys the last counts, and a
// value that is undefined counts as none.
//
// The result is what the same packet is when a JSON client sends it, after its Assembly: Type is one of the first five and
// never a binary one, Args are JSON text within l (Data, of CONNECT and CONNECT_ERROR), and binary values are attachments
// with a placeholder in Args each, numbered in order of appearance. Values become JSON as follows:
//
//   - Integers keep their digits, up to 64 bits; other numbers are written as JavaScript writes them, NaN and infinities
//     as null.
//   - What of a string is not UTF-8 becomes U+FFFD.
//   - undefined is null in an array; in a map it leaves its key out, as JSON.stringify does.
//   - Dates become strings as of toISOString, or null outside its range. Typed arrays and array buffers are binary.
//   - Any other extension is an array of its type and its bytes, as the JavaScript decoder has it.
//   - Keys are strings or numbers; other keys are refused, as no client writes them.
//
// As in the JavaScript parser the data of an event or an ack may not be missing, and event names are not checked for the
// reserved ones. Refused beyond that is what the JSON form cannot say: an event whose name is neither a string nor a number,
// a namespace without its slash or with a comma, an id outside 0 to MaxID, a binary value in the data of CONNECT. A map whose
// _placeholder is true is plain data, as it is in JSON, but in a packet with binary values it could be taken for one of them,
// so that packet is refused with ErrPlaceholder.
//
// Nothing is allocated for what a header announces before it is there. Time is linear in data; Args are at most 6 times as
// long as data plus 48 bytes for each binary value. Namespace and Name may be parts of data; Args, Data and the attachments
// are new and belong to the caller. Errors are *ParseError.
func DecodeMsgpack(data []byte, l *Limits) (Packet, [][]byte, error) {
	d := msgDecoder{msgReader: msgReader{data: data, depth: l.depth()}, binaries: l.binaries()}
	p, err := d.packet(l)
	if err != nil {
		return Packet{}, nil, &ParseError{Offset: d.pos, Err: err}
	}
	return p, d.attachments, nil
}

// msgDecoder writes MessagePack as JSON.
type msgDecoder struct {
	msgReader
	out         []byte
	attachments [][]byte
	binaries    int   // how many more there may be
	binaryFault error // the fault is that there was one too many
	lookalike   bool  // a map looks like a placeholder
}

// msgFields are the places of a packet's values in the data, -1 of those that are not there.
type msgFields struct{ kind, namespace, data, id int }

func (d *msgDecoder) packet(l *Limits) (p Packet, err error) {
	f, err := d.fields()
	if err != nil {
		return p, err
	}
	if p.Type, err = d.takeType(f.kind); err != nil {
		return p, err
	}
	if p.Namespace, err = d.takeNamespace(f.namespace, l.namespaceBytes()); err != nil {
		return p, err
	}
	if f.id >= 0 {
		if p.ID, err = d.takeID(f.id); err != nil {
			return p, err
		}
		p.HasID = true
	}
	if err = d.takeData(&p, f.data); err != nil {
		return p, err
	}
	if d.lookalike && len(d.attachments) > 0 {
		return p, ErrPlaceholder
	}
	p.Attachments = len(d.attachments)
	return p, nil
}

// fields finds the packet's values, and checks that the data is one value as a whole.
func (d *msgDecoder) fields() (f msgFields, err error) {
	f = msgFields{-1, -1, -1, -1}
	packet, ok := d.token()
	switch {
	case !ok:
		return f, ErrMsgpack
	case packet.kind != kindMap:
		return f, ErrPayload
	}
	for range packet.count {
		start := d.pos
		key, ok := d.token()
		if !ok || key.kind != kindString {
			d.pos = start
			if !d.skip() {
				return f, d.fault()
			}
		}
		value := d.pos
		if !d.skip() {
			return f, d.fault()
		}
		if key.kind == kindString {
			f.note(key.body, value, d.data[value] == 0xd4 && d.data[value+1] == 0)
		}
	}
	if d.pos < len(d.data) {
		return f, ErrMsgpack
	}
	return f, nil
}

func (f *msgFields) note(key []byte, value int, undefined bool) {
	if undefined {
		value = -1
	}
	switch string(key) {
	case "type":
		f.kind = value
	case "nsp":
		f.namespace = value
	case "data":
		f.data = value
	case "id":
		f.id = value
	}
}

// at reads the token there; it is known to be complete. Without one, it is undefined.
func (d *msgDecoder) at(pos int) msgToken {
	if pos < 0 {
		return msgToken{kind: kindUndefined}
	}
	d.pos = pos
	t, _ := d.token()
	return t
}

func (d *msgDecoder) takeType(pos int) (PacketType, error) {
	t := d.at(pos)
	n, ok := t.whole()
	if !ok || n < int64(Connect) || n > int64(ConnectError) {
		return 0, ErrType
	}
	return PacketType(n), nil
}

func (d *msgDecoder) takeNamespace(pos, most int) ([]byte, error) {
	t := d.at(pos)
	if t.kind != kindString || len(t.body) > most {
		return nil, ErrNamespace
	}
	name := t.text()
	if len(name) == 0 || len(name) > most || name[0] != '/' || bytes.IndexByte(name, ',') >= 0 {
		return nil, ErrNamespace
	}
	return name, nil
}

func (d *msgDecoder) takeID(pos int) (uint64, error) {
	t := d.at(pos)
	n, ok := t.whole()
	if !ok || n < 0 {
		return 0, ErrID
	}
	return uint64(n), nil
}

func (d *msgDecoder) takeData(p *Packet, pos int) error {
	t := d.at(pos)
	switch p.Type {
	case Disconnect:
		if t.kind != kindUndefined {
			return ErrPayload
		}
	case Connect, ConnectError:
		if p.Type == Connect && t.kind == kindUndefined {
			return nil
		}
		if t.kind != kindMap && (t.kind != kindString || p.Type == Connect) {
			return ErrPayload
		}
		d.binaries, d.binaryFault = 0, ErrPayload
		if !d.value(&t) {
			return d.fault()
		}
		p.Data = d.out
	default:
		if t.kind != kindArray || p.Type == Event && t.count == 0 {
			return ErrPayload
		}
		return d.takeArguments(p, t.count)
	}
	return nil
}

// takeArguments reads the elements of the array that is the data of an event or an ack.
func (d *msgDecoder) takeArguments(p *Packet, count uint32) error {
	d.binaryFault = ErrAttachments
	if !d.open() {
		return d.fault()
	}
	d.out = make([]byte, 0, len(d.data)-d.pos)
	if p.Type == Event {
		name, _ := d.token()
		switch {
		case name.kind == kindString:
			p.Name = name.text()
		case name.number():
			d.scalar(&name)
			p.Name, p.NameIsNumber = bytes.Clone(d.out), true
			d.out = d.out[:0]
		default:
			return ErrPayload
		}
		count--
	}
	if !d.elements(count) {
		return d.fault()
	}
	if len(d.out) > 0 {
		p.Args = d.out
	}
	return nil
}

func (d *msgDecoder) fault() error {
	if d.binaries < 0 {
		return d.binaryFault
	}
	return d.msgReader.fault()
}

// elements writes count values with commas between.
func (d *msgDecoder) elements(count uint32) bool {
	for i := range count {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		t, ok := d.token()
		if !ok || !d.value(&t) {
			return false
		}
	}
	return true
}

// value writes the value t, the rest of which it reads.
func (d *msgDecoder) value(t *msgToken) bool {
	switch t.kind {
	case kindBinary:
		return d.binary(t.body)
	case kindExt:
		if !d.open() {
			return false
		}
		d.out = append(d.out, '[')
		d.out = strconv.AppendInt(d.out, int64(t.ext), 10)
		d.out = append(d.out, ',')
		ok := d.binary(t.body)
		d.out = append(d.out, ']')
		d.depth++
		return ok
	case kindArray:
		if !d.open() {
			return false
		}
		d.out = append(d.out, '[')
		ok := d.elements(t.count)
		d.out = append(d.out, ']')
		d.depth++
		return ok
	case kindMap:
		return d.members(t.count)
	}
	d.scalar(t)
	return true
}

// binary takes an attachment and writes its placeholder, an object, which counts as such.
func (d *msgDecoder) binary(body []byte) bool {
	d.binaries--
	if d.binaries < 0 || !d.open() {
		return false
	}
	d.depth++
	d.out = append(d.out, `{"_placeholder":true,"num":`...)
	d.out = strconv.AppendInt(d.out, int64(len(d.attachments)), 10)
	d.out = append(d.out, '}')
	d.attachments = append(d.attachments, append(make([]byte, 0, len(body)), body...))
	return true
}

func (d *msgDecoder) members(count uint32) bool {
	if !d.open() {
		return false
	}
	d.out = append(d.out, '{')
	first := len(d.out)
	for range count {
		start := len(d.out)
		if start > first {
			d.out = append(d.out, ',')
		}
		key, ok := d.token()
		if !ok || !d.key(&key) {
			return false
		}
		d.out = append(d.out, ':')
		value, ok := d.token()
		if !ok || !d.value(&value) {
			return false
		}
		switch {
		case value.kind == kindUndefined:
			d.out = d.out[:start]
		case value.kind == kindTrue && string(key.body) == "_placeholder":
			d.lookalike = true
		}
	}
	d.out = append(d.out, '}')
	d.depth++
	return true
}

// key writes a key: a string, or a number in quotes.
func (d *msgDecoder) key(t *msgToken) bool {
	if t.kind == kindString {
		d.scalar(t)
		return true
	}
	if !t.number() {
		return false
	}
	d.out = append(d.out, '"')
	d.scalar(t)
	d.out = append(d.out, '"')
	return true
}

// number reports whether t is a number that JSON can say.
func (t *msgToken) number() bool {
	if t.kind == kindFloat {
		f := math.Float64frombits(t.bits)
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return t.kind == kindInt || t.kind == kindUint
}

// scalar writes a value that holds no others and is not binary.
func (d *msgDecoder) scalar(t *msgToken) {
	switch t.kind {
	case kindFalse:
		d.out = append(d.out, "false"...)
	case kindTrue:
		d.out = append(d.out, "true"...)
	case kindInt:
		d.out = strconv.AppendInt(d.out, int64(t.bits), 10)
	case kindUint:
		d.out = strconv.AppendUint(d.out, t.bits, 10)
	case kindFloat:
		d.out = appendFloat(d.out, math.Float64frombits(t.bits))
	case kindString:
		d.out = appendQuoted(d.out, t.body)
	case kindDate:
		d.out = appendDate(d.out, int64(t.bits))
	default:
		d.out = append(d.out, "null"...)
	}
}

// appendFloat appends f as JSON.stringify writes it.
func appendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case f == 0:
		return append(dst, '0') // also of -0
	case 1e-6 <= abs && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1] // strconv writes two digits at least, JavaScript one
		dst = dst[:n-1]
	}
	return dst
}

// appendDate appends a date as JSON.stringify writes it.
func appendDate(dst []byte, ms int64) []byte {
	const most = 8_640_000_000_000_000 // 100 million days
	if ms < -most || ms > most {
		return append(dst, "null"...)
	}
	at := time.UnixMilli(ms).UTC()
	dst = append(dst, '"')
	year := at.Year()
	if year < 0 || year > 9999 {
		sign := byte('+')
		if year < 0 {
			sign, year = '-', -year
		}
		dst = append(dst, sign)
		dst = append(dst, strconv.Itoa(1_000_000 + year)[1:]...)
	} else {
		dst = append(dst, strconv.Itoa(10_000 + year)[1:]...)
	}
	return at.AppendFormat(dst, `-01-02T15:04:05.000Z"`)
}
