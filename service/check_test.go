package service

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// call makes the call that r is the request of, and returns its error; of a stream, that of the first message.
func (w *world) call(r proto.Message) (err error) {
	switch r := r.(type) {
	case *realtimev1.EmitRequest:
		_, err = w.emit.Emit(w.ctx, r)
	case *realtimev1.EmitWithAckRequest:
		return first(w.emit.EmitWithAck(w.ctx, r))
	case *realtimev1.JoinRoomsRequest:
		_, err = w.rooms.JoinRooms(w.ctx, r)
	case *realtimev1.LeaveRoomsRequest:
		_, err = w.rooms.LeaveRooms(w.ctx, r)
	case *realtimev1.ListRoomsRequest:
		_, err = w.rooms.ListRooms(w.ctx, r)
	case *realtimev1.GetSocketRequest:
		_, err = w.sockets.GetSocket(w.ctx, r)
	case *realtimev1.ListSocketsRequest:
		return first(w.sockets.ListSockets(w.ctx, r))
	case *realtimev1.CountSocketsRequest:
		_, err = w.sockets.CountSockets(w.ctx, r)
	case *realtimev1.DisconnectSocketsRequest:
		_, err = w.sockets.DisconnectSockets(w.ctx, r)
	case *realtimev1.WatchRequest:
		return first(w.events.Watch(w.ctx, r))
	case *realtimev1.ReplyRequest:
		_, err = w.events.Reply(w.ctx, r)
	default:
		err = fmt.Errorf("no method for %T", r)
	}
	return err
}

// first returns the error of a stream's first message.
func first[T any](stream grpc.ServerStreamingClient[T], err error) error {
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

// smallLimits are small, so that tests reach them.
func smallLimits(cfg *Config) {
	cfg.Limits = Limits{ListEntries: 3, NameBytes: 8, MessageBytes: 100, Attachments: 2, DataBytes: 20, AckTimeout: time.Minute}
}

const nineBytes = "ninebytes" // one too many

var (
	goodID    = rooms.NewSocketID().String()
	fourIDs   = []string{goodID, goodID, goodID, goodID}
	fourNames = []string{"a", "b", "c", "d"}
	goodAck   = (&ackToken{node: "n1", namespace: "/", socket: rooms.NewSocketID()}).String()
	chatPage  = (&pageToken{node: "n1", namespace: "/chat", after: "a"}).String()
)

func emitTo(target *realtimev1.Target) *realtimev1.EmitRequest {
	return &realtimev1.EmitRequest{Target: target, Event: "e"}
}

func emitEvent(name string) *realtimev1.EmitRequest {
	return &realtimev1.EmitRequest{Target: everyone(), Event: name}
}

func emitArguments(text string, attachments ...[]byte) *realtimev1.EmitRequest {
	return &realtimev1.EmitRequest{Target: everyone(), Event: "e", Arguments: text, Attachments: attachments}
}

func emitWithin(timeout *durationpb.Duration) *realtimev1.EmitWithAckRequest {
	return &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "e", Timeout: timeout}
}

