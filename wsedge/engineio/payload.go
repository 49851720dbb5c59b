package engineio

import (
	"bytes"
	"iter"
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// AppendPayload appends p to the polling payload that dst holds, after a separator unless dst is empty.
func AppendPayload(dst []byte, p Packet) []byte {
	if len(dst) > 0 {
		dst = append(dst, separator)
	}
	return AppendText(dst, p)
}

// Payload yields the packets of one polling body in order. At the first bad packet it yields ErrParse and stops; the
// packets before it count (PROTOCOL 1.4). An empty body is one empty packet and so an error. Nothing is parsed ahead:
// a body full of tiny packets costs no memory.
func Payload(body []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		for more := true; more; {
			var text []byte
			text, body, more = bytes.Cut(body, []byte{separator})
			p, err := ParseText(text)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}
