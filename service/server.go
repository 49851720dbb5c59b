package service

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/realtime-svc/realtime-svc/service/access"
)

// ServerConfig says how the gRPC server behaves that NewServer makes. The zero value is the default.
type ServerConfig struct {
	// Registerer gets the metrics of gRPC calls: grpc_server_started_total and the like, by method and code. Nil: none
	// are kept.
	Registerer prometheus.Registerer
	// MaxConcurrentStreams bounds the calls that are open on one connection; more wait at the client. Default 1000.
	MaxConcurrentStreams uint32
	// Guard decides who may call, what and how often. Nil lets everybody do everything, with 1000 streams for each address.
	Guard *access.Guard
}

const (
	// targetRoom is what a request may have beyond Limits.MessageBytes.
	targetRoom = 3 << 20
	// A connection on which nothing was heard for keepaliveTime is asked, and closed if nothing is heard for
	// keepaliveTimeout more: the questions that a vanished admission service holds are handed on then.
	keepaliveTime    = 20 * time.Second
	keepaliveTimeout = 10 * time.Second
	// connectionTimeout is how long a new connection may take to say that it speaks HTTP/2; gRPC's own is two minutes.
	connectionTimeout = 10 * time.Second
	// minKeepaliveTime is how often clients may ask.
	minKeepaliveTime = 10 * time.Second
	// maxHeaderBytes bounds the metadata of a call; gRPC's own bound is 16 MiB, for everybody who can connect.
	maxHeaderBytes = 64 << 10
)

// NewServer returns a gRPC server with s, health and reflection registered, that recovers from panics, logs calls to
// Config.Logger (those that went well at debug level) and keeps metrics. options are added at the end, e.g.
// credentials. The error is that of registering the metrics.
//
// To stop it, call s.Shutdown and then GracefulStop, with Stop as a last resort when its time is up.
func NewServer(s *Service, cfg ServerConfig, options ...grpc.ServerOption) (*grpc.Server, error) {
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram())
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(metrics); err != nil {
			return nil, fmt.Errorf("service: register gRPC metrics: %w", err)
		}
	}
	logger := callLogger(s.cfg.Logger)
	logged := []logging.Option{logging.WithLogOnEvents(logging.FinishCall), logging.WithLevels(callLevel), logging.WithFieldsFromContext(callFields)}
	recovered := recovery.WithRecoveryHandlerContext(s.recovered)
	guard, err := cfg.guard()
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(append([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			metrics.UnaryServerInterceptor(),
			guard.Unary(statusError), // it logs what it refuses, within bounds: those behind it need not
			logging.UnaryServerInterceptor(logger, logged...),
			recovery.UnaryServerInterceptor(recovered),
		),
		grpc.ChainStreamInterceptor(metrics.StreamServerInterceptor()),
		grpc.ChainStreamInterceptor(guard.Streams(statusError)...),
		grpc.ChainStreamInterceptor(
			logging.StreamServerInterceptor(logger, logged...),
			recovery.StreamServerInterceptor(recovered),
			s.endHealthWatch,
		),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minKeepaliveTime, PermitWithoutStream: true}),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(connectionTimeout),
		grpc.MaxRecvMsgSize(s.MaxRequestBytes()),
		grpc.MaxConcurrentStreams(cmp.Or(cfg.MaxConcurrentStreams, 1000)),
	}, options...)...)
	s.Register(server)
	reflection.Register(server)
	metrics.InitializeMetrics(server)
	return server, nil
}

// MaxRequestBytes is how large a request may be that NewServer's server takes.
func (s *Service) MaxRequestBytes() int { return s.cfg.Limits.MessageBytes + targetRoom }

func (c *ServerConfig) guard() (*access.Guard, error) {
	if c.Guard != nil {
		return c.Guard, nil
	}
	return access.New(access.Config{})
}

// recovered makes a panic of a method a status and a line in the log.
func (s *Service) recovered(ctx context.Context, panicked any) error {
	s.cfg.Logger.ErrorContext(ctx, "a gRPC method panicked", "panic", panicked, "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error")
}

// recovering runs f, which works for the method whose context this is, on a goroutine of its own: a panic must not end the
// process.
func (s *Service) recovering(ctx context.Context, f func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = s.recovered(ctx, panicked)
		}
	}()
	return f()
}

// endHealthWatch ends grpc.health.v1.Health/Watch at Shutdown, which goes on for ever by itself, so that GracefulStop
// need not wait for it.
func (s *Service) endHealthWatch(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.FullMethod != healthpb.Health_Watch_FullMethodName {
		return handler(srv, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() { // ends with this call
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := handler(srv, &boundStream{ServerStream: stream, ctx: ctx})
	select {
	case <-s.done:
		return statusError(errShuttingDown)
	default:
		return err
	}
}

// boundStream is a stream with a context of its own.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *boundStream) Context() context.Context { return s.ctx }

// callLogger lets the interceptors log to l.
func callLogger(l *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(ctx context.Context, level logging.Level, text string, fields ...any) {
		l.Log(ctx, slog.Level(level), text, fields...)
	})
}

// callFields adds to a call's line who made it.
func callFields(ctx context.Context) logging.Fields {
	if name := callerOf(ctx); name != "" {
		return logging.Fields{"caller", name}
	}
	return nil
}

// callLevel tells what somebody should look at from what callers do wrong and from what went well.
func callLevel(code codes.Code) logging.Level {
	switch code {
	case codes.OK, codes.Canceled, codes.PermissionDenied, codes.Unauthenticated: // the guard logs the last two
		return logging.LevelDebug
	case codes.Unknown, codes.Internal, codes.DataLoss:
		return logging.LevelError
	default:
		return logging.LevelInfo
	}
}