// Every way in which a request may be wrong, and the fields that are told. TestAdmitBadAnswers and TestAdmitErrors have
// those of Admit.
var violationRows = []struct {
	name    string
	request proto.Message
	want    []string
}{
	{"no target", emitTo(nil), []string{"target"}},
	{"too many rooms", emitTo(&realtimev1.Target{Rooms: fourNames}), []string{"target.rooms"}},
	{"empty room", emitTo(&realtimev1.Target{Rooms: []string{"a", "", "b"}}), []string{"target.rooms[1]"}},
	{"long room", emitTo(&realtimev1.Target{Rooms: []string{"a", "b", nineBytes}}), []string{"target.rooms[2]"}},
	{"too many users", emitTo(&realtimev1.Target{Users: fourNames}), []string{"target.users"}},
	{"empty user", emitTo(&realtimev1.Target{Users: []string{""}}), []string{"target.users[0]"}},
	{"long user", emitTo(&realtimev1.Target{Users: []string{nineBytes}}), []string{"target.users[0]"}},
	{"too many sockets", emitTo(&realtimev1.Target{Sockets: fourIDs}), []string{"target.sockets"}},
	{"bad sockets", emitTo(&realtimev1.Target{Sockets: []string{"", goodID, goodID + "x"}}), []string{"target.sockets[0]", "target.sockets[2]"}},
	{"too many except rooms", emitTo(&realtimev1.Target{ExceptRooms: fourNames}), []string{"target.except_rooms"}},
	{"bad except rooms", emitTo(&realtimev1.Target{ExceptRooms: []string{"", nineBytes}}), []string{"target.except_rooms[0]", "target.except_rooms[1]"}},
	{"too many except sockets", emitTo(&realtimev1.Target{ExceptSockets: fourIDs}), []string{"target.except_sockets"}},
	{"bad except socket", emitTo(&realtimev1.Target{ExceptSockets: []string{strings.Repeat("!", 20)}}), []string{"target.except_sockets[0]"}},

	{"no event", emitEvent(""), []string{"event"}},
	{"long event", emitEvent(nineBytes), []string{"event"}},
	{"reserved: connect", emitEvent("connect"), []string{"event"}},
	{"reserved, and too long here", emitEvent("connect_error"), []string{"event", "event"}},
	{"arguments are no JSON", emitArguments(`hi`), []string{"arguments"}},
	{"arguments are no array", emitArguments(`{"a":1}`), []string{"arguments"}},
	{"arguments too deep", emitArguments(nested(maxDepth + 1)), []string{"arguments"}},
	{"arguments too large", emitArguments(`["` + strings.Repeat("x", 97) + `"]`), []string{"arguments"}},
	{"too large together", emitArguments(`["`+strings.Repeat("x", 90)+`"]`, make([]byte, 7)), []string{"arguments"}},
	{"too many attachments", emitArguments(`[]`, nil, nil, nil), []string{"attachments"}},
	{"no such attachment", emitArguments(`[{"_placeholder":true,"num":1}]`, []byte{1}), []string{"arguments"}},
	{
		"everything at once",
		&realtimev1.EmitRequest{Target: &realtimev1.Target{Rooms: []string{""}}, Arguments: "{", Attachments: make([][]byte, 3)},
		[]string{"event", "attachments", "arguments", "target.rooms[0]"},
	},

	{"no time", emitWithin(durationpb.New(0)), []string{"timeout"}},
	{"negative timeout", emitWithin(durationpb.New(-time.Second)), []string{"timeout"}},
	{"long timeout", emitWithin(durationpb.New(time.Minute + 1)), []string{"timeout"}},
	{"impossible timeout", emitWithin(&durationpb.Duration{Seconds: 1, Nanos: -1}), []string{"timeout"}},

	{"join no rooms", &realtimev1.JoinRoomsRequest{Target: everyone()}, []string{"rooms"}},
	{"join too many rooms", &realtimev1.JoinRoomsRequest{Target: everyone(), Rooms: fourNames}, []string{"rooms"}},
	{"join bad rooms", &realtimev1.JoinRoomsRequest{Target: everyone(), Rooms: []string{"a", "", nineBytes}}, []string{"rooms[1]", "rooms[2]"}},
	{"leave no rooms", &realtimev1.LeaveRoomsRequest{Target: everyone()}, []string{"rooms"}},
	{"leave bad rooms", &realtimev1.LeaveRoomsRequest{Target: everyone(), Rooms: []string{"", "a"}}, []string{"rooms[0]"}},
	{"large page", &realtimev1.ListRoomsRequest{PageSize: maxPageSize + 1}, []string{"page_size"}},
	{"bad page token", &realtimev1.ListRoomsRequest{PageToken: "x"}, []string{"page_token"}},
	{"page token of another namespace", &realtimev1.ListRoomsRequest{PageToken: chatPage}, []string{"page_token"}},
	{"ack token as page token", &realtimev1.ListRoomsRequest{PageSize: maxPageSize + 1, PageToken: goodAck}, []string{"page_size", "page_token"}},

	{"no socket id", &realtimev1.GetSocketRequest{}, []string{"socket_id"}},
	{"bad socket id", &realtimev1.GetSocketRequest{SocketId: "x"}, []string{"socket_id"}},

	{"kind 0", &realtimev1.WatchRequest{Kinds: []realtimev1.EventKind{1, 0}}, []string{"kinds[1]"}},
	{"kind 99", &realtimev1.WatchRequest{Kinds: []realtimev1.EventKind{99}}, []string{"kinds[0]"}},
	{"too many kinds", &realtimev1.WatchRequest{Kinds: []realtimev1.EventKind{1, 1, 1, 1}}, []string{"kinds"}},
	{"too many namespaces", &realtimev1.WatchRequest{Namespaces: fourNames}, []string{"namespaces"}},
	{"bad event names", &realtimev1.WatchRequest{EventNames: []string{nineBytes, "a", ""}}, []string{"event_names[0]", "event_names[2]"}},
	{"too many event names", &realtimev1.WatchRequest{EventNames: fourNames}, []string{"event_names"}},

	{"no ack token", &realtimev1.ReplyRequest{}, []string{"ack_token"}},
	{"page token as ack token", &realtimev1.ReplyRequest{AckToken: chatPage}, []string{"ack_token"}},
	{"reply is no JSON", &realtimev1.ReplyRequest{AckToken: goodAck, Arguments: "hi"}, []string{"arguments"}},
	{
		"reply with too much", &realtimev1.ReplyRequest{AckToken: "x", Arguments: "1", Attachments: make([][]byte, 3)},
		[]string{"ack_token", "attachments", "arguments"},
	},
}

