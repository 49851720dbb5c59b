package service

import (
	"context"
	"errors"
	"io"
	"sync"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

func (s *eventServer) Consume(stream realtimev1.EventService_ConsumeServer) error {
	r, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return statusError(err)
	}
	group, filter, cfg, err := s.open(stream.Context(), r)
	if err != nil {
		return statusError(err)
	}
	member, joined, err := s.cfg.Feed.Join(group, filter, cfg)
	if err != nil {
		return statusError(err)
	}
	defer member.Close(true) // unless it was closed in order
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	c := &consumer{Service: s.Service, stream: stream, member: member}
	c.room.L = &c.mu
	if err := stream.Send(fromJoined(joined)); err != nil {
		return statusError(err)
	}
	// Recv ends with the stream, that is when send has returned, and nothing else ends it.
	go func() {
		if err := s.recovering(ctx, c.receive); err != nil {
			cancel(err)
		}
	}()
	return statusError(c.send(ctx))
}

// consumer is one stream of Consume. Two goroutines work on it, so that deliveries are settled even while the caller does not
// read: one sends, one receives.
type consumer struct {
	*Service
	stream realtimev1.EventService_ConsumeServer
	member *feed.Member

	mu     sync.Mutex // guards the following
	failed []*realtimev1.ConsumeReplyFailed
	room   sync.Cond // failed is shorter than maxReplyFailures, or over
	over   bool
}

// maxReplyFailures is how many failed replies may wait for a caller that does not read. Beyond it the caller is not read from.
const maxReplyFailures = 256

// send sends deliveries until either side ends the stream.
func (c *consumer) send(ctx context.Context) error {
	defer c.end()
	for {
		batch, err := c.member.Next(ctx)
		switch {
		case errors.Is(err, feed.ErrLeft):
			return c.sendFailures()
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if len(batch) > 0 {
			if err := c.stream.Send(fromDeliveries(batch, c.cfg.NodeID)); err != nil {
				return err
			}
		}
		if err := c.sendFailures(); err != nil {
			return err
		}
	}
}

// sendFailures tells which replies failed.
func (c *consumer) sendFailures() error {
	c.mu.Lock()
	failed := c.failed
	c.failed = nil
	c.mu.Unlock()
	c.room.Signal()
	for _, f := range failed {
		if err := c.stream.Send(&realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_ReplyFailed{ReplyFailed: f}}); err != nil {
			return err
		}
	}
	return nil
}

// end lets the one that receives go if it waits.
func (c *consumer) end() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.room.Signal()
}

// receive does what the caller says until it half-closes or breaks a rule, or the stream is over.
func (c *consumer) receive() error {
	for {
		r, err := c.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			c.member.Close(false)
			c.member.Interrupt()
			return nil
		case err == nil:
			err = c.handle(r)
		}
		if err != nil {
			return err
		}
	}
}

func (c *consumer) handle(r *realtimev1.ConsumeRequest) error {
	check := c.checker()
	switch message := r.GetMessage().(type) {
	case *realtimev1.ConsumeRequest_Settle:
		for _, reply := range message.Settle.GetReplies() {
			if err := c.sendReply(c.stream.Context(), reply); err != nil {
				c.fail(reply, err)
			}
		}
		nacks := toNacks(&check, message.Settle.GetNacks())
		if err := check.err(); err != nil {
			return err
		}
		c.member.Settle(message.Settle.GetAcks(), nacks)
	case *realtimev1.ConsumeRequest_Credit:
		maxEvents, maxBytes := toCredit(&check, message.Credit)
		if err := check.err(); err != nil {
			return err
		}
		c.member.Credit(maxEvents, maxBytes)
	case *realtimev1.ConsumeRequest_Leave:
		c.member.Leave()
	case *realtimev1.ConsumeRequest_Open:
		check.violate("open", "is only for the first message")
	default:
		check.violate("message", "must have one of settle, credit and leave set")
	}
	return check.err()
}

// fail has it told that a reply was not sent.
func (c *consumer) fail(r *realtimev1.ConsumeReply, err error) {
	c.mu.Lock()
	for len(c.failed) >= maxReplyFailures && !c.over {
		c.room.Wait()
	}
	c.failed = append(c.failed, fromReplyFailure(r, err))
	c.mu.Unlock()
	c.member.Interrupt()
}
