package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/consumer"
)

const (
	// group is the consumer group that gets the chat's events.
	group = "chat"
	// maxAttempts is how often an event is tried. One that fails every time is dropped, so that what else its page does goes on.
	maxAttempts = 5
)

// backend is the whole of it: the clients, and the state of the chat.
type backend struct {
	// Fixed at construction.
	conn    grpc.ClientConnInterface
	emit    realtimev1.EmitServiceClient
	rooms   realtimev1.RoomServiceClient
	sockets realtimev1.SocketServiceClient
	logger  *slog.Logger

	presence *presence
	history  *history
	pictures *pictures
	postings postings

	current atomic.Pointer[session]
	tasks   sync.WaitGroup // goroutines of sessions
}

func newBackend(conn grpc.ClientConnInterface, logger *slog.Logger) *backend {
	return &backend{
		conn:     conn,
		emit:     realtimev1.NewEmitServiceClient(conn),
		rooms:    realtimev1.NewRoomServiceClient(conn),
		sockets:  realtimev1.NewSocketServiceClient(conn),
		logger:   logger,
		presence: newPresence(),
		history:  newHistory(),
		pictures: newPictures(),
	}
}

// run keeps the backend attached to the service until ctx is done, and then lets the events that are being handled come to their end.
func (b *backend) run(ctx context.Context) error {
	member, err := consumer.New(b.conn, consumer.Config{
		Group:          group,
		Namespaces:     []string{namespace},
		ReconnectPause: consumer.Backoff{Base: 200 * time.Millisecond, Max: 5 * time.Second},
		Opened:         b.attach,
		Logger:         b.logger,
	})
	if err != nil {
		return err
	}
	defer b.tasks.Wait()
	return member.Run(ctx, consumer.HandlerFunc(b.handle))
}

// handle does what one event asks for. It is called for one event of a socket after the other, and for many sockets at a time.
func (b *backend) handle(ctx context.Context, event *consumer.Event) error {
	err := b.current.Load().handle(ctx, event)
	if event.Attempt >= maxAttempts {
		return consumer.Drop(err)
	}
	return err
}

// send emits an event to the sockets that target selects.
func (b *backend) send(ctx context.Context, target *realtimev1.Target, event string, args ...any) error {
	_, err := b.emit.Emit(ctx, &realtimev1.EmitRequest{Target: target, Event: event, Arguments: arguments(args...)})
	return err
}
