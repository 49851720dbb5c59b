package service

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/access"
)

const (
	// drainReport is how often a call of Drain is told how far it is.
	drainReport = time.Second
	// maxDrainRate bounds DrainRequest.sessions_per_second.
	maxDrainRate = 1_000_000
)

type nodeServer struct {
	realtimev1.UnimplementedNodeServiceServer
	*Service
}

func (s *nodeServer) Drain(r *realtimev1.DrainRequest, stream realtimev1.NodeService_DrainServer) error {
	ctx := stream.Context()
	if err := access.CheckAll(ctx); err != nil {
		return statusError(err)
	}
	if s.cfg.Drain == nil {
		return status.Error(codes.Unimplemented, "this server cannot be drained")
	}
	c := s.checker()
	if r.GetSessionsPerSecond() > maxDrainRate {
		c.violate("sessions_per_second", "must be at most %d", maxDrainRate)
	}
	if err := c.err(); err != nil {
		return statusError(err)
	}
	left := s.cfg.Drain(int(r.GetSessionsPerSecond()))
	tick := time.NewTicker(drainReport)
	defer tick.Stop()
	for {
		n := left()
		if err := stream.Send(&realtimev1.DrainResponse{Sessions: uint32(n)}); err != nil || n == 0 {
			return statusError(err)
		}
		select {
		case <-tick.C:
		case <-s.done:
			return statusError(errShuttingDown)
		case <-ctx.Done():
			return statusError(ctx.Err())
		}
	}
}
