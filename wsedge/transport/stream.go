package transport

import (
	"bytes"
	"errors"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// streamWire is a socketWire that is a WebTransport stream: other frames, and no
// control frames (PROTOCOL 1.10).
type streamWire struct {
	*socketWire

	dec engineio.StreamDecoder // owned by the engine's goroutine
}

// OnRead implements netpoll.Handler.
func (w *streamWire) OnRead(p []byte) {
	if rest, err := w.read(p); err != nil {
		w.keep(bytes.Clone(rest))
	}
}

// OnResume implements netpoll.Handler.
func (w *streamWire) OnResume() { w.goOn(w.read) }

// read is socketWire.read of a stream.
func (w *streamWire) read(p []byte) (rest []byte, waits error) {
	rest, err := w.dec.Feed(p, w.s.srv.cfg.Settings.MaxPayload, w.message)
	if err == nil || errors.Is(err, errWaits) {
		return rest, err
	}
	w.dec = engineio.StreamDecoder{}
	if !w.end(engineio.ParseError, CauseProtocol, nil) {
		w.s.mu.Lock()
		w.conn.Close()
		w.s.mu.Unlock()
	}
	return nil, nil
}
