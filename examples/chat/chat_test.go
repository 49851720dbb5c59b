package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestWelcomesWithTheHistoryOfItsRooms(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.asks("s1", eventMessage, `[{"id":"m1","room":"lobby","text":"hello"}]`)

	h.tell(connected(socketOf("s2", "Grace", "k", "lobby")))
	r := call[*realtimev1.EmitRequest](h)
	got := decode[struct{ Messages []message }](t, r.GetArguments())
	want := []message{{ID: "m1", At: sometime.UnixMilli(), Room: "lobby", From: sender{"s1", "Ada"}, Text: "hello"}}
	if diff := cmp.Diff(want, got.Messages); diff != "" || !slices.Equal(r.GetTarget().GetSockets(), []string{"s2"}) {
		t.Errorf("to %v:\n%s", r.GetTarget(), diff)
	}
}

func TestDismissesTheOldSocketOfATab(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada")
	h.tell(connected(socketOf("s2", "Ada", "key of Ada")))
	if r := call[*realtimev1.EmitRequest](h); r.GetEvent() != eventReplaced || r.GetArguments() != "[]" || r.GetTarget().GetSockets()[0] != "s1" {
		t.Errorf("first %v, want that s1 is told", r)
	}
	if r := call[*realtimev1.DisconnectSocketsRequest](h); r.GetTarget().GetSockets()[0] != "s1" || !r.GetCloseConnection() {
		t.Errorf("then %v, want that s1 is disconnected", r)
	}
	// What the old socket still says is not heard; what the new one says is.
	h.tell(received("s1", eventJoin, `["attic"]`, "token"))
	h.tell(received("s2", eventJoin, `["tea"]`, "token"))
	if r := call[*realtimev1.JoinRoomsRequest](h); r.GetRooms()[0] != "room:tea" {
		t.Errorf("joined %v", r)
	}
}

func TestJoin(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.tell(received("s1", eventJoin, `["# Tea House"]`, "token"))
	r := call[*realtimev1.JoinRoomsRequest](h)
	if !slices.Equal(r.GetRooms(), []string{"room:tea-house"}) || !slices.Equal(r.GetTarget().GetSockets(), []string{"s1"}) {
		t.Errorf("joins %v", r)
	}
	if r := call[*realtimev1.EmitRequest](h); r.GetEvent() != eventHistory {
		t.Errorf("sent %v, want the history", r)
	}
	if diff := cmp.Diff(map[string]any{"room": "tea-house"}, h.reply()); diff != "" {
		t.Errorf("answer:\n%s", diff)
	}
}

func TestJoinIsBounded(t *testing.T) {
	h := newHouse(t)
	rooms := make([]string, maxRooms)
	for i := range rooms {
		rooms[i] = strings.Repeat("r", i+1)
	}
	h.enter("s1", "Ada", rooms...)
	if got := h.asks("s1", eventJoin, `["one-more"]`); !strings.Contains(got["error"].(string), "20 rooms") {
		t.Errorf("answer %v", got)
	}
	h.tell(received("s1", eventJoin, `["r"]`, "")) // joining twice is no further room
	call[*realtimev1.JoinRoomsRequest](h)
}

func TestLeave(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.tell(received("s1", eventLeave, `["lobby"]`, "token"))
	r := call[*realtimev1.LeaveRoomsRequest](h)
	if !slices.Equal(r.GetRooms(), []string{"room:lobby"}) || !slices.Equal(r.GetTarget().GetSockets(), []string{"s1"}) {
		t.Errorf("leaves %v", r)
	}
	if got := h.reply(); len(got) != 0 {
		t.Errorf("answer %v", got)
	}
	if got := h.asks("s1", eventMessage, `[{"id":"1","room":"lobby","text":"still here?"}]`); got["error"] != "You are not in this room." {
		t.Errorf("a message to a room that was left: %v", got)
	}
}

func TestTyping(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.enter("s2", "Grace", "lobby")

	h.tell(received("s1", eventTyping, `[{"room":"lobby"}]`, ""))
	r := call[*realtimev1.EmitRequest](h)
	if !r.GetVolatile() || !slices.Equal(r.GetTarget().GetRooms(), []string{"room:lobby"}) || !slices.Equal(r.GetTarget().GetExceptSockets(), []string{"s1"}) {
		t.Errorf("typing in a room: %v", r)
	}
	if want := `[{"room":"lobby","from":{"id":"s1","nickname":"Ada"}}]`; r.GetArguments() != want {
		t.Errorf("arguments %s, want %s", r.GetArguments(), want)
	}

	h.tell(received("s1", eventTyping, `[{"to":"s2"}]`, ""))
	r = call[*realtimev1.EmitRequest](h)
	if !r.GetVolatile() || !slices.Equal(r.GetTarget().GetSockets(), []string{"s2"}) || r.GetTarget().GetRooms() != nil {
		t.Errorf("typing privately: %v", r)
	}
	if want := `[{"from":{"id":"s1","nickname":"Ada"}}]`; r.GetArguments() != want {
		t.Errorf("arguments %s, want %s", r.GetArguments(), want)
	}
}

