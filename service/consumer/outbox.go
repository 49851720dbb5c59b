package consumer

import (
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Bounds of one message, which must fit into the 4 MiB that gRPC servers take unless they are told otherwise. A reply alone may be larger.
const (
	maxSettlements = 4096
	maxReplyBytes  = 1 << 20
)

// settleKind is what becomes of a delivery.
type settleKind uint8

const (
	settleAck settleKind = iota
	settleNack
	settleRelease
)

// settlement is the verdict on one delivery.
type settlement struct {
	id    uint64
	kind  settleKind
	delay time.Duration            // of settleNack
	reply *realtimev1.ConsumeReply // of settleAck; nil: none
}

// outbox gathers what a member has to say while earlier messages are written. It holds no more than what is unsettled, which the server
// bounds, and what is released of what it sends nevertheless.
type outbox struct {
	wake chan struct{} // has a value when there is something to take

	mu      sync.Mutex // guards the following
	pending []settlement
	spare   []settlement // an empty slice to fill next
	leave   bool
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put adds settlements; those of leave are sent after it.
func (o *outbox) put(leave bool, settlements ...settlement) {
	o.mu.Lock()
	o.pending = append(o.pending, settlements...)
	o.leave = o.leave || leave
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // the writer has not come yet
	}
}

// take removes everything. The slice is the caller's until it calls take again.
func (o *outbox) take() (leave bool, settlements []settlement) {
	o.mu.Lock()
	defer o.mu.Unlock()
	leave, settlements = o.leave, o.pending
	o.leave, o.pending, o.spare = false, o.spare[:0], settlements
	return leave, settlements
}

// settleMessage makes one message of as many settlements as fit, and returns the rest.
func settleMessage(settlements []settlement) (*realtimev1.ConsumeRequest, []settlement) {
	n, acks, replies := fitting(settlements)
	settle := &realtimev1.ConsumeSettle{}
	if acks > 0 {
		settle.Acks = make([]uint64, 0, acks)
	}
	if replies > 0 {
		settle.Replies = make([]*realtimev1.ConsumeReply, 0, replies)
	}
	for i := range settlements[:n] {
		one := &settlements[i]
		switch one.kind {
		case settleAck:
			settle.Acks = append(settle.Acks, one.id)
		case settleNack:
			settle.Nacks = append(settle.Nacks, &realtimev1.ConsumeNack{DeliveryId: one.id, Delay: pauseOf(one.delay)})
		case settleRelease:
			settle.Nacks = append(settle.Nacks, &realtimev1.ConsumeNack{DeliveryId: one.id, Release: true})
		}
		if one.reply != nil {
			settle.Replies = append(settle.Replies, one.reply)
		}
	}
	clear(settlements[:n]) // the slice is used again, and is not to keep the replies
	return &realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Settle{Settle: settle}}, settlements[n:]
}

// fitting counts the settlements that fit into one message, at least one, and what they consist of.
func fitting(settlements []settlement) (n, acks, replies int) {
	size := 0
	for n = range settlements[:min(len(settlements), maxSettlements)] {
		if reply := settlements[n].reply; reply != nil {
			if size += replySize(reply); size > maxReplyBytes && n > 0 {
				return n, acks, replies
			}
			replies++
		}
		if settlements[n].kind == settleAck {
			acks++
		}
	}
	return n + 1, acks, replies
}

func pauseOf(delay time.Duration) *durationpb.Duration {
	if delay <= 0 {
		return nil
	}
	return durationpb.New(delay)
}

func replySize(reply *realtimev1.ConsumeReply) int {
	size := len(reply.GetAckToken()) + len(reply.GetArguments())
	for _, attachment := range reply.GetAttachments() {
		size += len(attachment)
	}
	return size
}
