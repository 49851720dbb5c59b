package transport

import (
	"bytes"
	"errors"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/netpoll"
)

// socketWire is one WebSocket connection of a session, or one WebTransport
// stream: the one that carries it, or a candidate that wants to (PROTOCOL 1.6).
// It is the connection's netpoll.Handler and the sink of its frames.
type socketWire struct {
	// Fixed at construction, as form is.
	s *Session

	// Owned by the engine's goroutine.
	dec  decoder
	kept *kept // nil unless the wire is not read

	// Guarded by s.mu.
	conn      netpoll.Conn
	candidate bool
	early     bool // a candidate whose upgrade packet waits for a POST: it is not read
	closing   bool // a close frame was sent or queued: what still comes is discarded

	form wireForm // here it takes no room: every session has a wire
}

// lingerMillis is how long the client's answer to a close frame is waited for
// before the connection is cut.
const lingerMillis = 5000

// layout says how packets go on this wire.
func (w *socketWire) layout() layout {
	return layout{form: w.form, deflate: w.s.srv.deflate}
}

// transport is what the wire is to the state machine.
func (w *socketWire) transport() engineio.Transport {
	if w.form == formStream {
		return engineio.WebTransport
	}
	return engineio.WebSocket
}

// handler is what the engine calls for this wire.
func (w *socketWire) handler() netpoll.Handler {
	if w.form == formStream {
		return &streamWire{socketWire: w}
	}
	return w
}

// bind is called with the connection before anything else.
func (w *socketWire) bind(c netpoll.Conn) {
	w.s.mu.Lock()
	w.conn = c
	if !w.candidate {
		w.s.conn = c
	}
	if w.s.paused {
		w.regulate()
	}
	switch {
	case w.closing && w.ended(): // the close frame waits
		w.s.corks = 0
		w.s.flush()
		c.SetDeadline(w.s.srv.engine.Now() + lingerMillis)
	case w.closing: // unwelcome, or ended without one
		w.closing = false
		w.shut(nil, CauseNone)
	}
	w.s.unlock()
}

// OnRead implements netpoll.Handler.
func (w *socketWire) OnRead(p []byte) {
	if rest, err := w.read(p); err != nil {
		w.keep(bytes.Clone(rest))
	}
}

// OnResume implements netpoll.Handler.
func (w *socketWire) OnResume() { w.goOn(w.read) }

// read handles bytes that came. The error is errWaits, if rest of them has to wait.
func (w *socketWire) read(p []byte) (rest []byte, waits error) {
	rules := frameRules{limit: w.s.srv.cfg.Settings.MaxPayload, deflate: w.form.deflates()}
	rest, err := w.dec.feed(p, rules, w)
	if err == nil || errors.Is(err, errWaits) {
		return rest, err
	}
	w.dec = decoder{}
	var violation *protocolError
	if errors.As(err, &violation) {
		w.s.srv.cfg.Logger.Debug("session closed", "error", violation)
		body := ws.NewCloseFrameBody(violation.code, "")
		if w.end(engineio.TransportError, CauseProtocol, body) {
			return nil, nil
		}
	}
	// The close handshake is done, or the peer has broken it.
	w.s.mu.Lock()
	w.conn.Close()
	w.s.mu.Unlock()
	return nil, nil
}

// end closes the wire with a close frame: it ends the session, but a candidate
// ends only itself. It reports false if the wire was closing already.
func (w *socketWire) end(reason engineio.Reason, cause Cause, closeBody []byte) bool {
	s := w.s
	s.mu.Lock()
	defer s.unlock()
	switch {
	case w.closing:
		return false
	case w.candidate:
		w.leave()
		w.shut(closeBody, cause)
	default:
		s.lose(reason, cause, closeBody)
	}
	return true
}

// errDone stops the decoder when the connection has nothing more to say.
var errDone = errors.New("transport: websocket closed")

// message implements frameSink.
func (w *socketWire) message(data []byte, binary bool) error {
	p, err := w.parse(data, binary)
	if err == nil {
		return w.accept(p)
	}
	w.end(engineio.ParseError, CauseNone, nil)
	return nil
}

// parse reads one message as a packet of the session's revision.
func (w *socketWire) parse(data []byte, binary bool) (engineio.Packet, error) {
	old := w.form.old()
	switch {
	case binary && old:
		return engineio.ParseBinary3(data)
	case binary:
		return engineio.ParseBinary(data), nil
	case old:
		return engineio.ParseText3(data)
	default:
		return engineio.ParseText(data)
	}
}

// control implements frameSink.
func (w *socketWire) control(op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		w.pong(payload)
		return nil
	case ws.OpClose:
		return w.peerCloses(payload)
	}
	return nil // an unsolicited pong is allowed (section 5.5.3)
}

func (w *socketWire) pong(payload []byte) {
	s := w.s
	s.mu.Lock()
	switch {
	case w.closing:
	case w.candidate:
		w.write(appendFrame(nil, ws.OpPong, payload))
	default:
		s.push(prepareControl(ws.OpPong, payload))
	}
	s.unlock()
}