func TestPictureIsFetched(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.asks("s1", eventMessage, `[{"id":"1","room":"lobby","picture":{"name":"a.png","data":{"_placeholder":true,"num":0}}}]`, png)
	id := decode[message](t, next(t, h.asked).GetArguments()).Picture.ID

	h.tell(received("s1", eventPicture, arguments(id), "token"))
	r := call[*realtimev1.ReplyRequest](h)
	if want := `[{"data":{"_placeholder":true,"num":0},"type":"image/png"}]`; r.GetArguments() != want {
		t.Errorf("answer %s, want %s", r.GetArguments(), want)
	}
	if len(r.GetAttachments()) != 1 || !bytes.Equal(r.GetAttachments()[0], png) {
		t.Errorf("attachments %q", r.GetAttachments())
	}
	if got := h.asks("s1", eventPicture, `["gone"]`); got["error"] != "This picture is not kept any more." {
		t.Errorf("a picture that is not there: %v", got)
	}
}

func TestMalformedEventsAreRefused(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	for _, tt := range []struct{ event, args string }{
		{eventJoin, `[]`},
		{eventJoin, `[{}]`},
		{eventLeave, `[7]`},
		{eventTyping, `[]`},
		{eventTyping, `[{}]`},
		{eventTyping, `[{"room":"lobby","to":"s1"}]`},
		{eventPicture, `[{}]`},
		{eventMessage, `["text"]`},
		{eventMessage, `[{"room":"lobby","text":"no id"}]`},
		{eventMessage, `[{"id":"a b","room":"lobby","text":"odd id"}]`},
		{eventMessage, `[{"id":"1","room":"lobby"}]`},
		{eventMessage, `[{"id":"1","room":"lobby","text":"  \n"}]`},
		{eventMessage, `[{"id":"1","text":"to nobody"}]`},
		{eventMessage, `[{"id":"1","room":"lobby","to":"s1","text":"to both"}]`},
		{eventMessage, `[{"id":"1","room":"lobby","text":"and","picture":{"data":{"_placeholder":true,"num":0}}}]`},
		{eventMessage, `[{"id":"1","room":"lobby","picture":{"data":{"_placeholder":true,"num":5}}}]`},
	} {
		if got := h.asks("s1", tt.event, tt.args); got["error"] != string(errMalformed) {
			t.Errorf("%s %s: %v", tt.event, tt.args, got)
		}
	}
}

func TestWhatNobodyHandlesIsLeftAlone(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada")
	h.tell(
		received("s1", "dance", `[]`, "token"),
		received("stranger", eventJoin, `["lobby"]`, "token"),
		&realtimev1.Event{SocketId: "s1"},
		received("s1", eventJoin, `["tea"]`, ""),
	)
	if r := call[*realtimev1.JoinRoomsRequest](h); r.GetRooms()[0] != "room:tea" {
		t.Errorf("joined %v", r)
	}
}

func TestFailedCallsAreTriedAgain(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	join := received("s1", eventJoin, `["tea"]`, "token")
	h.failing <- errUnavailable
	if h.settled(h.deliver(1, join)) {
		t.Error("a call that failed is taken for handled")
	}
	if !h.settled(h.deliver(2, join)) {
		t.Error("it is not tried again")
	}
	call[*realtimev1.JoinRoomsRequest](h)
	call[*realtimev1.EmitRequest](h)
	if diff := cmp.Diff(map[string]any{"room": "tea"}, h.reply()); diff != "" {
		t.Errorf("answer:\n%s", diff)
	}
	// Not for ever: what else the page wants must go on.
	h.failing <- errUnavailable
	if !h.settled(h.deliver(maxAttempts, received("s1", eventLeave, `["tea"]`, "token"))) {
		t.Error("tried for ever")
	}
	h.tell(received("s1", eventLeave, `["tea"]`, "token"))
	call[*realtimev1.LeaveRoomsRequest](h)
	h.reply()
}

func TestCheckText(t *testing.T) {
	for _, tt := range []struct{ text, want, refused string }{
		{" hello\n", "hello", ""},
		{"two\nlines", "two\nlines", ""},
		{strings.Repeat("é", maxText), strings.Repeat("é", maxText), ""},
		{strings.Repeat("é", maxText+1), "", "2001 characters"},
		{"\t", "", string(errMalformed)},
	} {
		got, err := checkText(tt.text)
		if got != tt.want || (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("checkText(%.10q) = %.10q, %v", tt.text, got, err)
		}
	}
}
