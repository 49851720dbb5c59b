package service

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

var (
	testTime = time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)
	testID   = rooms.SocketID([]byte("abcdefghijklmnopqrst"))
	testInfo = rooms.Info{
		ID: testID, Namespace: "/chat", User: "ann", Rooms: []string{"a", "b"}, Data: []byte(`{"n":1}`), Transport: "polling", ConnectedAt: testTime,
		Auth: []byte(`{"t":1}`),
		Handshake: rooms.Handshake{
			Address: "192.0.2.1", URL: "/socket.io/?EIO=4&x=1", Query: "EIO=4&x=1", Secure: true, XDomain: true, Issued: testTime,
			Headers: []rooms.Header{{Name: "x", Value: "1"}, {Name: "cookie", Value: "a=1"}, {Name: "x", Value: "2"}, {Name: "cookie", Value: "b=2"}},
		},
	}
	testSocket = &realtimev1.Socket{
		Id: "abcdefghijklmnopqrst", Namespace: "/chat", User: "ann", Rooms: []string{"a", "b"}, Data: `{"n":1}`, Transport: "polling",
		ConnectedAt: timestamppb.New(testTime), Auth: `{"t":1}`,
		Handshake: &realtimev1.Handshake{
			Address: "192.0.2.1", Url: "/socket.io/?EIO=4&x=1", Secure: true, Xdomain: true, IssuedAt: timestamppb.New(testTime),
			Headers: map[string]string{"x": "1, 2", "cookie": "a=1; b=2"}, Query: map[string]string{"EIO": "4", "x": "1"},
		},
	}
)

