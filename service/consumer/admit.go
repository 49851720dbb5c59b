package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"

	"google.golang.org/grpc"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// AdmitConfig says which questions [Admit] answers. The zero value is the default.
type AdmitConfig struct {
	// Namespaces are those whose clients are asked about, e.g. "/chat". Empty: all.
	Namespaces []string
	// Handshakes has handshakes asked about, too: AdmitQuestion.handshake instead of AdmitQuestion.socket.
	Handshakes bool
	// Concurrency is how many questions are answered at a time. Zero means 64. Not negative.
	Concurrency int
	// ReconnectPause is as [Config.ReconnectPause].
	ReconnectPause Backoff
	// Attached is called each time that the server has said that questions follow. It must not block. Nil: nothing is called.
	Attached func()
	// Logger is told of streams that break, of answers that the server rejects, and of panics. Nil means slog.Default().
	Logger *slog.Logger
}

// Verdict is the answer to a question. The zero value is none: the client is refused when its time is up.
type Verdict struct{ answer *realtimev1.AdmitAnswer }

// Accept lets a client in, with the user, the rooms and the data of accept, which may be nil.
func Accept(accept *realtimev1.AdmitAccept) Verdict {
	if accept == nil {
		accept = &realtimev1.AdmitAccept{}
	}
	return Verdict{&realtimev1.AdmitAnswer{Verdict: &realtimev1.AdmitAnswer_Accept{Accept: accept}}}
}

// Refuse keeps a client out. message is what its connect_error says, 1 to 256 bytes, and data the text of one JSON value that comes with it,
// or empty.
func Refuse(message, data string) Verdict {
	return Verdict{&realtimev1.AdmitAnswer{Verdict: &realtimev1.AdmitAnswer_Refuse{Refuse: &realtimev1.AdmitRefuse{Message: message, Data: data}}}}
}

// Answer is what the server is told; nil if it is told nothing.
func (v Verdict) Answer(questionID uint64) *realtimev1.AdmitAnswer {
	if v.answer == nil {
		return nil
	}
	return &realtimev1.AdmitAnswer{QuestionId: questionID, Verdict: v.answer.GetVerdict()}
}

// Admit answers the server's questions about who may connect, until ctx ends: it is AdmissionService.Admit with the connection kept up. decide
// is called from many goroutines. Its context ends at the question's deadline, or with the stream, whose open questions go to others. One
// that panics refuses the client.
//
// It returns nil when ctx has ended and every decide has returned, and otherwise an error that trying again does not help against, as
// [Consumer.Run] does.
func Admit(
	ctx context.Context, conn grpc.ClientConnInterface, config AdmitConfig,
	decide func(ctx context.Context, question *realtimev1.AdmitQuestion) Verdict,
) error {
	orDefault(&config.Concurrency, defConcurrency)
	orDefault(&config.ReconnectPause, Backoff{defReconnectBase, defReconnectMax})
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Concurrency < 0 || !config.ReconnectPause.valid() {
		return fmt.Errorf("consumer: Concurrency must not be negative, nor ReconnectPause falling: %d, %+v", config.Concurrency, config.ReconnectPause)
	}
	client := realtimev1.NewAdmissionServiceClient(conn)
	return link{conn, config.ReconnectPause, config.Logger}.keep(ctx, func() (bool, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		rpc, err := client.Admit(ctx)
		if err != nil {
			return false, err
		}
		a := &admission{AdmitConfig: config, decide: decide, rpc: rpc, places: make(chan struct{}, config.Concurrency)}
		defer a.answering.Wait()
		defer cancel() // before that
		return a.serve(ctx)
	})
}

// admission is one stream of questions.
type admission struct {
	// Fixed at construction.
	AdmitConfig
	decide func(ctx context.Context, question *realtimev1.AdmitQuestion) Verdict
	rpc    grpc.BidiStreamingClient[realtimev1.AdmitRequest, realtimev1.AdmitResponse]
	places chan struct{} // has a value for each decide that runs

	answering sync.WaitGroup
	sending   sync.Mutex // held for each message: gRPC wants them one by one
}

// serve attaches and reads questions until the stream ends.
func (a *admission) serve(ctx context.Context) (attached bool, err error) {
	attach := &realtimev1.AdmitAttach{Namespaces: a.Namespaces, Handshakes: a.Handshakes}
	err = a.rpc.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{Attach: attach}})
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: Recv says why
		return false, err
	}
	for {
		response, err := a.rpc.Recv()
		if err != nil {
			return attached, err
		}
		switch m := response.GetMessage().(type) {
		case *realtimev1.AdmitResponse_Attached:
			attached = true
			if a.Attached != nil {
				a.Attached()
			}
		case *realtimev1.AdmitResponse_Question:
			select {
			case a.places <- struct{}{}:
			case <-ctx.Done():
				return attached, ctx.Err()
			}
			a.answering.Go(func() { a.answer(ctx, m.Question) })
		case *realtimev1.AdmitResponse_Rejected:
			a.Logger.Error("answer to an admission question was not valid, its client was refused", "violations", m.Rejected.GetViolations())
		}
	}
}

func (a *admission) answer(ctx context.Context, question *realtimev1.AdmitQuestion) {
	defer func() { <-a.places }()
	if question.GetDeadline() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, question.GetDeadline().AsTime())
		defer cancel()
	}
	answer := a.verdict(ctx, question).Answer(question.GetId())
	if answer == nil || ctx.Err() != nil {
		return
	}
	a.sending.Lock()
	defer a.sending.Unlock()
	_ = a.rpc.Send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Answer{Answer: answer}}) // the reader learns what is wrong
}

// verdict calls decide.
func (a *admission) verdict(ctx context.Context, question *realtimev1.AdmitQuestion) (v Verdict) {
	defer func() {
		if value := recover(); value != nil {
			a.Logger.Error("decision about a client panicked, it is refused",
				"error", &panicError{value, nil}, "stack", string(debug.Stack()))
			v = Refuse("admission failed", "")
		}
	}()
	return a.decide(ctx, question)
}
