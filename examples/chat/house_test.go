package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// house is a backend that runs against a fakeService and is attached to it.
type house struct {
	*fakeService
	*testing.T
	backend *backend
	member  *member
}

func newHouse(t *testing.T, sockets ...*realtimev1.Socket) *house {
	t.Helper()
	h := &house{fakeService: newFakeService(), T: t}
	h.setSockets(sockets...)
	h.open()
	return h
}

// open starts the backend and waits until it is attached.
func (h *house) open() {
	t := h.T
	t.Helper()
	h.backend = newBackend(h.serve(t), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := h.backend.run(ctx); err != nil {
			t.Errorf("run returns %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	if attach := next(t, h.answers).GetAttach(); !slices.Equal(attach.GetNamespaces(), []string{"/"}) {
		t.Fatalf("attached for %v, want /", attach)
	}
	for h.member = next(t, h.members); len(h.members) > 0; { // the first may have been given up
		h.member = next(t, h.members)
	}
}

// next returns the next value of a channel.
func next[V any](t *testing.T, from <-chan V) V {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %T came", *new(V))
		panic("unreachable")
	}
}

// call returns the next recorded call, which must be of type C.
func call[C any](h *house) C {
	h.Helper()
	recorded := next(h.T, h.calls)
	c, ok := recorded.(C)
	if !ok {
		h.Fatalf("the call is %T %v, want %T", recorded, recorded, *new(C))
	}
	return c
}

// announced waits for an announcement of presence that satisfies done.
func (h *house) announced(done func(presenceEvent) bool) presenceEvent {
	h.Helper()
	for {
		if event := next(h.T, h.presence); done(event) {
			return event
		}
	}
}

// tell passes events to the backend one after the other, and waits until it has handled each.
func (h *house) tell(events ...*realtimev1.Event) {
	h.Helper()
	for _, event := range events {
		if id := h.deliver(1, event); !h.settled(id) {
			h.Errorf("not handled: %v", event)
		}
	}
}

// deliver passes an event to the backend and returns the id of the delivery.
func (h *house) deliver(attempt uint32, event *realtimev1.Event) uint64 {
	h.member.lastID++
	delivery := &realtimev1.ConsumeDelivery{Id: h.member.lastID, Attempt: attempt, Event: event}
	h.member.responses <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Batch{
		Batch: &realtimev1.ConsumeBatch{Deliveries: []*realtimev1.ConsumeDelivery{delivery}},
	}}
	return delivery.GetId()
}

// settled waits until the delivery, which is the next, is settled, and says whether it was acknowledged.
func (h *house) settled(id uint64) bool {
	h.Helper()
	s := next(h.T, h.member.settled)
	if s.id != id {
		h.Fatalf("delivery %d is settled, want %d", s.id, id)
	}
	return s.acked
}

// enter lets somebody connect and takes the history that is sent for each room.
func (h *house) enter(id, nickname string, rooms ...string) {
	h.Helper()
	h.tell(connected(socketOf(id, nickname, "key of "+nickname, rooms...)))
	for range rooms {
		if got := call[*realtimev1.EmitRequest](h); got.GetEvent() != eventHistory {
			h.Fatalf("%s is sent %s, want history", nickname, got.GetEvent())
		}
	}
}

// asks sends an event with an acknowledgement and returns the answer to it.
func (h *house) asks(id, event, args string, attachments ...[]byte) map[string]any {
	h.Helper()
	h.tell(received(id, event, args, "token", attachments...))
	return h.reply()
}

// reply takes the answer to an event.
func (h *house) reply() map[string]any {
	h.Helper()
	r := call[*realtimev1.ReplyRequest](h)
	if r.GetAckToken() != "token" {
		h.Errorf("answered %q", r.GetAckToken())
	}
	return decode[map[string]any](h.T, r.GetArguments())
}

// decode reads the first argument of an event.
func decode[V any](t *testing.T, args string) V {
	t.Helper()
	var list []json.RawMessage
	var v V
	if err := json.Unmarshal([]byte(args), &list); err != nil || len(list) != 1 {
		t.Fatalf("arguments %s: want one (%v)", args, err)
	}
	if err := json.Unmarshal(list[0], &v); err != nil {
		t.Fatalf("argument %s: %v", list[0], err)
	}
	return v
}

// sometime is when every event of these tests happens.
var sometime = time.UnixMilli(1_700_000_000_000)

func socketOf(id, nickname, key string, rooms ...string) *realtimev1.Socket {
	s := &realtimev1.Socket{Id: id, Namespace: "/", User: nickname, Data: jsonText(socketData{Key: key})}
	for _, name := range rooms {
		s.Rooms = append(s.Rooms, serviceRoom(name))
	}
	return s
}

func connected(socket *realtimev1.Socket) *realtimev1.Event {
	return &realtimev1.Event{SocketId: socket.GetId(), Kind: &realtimev1.Event_Connected{Connected: &realtimev1.Connected{Socket: socket}}}
}

func received(id, name, args, token string, attachments ...[]byte) *realtimev1.Event {
	return &realtimev1.Event{
		SocketId: id, Time: timestamppb.New(sometime),
		Kind: &realtimev1.Event_Received{Received: &realtimev1.Received{
			Name: name, Arguments: args, AckToken: token, Attachments: attachments,
		}},
	}
}

func disconnected(id string) *realtimev1.Event {
	return &realtimev1.Event{SocketId: id, Kind: &realtimev1.Event_Disconnected{Disconnected: &realtimev1.Disconnected{}}}
}

var errUnavailable = status.Error(codes.Unavailable, "not now")
