package service

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// draining is a server with so many sessions, of which as many are left at each look as end says.
type draining struct {
	asked atomic.Int64 // the rate
	left  atomic.Int64
}

func (d *draining) drain(perSecond int) func() int {
	d.asked.Store(int64(perSecond))
	return func() int { return int(d.left.Load()) }
}

// A drain is told of at once, while it lasts, and when it is done.
func TestDrain(t *testing.T) {
	d := &draining{}
	d.left.Store(3)
	w := newWorld(t, func(c *Config) { c.Drain = d.drain })
	stream, err := realtimev1.NewNodeServiceClient(w.conn).Drain(w.ctx, &realtimev1.DrainRequest{SessionsPerSecond: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint32{3, 1, 0} {
		r, err := stream.Recv()
		if err != nil || r.GetSessions() != want || d.asked.Load() != 7 {
			t.Fatalf("%v, %v at %d a second, want %d left", r, err, d.asked.Load(), want)
		}
		d.left.Store(max(0, d.left.Load()-2))
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%v after the end", err)
	}
}

// A call ends with the service, though the drain goes on.
func TestDrainEndsWithTheService(t *testing.T) {
	d := &draining{}
	d.left.Store(3)
	w := newWorld(t, func(c *Config) { c.Drain = d.drain })
	stream, err := realtimev1.NewNodeServiceClient(w.conn).Drain(w.ctx, &realtimev1.DrainRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	w.svc.Shutdown()
	for err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
}

func TestDrainRefuses(t *testing.T) {
	node := realtimev1.NewNodeServiceClient(newWorld(t, func(c *Config) { c.Drain = (&draining{}).drain }).conn)
	stream, err := node.Drain(t.Context(), &realtimev1.DrainRequest{SessionsPerSecond: maxDrainRate + 1})
	wantStatus(t, firstOf(stream, err), codes.InvalidArgument, "", "sessions_per_second")
	node = realtimev1.NewNodeServiceClient(newWorld(t).conn)
	stream, err = node.Drain(t.Context(), &realtimev1.DrainRequest{})
	wantStatus(t, firstOf(stream, err), codes.Unimplemented, "")
}

func init() {
	honoured["DrainRequest.sessions_per_second"] = func(t *testing.T, _ *world) bool {
		d := &draining{}
		node := realtimev1.NewNodeServiceClient(newWorld(t, func(c *Config) { c.Drain = d.drain }).conn)
		stream, err := node.Drain(t.Context(), &realtimev1.DrainRequest{SessionsPerSecond: 9})
		return firstOf(stream, err) == nil && d.asked.Load() == 9
	}
}
