package main

import (
	"context"
	"errors"
	"io"
	"sync"
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
	m, attachments, fresh, err := s.compose(r, p)
	if err != nil {
		return answer{}, err
	}
	if fresh {
		if err := s.deliver(ctx, target, m, attachments); err != nil {
			s.history.forget(m) // it comes again
			return answer{}, err
		}
	}
	return answer{value: sent{At: m.At, Of: m.Of}}, nil
}

// postings takes one posting at a time.
type postings struct {
	mu       sync.Mutex // guards the following, and that a message is looked for before it is kept (C2); before history.mu and pictures.mu
	lastTime int64      // of the latest message, in milliseconds since 1970 (C3)
}

// compose makes a message of a posting, and keeps it if it goes to a room. It is not fresh if it was taken before; a private message that
// comes twice is recognised by the page that receives it, as nothing of it is kept here.
func (s *session) compose(r request, p posting) (m message, attachments [][]byte, fresh bool, err error) {
	s.postings.mu.Lock()
	defer s.postings.mu.Unlock()
	if before, ok := s.history.find(p.Room, r.from.nickname, p.ID); ok {
		return before, nil, false, nil
	}
	m = message{ID: p.ID, Room: p.Room, From: senderOf(r.from), Of: 1}
	if p.Room != "" {
		m.Of = s.presence.inRoom(p.Room) - 1
	}
	if p.Picture != nil {
		shown, data, err := checkPicture(p.Picture, r.attachments)
		if err != nil {
			return message{}, nil, false, err
		}
		if p.Room != "" {
			shown.ID = s.pictures.add(data)
		}
		shown.Data = firstAttachment
		m.Picture, attachments = &shown, [][]byte{data.data}
	} else if m.Text, err = checkText(p.Text); err != nil {
		return message{}, nil, false, err
	}
	m.At = max(r.at, s.postings.lastTime+1)
	s.postings.lastTime = m.At
	if m.Room != "" {
		s.history.add(m)
	}
	return m, attachments, true, nil
}

// asking is the messages whose seeing is still waited for. The zero value is empty.
type asking struct {
	mu     sync.Mutex           // guards the following
	cancel []context.CancelFunc // one for each, the oldest first, at most maxAsking
}

// add notes one more, and gives up the oldest if there are too many.
func (a *asking) add(cancel context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cancel = append(a.cancel, cancel)
	if len(a.cancel) > maxAsking {
		a.cancel[0]()
		a.cancel = a.cancel[1:]
	}
}

// deliver emits a message and leaves a goroutine behind that tells the sender who has seen it, which takes longer than the event is handled. Two
// messages may overtake each other on the way, which their times put right (C3).
func (s *session) deliver(ctx context.Context, target *realtimev1.Target, m message, attachments [][]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	stream, err := s.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{
		Target: target, Event: eventMessage, Arguments: arguments(m), Attachments: attachments, Timeout: durationpb.New(seenWithin),
	})
	if err != nil {
		cancel()
		return err
	}
	s.asking.add(cancel)
	s.tasks.Go(func() {
		defer cancel()
		if err := s.reportSeen(ctx, stream, m); err != nil && status.Code(err) != codes.Canceled {
			s.logger.Warn("message not followed to its end", "error", err)
		}
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
