package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func question(id uint64, auth string) *realtimev1.AdmitQuestion {
	return &realtimev1.AdmitQuestion{Id: id, Subject: &realtimev1.AdmitQuestion_Socket{
		Socket: &realtimev1.AdmitSocket{Namespace: "/", SocketId: "s1", Auth: auth},
	}}
}

func accepted(id uint64, user, data string, rooms ...string) *realtimev1.AdmitAnswer {
	return &realtimev1.AdmitAnswer{QuestionId: id, Verdict: &realtimev1.AdmitAnswer_Accept{
		Accept: &realtimev1.AdmitAccept{User: user, Rooms: rooms, Data: data},
	}}
}

func refusedWith(id uint64, message, reason string) *realtimev1.AdmitAnswer {
	return &realtimev1.AdmitAnswer{QuestionId: id, Verdict: &realtimev1.AdmitAnswer_Refuse{
		Refuse: &realtimev1.AdmitRefuse{Message: message, Data: `{"refused":"nickname","reason":"` + reason + `"}`},
	}}
}

func TestAdmit(t *testing.T) {
	for _, tt := range []struct {
		name, auth string
		want       *realtimev1.AdmitAnswer
	}{
		{
			"with rooms", `{"nickname":" Grace  Hopper","key":"k","rooms":["lobby","Tea House"]}`,
			accepted(1, "Grace Hopper", `{"key":"k"}`, "room:lobby", "room:tea-house"),
		},
		{
			"rooms that are none", `{"nickname":"Grace","key":"k","rooms":["a/b","","lobby"]}`,
			accepted(1, "Grace", `{"key":"k"}`, "room:lobby"),
		},
		{"no rooms", `{"nickname":"Grace"}`, accepted(1, "Grace", `{"key":""}`)},
		{"taken", `{"nickname":"ada","key":"k"}`, refusedWith(1, "Somebody here is called ada already.", "taken")},
		{"its own tab", `{"nickname":"Ada","key":"ada's"}`, accepted(1, "Ada", `{"key":"ada's"}`)},
		{"reserved", `{"nickname":"Admin"}`, refusedWith(1, `"Admin" is reserved.`, "reserved")},
		{"too long", `{"nickname":"` + strings.Repeat("a", 21) + `"}`, refusedWith(1, "A nickname may have up to 20 characters.", "too_long")},
		{"no nickname", `{}`, refusedWith(1, "Please choose a nickname.", "empty")},
		{"no auth", ``, refusedWith(1, "Please choose a nickname.", "empty")},
		{"odd auth", `{"nickname":7}`, refusedWith(1, "Please choose a nickname.", "empty")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ps := newPresence()
			ps.add(person{id: "s0", nickname: "Ada", key: "ada's"})
			s := &session{backend: &backend{presence: ps, logger: slog.New(slog.DiscardHandler)}}
			got := s.admit(t.Context(), question(1, tt.auth)).Answer(1)
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdmitBoundsRooms(t *testing.T) {
	wanted := make([]string, 3*maxRooms)
	for i := range wanted {
		wanted[i] = strings.Repeat("r", 1+i%maxRoomName)
	}
	if got := roomsToEnter(wanted); len(got) != maxRooms {
		t.Errorf("%d rooms, want %d", len(got), maxRooms)
	}
	if got := roomsToEnter(nil); len(got) != 0 {
		t.Errorf("rooms %v of none wanted", got)
	}
}

func TestQuestionsAreAnswered(t *testing.T) {
	h := newHouse(t)
	h.questions <- question(7, `{"nickname":"Ada","key":"k","rooms":["lobby"]}`)
	if diff := cmp.Diff(accepted(7, "Ada", `{"key":"k"}`, "room:lobby"), next(t, h.answers).GetAnswer(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	h.rejected <- &realtimev1.AdmitRejected{QuestionId: 7} // is logged, and the stream goes on
	h.questions <- question(8, `{"nickname":"Ada","key":"another"}`)
	if refuse := next(t, h.answers).GetAnswer().GetRefuse(); refuse == nil {
		t.Error("a claimed nickname is given to another tab")
	}
}
