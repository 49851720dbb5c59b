package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// namespace is where the chat takes place.
const namespace = "/"

// session is one attachment to the service: a stream of events, from its opened to whatever ends it.
type session struct {
	*backend

	// Fixed at construction.
	ctx context.Context // ends with the stream

	asking asking
}

// attach is called when the stream of events stands, before the first event of it is handled.
//
// The order matters. The stream is open before the sockets are listed, so that nobody slips through in between; and questions
// about nicknames are answered only when it is known who is there.
func (b *backend) attach(ctx context.Context, _ *realtimev1.ConsumeOpened) error {
	s := &session{backend: b, ctx: ctx}
	if err := s.takeStock(ctx); err != nil {
		return fmt.Errorf("list sockets: %w", err)
	}
	b.current.Store(s)
	b.tasks.Go(func() { s.answerQuestions(ctx) })
	b.tasks.Go(func() { s.announce(ctx) })
	return nil
}

// takeStock makes presence what the service says (C4), and sends everyone the history of their rooms, for what they may have missed while
// the backend was away.
func (s *session) takeStock(ctx context.Context) error {
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
	s.presence.replace(people)
	for _, p := range people {
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
