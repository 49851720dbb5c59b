package transport

import (
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
	if w.dec.Feed(p, w.s.srv.cfg.Settings.MaxPayload, w.message) == nil {
		return
	}
	w.dec = engineio.StreamDecoder{}
	if !w.end(engineio.ParseError, CauseProtocol, nil) {
		w.s.mu.Lock()
		w.conn.Close()
		w.s.mu.Unlock()
	}
}
