package transport

import (
	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// wireForm is how packets are laid out on a wire. Each form of a Prepared is
// made once and shared by all sessions that have it.
type wireForm uint8

// The forms.
const (
	formFrames         wireForm = iota // WebSocket, revision 4: a frame for each packet
	formFramesBase64                   // the same for a client without binary frames (b64)
	formFramesDeflate                  // the same with permessage-deflate
	formFrames3                        // WebSocket, revision 3: binary frames begin with the type
	formFrames3Base64                  // the same for a client without binary frames
	formFrames3Deflate                 // the same with permessage-deflate
	formStream                         // WebTransport, revision 4
	formPayload                        // polling, revision 4: separated packets, binary in base64
	formPayload3                       // polling, revision 3: text with lengths, binary in base64
	formPayload3Binary                 // polling, revision 3: bytes with lengths
	formCount          = iota
)

// layout is a form with what else decides about the bytes.
type layout struct {
	form    wireForm
	deflate *deflater // for the forms that deflate; nil compresses nothing
}

// framesForm is the form of a WebSocket.
func framesForm(rev engineio.Revision, base64, deflate bool) wireForm {
	form := formFrames
	if rev == engineio.Revision3 {
		form = formFrames3
	}
	switch {
	case base64: // few and old: not worth compressing
		return form + (formFramesBase64 - formFrames)
	case deflate:
		return form + (formFramesDeflate - formFrames)
	}
	return form
}

// append appends p's packets.
func (l layout) append(dst []byte, p *Prepared) []byte {
	p.each(func(packet engineio.Packet) {
		switch l.form {
		case formPayload:
			dst = engineio.AppendPayload(dst, packet)
		case formPayload3:
			dst = engineio.AppendPayload3(dst, packet)
		case formPayload3Binary:
			dst = engineio.AppendBinaryPayload3(dst, packet)
		case formStream:
			dst = engineio.AppendStream(dst, packet)
		default:
			dst = l.appendFrame(dst, packet, p.plain)
		}
	})
	return dst
}

// appendFrame appends a packet as one WebSocket frame.
func (l layout) appendFrame(dst []byte, packet engineio.Packet, plain bool) []byte {
	op := ws.OpText
	var payload []byte
	switch {
	case packet.Binary && l.form == formFrames3Base64:
		payload = engineio.AppendText3(nil, packet)
	case !packet.Binary, l.form == formFramesBase64:
		payload = engineio.AppendText(nil, packet)
	case l.form.old():
		op, payload = ws.OpBinary, engineio.AppendBinary3(nil, packet)
	default:
		op, payload = ws.OpBinary, packet.Data
	}
	if l.form.deflates() && !plain && l.deflate.worthwhile(len(payload)) {
		return l.deflate.appendFrame(dst, op, payload)
	}
	return appendFrame(dst, op, payload)
}

// asItIs reports whether p goes on the wire as the one frame that it was prepared
// as.
func (l layout) asItIs(p *Prepared) bool {
	switch {
	case l.form == formFrames:
		return len(p.attachments) == 0
	case p.hasBinary():
		return false
	case l.form.deflates():
		return p.plain || !l.deflate.worthwhile(len(p.packet()))
	default:
		return l.form < formStream
	}
}

// old reports whether it is a WebSocket of revision 3.
func (f wireForm) old() bool { return f >= formFrames3 && f <= formFrames3Deflate }

// deflates reports whether permessage-deflate was agreed on.
func (f wireForm) deflates() bool { return f == formFramesDeflate || f == formFrames3Deflate }
