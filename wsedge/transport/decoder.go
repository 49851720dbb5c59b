package transport

import (
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// frameSink takes what a decoder finds. An error stops the decoder; it is
// returned by feed as it is. The bytes are valid during the call only.
type frameSink interface {
	// message takes one whole data message (text is valid UTF-8).
	message(data []byte, binary bool) error
	// control takes one control frame: ping, pong or close.
	control(op ws.OpCode, payload []byte) error
}

// frameRules are what a decoder holds the client to. They are the same for every
// feed of one decoder.
type frameRules struct {
	// limit bounds one message in bytes over all its fragments: as it is, and,
	// if it is compressed, also as it comes.
	limit int
	// deflate says that permessage-deflate was agreed on: RSV1 on the first
	// frame of a message marks one that is compressed (RFC 7692, section 6).
	deflate bool
}

// deflatedRsv is RSV1 alone, as a ws.Header has it.
const deflatedRsv = 0x04

// compressed reports whether h begins a compressed message, which no control
// frame and no continuation does.
func (r frameRules) compressed(h ws.Header) bool {
	return r.deflate && h.Rsv == deflatedRsv && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary)
}

// decoder is a push parser for the frames that a client sends (RFC 6455,
// section 5). The zero value is ready. It keeps nothing while no frame is
// incomplete and no message fragmented, so an idle connection costs a nil
// pointer.
type decoder struct {
	held *heldBytes
}

// heldBytes is what a decoder keeps between two reads.
type heldBytes struct {
	frame []byte // the beginning of an incomplete frame, still masked
	need  int    // bytes that frame needs before it can be looked at again

	message   []byte    // the fragments of an unfinished message, unmasked
	op        ws.OpCode // its opcode; 0 when no message is unfinished
	valid     int       // bytes of a text message that are known to be whole characters
	fragments int
	deflated  bool
}

// maxFragments bounds how many frames one message may consist of: each costs
// work however small it is, and no honest client comes near.
const maxFragments = 4096

// feed parses what was read. It changes buf (frames are unmasked in place) and
// hands slices of it to sink, each byte once. After an error the decoder must not
// be fed again, unless it is the sink's: that is returned as it is, with what of
// buf follows the frame that the sink had.
func (d *decoder) feed(buf []byte, rules frameRules, sink frameSink) (rest []byte, err error) {
	for len(buf) > 0 {
		if d.held != nil && d.held.need > 0 {
			buf, err = d.resume(buf, rules, sink)
		} else {
			buf, err = d.next(buf, rules, sink)
		}
		if err != nil {
			return buf, err
		}
	}
	return nil, nil
}

// next parses the frame at the beginning of buf in place, or keeps buf if the
// frame is incomplete. It returns what follows the frame.
func (d *decoder) next(buf []byte, rules frameRules, sink frameSink) ([]byte, error) {
	h, n, err := parseHeader(buf)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		d.hold(buf, min(maxHeader, len(buf)+1))
		return nil, nil
	}
	if err := d.check(h, rules); err != nil {
		return nil, err
	}
	end := n + int(h.Length)
	if end > len(buf) {
		d.hold(buf, end)
		return nil, nil
	}
	ws.Cipher(buf[n:end], h.Mask, 0)
	return buf[end:], d.frame(h, buf[n:end], rules, sink)
}

// firstRoom is what the beginning of an incomplete frame gets at the least, if
// the frame is that long.
const firstRoom = 4 << 10

// hold keeps the beginning of a frame until need bytes of it are there.
func (d *decoder) hold(buf []byte, need int) {
	if d.held == nil {
		d.held = &heldBytes{}
	}
	d.held.frame, d.held.need = nil, need
	d.held.append(buf)
}

// append keeps more of the incomplete frame. Room is made for twice what has
// come, never for more than the frame needs: a header of 14 bytes may announce
// a megabyte, but the client has to send half of it before it is reserved.
func (h *heldBytes) append(b []byte) {
	have := len(h.frame) + len(b)
	if have > cap(h.frame) {
		room := min(max(h.need, maxHeader), max(firstRoom, 2*have))
		h.frame = append(make([]byte, 0, room), h.frame...)
	}
	h.frame = append(h.frame, b...)
}

