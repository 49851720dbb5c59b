package service

import (
	"context"
	"errors"
	"io"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func (s *emitServer) EmitStream(stream realtimev1.EmitService_EmitStreamServer) error {
	ended := make(chan error, 1)
	// It ends with the stream, that is when this method has returned, if not before: nothing else ends Recv and Send.
	go func() {
		ended <- s.recovering(stream.Context(), func() error { return s.emitEach(stream) })
	}()
	select {
	case err := <-ended:
		return statusError(err)
	case <-s.done:
		return statusError(errShuttingDown)
	}
}

// emitEach carries out what comes, until the caller half-closes. One response must be on its way before the next request is
// read: this is what holds a caller back that does not read.
func (s *emitServer) emitEach(stream realtimev1.EmitService_EmitStreamServer) error {
	ctx := stream.Context()
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response := &realtimev1.EmitStreamResponse{Id: r.GetId()}
		if emitted, err := s.emitOne(ctx, r.GetEmit()); err != nil {
			response.Result = &realtimev1.EmitStreamResponse_Error{Error: toStatus(err)}
		} else {
			response.Result = &realtimev1.EmitStreamResponse_Emitted{Emitted: emitted}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func (s *emitServer) emitOne(ctx context.Context, r *realtimev1.EmitRequest) (*realtimev1.EmitResponse, error) {
	if r == nil {
		c := s.checker()
		c.violate("emit", "is required")
		return nil, c.err()
	}
	return s.emit(ctx, r)
}
