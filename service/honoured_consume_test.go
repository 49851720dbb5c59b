package service

import (
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// The fields of Consume, for TestI6EveryAcceptedFieldIsHonoured.
func init() {
	first := func(open *realtimev1.ConsumeOpen) func(t *testing.T, w *world) *realtimev1.Event {
		return func(t *testing.T, w *world) *realtimev1.Event {
			open.Group = "g"
			k := w.consume(t, open)
			life(w, "/", 2)
			life(w, "/chat", 2)
			return k.next().GetEvent()
		}
	}
	for name, show := range map[string]func(t *testing.T, w *world) bool{
		"ConsumeRequest.open": func(t *testing.T, w *world) bool {
			return w.consume(t, &realtimev1.ConsumeOpen{Group: "g"}).opened.GetCreated()
		},
		"ConsumeOpen.group": func(t *testing.T, w *world) bool {
			w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
			return w.consume(t, &realtimev1.ConsumeOpen{Group: "h"}).opened.GetCreated() &&
				w.consume(t, &realtimev1.ConsumeOpen{Group: "g"}).opened.GetMembers() == 2
		},
		"ConsumeOpen.namespaces": func(t *testing.T, w *world) bool {
			return first(&realtimev1.ConsumeOpen{Namespaces: []string{"/chat"}})(t, w).GetNamespace() == "/chat"
		},
		"ConsumeOpen.kinds": func(t *testing.T, w *world) bool {
			kinds := []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_DISCONNECTED}
			return first(&realtimev1.ConsumeOpen{Kinds: kinds})(t, w).GetDisconnected() != nil
		},
		"ConsumeOpen.event_names": func(t *testing.T, w *world) bool {
			received := []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_RECEIVED}
			return first(&realtimev1.ConsumeOpen{Kinds: received, EventNames: []string{"1"}})(t, w).GetReceived().GetName() == "1"
		},
		"ConsumeOpen.event_prefixes": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g", EventPrefixes: []string{"room."}})
			w.say(rooms.NewSocketID(), "other", "room.join")
			return k.next().GetEvent().GetReceived().GetName() == "room.join"
		},
		"ConsumeOpen.max_events": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g", MaxEvents: 1})
			w.say(rooms.NewSocketID(), "a", "b")
			d := k.next()
			return w.feed.Groups()[0].InFlight == 1 && d.GetEvent().GetReceived().GetName() == "a"
		},
		"ConsumeOpen.max_bytes": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g", MaxBytes: 64 << 10})
			return onlyOneFits(w, k)
		},
		"ConsumeOpen.ack_timeout": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g", AckTimeout: durationpb.New(100 * time.Millisecond)})
			w.say(rooms.NewSocketID(), "a")
			return k.next().GetAttempt() == 1 && k.next().GetAttempt() == 2
		},
		"ConsumeRequest.settle": settles,
		"ConsumeSettle.acks":    settles,
		"ConsumeSettle.nacks": func(t *testing.T, w *world) bool {
			return again(w.consume(t, &realtimev1.ConsumeOpen{Group: "g"}), w, &realtimev1.ConsumeNack{})
		},
		"ConsumeNack.delivery_id": func(t *testing.T, w *world) bool {
			return again(w.consume(t, &realtimev1.ConsumeOpen{Group: "g"}), w, &realtimev1.ConsumeNack{})
		},
		"ConsumeNack.delay": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
			began := time.Now()
			return again(k, w, &realtimev1.ConsumeNack{Delay: durationpb.New(50 * time.Millisecond)}) && time.Since(began) >= 50*time.Millisecond
		},
		"ConsumeNack.release": func(t *testing.T, w *world) bool {
			return again(w.consume(t, &realtimev1.ConsumeOpen{Group: "g"}), w, &realtimev1.ConsumeNack{Release: true}) &&
				w.feed.Groups()[0].Released == 1
		},
		"ConsumeRequest.credit": func(t *testing.T, w *world) bool { return credited(t, w) },
		"ConsumeCredit.max_events": func(t *testing.T, w *world) bool {
			return credited(t, w)
		},
		"ConsumeCredit.max_bytes": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
			k.send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Credit{
				Credit: &realtimev1.ConsumeCredit{MaxEvents: 100, MaxBytes: 64 << 10},
			}})
			settled(k, w) // behind the credit
			return onlyOneFits(w, k)
		},
		"ConsumeRequest.leave": func(t *testing.T, w *world) bool {
			k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
			k.send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Leave{Leave: &realtimev1.ConsumeLeave{}}})
			_, err := k.stream.Recv()
			return err != nil && len(w.feed.Groups()) == 1
		},
		"ConsumeSettle.replies":    consumedReply,
		"ConsumeReply.ack_token":   consumedReply,
		"ConsumeReply.arguments":   consumedReply,
		"ConsumeReply.attachments": consumedReply,
	} {
		honoured[protoreflect.FullName(name)] = show
	}
}

// again reports whether a delivery comes again after that nack.
func again(k *worker, w *world, nack *realtimev1.ConsumeNack) bool {
	w.say(rooms.NewSocketID(), "a")
	nack.DeliveryId = k.next().GetId()
	k.settle(&realtimev1.ConsumeSettle{Nacks: []*realtimev1.ConsumeNack{nack}})
	return k.next().GetAttempt() == 2
}

// settled sends an event and acknowledges it, and returns once the server knows.
func settled(k *worker, w *world) {
	id := rooms.NewSocketID()
	w.say(id, "a")
	k.settle(&realtimev1.ConsumeSettle{Acks: []uint64{k.next().GetId()}})
	w.say(id, "b")
	k.settle(&realtimev1.ConsumeSettle{Nacks: []*realtimev1.ConsumeNack{{DeliveryId: k.next().GetId()}}})
	d := k.next() // what came before has been handled
	k.settle(&realtimev1.ConsumeSettle{Acks: []uint64{d.GetId()}})
}

func settles(t *testing.T, w *world) bool {
	settled(w.consume(t, &realtimev1.ConsumeOpen{Group: "g"}), w)
	return w.feed.Groups()[0].Acked >= 1
}

// onlyOneFits reports whether one of two events of 40 KiB is delivered while 64 KiB may be.
func onlyOneFits(w *world, k *worker) bool {
	before := w.feed.Groups()[0].Delivered
	for range 2 {
		w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: rooms.NewSocketID(), Name: "a", Args: make([]byte, 40<<10)})
	}
	k.next()
	return w.feed.Groups()[0].Delivered == before+1
}

// credited reports whether nothing is delivered without credit, and what waits with it.
func credited(t *testing.T, w *world) bool {
	k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g", MaxEvents: 1})
	w.say(rooms.NewSocketID(), "a", "b")
	k.next()
	k.send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Credit{Credit: &realtimev1.ConsumeCredit{MaxEvents: 2}}})
	return k.next().GetEvent().GetReceived().GetName() == "b"
}

// consumedReply reports whether a reply on the stream reaches its socket with everything.
func consumedReply(t *testing.T, w *world) bool {
	f := w.socket(t, "/", "")
	k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: f.ID(), Name: "ask", WantsAck: true, AckID: 7})
	d := k.next()
	k.settle(&realtimev1.ConsumeSettle{
		Replies: []*realtimev1.ConsumeReply{{
			AckToken: d.GetEvent().GetReceived().GetAckToken(), Arguments: "[1]", Attachments: [][]byte{{1}},
		}},
		Nacks: []*realtimev1.ConsumeNack{{DeliveryId: d.GetId()}},
	})
	k.next()
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := f.replies[7]
	return reply != nil && string(reply.Args) == "1" && len(reply.Attachments) == 1
}
