package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a socket as the edge would have it.
type fake struct {
	rooms.Membership
	ns   *rooms.Namespace
	info rooms.Info

	mu        sync.Mutex // guards the following
	got       []*rooms.Message
	forgot    chan uint64                 // capacity 16
	onDeliver func(m *rooms.Message) bool // nil: takes it
	onReply   func(ack uint64) error      // nil: fine
	replies   map[uint64]*rooms.Message   // what Reply was given, by id
	closed    []bool                      // arguments of Disconnect
}

func (f *fake) Deliver(m *rooms.Message) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, m)
	return f.onDeliver == nil || f.onDeliver(m)
}

func (f *fake) ForgetAck(id uint64) { f.forgot <- id }

func (f *fake) Reply(ack uint64, args []byte, attachments [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onReply != nil {
		if err := f.onReply(ack); err != nil {
			return err
		}
	}
	f.replies[ack] = &rooms.Message{Args: args, Attachments: attachments}
	return nil
}

func (f *fake) SetData(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.info.Data = data
}

func (f *fake) Disconnect(closeSession bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, closeSession)
}

func (f *fake) Info() rooms.Info {
	f.mu.Lock()
	info := f.info
	f.mu.Unlock()
	info.Rooms, _ = f.ns.RoomsOf(f.ID())
	return info
}

// events returns the names of the events that it was given.
func (f *fake) events() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, m := range f.got {
		names = append(names, m.Event)
	}
	return names
}

// world is a service on a real gRPC server, and clients of it.
type world struct {
	ctx    context.Context // of the test, with a time limit
	hub    *rooms.Hub
	feed   *feed.Feed
	svc    *Service
	server *grpc.Server
	conn   *grpc.ClientConn
	dial   func() (net.Conn, error)

	emit      realtimev1.EmitServiceClient
	rooms     realtimev1.RoomServiceClient
	sockets   realtimev1.SocketServiceClient
	events    realtimev1.EventServiceClient
	admission realtimev1.AdmissionServiceClient
	health    healthpb.HealthClient
}

// newWorld has the namespaces "/" and "/chat" on node "n1", and a pattern; change may change the rest. At the end every
// stream must end by itself.
func newWorld(tb testing.TB, change ...func(*Config)) *world {
	tb.Helper()
	return newWorldOn(tb, ServerConfig{}, change...)
}

// newWorldOn is newWorld with a server of that kind.
func newWorldOn(tb testing.TB, on ServerConfig, change ...func(*Config)) *world {
	tb.Helper()
	var hub *rooms.Hub
	f, err := feed.New(feed.Config{WantRoomEvents: func(delta int) { hub.WantRoomEvents(delta) }})
	if err != nil {
		tb.Fatal(err)
	}
	hub, err = rooms.NewHub(rooms.HubConfig{
		Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+"}, RoomEvents: f.ObserveRooms,
	})
	if err != nil {
		tb.Fatal(err)
	}
	cfg := Config{Hub: hub, Feed: f, NodeID: "n1", Logger: slog.New(slog.DiscardHandler)}
	for _, change := range change {
		change(&cfg)
	}
	svc, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	server, err := NewServer(svc, on)
	if err != nil {
		tb.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	tb.Cleanup(func() {
		svc.Shutdown()
		server.GracefulStop()
		cancel()
		if err := errors.Join(conn.Close(), <-served); err != nil {
			tb.Error(err)
		}
	})
	return &world{
		ctx: ctx, hub: hub, feed: cfg.Feed, svc: svc, server: server, conn: conn, dial: listener.Dial,
		emit:      realtimev1.NewEmitServiceClient(conn),
		rooms:     realtimev1.NewRoomServiceClient(conn),
		sockets:   realtimev1.NewSocketServiceClient(conn),
		events:    realtimev1.NewEventServiceClient(conn),
		admission: realtimev1.NewAdmissionServiceClient(conn),
		health:    healthpb.NewHealthClient(conn),
	}
}

// socket connects a fake.
func (w *world) socket(tb testing.TB, namespace, user string, in ...string) *fake {
	tb.Helper()
	ns, err := w.hub.Enter(namespace)
	if err != nil {
		tb.Fatal(err)
	}
	f := &fake{ns: ns, forgot: make(chan uint64, 16), replies: map[uint64]*rooms.Message{}}
	id := rooms.NewSocketID()
	f.Init(id)
	f.info = rooms.Info{ID: id, Namespace: namespace, User: user, Transport: "websocket"}
	if err := ns.Add(f, user, in); err != nil {
		tb.Fatal(err)
	}
	return f
}

// everyone is the target of all in "/".
func everyone() *realtimev1.Target { return &realtimev1.Target{} }

func inRooms(names ...string) *realtimev1.Target { return &realtimev1.Target{Rooms: names} }

// wantStatus checks an error's code, and its details for what the code promises. reason is that of its ErrorInfo,
// fields those of its BadRequest.
func wantStatus(tb testing.TB, err error, code codes.Code, reason string, fields ...string) {
	tb.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		tb.Errorf("status %v (%v), want %v", st.Code(), err, code)
		return
	}
	var gotReason string
	var gotFields []string
	retry := false
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			gotReason = d.GetReason()
			if d.GetDomain() != "realtime-svc" {
				tb.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				gotFields = append(gotFields, v.GetField())
				if v.GetDescription() == "" {
					tb.Errorf("nothing is said about field %s", v.GetField())
				}
			}
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration() > 0
		default:
			tb.Errorf("detail %T", d)
		}
	}
	if gotReason != reason {
		tb.Errorf("reason %q, want %q (%v)", gotReason, reason, err)
	}
	if retry != (code == codes.Unavailable || reason == "RATE_LIMITED") {
		tb.Errorf("RetryInfo: %v with %v", retry, code)
	}
	if !slices.Equal(gotFields, fields) {
		tb.Errorf("fields %q, want %q (%v)", gotFields, fields, err)
	}
}