// peerCloses answers the peer's close frame with the same code and ends.
func (w *socketWire) peerCloses(payload []byte) error {
	code, err := parseClose(payload)
	if err != nil {
		return err
	}
	var body []byte
	if code != ws.StatusNoStatusRcvd {
		body = ws.NewCloseFrameBody(code, "")
	}
	w.end(engineio.TransportClose, CauseNone, body)
	return errDone
}

// leave takes a candidate out of its session. The lock is held.
func (w *socketWire) leave() {
	s := w.s
	if s.poll != nil && s.poll.candidate == w {
		s.poll.candidate = nil
		s.machine.CandidateLost(s.now())
	}
}

// write is for the few bytes that a candidate gets: what does not go out at once
// costs it its chance. The lock is held.
func (w *socketWire) write(frame []byte) bool {
	n, err := w.conn.TryWrite(frame)
	if err == nil && n == len(frame) {
		return true
	}
	w.leave()
	w.closing = true
	w.conn.Close()
	return false
}

// ended reports whether the session has ended on this WebSocket with a close frame
// that waits for its connection.
func (w *socketWire) ended() bool { return w == w.s.wire && w.form != formStream && w.s.out != nil }

// shut sends a close frame behind what waits and leaves the connection open for
// a moment, so that the client can read it. The lock is held.
func (w *socketWire) shut(closeBody []byte, cause Cause) {
	if w.closing {
		return
	}
	w.closing = true
	s := w.s
	if w.conn == nil { // bind will go on here
		if w == s.wire && w.form != formStream && cause != CauseOverflow {
			s.queue(closing(closeBody))
		}
		return
	}
	switch {
	case cause == CauseOverflow:
		w.conn.Close() // in the middle of a frame no other can be sent
		return
	case w.form == formStream: // it has no close frame: its end is what the client sees
		if w == s.wire && s.out != nil {
			s.corks = 0
			s.flush() // drained ends it
		} else {
			w.conn.Close()
		}
	case w == s.wire:
		s.corks = 0 // whoever corked has nothing to add
		s.queue(closing(closeBody))
		s.flush()
	default:
		if _, err := w.conn.TryWrite(closing(closeBody).buf); err != nil {
			return
		}
	}
	w.conn.SetDeadline(s.srv.engine.Now() + lingerMillis)
}

// drained is called when everything that waited has been written.
func (w *socketWire) drained() {
	if w.closing && w.form == formStream {
		w.conn.Close()
	}
}

func closing(body []byte) *Prepared {
	if len(body) == 0 {
		return closeFrame
	}
	return prepareControl(ws.OpClose, body)
}

// OnWritable implements netpoll.Handler.
func (w *socketWire) OnWritable() {
	s := w.s
	s.mu.Lock()
	if s.wire == w {
		s.blocked = false
		s.flush()
	}
	s.unlock()
}

// OnDeadline implements netpoll.Handler.
func (w *socketWire) OnDeadline(now netpoll.Millis) {
	w.s.mu.Lock()
	lingers := w.closing
	if lingers {
		w.conn.Close()
	}
	w.s.mu.Unlock()
	if !lingers {
		w.s.deadline(now)
	}
}

// OnClose implements netpoll.Handler.
func (w *socketWire) OnClose(err error) {
	s := w.s
	s.mu.Lock()
	w.closing = true
	switch {
	case s.wire == w:
		s.lose(engineio.TransportClose, causeOf(err), nil)
		s.dropQueue()
	case w.candidate && w.early: // its client takes the upgrade for done
		s.lose(engineio.TransportClose, CauseNone, nil)
	case w.candidate:
		w.leave()
	}
	s.unlock()
	w.dec, w.kept = decoder{}, nil
}

// causeOf is what the end of a netpoll.Conn says about the end of its session.
func causeOf(err error) Cause {
	if errors.Is(err, netpoll.ErrPanic) {
		return CauseInternal
	}
	return CauseNone
}

// pollTimer is the netpoll.Handler of a polling session: deadlines only.
type pollTimer Session

// OnRead implements netpoll.Handler.
func (*pollTimer) OnRead([]byte) {}

// OnResume implements netpoll.Handler.
func (*pollTimer) OnResume() {}

// OnWritable implements netpoll.Handler.
func (*pollTimer) OnWritable() {}

// OnDeadline implements netpoll.Handler.
func (t *pollTimer) OnDeadline(now netpoll.Millis) { (*Session)(t).deadline(now) }

// OnClose implements netpoll.Handler. It comes after the session has ended or
// has been upgraded, after a panic at its deadline, or when the engine shuts down.
func (t *pollTimer) OnClose(err error) {
	s := (*Session)(t)
	s.mu.Lock()
	if s.poll != nil {
		s.lose(engineio.TransportClose, causeOf(err), nil)
		s.dropQueue()
	}
	s.unlock()
}
