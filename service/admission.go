package service

import (
	"context"
	"errors"
	"io"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

type admissionServer struct {
	realtimev1.UnimplementedAdmissionServiceServer
	*Service
}

func (s *admissionServer) Admit(stream realtimev1.AdmissionService_AdmitServer) error {
	a := &answerer{
		Service:  s.Service,
		stream:   stream,
		attached: make(chan *attachment, 1),
		rejected: make(chan *realtimev1.AdmitRejected),
		ended:    make(chan error, 1),
	}
	// Recv ends with the stream, that is when send has returned, and nothing else ends it.
	go func() { a.ended <- a.receive() }()
	return statusError(a.send())
}

// answerer is one stream of Admit. Two goroutines work on it, so that the caller's answers count even while it does not
// read: one sends, one receives.
type answerer struct {
	*Service
	stream realtimev1.AdmissionService_AdmitServer

	// From the one that receives to the one that sends.
	attached chan *attachment
	rejected chan *realtimev1.AdmitRejected // unbuffered, so that a caller cannot pile them up
	ended    chan error                     // capacity 1: the last thing it does
}

// send sends until either side ends the stream.
func (a *answerer) send() error {
	var at *attachment
	select {
	case at = <-a.attached:
	case err := <-a.ended:
		return err
	case <-a.done:
		return errShuttingDown
	}
	attached := &realtimev1.AdmitResponse_Attached{Attached: &realtimev1.AdmitAttached{}}
	if err := a.stream.Send(&realtimev1.AdmitResponse{Message: attached}); err != nil {
		return err
	}
	for {
		select {
		case <-at.wake:
			if err := a.sendQuestions(at); err != nil {
				return err
			}
		case rejected := <-a.rejected:
			message := &realtimev1.AdmitResponse_Rejected{Rejected: rejected}
			if err := a.stream.Send(&realtimev1.AdmitResponse{Message: message}); err != nil {
				return err
			}
		case err := <-a.ended:
			return err
		case <-a.done:
			return errShuttingDown
		}
	}
}

func (a *answerer) sendQuestions(at *attachment) error {
	for {
		q, ok := a.admissions.take(at)
		if !ok {
			return nil
		}
		if err := a.stream.Send(fromQuestion(&q)); err != nil {
			return err
		}
	}
}

// receive attaches the caller and receives until it half-closes or breaks a rule, or the stream is over.
func (a *answerer) receive() error {
	r, err := a.stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	namespaces, handshakes, err := a.attach(a.stream.Context(), r)
	if err != nil {
		return err
	}
	at, err := a.admissions.attach(namespaces, handshakes)
	if err != nil {
		return err
	}
	defer a.admissions.detach(at)
	a.attached <- at
	for {
		r, err := a.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.answer(at, r); err != nil {
			return err
		}
	}
}

// answer hands over one answer, or reports what is wrong with it.
func (a *answerer) answer(at *attachment, r *realtimev1.AdmitRequest) error {
	c := a.checker()
	if r.GetAnswer() == nil {
		c.violate("answer", "is required in every message but the first")
		return c.err()
	}
	id := r.GetAnswer().GetQuestionId()
	verdict := toVerdict(&c, r.GetAnswer(), a.admissions.aboutHandshake(id))
	if len(c.violations) == 0 {
		a.admissions.answer(at, id, verdict)
		return nil
	}
	a.admissions.fail(at, id)
	select {
	case a.rejected <- fromViolations(id, c.violations):
		return nil
	case <-a.stream.Context().Done():
		return context.Cause(a.stream.Context())
	}
}
