package service

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// worker is a member of a consumer group.
type worker struct {
	tb      testing.TB
	stream  realtimev1.EventService_ConsumeClient
	opened  *realtimev1.ConsumeOpened
	waiting []*realtimev1.ConsumeDelivery // received and not taken yet
}

// consume joins a group.
func (w *world) consume(tb testing.TB, open *realtimev1.ConsumeOpen) *worker {
	tb.Helper()
	// What a worker leaves unsettled would hold up the end of the server.
	ctx, cancel := context.WithCancel(w.ctx)
	tb.Cleanup(cancel)
	stream, err := w.events.Consume(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	k := &worker{tb: tb, stream: stream}
	k.send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Open{Open: open}})
	r, err := stream.Recv()
	if err != nil {
		tb.Fatal(err)
	}
	if k.opened = r.GetOpened(); k.opened == nil {
		tb.Fatalf("the stream begins with %v", r)
	}
	return k
}

func (k *worker) send(r *realtimev1.ConsumeRequest) {
	k.tb.Helper()
	if err := k.stream.Send(r); err != nil {
		k.tb.Fatal(err)
	}
}

func (k *worker) settle(s *realtimev1.ConsumeSettle) {
	k.tb.Helper()
	k.send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Settle{Settle: s}})
}

// next returns the next delivery.
func (k *worker) next() *realtimev1.ConsumeDelivery {
	k.tb.Helper()
	for len(k.waiting) == 0 {
		r, err := k.stream.Recv()
		if err != nil {
			k.tb.Fatal(err)
		}
		k.waiting = r.GetBatch().GetDeliveries()
		if len(k.waiting) == 0 {
			k.tb.Fatalf("got %v, want deliveries", r)
		}
	}
	d := k.waiting[0]
	k.waiting = k.waiting[1:]
	return d
}

// names returns the names of the next n events, with the attempt if it is not the first.
func (k *worker) names(n int) (names []string, ids []uint64) {
	k.tb.Helper()
	for range n {
		d := k.next()
		name := d.GetEvent().GetReceived().GetName()
		if d.GetAttempt() != 1 {
			name += "#" + strconv.Itoa(int(d.GetAttempt()))
		}
		names, ids = append(names, name), append(ids, d.GetId())
	}
	return names, ids
}

// say lets a socket of "/" emit events of these names.
func (w *world) say(id rooms.SocketID, names ...string) {
	for _, name := range names {
		w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: id, Name: name, Time: time.Now()})
	}
}

func TestConsume(t *testing.T) {
	w := newWorld(t)
	k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
	if !k.opened.GetCreated() || k.opened.GetMembers() != 1 {
		t.Errorf("opened: %v", k.opened)
	}
	id := rooms.NewSocketID()
	w.say(id, "a", "b", "c")
	names, ids := k.names(3)
	wantNames(t, names, "a", "b", "c")

	// What is given back comes again with what is behind it.
	k.settle(&realtimev1.ConsumeSettle{Acks: ids[:1], Nacks: []*realtimev1.ConsumeNack{{DeliveryId: ids[1]}}})
	names, ids = k.names(2)
	wantNames(t, names, "b#2", "c#2")
	k.settle(&realtimev1.ConsumeSettle{Acks: ids})

	// An orderly end: what is unsettled is waited for.
	w.say(id, "d")
	_, ids = k.names(1)
	k.send(&realtimev1.ConsumeRequest{Message: &realtimev1.ConsumeRequest_Leave{Leave: &realtimev1.ConsumeLeave{}}})
	k.settle(&realtimev1.ConsumeSettle{Acks: ids})
	if _, err := k.stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after leave: %v", err)
	}
	w.say(id, "e") // the group lives on
	k = w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
	if k.opened.GetCreated() || k.opened.GetBacklog() != 1 {
		t.Errorf("opened again: %v", k.opened)
	}
	names, ids = k.names(1)
	wantNames(t, names, "e")
	k.settle(&realtimev1.ConsumeSettle{Acks: ids})
	if err := k.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after half-close: %v", err)
	}
}

func wantNames(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("got %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			tb.Fatalf("got %q, want %q", got, want)
		}
	}
}

// A member that is lost, or does not settle in time, loses its deliveries to another.
func TestConsumeHandsOver(t *testing.T) {
	w := newWorld(t)
	first := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
	id := rooms.NewSocketID()
	w.say(id, "a", "b")
	names, _ := first.names(2)
	wantNames(t, names, "a", "b")
	second := w.consume(t, &realtimev1.ConsumeOpen{Group: "g", AckTimeout: durationpb.New(100 * time.Millisecond)})
	if err := first.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	names, _ = second.names(2)
	wantNames(t, names, "a#2", "b#2")
	third := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
	names, ids := third.names(2) // once the second is out of time
	wantNames(t, names, "a#3", "b#3")
	third.settle(&realtimev1.ConsumeSettle{Acks: ids})
}

// Replies are sent with what they belong to, and the failure of one does not end the stream.
func TestConsumeReplies(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	k := w.consume(t, &realtimev1.ConsumeOpen{Group: "g"})
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Socket: f.ID(), Name: "ask", WantsAck: true, AckID: 7})
	d := k.next()
	token := d.GetEvent().GetReceived().GetAckToken()
	k.settle(&realtimev1.ConsumeSettle{
		Acks: []uint64{d.GetId()},
		Replies: []*realtimev1.ConsumeReply{
			{AckToken: token, Arguments: `["yes"]`, Attachments: [][]byte{{1}}}, // done before the other's failure is told
			{AckToken: "nonsense"},
		},
	})
	r, err := k.stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if failed := r.GetReplyFailed(); failed.GetAckToken() != "nonsense" || codes.Code(failed.GetError().GetCode()) != codes.InvalidArgument ||
		len(failed.GetError().GetDetails()) != 1 {
		t.Errorf("failed reply: %v", r)
	}
	f.mu.Lock()
	reply := f.replies[7]
	f.mu.Unlock()
	if reply == nil || string(reply.Args) != `"yes"` || len(reply.Attachments) != 1 {
		t.Errorf("reply: %v", reply)
	}
}
