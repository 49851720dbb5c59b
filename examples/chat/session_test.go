package main

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestC4AttachesWithWhoIsThere(t *testing.T) {
	h := newHouse(t, socketOf("s1", "Ada", "k", "lobby", "tea"), socketOf("s2", "Grace", "k"))
	if open := h.member.open; open.GetGroup() != "chat" || !slices.Equal(open.GetNamespaces(), []string{"/"}) {
		t.Errorf("is a member of %v", open)
	}
	for _, want := range []string{"lobby", "tea"} {
		r := call[*realtimev1.EmitRequest](h)
		got := decode[struct {
			Room     string
			Messages []message
		}](t, r.GetArguments())
		if r.GetEvent() != eventHistory || got.Room != want || got.Messages == nil || !slices.Equal(r.GetTarget().GetSockets(), []string{"s1"}) {
			t.Errorf("sent %v, want the history of %s to s1", r, want)
		}
	}
	h.announced(func(e presenceEvent) bool { return len(e.People) == 2 })
}

func TestNicknamesAreTakenAfterARestart(t *testing.T) {
	h := newHouse(t, socketOf("s1", "Ada", "k"))
	h.questions <- question(1, `{"nickname":"Ada","key":"another"}`)
	if next(t, h.answers).GetAnswer().GetRefuse() == nil {
		t.Error("a nickname that was taken before the backend began is given away")
	}
	h.questions <- question(2, `{"nickname":"Ada","key":"k"}`)
	if next(t, h.answers).GetAnswer().GetAccept() == nil {
		t.Error("the tab that has the nickname may not come back")
	}
}

// What happened while the backend was away comes after stock was taken, which knows more.
func TestC4WhatHappenedBeforeIsNoNews(t *testing.T) {
	at := func(s *realtimev1.Socket, seconds int64) *realtimev1.Socket {
		s.ConnectedAt = &timestamppb.Timestamp{Seconds: seconds}
		return s
	}
	h := newHouse(t, at(socketOf("s2", "Ada", "k"), 2))
	h.tell(connected(at(socketOf("s1", "Ada", "k", "lobby"), 1)))
	if r := call[*realtimev1.EmitRequest](h); r.GetEvent() != eventReplaced || r.GetTarget().GetSockets()[0] != "s1" {
		t.Errorf("first %v, want that the old socket is told", r)
	}
	if r := call[*realtimev1.DisconnectSocketsRequest](h); r.GetTarget().GetSockets()[0] != "s1" {
		t.Errorf("then %v, want that it is disconnected", r)
	}
	h.tell(disconnected("s1"))
	h.announced(func(e presenceEvent) bool { return len(e.People) == 1 && e.People[0].ID == "s2" })
}

func TestComesBackWhenTheServiceDoes(t *testing.T) {
	h := newHouse(t, socketOf("s1", "Ada", "k", "lobby"))
	call[*realtimev1.EmitRequest](h)
	h.asks("s1", eventMessage, `[{"id":"1","room":"lobby","text":"before"}]`)

	h.setSockets(socketOf("s9", "Ada", "k", "lobby"))
	h.member.end <- errUnavailable
	h.member = next(t, h.members)
	if next(t, h.answers).GetAttach() == nil {
		t.Fatal("it does not attach for admission again")
	}
	r := call[*realtimev1.EmitRequest](h)
	kept := decode[struct{ Messages []message }](t, r.GetArguments())
	if r.GetTarget().GetSockets()[0] != "s9" || len(kept.Messages) != 1 || kept.Messages[0].Text != "before" {
		t.Errorf("who has come back gets %v, want what was said before", r)
	}
	h.announced(func(e presenceEvent) bool { return len(e.People) == 1 && e.People[0].ID == "s9" })
	h.tell(received("s9", eventLeave, `["lobby"]`, "token"))
	call[*realtimev1.LeaveRoomsRequest](h)
	if got := h.reply(); len(got) != 0 {
		t.Errorf("after coming back: %v", got)
	}
}

func TestTurnsAwayWhoWasNotAdmitted(t *testing.T) {
	h := newHouse(t, socketOf("s1", "", ""))
	if r := call[*realtimev1.DisconnectSocketsRequest](h); !slices.Equal(r.GetTarget().GetSockets(), []string{"s1"}) {
		t.Errorf("disconnects %v, want s1", r)
	}
	h.tell(connected(&realtimev1.Socket{Id: "s2"}))
	if r := call[*realtimev1.DisconnectSocketsRequest](h); !slices.Equal(r.GetTarget().GetSockets(), []string{"s2"}) {
		t.Errorf("disconnects %v, want s2", r)
	}
	h.announced(func(e presenceEvent) bool { return len(e.People) == 0 })
}

// What happens waits until it is known who is there.
func TestC4AttachesAgainIfStockCannotBeTaken(t *testing.T) {
	f := newFakeService()
	f.failing <- errUnavailable
	f.setSockets(socketOf("s1", "Ada", "k"))
	h := &house{fakeService: f, T: t}
	h.open()
	h.announced(func(e presenceEvent) bool { return len(e.People) == 1 })
	if len(f.members) != 0 || h.member == nil {
		t.Error("not the second stream")
	}
}
