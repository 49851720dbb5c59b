package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func answeredBy(id string) *realtimev1.EmitWithAckResponse {
	return &realtimev1.EmitWithAckResponse{Result: &realtimev1.EmitWithAckResponse_Answer{
		Answer: &realtimev1.AckAnswer{SocketId: id, Arguments: "[]"},
	}}
}

var summary = &realtimev1.EmitWithAckResponse{Result: &realtimev1.EmitWithAckResponse_Summary{Summary: &realtimev1.AckSummary{}}}

func TestMessageToARoom(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.enter("s2", "Grace", "lobby")
	h.enter("s3", "Hedy")
	got := h.asks("s1", eventMessage, `[{"id":"m-1","room":"lobby","text":" hello <b> "}]`)
	if diff := cmp.Diff(map[string]any{"at": float64(sometime.UnixMilli()), "of": 1.0}, got); diff != "" {
		t.Errorf("answer:\n%s", diff)
	}
	a := next(t, h.asked)
	if !slices.Equal(a.GetTarget().GetRooms(), []string{"room:lobby"}) || !slices.Equal(a.GetTarget().GetExceptSockets(), []string{"s1"}) {
		t.Errorf("to %v", a.GetTarget())
	}
	if a.GetEvent() != eventMessage || a.GetTimeout().AsDuration() != seenWithin {
		t.Errorf("emitted %v", a.EmitWithAckRequest)
	}
	want := message{ID: "m-1", At: sometime.UnixMilli(), Room: "lobby", From: sender{"s1", "Ada"}, Text: "hello <b>", Of: 1}
	if diff := cmp.Diff(want, decode[message](t, a.GetArguments())); diff != "" {
		t.Errorf("message:\n%s", diff)
	}
}

func TestSenderHearsWhoHasSeen(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.enter("s2", "Grace", "lobby")
	h.asks("s1", eventMessage, `[{"id":"m-1","room":"lobby","text":"hello"}]`)
	a := next(t, h.asked)

	a.answers <- answeredBy("s2")
	r := call[*realtimev1.EmitRequest](h)
	// By user, as the sender may have another socket by now.
	if r.GetEvent() != eventSeen || !slices.Equal(r.GetTarget().GetUsers(), []string{"Ada"}) || r.GetTarget().GetSockets() != nil {
		t.Errorf("sent %v", r)
	}
	if diff := cmp.Diff(map[string]string{"id": "m-1", "by": "Grace"}, decode[map[string]string](t, r.GetArguments())); diff != "" {
		t.Error(diff)
	}

	if got := h.backend.history.of("lobby")[0].SeenBy; !slices.Equal(got, []string{"Grace"}) {
		t.Errorf("the history says that %v have seen it", got)
	}

	// Who has left meanwhile is not named, and the summary is nobody.
	a.answers <- answeredBy("gone")
	a.answers <- summary
	close(a.answers)
	h.tell(received("s1", eventLeave, `["lobby"]`, "token"))
	call[*realtimev1.LeaveRoomsRequest](h)
}

func TestPrivateMessage(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada")
	h.enter("s2", "Grace", "lobby")
	got := h.asks("s1", eventMessage, `[{"id":"m-1","to":"s2","text":"psst"}]`)
	if got["of"] != 1.0 {
		t.Errorf("answer %v", got)
	}
	a := next(t, h.asked)
	if !slices.Equal(a.GetTarget().GetSockets(), []string{"s2"}) || a.GetTarget().GetRooms() != nil {
		t.Errorf("to %v", a.GetTarget())
	}
	if m := decode[message](t, a.GetArguments()); m.Room != "" || m.From.Nickname != "Ada" {
		t.Errorf("message %+v", m)
	}
	for room, messages := range h.backend.history.rooms {
		t.Errorf("a private message is kept under %q: %v", room, messages)
	}
	if got := h.asks("s1", eventMessage, `[{"id":"m-2","to":"gone","text":"psst"}]`); got["error"] != "They have just left." {
		t.Errorf("to somebody who has left: %v", got)
	}
}

