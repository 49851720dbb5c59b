package consumer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// link keeps a stream up.
type link struct {
	conn   grpc.ClientConnInterface
	pauses Backoff
	logger *slog.Logger
}

// keep calls serve, which opens one stream and returns when that has ended, again and again, with a pause in between. stood says that the
// stream was of use, so that the pauses start afresh. It ends when quit does, and then returns nil, or with an error that stays.
func (l link) keep(quit context.Context, serve func() (stood bool, err error)) error {
	for failures := 1; quit.Err() == nil; failures++ {
		stood, err := serve()
		switch {
		case quit.Err() != nil:
			if err != nil && !errors.Is(err, io.EOF) && status.Code(err) != codes.Canceled && !errors.Is(err, context.Canceled) {
				l.logger.Warn("the stream broke as it was to be ended", "error", err)
			}
			return nil
		case permanent(err):
			return err
		case stood:
			failures = 1
		}
		pause := max(l.pauses.pause(failures), retryDelay(err))
		l.logger.Warn("not attached to realtime-svc, trying again", "error", err, "in", pause.Round(time.Millisecond))
		if !sleep(quit, pause) {
			return nil
		}
		if conn, ok := l.conn.(interface{ ResetConnectBackoff() }); ok {
			conn.ResetConnectBackoff() // this pause counts, not the connection's own, which may be minutes
		}
	}
	return nil
}

// permanent says that trying again is of no use.
func permanent(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return true
	}
	return false
}

// retryDelay is how long the server wants to be left alone; 0 if it does not say.
func retryDelay(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// sleep waits; false if ctx ended first.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
