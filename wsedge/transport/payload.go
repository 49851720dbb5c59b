package transport

import (
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// pollStyle is how the answer to one poll must look.
type pollStyle struct {
	revision engineio.Revision
	text     bool // the client takes no bytes (b64), or loads the answer as a script (j)
}

// payload is the body that answers a poll.
type payload struct {
	body     []byte
	binary   bool // bytes, not text
	compress bool // some packet in it may be compressed
	noop     bool // it releases the poll and says nothing
}

// recordSeparator stands between two packets of a payload of revision 4
// (PROTOCOL 1.4).
const recordSeparator = 0x1e

// encode makes one payload of messages. Its body is shared when there is one
// message only, and must not be changed.
func (style pollStyle) encode(items ...*Prepared) payload {
	out := payload{}
	hasBinary := false
	for _, p := range items {
		hasBinary = hasBinary || p.hasBinary()
		out.compress = out.compress || !p.plain
	}
	l := layout{form: formPayload}
	if style.revision == engineio.Revision3 {
		l.form = formPayload3
		if hasBinary && !style.text {
			l.form, out.binary = formPayload3Binary, true
		}
	}
	if len(items) == 1 {
		out.noop = items[0] == noopPacket
		out.body = items[0].bytes(l)
		return out
	}
	size := 0
	for _, p := range items {
		size += len(p.bytes(l)) + 1
	}
	out.body = make([]byte, 0, size)
	for i, p := range items {
		if i > 0 && l.form == formPayload {
			out.body = append(out.body, recordSeparator)
		}
		out.body = append(out.body, p.bytes(l)...)
	}
	return out
}
