package main

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

const (
	// seenWithin is how long somebody has to see a message for its sender to be told.
	seenWithin = 2 * time.Minute
	// maxAsking is how many messages are waited for at a time; of more, the oldest is not any longer.
	maxAsking = 200
)

// sent is the answer to a posting.
type sent struct {
	At int64 `json:"at"`
	Of int   `json:"of"` // how many others were asked to see it
}

// onMessage passes a posting on to the others in its room, or to one person.
func (s *session) onMessage(ctx context.Context, r request) (answer, error) {
	var p posting
	if err := firstArgument(r.arguments, &p); err != nil {
		return answer{}, err
	}
	if !validID.MatchString(p.ID) || (p.Text == "") == (p.Picture == nil) {
		return answer{}, errMalformed
	}
	target, err := s.resolve(r.from, p.address)
	if err != nil {
		return answer{}, err
	}
	// A private message that comes twice is recognised by the page that receives it: nothing of it is kept here.
	if before, ok := s.history.find(p.Room, r.from.nickname, p.ID); ok {
		return answer{value: sent{At: before.At, Of: before.Of}}, nil
	}
	m, attachments, err := s.compose(r, p)
	if err != nil {
		return answer{}, err
	}
	if err := s.deliver(ctx, target, m, attachments); err != nil {
		return answer{}, err
	}
	return answer{value: sent{At: m.At, Of: m.Of}}, nil
}

// compose makes a message of a posting, and keeps it if it goes to a room.
func (s *session) compose(r request, p posting) (m message, attachments [][]byte, err error) {
	m = message{ID: p.ID, Room: p.Room, From: senderOf(r.from), Of: 1}
	if p.Room != "" {
		m.Of = s.presence.inRoom(p.Room) - 1
	}
	if p.Picture != nil {
		shown, data, err := checkPicture(p.Picture, r.attachments)
		if err != nil {
			return message{}, nil, err
		}
		if p.Room != "" {
			shown.ID = s.pictures.add(data)
		}
		shown.Data = firstAttachment
		m.Picture, attachments = &shown, [][]byte{data.data}
	} else if m.Text, err = checkText(p.Text); err != nil {
		return message{}, nil, err
	}
	m.At = max(r.at, s.lastTime+1)
	s.lastTime = m.At
	if m.Room != "" {
		s.history.add(m)
	}
	return m, attachments, nil
}

// deliver emits a message and leaves a goroutine behind that tells the sender who has seen it. Two messages may overtake each other on
// the way, which their times put right (C3).
func (s *session) deliver(ctx context.Context, target *realtimev1.Target, m message, attachments [][]byte) error {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := s.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{
		Target: target, Event: eventMessage, Arguments: arguments(m), Attachments: attachments, Timeout: durationpb.New(seenWithin),
	})
	if err != nil {
		cancel()
		return err
	}
	s.asking = append(s.asking, cancel)
	if len(s.asking) > maxAsking {
		s.asking[0]()
		s.asking = s.asking[1:]
	}
	s.group.Go(func() error {
		defer cancel()
		if err := s.reportSeen(ctx, stream, m); err != nil && status.Code(err) != codes.Canceled {
			s.logger.Warn("message not followed to its end", "error", err)
		}
		return nil
	})
	return nil
}

// reportSeen tells the sender of m about everyone who acknowledges it. The sender is found by user: it may have come back on another socket.
func (s *session) reportSeen(ctx context.Context, stream grpc.ServerStreamingClient[realtimev1.EmitWithAckResponse], m message) error {
	to := &realtimev1.Target{Namespace: namespace, Users: []string{m.From.Nickname}}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		by, here := s.presence.person(response.GetAnswer().GetSocketId())
		if !here {
			continue
		}
		s.history.seen(m.Room, m.From.Nickname, m.ID, by.nickname)
		seen := map[string]string{"id": m.ID, "by": by.nickname}
		if err := s.send(ctx, to, eventSeen, seen); err != nil {
			return err
		}
	}
}

// sendHistory shows a socket what was said in rooms.
func (s *session) sendHistory(ctx context.Context, socketID string, rooms ...string) {
	for _, name := range rooms {
		kept := struct {
			Room     string    `json:"room"`
			Messages []message `json:"messages"`
		}{name, s.history.of(name)}
		if kept.Messages == nil {
			kept.Messages = []message{}
		}
		if err := s.send(ctx, socket(socketID), eventHistory, kept); err != nil {
			s.logger.Warn("history not sent", "error", err)
			return
		}
	}
}
