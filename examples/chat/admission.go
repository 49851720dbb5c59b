package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/consumer"
)

// answerQuestions decides who may in, until ctx is done.
func (s *session) answerQuestions(ctx context.Context) {
	err := consumer.Admit(ctx, s.conn, consumer.AdmitConfig{
		Namespaces: []string{namespace},
		Attached:   func() { s.logger.Info("attached to realtime-svc, open for everyone") },
		Logger:     s.logger,
	}, s.admit)
	if err != nil {
		s.logger.Error("nobody can be let in", "error", err)
	}
}

// admit answers one question: a good nickname that is free gets in, with its user, its rooms and its data.
func (s *session) admit(_ context.Context, question *realtimev1.AdmitQuestion) consumer.Verdict {
	var wanted auth
	// What cannot be read leaves the nickname empty, which is refused.
	_ = json.Unmarshal([]byte(question.GetSocket().GetAuth()), &wanted)

	nickname, err := checkNickname(wanted.Nickname)
	if err == nil && !s.presence.claim(nickname, wanted.Key, time.Now()) {
		err = errTaken(nickname)
	}
	if refusal := (*nicknameError)(nil); errors.As(err, &refusal) {
		s.logger.Info("nickname refused", "reason", refusal.reason)
		return consumer.Refuse(refusal.text, jsonText(refused{Refused: "nickname", Reason: refusal.reason}))
	}
	return consumer.Accept(&realtimev1.AdmitAccept{
		User:  nickname,
		Rooms: roomsToEnter(wanted.Rooms),
		Data:  jsonText(socketData{Key: wanted.Key}),
	})
}

// roomsToEnter is where a page that connects wants to be, as the service calls it; what is no name of a room is left out.
func roomsToEnter(wanted []string) []string {
	rooms := make([]string, 0, min(len(wanted), maxRooms))
	for _, name := range wanted[:min(len(wanted), maxRooms)] {
		if room, err := checkRoom(name); err == nil {
			rooms = append(rooms, serviceRoom(room))
		}
	}
	return rooms
}
