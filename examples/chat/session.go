package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// namespace is where the chat takes place.
const namespace = "/"

// session is one attachment to the service, from the opened Watch to whatever ends it.
type session struct {
	*backend

	// Fixed at construction.
	group *errgroup.Group

	// Owned by the goroutine that reads events.
	asking []context.CancelFunc // one for each message whose seeing is still waited for, the oldest first
}

// attach subscribes, takes stock, and then serves until something fails, which is what it returns. attached says that it got
// as far as serving.
//
// The order matters. Watch is open before the sockets are listed, so that nobody slips through in between; and questions
// about nicknames are answered only when it is known who is there.
func (b *backend) attach(ctx context.Context) (attached bool, err error) {
	group, ctx := errgroup.WithContext(ctx)
	s := &session{backend: b, group: group}
	group.Go(func() error {
		stream, err := s.watch(ctx)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if err := s.takeStock(ctx, true); err != nil {
			return fmt.Errorf("list sockets: %w", err)
		}
		attached = true
		group.Go(func() error { return s.answerQuestions(ctx) })
		group.Go(func() error { return s.announce(ctx) })
		return s.readEvents(ctx, stream)
	})
	err = group.Wait()
	return attached, err
}

// watch opens the stream of events and waits until it stands, for as long as the service is away.
func (s *session) watch(ctx context.Context) (grpc.ServerStreamingClient[realtimev1.WatchResponse], error) {
	stream, err := s.events.Watch(ctx, &realtimev1.WatchRequest{Namespaces: []string{namespace}}, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if first.GetOpened() == nil {
		return nil, errors.New("the stream did not begin with opened")
	}
	return stream, nil
}

// readEvents handles events one after the other until the stream ends.
func (s *session) readEvents(ctx context.Context, stream grpc.ServerStreamingClient[realtimev1.WatchResponse]) error {
	for {
		response, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		batch := response.GetBatch()
		if missed := batch.GetMissed(); missed > 0 {
			// Lost messages come again, as their pages get no answer. Who came and went must be found out.
			s.logger.Warn("events were lost", "missed", missed)
			if err := s.takeStock(ctx, false); err != nil {
				return fmt.Errorf("list sockets: %w", err)
			}
		}
		for _, event := range batch.GetEvents() {
			s.handle(ctx, event)
		}
	}
}

// takeStock makes presence what the service says (C4). Those who are new to it get the history of their rooms; everyone gets it when the
// attachment begins, for what they may have missed meanwhile.
func (s *session) takeStock(ctx context.Context, begins bool) error {
	stream, err := s.sockets.ListSockets(ctx, &realtimev1.ListSocketsRequest{Target: everyone()})
	if err != nil {
		return err
	}
	var people []person
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, socket := range response.GetSockets() {
			if p, ok := personOf(socket); ok {
				people = append(people, p)
			} else {
				s.turnAway(ctx, socket.GetId())
			}
		}
	}
	fresh := s.presence.replace(people)
	if begins {
		fresh = people
	}
	for _, p := range fresh {
		s.sendHistory(ctx, p.id, p.rooms...)
	}
	s.logger.Info("taken stock", "people", len(people))
	return nil
}

// turnAway disconnects a socket that admission did not let in, which happens if the service lets clients in while no backend is attached. Its
// page comes back and is asked for a nickname.
func (s *session) turnAway(ctx context.Context, socketID string) {
	request := &realtimev1.DisconnectSocketsRequest{Target: socket(socketID)}
	if _, err := s.sockets.DisconnectSockets(ctx, request); err != nil {
		s.logger.Warn("socket without a nickname not disconnected", "error", err)
	}
}

func everyone() *realtimev1.Target { return &realtimev1.Target{Namespace: namespace} }

func socket(id string) *realtimev1.Target {
	return &realtimev1.Target{Namespace: namespace, Sockets: []string{id}}
}

// room selects who is in a room of the chat, but for one socket.
func room(name, except string) *realtimev1.Target {
	return &realtimev1.Target{Namespace: namespace, Rooms: []string{serviceRoom(name)}, ExceptSockets: []string{except}}
}