func TestViolations(t *testing.T) {
	w := newWorld(t, smallLimits)
	for _, row := range violationRows {
		t.Run(row.name, func(t *testing.T) {
			wantStatus(t, w.call(row.request), codes.InvalidArgument, "", row.want...)
		})
	}
}

// The same target is checked by every method that has one.
func TestEveryTargetIsChecked(t *testing.T) {
	w := newWorld(t)
	for _, request := range []func(*realtimev1.Target) proto.Message{
		func(to *realtimev1.Target) proto.Message { return emitTo(to) },
		func(to *realtimev1.Target) proto.Message {
			return &realtimev1.EmitWithAckRequest{Target: to, Event: "e"}
		},
		func(to *realtimev1.Target) proto.Message {
			return &realtimev1.JoinRoomsRequest{Target: to, Rooms: []string{"r"}}
		},
		func(to *realtimev1.Target) proto.Message {
			return &realtimev1.LeaveRoomsRequest{Target: to, Rooms: []string{"r"}}
		},
		func(to *realtimev1.Target) proto.Message { return &realtimev1.ListSocketsRequest{Target: to} },
		func(to *realtimev1.Target) proto.Message { return &realtimev1.CountSocketsRequest{Target: to} },
		func(to *realtimev1.Target) proto.Message { return &realtimev1.DisconnectSocketsRequest{Target: to} },
	} {
		wantStatus(t, w.call(request(nil)), codes.InvalidArgument, "", "target")
		wantStatus(t, w.call(request(inRooms(""))), codes.InvalidArgument, "", "target.rooms[0]")
		wantStatus(t, w.call(request(&realtimev1.Target{Namespace: "/none"})), codes.NotFound, "NAMESPACE_NOT_FOUND")
	}
}

func TestReservedEvents(t *testing.T) {
	limits := Config{}.withDefaults().Limits
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		c := checker{limits: &limits}
		if c.event(name); len(c.violations) != 1 {
			t.Errorf("%q: %d violations", name, len(c.violations))
		}
	}
	for _, name := range []string{"error", "connection", "Connect", "message", " ", strings.Repeat("x", 256)} {
		c := checker{limits: &limits}
		if c.event(name); len(c.violations) != 0 {
			t.Errorf("%q: %v", name, c.err())
		}
	}
}

func TestWhatIsValidDoesNotAllocate(t *testing.T) {
	limits := Config{}.withDefaults().Limits
	names := []string{"a", "b"}
	if n := testing.AllocsPerRun(1000, func() {
		c := checker{limits: &limits}
		c.names("target.rooms", names)
		c.event("message")
		if err := c.err(); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
