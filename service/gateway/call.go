package gateway

import (
	"context"
	"crypto/tls"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// overLink makes each call over the link that its context has. It has no state.
type overLink struct{}

type tlsKey struct{}

func connOf(ctx context.Context) (*grpc.ClientConn, error) {
	state, _ := ctx.Value(tlsKey{}).(*tls.ConnectionState)
	l, ok := ctx.Value(linkKey{}).(*link)
	if !ok {
		return nil, status.Error(codes.Internal, "a request without a connection")
	}
	return l.open(state)
}

// Invoke implements grpc.ClientConnInterface.
func (overLink) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	conn, err := connOf(ctx)
	if err != nil {
		return err
	}
	return conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (overLink) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	conn, err := connOf(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &begunStream{ClientStream: stream}, nil
}

// begunStream is a server's stream that fails at its beginning if it is refused: gRPC tells so with the first message only, when HTTP's
// status would be written already.
type begunStream struct {
	grpc.ClientStream
	ended error // what it ended with before anything came; nil: it has begun
}

// CloseSend sends the request, waits for the stream to begin, and returns its error if it ends instead.
func (s *begunStream) CloseSend() error {
	if err := s.ClientStream.CloseSend(); err != nil {
		return err
	}
	if header, err := s.Header(); err != nil || header != nil {
		return err
	}
	s.ended = s.ClientStream.RecvMsg(new(emptypb.Empty)) // without a header nothing comes but the end
	if _, refused := status.FromError(s.ended); refused && s.ended != nil {
		return s.ended
	}
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *begunStream) RecvMsg(m any) error {
	if s.ended != nil {
		return s.ended
	}
	return s.ClientStream.RecvMsg(m)
}
