package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

type emitCommand struct {
	Event     string   `arg:"" help:"Name of the event."`
	Arguments []string `arg:"" optional:"" help:"Arguments, each as JSON: '\"text\"', 1, '{\"a\":true}'."`
	Volatile  bool     `help:"Leave out clients that cannot take it at once."`
	target    `embed:""`
}

// Run emits.
func (e *emitCommand) Run(c *call) error {
	text, err := arguments(e.Arguments)
	if err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, conn *grpc.ClientConn) error {
		r, err := realtimev1.NewEmitServiceClient(conn).Emit(ctx, &realtimev1.EmitRequest{
			Target: e.proto(), Event: e.Event, Arguments: text, Volatile: e.Volatile,
		})
		if err != nil {
			return err
		}
		return c.out.message(r, func() { c.out.line("delivered to %d of %s", r.GetDelivered(), count(r.GetMatched(), "socket")) })
	})
}

type requestCommand struct {
	Event     string        `arg:"" help:"Name of the event."`
	Arguments []string      `arg:"" optional:"" help:"Arguments, each as JSON."`
	Wait      time.Duration `default:"5s" help:"How long clients may take to answer."`
	target    `embed:""`
}

// Run asks, and prints each answer as it comes.
func (r *requestCommand) Run(c *call) error {
	text, err := arguments(r.Arguments)
	if err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := realtimev1.NewEmitServiceClient(conn).EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{
			Target: r.proto(), Event: r.Event, Arguments: text, Timeout: durationpb.New(r.Wait),
		})
		if err != nil {
			return err
		}
		var summary *realtimev1.AckSummary
		for {
			one, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if one.GetSummary() != nil {
				summary = one.GetSummary()
			}
			if err := c.out.message(one, func() { c.answered(one) }); err != nil {
				return err
			}
		}
		if summary.GetAnswered() == 0 {
			return errNobody
		}
		return nil
	})
}

func (c *call) answered(r *realtimev1.EmitWithAckResponse) {
	if answer := r.GetAnswer(); answer != nil {
		c.out.line("%s  %s", c.out.paint(cyan, answer.GetSocketId()), answer.GetArguments())
		return
	}
	s := r.GetSummary()
	c.out.line("%s", c.out.paint(faint, "asked "+count(s.GetMatched(), "socket")+": "+count(s.GetAnswered(), "answer")+
		", "+count(s.GetTimedOut(), "silence")+", "+count(s.GetDisconnected(), "disconnect")))
}
