package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// fakeServer is an EventService behind a real listener. It sends each member `events` events of `sockets` sockets, in batches, and no more
// unsettled than the member wants, and ends the stream when it has left and all are settled.
type fakeServer struct {
	realtimev1.UnimplementedEventServiceServer
	sockets, events int

	mu      sync.Mutex // guards the following
	acks    int
	replies int
	settles int // messages
	done    chan struct{}
}

func (f *fakeServer) Consume(stream grpc.BidiStreamingServer[realtimev1.ConsumeRequest, realtimev1.ConsumeResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	opened := &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Opened{Opened: &realtimev1.ConsumeOpened{}}}
	if err := stream.Send(opened); err != nil {
		return err
	}
	credits := make(chan int, f.events)
	credits <- int(first.GetOpen().GetMaxEvents())
	ended := make(chan error, 1)
	go func() { ended <- f.hear(stream, credits) }()
	for next := 1; next <= f.events; {
		select {
		case n := <-credits:
			for more := true; more; { // what has gathered
				select {
				case m := <-credits:
					n += m
				default:
					more = false
				}
			}
			for ; n > 0 && next <= f.events; n -= 256 {
				size := min(n, 256, f.events-next+1)
				if err := stream.Send(f.batch(next, size)); err != nil {
					return err
				}
				next += size
			}
		case err := <-ended:
			return err
		}
	}
	return <-ended
}

func (f *fakeServer) batch(next, size int) *realtimev1.ConsumeResponse {
	batch := &realtimev1.ConsumeBatch{}
	for id := next; id < next+size; id++ {
		d := event(fmt.Sprintf("socket%014d", id%f.sockets), "message", 1)
		d.Id = uint64(id)
		batch.Deliveries = append(batch.Deliveries, d)
	}
	return &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Batch{Batch: batch}}
}

// hear reads what the member says until it has left and settled all.
func (f *fakeServer) hear(stream grpc.BidiStreamingServer[realtimev1.ConsumeRequest, realtimev1.ConsumeResponse], credits chan<- int) error {
	for acks := 0; acks < f.events; {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		settle := m.GetSettle()
		acks += len(settle.GetAcks())
		f.mu.Lock()
		f.settles++
		f.acks += len(settle.GetAcks())
		f.replies += len(settle.GetReplies())
		f.mu.Unlock()
		credits <- len(settle.GetAcks())
	}
	close(f.done)
	m, err := stream.Recv()
	if err == nil && m.GetLeave() == nil {
		return status.Error(codes.InvalidArgument, "all is settled, and the member does not leave")
	}
	return err
}

// serve runs f on the loopback interface, and returns a connection to it; both end with the test.
func (f *fakeServer) serve(tb testing.TB) *grpc.ClientConn {
	tb.Helper()
	f.done = make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer()
	realtimev1.RegisterEventServiceServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		server.Stop()
		if err := errors.Join(conn.Close(), <-served); err != nil {
			tb.Error(err)
		}
	})
	return conn
}

// consume handles all events of f with a reply to each, and checks that each socket's came in order.
func (f *fakeServer) consume(tb testing.TB, cfg Config) {
	tb.Helper()
	cfg.Group, cfg.Logger = "g", slog.New(slog.DiscardHandler)
	c, err := New(f.serve(tb), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	handler := HandlerFunc(func(_ context.Context, event *Event) error {
		return event.ReplyJSON(event.GetReceived().GetArguments())
	})
	ran := make(chan error, 1)
	go func() { ran <- c.Run(context.Background(), handler) }()
	select {
	case <-f.done:
	case err := <-ran:
		tb.Fatalf("Run returns %v", err)
	case <-time.After(time.Minute):
		tb.Fatal("not all events are settled")
	}
	if err := c.Drain(context.Background()); err != nil {
		tb.Errorf("Drain returns %v", err)
	}
	if err := <-ran; err != nil {
		tb.Errorf("Run returns %v", err)
	}
	if f.acks != f.events || f.replies != f.events {
		tb.Errorf("%d acks and %d replies, want %d", f.acks, f.replies, f.events)
	}
}

func TestAgainstARealServer(t *testing.T) {
	for _, sockets := range []int{1, 100, 5000} {
		t.Run(fmt.Sprint(sockets, " sockets"), func(t *testing.T) {
			(&fakeServer{sockets: sockets, events: 5000}).consume(t, Config{})
		})
	}
}

// BenchmarkConsume is an event and its reply over gRPC on the loopback interface, server and member in one process.
func BenchmarkConsume(b *testing.B) {
	for _, sockets := range []int{1, 1000} {
		b.Run(fmt.Sprint(sockets, " sockets"), func(b *testing.B) {
			f := &fakeServer{sockets: sockets, events: b.N}
			b.ReportAllocs()
			f.consume(b, Config{MaxEvents: 2000})
			b.ReportMetric(float64(f.acks)/float64(f.settles), "events/settle")
		})
	}
}

// BenchmarkDispatch is the same without gRPC: what this package adds.
func BenchmarkDispatch(b *testing.B) {
	conn := newFakeConn()
	c, err := New(conn, Config{Group: "g", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	handled := make(chan struct{}, 1)
	n := 0
	var mu sync.Mutex
	ran := make(chan error, 1)
	ctx, cancel := context.WithCancel(b.Context())
	go func() {
		ran <- c.Run(ctx, HandlerFunc(func(_ context.Context, event *Event) error {
			err := event.ReplyJSON(event.GetReceived().GetArguments())
			mu.Lock()
			defer mu.Unlock()
			if n++; n%256 == 0 {
				handled <- struct{}{}
			}
			return err
		}))
	}()
	s := <-conn.streams
	s.quiet = true
	f := &fakeServer{sockets: 1000}
	batch := f.batch(1, 256)
	s.answers <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Opened{Opened: &realtimev1.ConsumeOpened{}}}
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += 256 {
		s.answers <- batch
		<-handled
	}
	b.StopTimer()
	cancel()
	s.answers <- context.Canceled
	<-ran
}
