package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// deaf is an EventService that cannot be watched; it notes when that was tried.
type deaf struct {
	realtimev1.EventServiceClient
	tries chan time.Time
}

func (d *deaf) Watch(context.Context, *realtimev1.WatchRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[realtimev1.WatchResponse], error) {
	d.tries <- time.Now()
	return nil, errUnavailable
}

func TestRunPausesLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &deaf{tries: make(chan time.Time, 100)}
		b := &backend{events: d, presence: newPresence(), logger: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.run(ctx)
		}()
		last := <-d.tries
		for pause := minPause; pause < 4*maxPause; pause *= 2 {
			bound := min(pause, maxPause)
			try := <-d.tries
			if waited := try.Sub(last); waited < bound/2 || waited > bound*3/2 {
				t.Errorf("waited %v, want about %v", waited, bound)
			}
			last = try
		}
		cancel()
		<-done
		if !strings.Contains(log.String(), "not attached to realtime-svc, trying again") || !strings.Contains(log.String(), "not now") {
			t.Errorf("the log does not say what is wrong: %s", log.String())
		}
	})
}

func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		hang := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}
		err := withCallTimeout(t.Context(), "/m", nil, nil, nil, hang)
		if status.Code(err) != codes.DeadlineExceeded || time.Since(start) != callTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