func TestPictureMessage(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.enter("s2", "Grace")
	const post = `[{"id":%q,%s,"picture":{"name":"a.png","data":{"_placeholder":true,"num":1}}}]`

	h.asks("s1", eventMessage, fmt.Sprintf(post, "1", `"room":"lobby"`), []byte("another"), png)
	a := next(t, h.asked)
	m := decode[message](t, a.GetArguments())
	want := &shownPicture{ID: m.Picture.ID, Name: "a.png", Type: "image/png", Data: firstAttachment}
	if diff := cmp.Diff(want, m.Picture); diff != "" || m.Picture.ID == "" {
		t.Errorf("picture %+v:\n%s", m.Picture, diff)
	}
	if len(a.GetAttachments()) != 1 || !bytes.Equal(a.GetAttachments()[0], png) {
		t.Errorf("attachments %q", a.GetAttachments())
	}

	h.asks("s1", eventMessage, fmt.Sprintf(post, "2", `"to":"s2"`), []byte("another"), png)
	if m := decode[message](t, next(t, h.asked).GetArguments()); m.Picture.ID != "" || len(h.backend.pictures.kept) != 1 {
		t.Errorf("a private picture is kept: %+v", m.Picture)
	}

	got := h.asks("s1", eventMessage, fmt.Sprintf(post, "3", `"room":"lobby"`), nil, []byte("no picture"))
	if got["error"] == nil {
		t.Errorf("what is no picture: %v", got)
	}
}

func TestC2AMessageThatComesAgainIsOne(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	h.enter("s2", "Grace", "lobby")
	const post = `[{"id":"m-1","room":"lobby","text":"hello"}]`
	first := h.asks("s1", eventMessage, post)
	next(t, h.asked)
	if diff := cmp.Diff(first, h.asks("s1", eventMessage, post)); diff != "" {
		t.Errorf("the second answer differs:\n%s", diff)
	}
	// Somebody else may use the same id.
	h.asks("s2", eventMessage, post)
	if m := decode[message](t, next(t, h.asked).GetArguments()); m.From.Nickname != "Grace" {
		t.Errorf("the second message that was emitted is %+v, want Grace's", m)
	}
	if got := len(h.backend.history.of("lobby")); got != 2 {
		t.Errorf("%d messages are kept, want 2", got)
	}
}

func TestC3TimesRise(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	for i := range 5 {
		got := h.asks("s1", eventMessage, fmt.Sprintf(`[{"id":"%d","room":"lobby","text":"x"}]`, i))
		if want := float64(sometime.UnixMilli() + int64(i)); got["at"] != want {
			t.Errorf("message %d of the same millisecond is of %v, want %v", i, got["at"], want)
		}
	}
}

func TestAsksForABoundedNumberOfMessages(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	var contexts []context.Context
	for i := range maxAsking + 1 {
		h.asks("s1", eventMessage, fmt.Sprintf(`[{"id":"%d","room":"lobby","text":"x"}]`, i))
		contexts = append(contexts, next(t, h.asked).ctx)
	}
	next(t, contexts[0].Done())
	if err := contexts[1].Err(); err != nil {
		t.Errorf("the second is not waited for any more: %v", err)
	}
}

func TestMessageIsNotKeptWhenItCannotBeEmitted(t *testing.T) {
	h := newHouse(t)
	h.enter("s1", "Ada", "lobby")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &session{backend: h.backend, ctx: ctx}
	r := request{from: person{id: "s1", nickname: "Ada", rooms: []string{"lobby"}}, arguments: `[{"id":"1","room":"lobby","text":"x"}]`}
	if _, err := s.onMessage(t.Context(), r); err == nil {
		t.Error("delivered without a connection")
	}
	if len(s.asking.cancel) != 0 {
		t.Error("waits for who sees what was not emitted")
	}
	if kept := h.backend.history.of("lobby"); len(kept) != 0 {
		t.Errorf("keeps %v", kept)
	}
	h.asks("s1", eventMessage, r.arguments) // comes again
	if m := decode[message](t, next(t, h.asked).GetArguments()); m.ID != "1" {
		t.Errorf("emitted %+v", m)
	}
}

// C2 and C3 hold for people who write at the same time.
func TestManyWriteAtOnce(t *testing.T) {
	h := newHouse(t)
	const people, each = 20, 10
	for i := range people {
		h.enter(fmt.Sprint("s", i), fmt.Sprint("Person ", i), "lobby")
	}
	ids := map[uint64]bool{}
	for n := range each {
		for i := range people {
			post := fmt.Sprintf(`[{"id":"%d","room":"lobby","text":"x"}]`, n)
			ids[h.deliver(1, received(fmt.Sprint("s", i), eventMessage, post, "token"))] = true
		}
	}
	for range people * each {
		s := next(t, h.member.settled)
		if !s.acked || !ids[s.id] {
			t.Fatalf("delivery %+v", s)
		}
		delete(ids, s.id)
	}
	times := map[int64]bool{}
	for range people * each {
		m := decode[message](t, next(t, h.asked).GetArguments())
		if times[m.At] {
			t.Errorf("two messages are of %d", m.At)
		}
		times[m.At] = true
	}
	kept := h.backend.history.of("lobby")
	if len(kept) != keepMessages || !slices.IsSortedFunc(kept, func(a, b message) int { return int(a.At - b.At) }) {
		t.Errorf("%d messages are kept, not in the order of their times", len(kept))
	}
}
