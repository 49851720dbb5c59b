package main

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// fakeService stands in for realtime-svc: it records what the backend asks of it and says what a test wants it to say.
type fakeService struct {
	realtimev1.UnimplementedAdmissionServiceServer
	realtimev1.UnimplementedEmitServiceServer
	realtimev1.UnimplementedEventServiceServer
	realtimev1.UnimplementedRoomServiceServer
	realtimev1.UnimplementedSocketServiceServer

	calls     chan any                       // requests of unary calls in their order, announcements of presence apart
	presence  chan presenceEvent             // announcements of presence
	asked     chan *ask                      // EmitWithAck calls
	members   chan *member                   // Consume calls, opened
	questions chan *realtimev1.AdmitQuestion // to the attached backend
	answers   chan *realtimev1.AdmitRequest  // what it says, attach first
	rejected  chan *realtimev1.AdmitRejected // to the attached backend
	failing   chan error                     // each value fails one unary call

	mu      sync.Mutex // guards the following
	sockets []*realtimev1.Socket
}

// ask is one EmitWithAck call; the stream ends when answers is closed.
type ask struct {
	*realtimev1.EmitWithAckRequest
	ctx     context.Context
	answers chan *realtimev1.EmitWithAckResponse
}

// member is one Consume call; the stream ends with what is sent to end, or when the member leaves.
type member struct {
	open      *realtimev1.ConsumeOpen
	responses chan *realtimev1.ConsumeResponse
	settled   chan settled
	end       chan error
	lastID    uint64 // of the test
}

// settled is what became of one delivery.
type settled struct {
	id    uint64
	acked bool
}

func newFakeService() *fakeService {
	return &fakeService{
		calls:     make(chan any, 1000),
		presence:  make(chan presenceEvent, 1000),
		asked:     make(chan *ask, 1000),
		members:   make(chan *member, 10),
		questions: make(chan *realtimev1.AdmitQuestion, 10),
		answers:   make(chan *realtimev1.AdmitRequest, 10),
		rejected:  make(chan *realtimev1.AdmitRejected, 10),
		failing:   make(chan error, 10),
	}
}

func (f *fakeService) record(call any) error {
	select {
	case err := <-f.failing:
		return err
	default:
		f.calls <- call
		return nil
	}
}

func (f *fakeService) Emit(_ context.Context, r *realtimev1.EmitRequest) (*realtimev1.EmitResponse, error) {
	if r.GetEvent() != eventPresence {
		return &realtimev1.EmitResponse{}, f.record(r)
	}
	var event presenceEvent
	if err := firstArgument(r.GetArguments(), &event); err != nil {
		return nil, err
	}
	f.presence <- event
	return &realtimev1.EmitResponse{}, nil
}

func (f *fakeService) EmitWithAck(r *realtimev1.EmitWithAckRequest, stream grpc.ServerStreamingServer[realtimev1.EmitWithAckResponse]) error {
	a := &ask{EmitWithAckRequest: r, ctx: stream.Context(), answers: make(chan *realtimev1.EmitWithAckResponse)}
	f.asked <- a
	for {
		select {
		case response, more := <-a.answers:
			if !more {
				return nil
			}
			if err := stream.Send(response); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (f *fakeService) Consume(stream grpc.BidiStreamingServer[realtimev1.ConsumeRequest, realtimev1.ConsumeResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	m := &member{
		open: first.GetOpen(), responses: make(chan *realtimev1.ConsumeResponse, 100),
		settled: make(chan settled, 100), end: make(chan error, 1),
	}
	m.responses <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Opened{Opened: &realtimev1.ConsumeOpened{}}}
	f.members <- m
	go f.hear(stream, m)
	for {
		select {
		case response := <-m.responses:
			if err := stream.Send(response); err != nil {
				return err
			}
		case err := <-m.end:
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// hear reads what a member says. Replies are recorded as calls of their own.
func (f *fakeService) hear(stream grpc.BidiStreamingServer[realtimev1.ConsumeRequest, realtimev1.ConsumeResponse], m *member) {
	for {
		request, err := stream.Recv()
		if err != nil || request.GetLeave() != nil {
			select {
			case m.end <- nil:
			default: // the test has ended it
			}
			return
		}
		settle := request.GetSettle()
		for _, r := range settle.GetReplies() {
			f.calls <- &realtimev1.ReplyRequest{AckToken: r.GetAckToken(), Arguments: r.GetArguments(), Attachments: r.GetAttachments()}
		}
		for _, id := range settle.GetAcks() {
			m.settled <- settled{id, true}
		}
		for _, nack := range settle.GetNacks() {
			m.settled <- settled{nack.GetDeliveryId(), false}
		}
	}
}

func (f *fakeService) Admit(stream grpc.BidiStreamingServer[realtimev1.AdmitRequest, realtimev1.AdmitResponse]) error {
	go func() {
		for {
			request, err := stream.Recv()
			if err != nil {
				return
			}
			f.answers <- request
		}
	}()
	response := &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Attached{Attached: &realtimev1.AdmitAttached{}}}
	for {
		if err := stream.Send(response); err != nil {
			return err
		}
		select {
		case question := <-f.questions:
			response = &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Question{Question: question}}
		case rejected := <-f.rejected:
			response = &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Rejected{Rejected: rejected}}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (f *fakeService) JoinRooms(_ context.Context, r *realtimev1.JoinRoomsRequest) (*realtimev1.JoinRoomsResponse, error) {
	return &realtimev1.JoinRoomsResponse{Matched: 1}, f.record(r)
}

func (f *fakeService) LeaveRooms(_ context.Context, r *realtimev1.LeaveRoomsRequest) (*realtimev1.LeaveRoomsResponse, error) {
	return &realtimev1.LeaveRoomsResponse{Matched: 1}, f.record(r)
}

func (f *fakeService) DisconnectSockets(_ context.Context, r *realtimev1.DisconnectSocketsRequest) (*realtimev1.DisconnectSocketsResponse, error) {
	return &realtimev1.DisconnectSocketsResponse{Matched: 1}, f.record(r)
}

// ListSockets sends each socket in a batch of its own.
func (f *fakeService) ListSockets(_ *realtimev1.ListSocketsRequest, stream grpc.ServerStreamingServer[realtimev1.ListSocketsResponse]) error {
	f.mu.Lock()
	sockets := slices.Clone(f.sockets)
	f.mu.Unlock()
	select {
	case err := <-f.failing:
		return err
	default:
	}
	for _, socket := range sockets {
		if err := stream.Send(&realtimev1.ListSocketsResponse{Sockets: []*realtimev1.Socket{socket}}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeService) setSockets(sockets ...*realtimev1.Socket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets = sockets
}

// serve runs f and returns a connection to it; both end with the test.
func (f *fakeService) serve(t *testing.T) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	realtimev1.RegisterAdmissionServiceServer(server, f)
	realtimev1.RegisterEmitServiceServer(server, f)
	realtimev1.RegisterEventServiceServer(server, f)
	realtimev1.RegisterRoomServiceServer(server, f)
	realtimev1.RegisterSocketServiceServer(server, f)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	conn, err := dial("passthrough:fake", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return listener.DialContext(ctx)
	}))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-served
	})
	return conn
}
