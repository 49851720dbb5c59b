package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// answerQuestions decides who may in, until the stream ends.
func (s *session) answerQuestions(ctx context.Context) error {
	stream, err := s.admission.Admit(ctx)
	if err != nil {
		return fmt.Errorf("admit: %w", err)
	}
	attach := &realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{
		Attach: &realtimev1.AdmitAttach{Namespaces: []string{namespace}},
	}}
	if err := stream.Send(attach); err != nil {
		return fmt.Errorf("admit: %w", err)
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("admit: %w", err)
		}
		switch m := response.GetMessage().(type) {
		case *realtimev1.AdmitResponse_Attached:
			s.logger.Info("attached to realtime-svc, open for everyone")
		case *realtimev1.AdmitResponse_Question:
			answer := s.admit(m.Question, time.Now())
			if err := stream.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Answer{Answer: answer}}); err != nil {
				return fmt.Errorf("admit: %w", err)
			}
		case *realtimev1.AdmitResponse_Rejected:
			s.logger.Error("answer to an admission question was not valid", "violations", m.Rejected.GetViolations())
		}
	}
}

// admit answers one question: a good nickname that is free gets in, with its user, its rooms and its data.
func (s *session) admit(question *realtimev1.AdmitQuestion, now time.Time) *realtimev1.AdmitAnswer {
	answer := &realtimev1.AdmitAnswer{QuestionId: question.GetId()}
	var wanted auth
	// What cannot be read leaves the nickname empty, which is refused.
	_ = json.Unmarshal([]byte(question.GetSocket().GetAuth()), &wanted)

	nickname, err := checkNickname(wanted.Nickname)
	if err == nil && !s.presence.claim(nickname, wanted.Key, now) {
		err = errTaken(nickname)
	}
	if refusal := (*nicknameError)(nil); errors.As(err, &refusal) {
		s.logger.Info("nickname refused", "reason", refusal.reason)
		answer.Verdict = &realtimev1.AdmitAnswer_Refuse{Refuse: &realtimev1.AdmitRefuse{
			Message: refusal.text,
			Data:    jsonText(refused{Refused: "nickname", Reason: refusal.reason}),
		}}
		return answer
	}
	answer.Verdict = &realtimev1.AdmitAnswer_Accept{Accept: &realtimev1.AdmitAccept{
		User:  nickname,
		Rooms: roomsToEnter(wanted.Rooms),
		Data:  jsonText(socketData{Key: wanted.Key}),
	}}
	return answer
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
