package consumer

import (
	"context"
	"errors"
	"math"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// stream is one membership, from its first message to its end.
type stream struct {
	// Fixed at construction.
	cfg      Config
	dispatch *dispatcher
	rpc      grpc.BidiStreamingClient[realtimev1.ConsumeRequest, realtimev1.ConsumeResponse]
	ctx      context.Context // of the handlers of what came on it
	out      *outbox
}

// errProtocol says that the server does not keep to the contract.
var errProtocol = errors.New("consumer: the stream did not begin with opened")

// serve is one membership: it opens a stream and reads it until it ends. quit has it leave. stood says that the server answered
// with opened, and Opened with no error. The error is io.EOF if the server has ended the stream as the member had left.
func (c *Consumer) serve(base, quit context.Context, d *dispatcher) (stood bool, err error) {
	ctx, lost := context.WithCancelCause(base)
	defer lost(ErrStreamLost)
	hurry := context.AfterFunc(quit, func() { lost(ErrStreamLost) }) // nothing has begun that could be left in order
	rpc, opened, err := c.open(ctx)
	hurry()
	if err != nil {
		return false, err
	}
	if err := c.opened(ctx, quit, opened); err != nil {
		giveUp(rpc, lost)
		return false, err
	}
	s := &stream{cfg: c.cfg, dispatch: d, rpc: rpc, ctx: ctx, out: newOutbox()}
	return true, s.run(quit, lost)
}

type consumeClient = grpc.BidiStreamingClient[realtimev1.ConsumeRequest, realtimev1.ConsumeResponse]

// open begins a stream and waits until the server says that it stands.
func (c *Consumer) open(ctx context.Context) (consumeClient, *realtimev1.ConsumeOpened, error) {
	rpc, err := c.events.Consume(ctx, grpc.MaxCallRecvMsgSize(math.MaxInt32))
	if err != nil {
		return nil, nil, err
	}
	if err := rpc.Send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Open{Open: c.cfg.open()}}); err != nil {
		_, err = rpc.Recv() // which says why Send failed
		return nil, nil, err
	}
	first, err := rpc.Recv()
	if err != nil {
		return nil, nil, err
	}
	if first.GetOpened() == nil {
		return nil, nil, errProtocol
	}
	return rpc, first.GetOpened(), nil
}

// opened tells Config.Opened, whose context ends with the stream, or if it is told to leave meanwhile.
func (c *Consumer) opened(ctx, quit context.Context, opened *realtimev1.ConsumeOpened) error {
	c.cfg.Logger.Info("member of the consumer group", "created", opened.GetCreated(), "members", opened.GetMembers(), "backlog", opened.GetBacklog())
	if c.cfg.Opened == nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(quit, func() { cancel(ErrStreamLost) })()
	if err := c.cfg.Opened(ctx, opened); err != nil {
		cancel(ErrStreamLost)
		return errors.New("consumer: Opened: " + err.Error()) // not wrapped: the status of another call is no reason to end
	}
	return quit.Err()
}

// closeGrace is how long the server may take to end a stream that is half-closed.
const closeGrace = time.Second

// giveUp ends a stream of which nothing was handled so that no event counts as failed, as events do whose member is lost.
func giveUp(rpc consumeClient, lost context.CancelCauseFunc) {
	defer lost(ErrStreamLost)
	defer time.AfterFunc(closeGrace, func() { lost(ErrStreamLost) }).Stop()
	if rpc.CloseSend() != nil {
		return
	}
	for {
		if _, err := rpc.Recv(); err != nil {
			return
		}
	}
}

// run reads and writes the stream until it ends.
func (s *stream) run(quit context.Context, lost context.CancelCauseFunc) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write()
	}()
	unhook := context.AfterFunc(quit, s.leave)
	err := s.read()
	unhook()
	lost(ErrStreamLost)
	s.dispatch.lost()
	<-written
	return err
}

// read takes in what the server says.
func (s *stream) read() error {
	for {
		response, err := s.rpc.Recv()
		if err != nil {
			return err
		}
		switch m := response.GetMessage().(type) {
		case *realtimev1.ConsumeResponse_Batch:
			s.receive(m.Batch.GetDeliveries())
		case *realtimev1.ConsumeResponse_ReplyFailed:
			s.replyFailed(m.ReplyFailed)
		}
	}
}

func (s *stream) receive(deliveries []*realtimev1.ConsumeDelivery) {
	now := time.Now()
	until := now.Add(s.cfg.AckTimeout)
	batch := make([]*delivery, len(deliveries))
	for i, one := range deliveries { // one allocation each: a handler that keeps its event keeps no others
		batch[i] = &delivery{Event: Event{Event: one.GetEvent(), Attempt: one.GetAttempt()}, id: one.GetId(), stream: s, until: until}
	}
	if refused := s.dispatch.add(batch, now); len(refused) > 0 {
		s.out.put(false, releases(nil, refused)...)
	}
}

func (s *stream) replyFailed(failed *realtimev1.ConsumeReplyFailed) {
	reason := failed.GetError()
	err := status.FromProto(&spb.Status{Code: reason.GetCode(), Message: reason.GetMessage(), Details: reason.GetDetails()}).Err()
	if s.cfg.ReplyFailed != nil {
		s.cfg.ReplyFailed(failed.GetAckToken(), err)
		return
	}
	s.cfg.Logger.Debug("reply did not reach its client", "error", err)
}

// leave asks for no further deliveries and gives back what has not begun.
func (s *stream) leave() { s.out.put(true, releases(nil, s.dispatch.drain())...) }

// settle says what became of a delivery, and gives back those behind it. The server has taken these back already if the delivery comes again.
// If it does not, as it has failed too often, they would be waited for.
func (s *stream) settle(one settlement, released []uint64) {
	if len(released) == 0 {
		s.out.put(false, one)
		return
	}
	s.out.put(false, releases([]settlement{one}, released)...)
}

// releases appends settlements that give deliveries back.
func releases(to []settlement, ids []uint64) []settlement {
	for _, id := range ids {
		to = append(to, settlement{id: id, kind: settleRelease})
	}
	return to
}

// write sends what gathers in the outbox until the stream is over.
func (s *stream) write() {
	for {
		select {
		case <-s.out.wake:
		case <-s.ctx.Done():
			return
		}
		// Handlers that are about to return get to put theirs into the same message. Under load that is about half as many messages; when
		// nothing else can run, it costs nothing.
		runtime.Gosched()
		if s.send(s.out.take()) != nil {
			return // the reader learns why
		}
	}
}

func (s *stream) send(leave bool, settlements []settlement) error {
	if leave {
		if err := s.rpc.Send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Leave{Leave: &realtimev1.ConsumeLeave{}}}); err != nil {
			return err
		}
	}
	for len(settlements) > 0 {
		var message *realtimev1.ConsumeRequest
		message, settlements = settleMessage(settlements)
		if err := s.rpc.Send(message); err != nil {
			return err
		}
	}
	return nil
}
