package service

import (
	"context"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

type emitServer struct {
	realtimev1.UnimplementedEmitServiceServer
	*Service
}

func (s *emitServer) Emit(ctx context.Context, r *realtimev1.EmitRequest) (*realtimev1.EmitResponse, error) {
	response, err := s.emit(ctx, r)
	return response, statusError(err)
}

// emit carries r out, once for each idempotency key.
func (s *emitServer) emit(ctx context.Context, r *realtimev1.EmitRequest) (*realtimev1.EmitResponse, error) {
	if n := len(r.GetIdempotencyKey()); n == 0 || n > maxKeyBytes { // too long a key is a violation
		return s.emitNow(ctx, r)
	}
	return s.repeats.do(ctx, callerOf(ctx), r, func() (*realtimev1.EmitResponse, error) { return s.emitNow(ctx, r) })
}

func (s *emitServer) emitNow(ctx context.Context, r *realtimev1.EmitRequest) (*realtimev1.EmitResponse, error) {
	c := s.checker()
	if n := len(r.GetIdempotencyKey()); n > maxKeyBytes {
		c.violate("idempotency_key", "must have at most %d bytes, not %d", maxKeyBytes, n)
	}
	m := toMessage(&c, r)
	m.Volatile = r.GetVolatile()
	ns, target, err := s.target(ctx, &c, r.GetTarget())
	if err != nil {
		return nil, err
	}
	matched, delivered := ns.Emit(target, m)
	return &realtimev1.EmitResponse{Matched: uint32(matched), Delivered: uint32(delivered)}, nil
}

func (s *emitServer) EmitWithAck(r *realtimev1.EmitWithAckRequest, stream realtimev1.EmitService_EmitWithAckServer) error {
	c := s.checker()
	m := toMessage(&c, r)
	timeout := c.ackTimeout(r.GetTimeout())
	ns, target, err := s.target(stream.Context(), &c, r.GetTarget())
	if err != nil {
		return statusError(err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	call := ns.EmitWithAck(target, m)
	defer call.Cancel()
	// The headers tell the caller that the event is out: its next call comes after it (I2).
	if err := stream.SendHeader(nil); err != nil {
		return statusError(err)
	}
	return statusError(s.sendAnswers(stream, call, timer.C))
}

// sendAnswers sends the answers of a call and, when it is complete or the time is up, the summary.
func (s *Service) sendAnswers(stream realtimev1.EmitService_EmitWithAckServer, call *rooms.AckCall, timeUp <-chan time.Time) error {
	summary := &realtimev1.AckSummary{Matched: uint32(call.Matched())}
	for {
		select {
		case a, more := <-call.Answers():
			if !more {
				if n := summary.GetOversized(); n > 0 {
					s.cfg.Logger.WarnContext(stream.Context(), "answers dropped", "reason", "larger than 3 MiB, or their caller reads too slowly", "count", n)
				}
				summary.TimedOut = summary.GetMatched() - summary.GetAnswered() - summary.GetDisconnected() - summary.GetOversized()
				return stream.Send(&realtimev1.EmitWithAckResponse{Result: &realtimev1.EmitWithAckResponse_Summary{Summary: summary}})
			}
			err := sendAnswer(stream, summary, &a)
			call.Release(&a)
			if err != nil {
				return err
			}
		case <-timeUp:
			call.Cancel() // Answers still brings what came before, then it is closed
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-s.done:
			return errShuttingDown
		}
	}
}

// sendAnswer counts one answer and sends it if it is one.
func sendAnswer(stream realtimev1.EmitService_EmitWithAckServer, summary *realtimev1.AckSummary, a *rooms.Answer) error {
	switch {
	case a.Gone:
		summary.Disconnected++
		return nil
	case a.Dropped, a.Size() > maxMessageBytes:
		summary.Oversized++
		return nil
	}
	summary.Answered++
	return stream.Send(fromAnswer(a))
}