func TestFromInfo(t *testing.T) {
	if diff := cmp.Diff(testSocket, fromInfo(&testInfo), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

const testTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestFromEvent(t *testing.T) {
	header := func(change func(*realtimev1.Event)) *realtimev1.Event {
		e := &realtimev1.Event{Time: timestamppb.New(testTime), Namespace: "/chat", SocketId: testID.String(), User: "ann"}
		change(e)
		return e
	}
	token := ackToken{node: "n1", namespace: "/chat", socket: testID, ack: 0}
	for _, tt := range []struct {
		name string
		in   rooms.Event
		want *realtimev1.Event
	}{
		{
			"connected", rooms.Event{Kind: rooms.KindConnected, Info: &testInfo, Auth: []byte(`{"t":1}`)},
			header(func(e *realtimev1.Event) {
				e.Kind = &realtimev1.Event_Connected{Connected: &realtimev1.Connected{Socket: testSocket, Auth: `{"t":1}`}}
			}),
		},
		{
			"received", rooms.Event{Kind: rooms.KindEvent, Name: "hi", Args: []byte(`1, "\ud800"`), Attachments: [][]byte{{0xff}}},
			header(func(e *realtimev1.Event) {
				e.Kind = &realtimev1.Event_Received{Received: &realtimev1.Received{
					Name: "hi", Arguments: `[1, "\ud800"]`, Attachments: [][]byte{{0xff}},
				}}
			}),
		},
		{
			"received, to be answered", rooms.Event{Kind: rooms.KindEvent, Name: "7", NameIsNumber: true, WantsAck: true, AckID: 0},
			header(func(e *realtimev1.Event) {
				e.Kind = &realtimev1.Event_Received{Received: &realtimev1.Received{
					Name: "7", NameIsNumber: true, Arguments: `[]`, AckToken: token.String(),
				}}
			}),
		},
		{
			"disconnected", rooms.Event{Kind: rooms.KindDisconnected, Reason: rooms.ReasonPingTimeout, Description: "why", Rooms: []string{"a"}},
			header(func(e *realtimev1.Event) {
				e.Kind = &realtimev1.Event_Disconnected{Disconnected: &realtimev1.Disconnected{
					Reason: realtimev1.DisconnectReason_DISCONNECT_REASON_PING_TIMEOUT, Description: "why", Rooms: []string{"a"},
				}}
			}),
		},
		{
			"recovered", rooms.Event{Kind: rooms.KindConnected, Info: &testInfo, Recovered: true},
			header(func(e *realtimev1.Event) {
				e.Kind = &realtimev1.Event_Connected{Connected: &realtimev1.Connected{Socket: testSocket, Recovered: true}}
			}),
		},
		{
			"recoverable", rooms.Event{Kind: rooms.KindDisconnected, Reason: rooms.ReasonTransportClose, Recoverable: true},
			header(func(e *realtimev1.Event) {
				e.Kind = &realtimev1.Event_Disconnected{Disconnected: &realtimev1.Disconnected{
					Reason: realtimev1.DisconnectReason_DISCONNECT_REASON_TRANSPORT_CLOSE, Recoverable: true,
				}}
			}),
		},
		{
			"expired", rooms.Event{Kind: rooms.KindExpired},
			header(func(e *realtimev1.Event) { e.Kind = &realtimev1.Event_Expired{Expired: &realtimev1.Expired{}} }),
		},
		{
			"joined", rooms.Event{Kind: rooms.KindJoined, Room: "a"},
			header(func(e *realtimev1.Event) { e.Kind = &realtimev1.Event_Joined{Joined: &realtimev1.Joined{Room: "a"}} }),
		},
		{
			"left", rooms.Event{Kind: rooms.KindLeft, Room: "a"},
			header(func(e *realtimev1.Event) { e.Kind = &realtimev1.Event_Left{Left: &realtimev1.Left{Room: "a"}} }),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Time, tt.in.Namespace, tt.in.Socket, tt.in.User = testTime, "/chat", testID, "ann"
			tt.in.Trace, tt.want.Traceparent = testTrace, testTrace
			if diff := cmp.Diff(tt.want, fromEvent(&tt.in, "n1"), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What becomes of a room is not the doing of one socket: its id is empty, not twenty zero bytes.
func TestFromEventOfARoom(t *testing.T) {
	for _, tt := range []struct {
		kind rooms.EventKind
		want *realtimev1.Event
	}{
		{rooms.KindRoomCreated, &realtimev1.Event{Kind: &realtimev1.Event_RoomCreated{RoomCreated: &realtimev1.RoomCreated{Room: "a"}}}},
		{rooms.KindRoomDeleted, &realtimev1.Event{Kind: &realtimev1.Event_RoomDeleted{RoomDeleted: &realtimev1.RoomDeleted{Room: "a"}}}},
	} {
		tt.want.Time, tt.want.Namespace = timestamppb.New(testTime), "/chat"
		got := fromEvent(&rooms.Event{Kind: tt.kind, Namespace: "/chat", Time: testTime, Room: "a"}, "n1")
		if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%v: %s", tt.kind, diff)
		}
	}
}

// Every kind of event that rooms has can be asked for, and nothing else.
func TestEveryKindHasAValue(t *testing.T) {
	seen := map[rooms.EventKind]bool{}
	for value, kind := range kinds {
		if seen[kind] || kind.String() == "unknown" || value == 0 {
			t.Errorf("%v is %v", value, kind)
		}
		seen[kind] = true
		if fromEvent(&rooms.Event{Kind: kind, Info: &testInfo}, "n1").GetKind() == nil {
			t.Errorf("an event of kind %v says nothing", kind)
		}
	}
	if len(seen) != len(realtimev1.EventKind_name)-1 || len(seen) != int(rooms.KindRoomDeleted) {
		t.Errorf("%d kinds for %d values", len(seen), len(realtimev1.EventKind_name)-1)
	}
}

// Each reason has a value of its own, whose comment in the schema is that reason.
func TestEveryReasonHasAValue(t *testing.T) {
	seen := map[realtimev1.DisconnectReason]rooms.Reason{}
	schema, err := os.ReadFile("../proto/realtime/v1/event.proto")
	if err != nil {
		t.Fatal(err)
	}
	for reason, value := range reasons {
		comment := regexp.MustCompile(`(?m)^  // "` + string(reason) + `": [^\n]*\n(  //[^\n]*\n)*  ` + value.String() + ` = `)
		if !comment.Match(schema) {
			t.Errorf("the comment of %v does not begin with %q", value, reason)
		}
		if other, ok := seen[value]; ok || value == 0 {
			t.Errorf("%q and %q are both %v", reason, other, value)
		}
		seen[value] = reason
	}
	if len(seen) != len(realtimev1.DisconnectReason_name)-1 {
		t.Errorf("%d reasons for %d values", len(seen), len(realtimev1.DisconnectReason_name)-1)
	}
	if got := fromReason("else"); got != realtimev1.DisconnectReason_DISCONNECT_REASON_UNSPECIFIED {
		t.Errorf("an unknown reason is %v", got)
	}
}

// One client's bytes must not end a stream: proto strings have to be UTF-8.
func TestWhatIsNotUTF8CanBeSent(t *testing.T) {
	const bad = "a\xffb"
	info := testInfo
	info.Handshake.URL, info.Handshake.Query, info.Auth = bad, bad+"=%ff", []byte(bad)
	info.Handshake.Headers = []rooms.Header{{Name: bad, Value: bad}}
	batch := feed.Batch{Events: []*rooms.Event{
		{Kind: rooms.KindConnected, Info: &info, Auth: []byte(bad)},
		{Kind: rooms.KindEvent, Name: bad, Args: []byte(`"` + bad + `"`)},
		{Kind: rooms.KindDisconnected, Description: bad},
	}}
	for _, message := range []proto.Message{
		fromBatch(&batch, "n1"),
		fromAnswer(&rooms.Answer{Args: []byte(bad)}),
		fromQuestion(&asked{question: &rooms.Question{Auth: []byte(bad), Handshake: &info.Handshake}}),
	} {
		if _, err := proto.Marshal(message); err != nil {
			t.Errorf("%T: %v", message, err)
		}
	}
	if got := text(bad); got != "a\uFFFDb" {
		t.Errorf("text %q", got)
	}
}
