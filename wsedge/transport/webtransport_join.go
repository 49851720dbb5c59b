package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Here the HTTP/3 side and the sessions meet: what came in as a WebTransport
// stream is a session's wire from then on, like a WebSocket.

// newWebTransport makes the HTTP/3 side, if WebTransport is enabled.
func (s *Server) newWebTransport() error {
	if !s.enabled(engineio.WebTransport) {
		return nil
	}
	set := &s.cfg.Settings
	var err error
	s.webTransport, err = newWebTransportServer(webTransportConfig{
		TLS:              s.cfg.WebTransportTLS,
		Ours:             func(r *http.Request) bool { return strings.HasPrefix(r.RequestURI, s.cfg.Path) },
		Verify:           s.verifyWebTransport,
		Handshake:        s.handshakeOf,
		LetIn:            s.letStreamIn,
		Accept:           s.acceptStream,
		HandshakeTimeout: s.cfg.HeadTimeout,
		UpgradeTimeout:   set.UpgradeTimeout.Duration(),
		PingInterval:     set.PingInterval.Duration(),
		PingTimeout:      set.PingTimeout.Duration(),
		MaxPending:       s.cfg.MaxPendingHeads,
		Logger:           s.cfg.Logger,
	})
	return err
}

// ServeWebTransport takes WebTransport clients from pc, which it closes, until
// Shutdown, then returns nil. WebTransport must be among Config.Transports. It
// may be called once. Clients that upgrade expect it on the host and port at
// which they poll.
func (s *Server) ServeWebTransport(pc net.PacketConn) error {
	if s.webTransport == nil {
		return errors.Join(errors.New("transport: WebTransport is not enabled"), pc.Close())
	}
	return s.webTransport.Serve(pc)
}

// verifyWebTransport is who may come in: the checks of PROTOCOL 1.2 that make
// sense here. The answer tells nobody why. Middleware cannot see these clients, so
// that there are none where it might have kept some out (PROTOCOL 1.10).
func (s *Server) verifyWebTransport(r *http.Request) *engineio.Refusal {
	refusal := s.checkOrigin(originOf(r))
	switch {
	case refusal != nil:
	case s.cfg.HTTP.Middleware != nil:
		refusal = engineio.ErrBadRequest
	}
	if refusal != nil {
		s.noteRefusal(r, refusal)
	}
	return refusal
}

// letStreamIn decides on a client that wants a session of its own, as letIn does
// elsewhere. If it may have one, h has its place in the limits, which acceptStream
// takes over.
func (s *Server) letStreamIn(ctx context.Context, r *http.Request, h *Handshake) (ok bool) {
	if e := s.limits.begin(h); e != nil {
		e.count.Add(1)
		return false
	}
	defer func() { // also when Admit panics
		if !ok {
			s.limits.end(h.encode())
		}
	}()
	if refusal := s.admit(ctx, r); refusal != nil {
		s.noteRefusal(r, refusal)
		return false
	}
	return true
}

// acceptStream takes over a client's stream: for a new session, or for the one
// that it wants to carry (PROTOCOL 1.10). What is refused is closed.
func (s *Server) acceptStream(c net.Conn, sid string, h *Handshake, early []byte) {
	if sid != "" {
		session := s.sessions.find(sid)
		if session == nil || session.Revision() != engineio.Revision4 {
			_ = c.Close()
			return
		}
		s.acceptCandidate(c, nil, early, &socketWire{s: session, form: formStream})
		return
	}
	if s.refusing.Load() {
		s.limits.end(h.encode())
		_ = c.Close()
		return
	}
	session := s.newSession(engineio.WebTransport, h, engineio.Revision4, func(session *Session) *socketWire {
		return &socketWire{s: session, form: formStream}
	})
	open := s.openPacket(session, engineio.WebTransport)
	s.begin(c, open.bytes(layout{form: formStream}), early, session.wire)
}
