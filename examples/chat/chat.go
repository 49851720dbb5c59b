package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/consumer"
)

const maxText = 2000 // characters

// request is an event of somebody who is here.
type request struct {
	from        person
	at          int64 // milliseconds since 1970
	arguments   string
	attachments [][]byte
}

// answer is what a client's acknowledgement gets.
type answer struct {
	value       any
	attachments [][]byte
}

var empty = answer{value: struct{}{}}

// handlers by event. An error that is a refusal is answered; with any other the event comes again.
var handlers = map[string]func(*session, context.Context, request) (answer, error){
	eventJoin:    (*session).onJoin,
	eventLeave:   (*session).onLeave,
	eventMessage: (*session).onMessage,
	eventTyping:  (*session).onTyping,
	eventPicture: (*session).onPicture,
}

// handle does what one event asks for.
func (s *session) handle(ctx context.Context, event *consumer.Event) error {
	switch kind := event.GetKind().(type) {
	case *realtimev1.Event_Connected:
		s.onConnected(ctx, kind.Connected)
	case *realtimev1.Event_Received:
		return s.onReceived(ctx, event, kind.Received)
	case *realtimev1.Event_Disconnected:
		s.presence.remove(event.GetSocketId())
	}
	return nil
}

// onConnected welcomes somebody with the history of the rooms that admission has put them into.
func (s *session) onConnected(ctx context.Context, connected *realtimev1.Connected) {
	p, ok := personOf(connected.GetSocket())
	if !ok {
		s.turnAway(ctx, connected.GetSocket().GetId())
		return
	}
	if replaced := s.presence.add(p); replaced != "" {
		s.dismiss(ctx, replaced)
		if replaced == p.id {
			return
		}
	}
	s.sendHistory(ctx, p.id, p.rooms...)
}

// dismiss disconnects a socket whose tab has come back with another one. It tells it so first: a page that sees this is not to come back.
func (s *session) dismiss(ctx context.Context, socketID string) {
	if err := s.send(ctx, socket(socketID), eventReplaced); err != nil {
		s.logger.Warn("replaced socket not told", "error", err)
	}
	request := &realtimev1.DisconnectSocketsRequest{Target: socket(socketID), CloseConnection: true}
	if _, err := s.sockets.DisconnectSockets(ctx, request); err != nil {
		s.logger.Warn("replaced socket not disconnected", "error", err)
	}
}

func (s *session) onReceived(ctx context.Context, event *consumer.Event, received *realtimev1.Received) error {
	handler := handlers[received.GetName()]
	from, here := s.presence.person(event.GetSocketId())
	if handler == nil || !here {
		return nil
	}
	reply, err := handler(s, ctx, request{
		from:        from,
		at:          event.GetTime().AsTime().UnixMilli(),
		arguments:   received.GetArguments(),
		attachments: received.GetAttachments(),
	})
	if err != nil {
		told, ok := answerTo(err)
		if !ok {
			return err
		}
		reply = answer{value: told}
	}
	return event.ReplyJSON(arguments(reply.value), reply.attachments...)
}

func (s *session) onJoin(ctx context.Context, r request) (answer, error) {
	name, err := roomArgument(r)
	if err != nil {
		return answer{}, err
	}
	if !r.from.in(name) && len(r.from.rooms) >= maxRooms {
		return answer{}, refusal(fmt.Sprintf("You are in %d rooms, which is as many as one can be in.", maxRooms))
	}
	_, err = s.rooms.JoinRooms(ctx, &realtimev1.JoinRoomsRequest{Target: socket(r.from.id), Rooms: []string{serviceRoom(name)}})
	if err != nil {
		return answer{}, fmt.Errorf("join: %w", err)
	}
	s.presence.join(r.from.id, name)
	// Whoever is in the room before the history is read misses nothing: what is said later reaches them as a message.
	s.sendHistory(ctx, r.from.id, name)
	return answer{value: map[string]string{"room": name}}, nil
}

func (s *session) onLeave(ctx context.Context, r request) (answer, error) {
	name, err := roomArgument(r)
	if err != nil {
		return answer{}, err
	}
	_, err = s.rooms.LeaveRooms(ctx, &realtimev1.LeaveRoomsRequest{Target: socket(r.from.id), Rooms: []string{serviceRoom(name)}})
	if err != nil {
		return answer{}, fmt.Errorf("leave: %w", err)
	}
	s.presence.leave(r.from.id, name)
	return empty, nil
}

func roomArgument(r request) (string, error) {
	var wanted string
	if err := firstArgument(r.arguments, &wanted); err != nil {
		return "", err
	}
	return checkRoom(wanted)
}

func (s *session) onTyping(ctx context.Context, r request) (answer, error) {
	var where address
	if err := firstArgument(r.arguments, &where); err != nil {
		return answer{}, err
	}
	target, err := s.resolve(r.from, where)
	if err != nil {
		return answer{}, err
	}
	_, err = s.emit.Emit(ctx, &realtimev1.EmitRequest{
		Target: target, Event: eventTyping, Volatile: true,
		Arguments: arguments(struct {
			Room string `json:"room,omitempty"`
			From sender `json:"from"`
		}{where.Room, senderOf(r.from)}),
	})
	return empty, err
}

func (s *session) onPicture(_ context.Context, r request) (answer, error) {
	var id string
	if err := firstArgument(r.arguments, &id); err != nil {
		return answer{}, err
	}
	p, ok := s.pictures.get(id)
	if !ok {
		return answer{}, refusal("This picture is not kept any more.")
	}
	return answer{
		value:       map[string]any{"type": p.mediaType, "data": firstAttachment},
		attachments: [][]byte{p.data},
	}, nil
}

// resolve says whom an address means: the others in a room, or one person.
func (s *session) resolve(from person, where address) (*realtimev1.Target, error) {
	switch {
	case (where.Room == "") == (where.To == ""):
		return nil, errMalformed
	case where.Room != "" && !from.in(where.Room):
		return nil, refusal("You are not in this room.")
	case where.Room != "":
		return room(where.Room, from.id), nil
	}
	if _, here := s.presence.person(where.To); !here {
		return nil, refusal("They have just left.")
	}
	return socket(where.To), nil
}

func senderOf(p person) sender { return sender{ID: p.id, Nickname: p.nickname} }

// validID bounds what a page may call its messages.
var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkText returns the text of a posting as it is passed on.
func checkText(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "", errMalformed
	case n > maxText:
		return "", refusal(fmt.Sprintf("This is too long: %d characters, of %d at most.", n, maxText))
	}
	return text, nil
}
