package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Between two attempts to attach: doubled after every failure, back to the least after an attachment that stood.
const (
	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
)

// backend is what outlives an attachment to the service: the clients, and the state of the chat.
type backend struct {
	// Fixed at construction.
	admission realtimev1.AdmissionServiceClient
	emit      realtimev1.EmitServiceClient
	events    realtimev1.EventServiceClient
	rooms     realtimev1.RoomServiceClient
	sockets   realtimev1.SocketServiceClient
	logger    *slog.Logger

	presence *presence
	history  *history

	// Owned by the goroutine that reads events.
	pictures *pictures
	lastTime int64 // of the latest message, in milliseconds since 1970 (C3)
}

func newBackend(conn grpc.ClientConnInterface, logger *slog.Logger) *backend {
	return &backend{
		admission: realtimev1.NewAdmissionServiceClient(conn),
		emit:      realtimev1.NewEmitServiceClient(conn),
		events:    realtimev1.NewEventServiceClient(conn),
		rooms:     realtimev1.NewRoomServiceClient(conn),
		sockets:   realtimev1.NewSocketServiceClient(conn),
		logger:    logger,
		presence:  newPresence(),
		history:   newHistory(),
		pictures:  newPictures(),
	}
}

// run keeps the backend attached to the service until ctx is done.
func (b *backend) run(ctx context.Context) {
	pause := minPause
	for {
		attached, err := b.attach(ctx)
		if ctx.Err() != nil {
			return
		}
		if attached {
			pause = minPause
		}
		wait := pause/2 + rand.N(pause)
		b.logger.Warn("not attached to realtime-svc, trying again", "error", err, "in", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// send emits an event to the sockets that target selects.
func (b *backend) send(ctx context.Context, target *realtimev1.Target, event string, args ...any) error {
	_, err := b.emit.Emit(ctx, &realtimev1.EmitRequest{Target: target, Event: event, Arguments: arguments(args...)})
	return err
}
