package wsedge

import (
	"context"
	"net/http"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// admitTimeout is how long Config.Handshakes may take: the longest that package
// transport allows.
const admitTimeout = 30 * time.Second

// http is Config.HTTP with the questions to Config.Handshakes.
func (s *Server) http() HTTPConfig {
	cfg := s.cfg.HTTP
	handshakes, own, ownAsks := s.cfg.Handshakes, cfg.Admit, cfg.Asks
	if handshakes == nil {
		return cfg
	}
	if own == nil {
		cfg.Admit, cfg.Asks, cfg.AdmitTimeout = s.admitHandshake, handshakes.AsksHandshakes, admitTimeout
		return cfg
	}
	if ownAsks != nil {
		cfg.Asks = func() bool { return ownAsks() || handshakes.AsksHandshakes() }
	}
	cfg.Admit = func(ctx context.Context, r *http.Request) error {
		if ownAsks == nil || ownAsks() {
			if err := own(ctx, r); err != nil {
				return err
			}
		}
		if !handshakes.AsksHandshakes() {
			return nil
		}
		return s.admitHandshake(ctx, r)
	}
	return cfg
}

// admitHandshake asks Config.Handshakes. The error is an *engineio.Refusal.
func (s *Server) admitHandshake(ctx context.Context, r *http.Request) error {
	h, transport := s.transport.Handshake(r, s.cfg.AdmissionHeaders)
	v := s.cfg.Handshakes.AdmitHandshake(ctx, &rooms.Question{Handshake: fromHandshake(h), Transport: transport})
	if !v.Refused {
		return nil
	}
	return &engineio.Refusal{Code: engineio.ErrForbidden.Code, Message: v.Message}
}
