package main

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An error that trying again does not help against ends the backend.
func TestRunEndsWhenItIsNotWanted(t *testing.T) {
	f := newFakeService()
	b := newBackend(f.serve(t), slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- b.run(t.Context()) }()
	next(t, f.members).end <- status.Error(codes.PermissionDenied, "not you")
	if err := next(t, ended); status.Code(err) != codes.PermissionDenied {
		t.Errorf("run returns %v", err)
	}
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
