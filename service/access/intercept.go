package access

import (
	"context"
	"errors"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// identity is who makes a call, in its context.
type identity struct {
	caller     *Caller // nil: nobody with a name
	key        partyKey
	limits     limits
	credential credential // of a caller
	log        *reporter  // nil: what is refused is not logged
}

// stream is an open stream of a caller with a name.
type stream struct {
	caller     *Caller
	credential credential
	cancel     context.CancelCauseFunc
}

// Unary returns an interceptor that lets those calls through that their callers may make, with who it is in the context.
// status makes the error for the caller of one of this package. Health is for everybody.
//
// The rate limit of go-grpc-middleware is not used, as it drops the details of a status, such as when to try again.
func (g *Guard) Unary(status func(error) error) grpc.UnaryServerInterceptor {
	return selector.UnaryServerInterceptor(auth.UnaryServerInterceptor(g.authenticator(status)), notHealth)
}

// Streams returns the interceptors for streams, to be chained in this order: those of Unary, then what counts them, slows
// EmitStream down to the caller's rate and ends those whose caller may no longer have them.
func (g *Guard) Streams(status func(error) error) []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		selector.StreamServerInterceptor(auth.StreamServerInterceptor(g.authenticator(status)), notHealth),
		func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			return g.stream(srv, ss, info, handler, status)
		},
	}
}

var notHealth = selector.MatchFunc(func(_ context.Context, call interceptors.CallMeta) bool {
	return call.Service != healthpb.Health_ServiceDesc.ServiceName
})

func (g *Guard) authenticator(status func(error) error) auth.AuthFunc {
	return func(ctx context.Context) (context.Context, error) {
		id, err := g.admit(ctx)
		switch {
		case err != nil:
			return nil, status(err)
		case id == nil:
			return ctx, nil
		}
		return context.WithValue(ctx, contextKey{}, id), nil
	}
}

// admit decides about a call: nil without an error where nothing binds it. The error is one of this package's.
func (g *Guard) admit(ctx context.Context) (*identity, error) {
	t := g.table.Load()
	if t == nil && g.defaults.rate == 0 {
		return nil, nil //nolint:nilnil // there is nothing that anybody would ask of it
	}
	id := &identity{limits: limits{rate: unset}, log: g.log}
	if t != nil {
		e, c, err := t.identify(ctx, time.Now())
		if err != nil {
			g.log.refused(ctx, nameOf(e), reasonToken, err)
			return nil, ErrToken
		}
		id.caller, id.credential = e.caller, c
		id.key = partyKey{caller: e.caller.name}
		id.limits = e.limits
	} else {
		id.key = peerKey(ctx)
	}
	id.limits = id.limits.over(g.defaults)
	if method, _ := grpc.Method(ctx); !id.caller.MayMethod(method) {
		err := &MethodError{Method: method}
		g.log.refused(ctx, id.caller.Name(), reasonMethod, err)
		return nil, err
	}
	if err := g.parties.call(id.key, id.limits); err != nil {
		g.log.refused(ctx, id.caller.Name(), reasonRate, err)
		return nil, err
	}
	return id, nil
}

func nameOf(e *entry) string {
	if e == nil {
		return ""
	}
	return e.caller.name
}

func (g *Guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler, status func(error) error) error {
	ctx := ss.Context()
	id, _ := ctx.Value(contextKey{}).(*identity)
	if id == nil { // health, or nothing else binds it
		id = &identity{key: peerKey(ctx), limits: limits{rate: unset}.over(g.defaults)}
	}
	done, err := g.parties.open(id.key, id.limits)
	if err != nil {
		g.log.refused(ctx, id.caller.Name(), reasonStreams, err)
		return status(err)
	}
	defer done()
	if id.caller == nil {
		return handler(srv, g.paced(ss, info, id))
	}
	return g.endable(ss, id, status, func(ss grpc.ServerStream) error { return handler(srv, g.paced(ss, info, id)) })
}

// endable runs the handler of a stream of a caller with a name, and ends the stream when the caller may no longer have it.
// Then the handler hears of it through its context, or through the end of the stream if it reads or writes. A context of gRPC's
// own that ends would not do: a read that it interrupts has CANCELED sent at once.
func (g *Guard) endable(ss grpc.ServerStream, id *identity, status func(error) error, handle func(grpc.ServerStream) error) error {
	ctx, cancel := context.WithCancelCause(ss.Context())
	defer cancel(nil)
	defer g.watch(&stream{caller: id.caller, credential: id.credential, cancel: cancel})()
	ended := make(chan error, 1)
	go func() { ended <- handle(&boundStream{ServerStream: ss, ctx: ctx}) }() // ends with the stream
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		if !errors.Is(context.Cause(ctx), ErrToken) {
			return <-ended
		}
		err = ErrToken
	}
	if err == nil || !errors.Is(context.Cause(ctx), ErrToken) {
		return err
	}
	g.log.refused(ctx, id.caller.Name(), reasonToken, errTaken)
	return status(ErrToken)
}

// boundStream is a stream with a context of its own.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *boundStream) Context() context.Context { return s.ctx }

func (g *Guard) paced(ss grpc.ServerStream, info *grpc.StreamServerInfo, id *identity) grpc.ServerStream {
	if info.FullMethod != realtimev1.EmitService_EmitStream_FullMethodName || id.limits.rate == 0 {
		return ss
	}
	return &pacedStream{ServerStream: ss, guard: g, id: id}
}

// watch keeps s among those that may be ended until done is called.
func (g *Guard) watch(s *stream) (done func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.streams[s] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.streams, s)
	}
}

// pacedStream hands on messages at the rate of the caller. What comes faster is not read, so that HTTP/2 holds the caller back:
// an in-band refusal would make it send the same once more.
type pacedStream struct {
	grpc.ServerStream
	guard *Guard
	id    *identity
}

func (s *pacedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.guard.parties.wait(s.Context(), s.id.key, s.id.limits)
}