// resume completes the frame that is held, as far as buf goes.
func (d *decoder) resume(buf []byte, rules frameRules, sink frameSink) ([]byte, error) {
	held := d.held
	take := min(held.need-len(held.frame), len(buf))
	held.append(buf[:take])
	buf = buf[take:]
	if len(held.frame) < held.need {
		return buf, nil
	}
	frame := held.frame
	held.frame, held.need = nil, 0
	// The frame is complete, or more of its header is there: in both cases it
	// is parsed from its start, and kept again if it is still too short.
	rest, err := d.next(frame, rules, sink)
	if err == nil && len(rest) > 0 {
		panic("transport: decoder held more than one frame")
	}
	d.release()
	return buf, err
}

// release forgets the held state once it says nothing.
func (d *decoder) release() {
	if h := d.held; h != nil && h.need == 0 && h.op == 0 {
		d.held = nil
	}
}

// check refuses a frame by its header, before its payload is waited for.
func (d *decoder) check(h ws.Header, rules frameRules) error {
	unfinished, collected := false, 0
	if d.held != nil {
		unfinished, collected = d.held.op != 0, len(d.held.message)
	}
	switch {
	case h.Rsv != 0 && !rules.compressed(h): // section 5.2: MUST be 0 unless an extension was negotiated
		return errReserved
	case !h.Masked: // section 5.1: the server MUST close upon an unmasked frame
		return errUnmasked
	case h.OpCode.IsControl():
		// section 5.5: MUST have a payload of 125 bytes or less and MUST NOT be fragmented
		if !h.Fin || h.Length > ws.MaxControlFramePayloadSize {
			return errControl
		}
		if h.OpCode != ws.OpClose && h.OpCode != ws.OpPing && h.OpCode != ws.OpPong {
			return errOpcode
		}
		return nil
	case h.OpCode.IsReserved():
		return errOpcode
	case (h.OpCode == ws.OpContinuation) != unfinished: // section 5.4
		return errContinuation
	case h.Length > int64(rules.limit-collected):
		return errTooBig
	}
	return nil
}

// frame handles one complete, unmasked frame.
func (d *decoder) frame(h ws.Header, payload []byte, rules frameRules, sink frameSink) error {
	if h.OpCode.IsControl() {
		return sink.control(h.OpCode, payload)
	}
	if h.Fin && h.OpCode != ws.OpContinuation {
		if h.Rsv != 0 { // RSV1: check lets nothing else pass
			return deliverDeflated(h.OpCode, payload, rules.limit, sink)
		}
		return deliver(h.OpCode, payload, sink)
	}
	return d.fragment(h, payload, rules, sink)
}

// fragment collects one frame of a message of several.
func (d *decoder) fragment(h ws.Header, payload []byte, rules frameRules, sink frameSink) error {
	if d.held == nil {
		d.held = &heldBytes{}
	}
	held := d.held
	if h.OpCode != ws.OpContinuation {
		held.op, held.deflated = h.OpCode, h.Rsv != 0
	}
	if held.fragments++; held.fragments > maxFragments {
		return errTooBig
	}
	held.message = append(held.message, payload...)
	if held.op == ws.OpText && !held.deflated {
		n, ok := textPrefix(held.message[held.valid:], h.Fin)
		if !ok { // section 8.1; as soon as it is certain, not when the message ends
			return errUTF8
		}
		held.valid += n
	}
	if !h.Fin {
		return nil
	}
	op, message, deflated := held.op, held.message, held.deflated
	*held = heldBytes{}
	d.release()
	if deflated {
		return deliverDeflated(op, message, rules.limit, sink)
	}
	return sink.message(message, op == ws.OpBinary)
}

// deliverDeflated hands over a message that came compressed.
func deliverDeflated(op ws.OpCode, payload []byte, limit int, sink frameSink) error {
	x := inflaters.Get().(*inflater)
	defer x.recycle()
	message, err := x.inflate(payload, limit)
	if err != nil {
		return err
	}
	return deliver(op, message, sink)
}

// deliver hands over a message that is whole.
func deliver(op ws.OpCode, payload []byte, sink frameSink) error {
	if op == ws.OpText && !utf8.Valid(payload) { // section 8.1
		return errUTF8
	}
	return sink.message(payload, op == ws.OpBinary)
}

// textPrefix returns how many bytes at the beginning of b are whole characters.
// ok is false once b cannot become UTF-8 whatever follows, or, with last, if it
// is not UTF-8 as it stands. What is left is at most the three bytes of a
// character that has begun.
func textPrefix(b []byte, last bool) (n int, ok bool) {
	n = len(b)
	for i := n - 1; i >= max(0, n-utf8.UTFMax+1) && !last; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) { // FullRune is true for what is certainly bad
				n = i
			}
			break
		}
	}
	return n, utf8.Valid(b[:n])
}
