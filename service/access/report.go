package access

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// reason is why a call is refused, in the words of realtime.v1.ErrorReason.
type reason string

const (
	reasonToken     reason = "TOKEN_INVALID"
	reasonMethod    reason = "METHOD_NOT_ALLOWED"
	reasonNamespace reason = "NAMESPACE_NOT_ALLOWED"
	reasonRate      reason = "RATE_LIMITED"
	reasonStreams   reason = "TOO_MANY_STREAMS"
)

// For each reason, so many lines may be written at once, and one more after each pause.
const (
	reportBurst = 10
	reportEvery = time.Second
)

// reporter logs what is refused, with a bound on how often: whoever is refused may try as often as it likes. All methods may be
// called from any goroutine.
type reporter struct {
	log   *slog.Logger
	lines map[reason]*line // fixed at construction
}

type line struct {
	limiter    *rate.Limiter
	suppressed atomic.Uint64 // since the last one that was written
}

func newReporter(log *slog.Logger) *reporter {
	r := &reporter{log: log, lines: map[reason]*line{}}
	for _, why := range []reason{reasonToken, reasonMethod, reasonNamespace, reasonRate, reasonStreams} {
		r.lines[why] = &line{limiter: rate.NewLimiter(rate.Every(reportEvery), reportBurst)}
	}
	return r
}

// refused logs one refused call. err must not hold anything secret. caller is "" where it has no name. A nil reporter does
// nothing.
func (r *reporter) refused(ctx context.Context, caller string, why reason, err error) {
	if r == nil {
		return
	}
	l := r.lines[why]
	if !l.limiter.Allow() {
		l.suppressed.Add(1)
		return
	}
	method, _ := grpc.Method(ctx)
	address := ""
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		address = p.Addr.String()
	}
	r.log.WarnContext(ctx, "gRPC call refused", "caller", caller, "method", method, "reason", string(why),
		"peer", address, "error", err, "suppressed", l.suppressed.Swap(0))
}
