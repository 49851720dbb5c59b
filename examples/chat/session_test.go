package main

import (
	"log/slog"
	"slices"
	"testing"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestC4AttachesWithWhoIsThere(t *testing.T) {
	h := newHouse(t, socketOf("s1", "Ada", "k", "lobby", "tea"), socketOf("s2", "Grace", "k"))
	if got := h.watcher.request.GetNamespaces(); !slices.Equal(got, []string{"/"}) {
		t.Errorf("watches %v", got)
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

func TestC4TakesStockAfterLostEvents(t *testing.T) {
	h := newHouse(t, socketOf("s1", "Ada", "k", "lobby"))
	call[*realtimev1.EmitRequest](h)
	h.setSockets(socketOf("s1", "Ada", "k", "lobby"), socketOf("s2", "Grace", "k", "tea"))
	h.watcher.responses <- &realtimev1.WatchResponse{Message: &realtimev1.WatchResponse_Batch{Batch: &realtimev1.WatchBatch{
		Missed: 3,
		Events: []*realtimev1.Event{received("s2", eventJoin, `["attic"]`, "token")},
	}}}
	// Only who is new gets a history, and is known by the time its event is read.
	if r := call[*realtimev1.EmitRequest](h); r.GetEvent() != eventHistory || r.GetTarget().GetSockets()[0] != "s2" {
		t.Errorf("after lost events: %v", r)
	}
	call[*realtimev1.JoinRoomsRequest](h)
	h.announced(func(e presenceEvent) bool { return len(e.People) == 2 })
}

func TestComesBackWhenTheServiceDoes(t *testing.T) {
	h := newHouse(t, socketOf("s1", "Ada", "k", "lobby"))
	call[*realtimev1.EmitRequest](h)
	h.asks("s1", eventMessage, `[{"id":"1","room":"lobby","text":"before"}]`)

	h.setSockets(socketOf("s9", "Ada", "k", "lobby"))
	h.watcher.end <- errUnavailable
	h.watcher = next(t, h.watchers)
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

func TestWatchMustBeginWithOpened(t *testing.T) {
	f := newFakeService()
	f.first = &realtimev1.WatchResponse{Message: &realtimev1.WatchResponse_Batch{Batch: &realtimev1.WatchBatch{Missed: 1}}}
	b := newBackend(f.serve(t), slog.New(slog.DiscardHandler))
	if attached, err := b.attach(t.Context()); attached || err == nil {
		t.Errorf("attach = %v, %v with a stream that does not say that it stands", attached, err)
	}
}
