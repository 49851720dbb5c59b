package service

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestEmit(t *testing.T) {
	w := newWorld(t)
	in, refuses, out := w.socket(t, "/", "", "r"), w.socket(t, "/", "", "r"), w.socket(t, "/", "")
	refuses.onDeliver = func(*rooms.Message) bool { return false }
	got, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{
		Target: inRooms("r"), Event: "news", Arguments: ` ["hi", {"_placeholder":true,"num":0}] `, Attachments: [][]byte{{1, 2}}, Volatile: true,
	})
	if err != nil || got.GetMatched() != 2 || got.GetDelivered() != 1 {
		t.Fatalf("answer %v, error %v", got, err)
	}
	if len(in.got) != 1 || len(out.got) != 0 {
		t.Fatalf("%d messages for the one in the room, %d for the other", len(in.got), len(out.got))
	}
	m := in.got[0]
	if m.Event != "news" || string(m.Args) != `"hi", {"_placeholder":true,"num":0}` || !m.Volatile || m.Acks != nil {
		t.Errorf("message %+v", m)
	}
	if len(m.Attachments) != 1 || !slices.Equal(m.Attachments[0], []byte{1, 2}) {
		t.Errorf("attachments %v", m.Attachments)
	}
}

func TestEmitToNobody(t *testing.T) {
	w := newWorld(t)
	got, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "e"})
	if err != nil || got.GetMatched() != 0 || got.GetDelivered() != 0 {
		t.Errorf("answer %v, error %v", got, err)
	}
}

// I2: what one caller emits one after the other comes in that order.
func TestI2EmitsOfOneCallerKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	var want []string
	for i := range 100 {
		want = append(want, strconv.Itoa(i))
		if _, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.events(); !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}

// I7: numbers, order of keys and escapes arrive as they were written.
func TestI7ArgumentsArePassedOnByteForByte(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	const args = `{"b":1,"a":1.0,"b":2},12345678901234567890,1e+21,"\ud800","<&>","\u2028",{"__proto__":null}`
	if _, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "e", Arguments: "[" + args + "]"}); err != nil {
		t.Fatal(err)
	}
	if got := string(f.got[0].Args); got != args {
		t.Errorf("arguments %s", got)
	}
}

// emitWithAck makes the call and returns the answers by socket, and the summary. It checks that the summary comes last.
func emitWithAck(t *testing.T, w *world, r *realtimev1.EmitWithAckRequest) (map[string]*realtimev1.AckAnswer, *realtimev1.AckSummary) {
	t.Helper()
	stream, err := w.emit.EmitWithAck(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]*realtimev1.AckAnswer{}
	var summary *realtimev1.AckSummary
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answers, summary
		}
		if err != nil {
			t.Fatal(err)
		}
		if summary != nil {
			t.Errorf("%v comes after the summary", m)
		}
		if summary = m.GetSummary(); summary == nil {
			answers[m.GetAnswer().GetSocketId()] = m.GetAnswer()
		}
	}
}

// answering makes f answer at once.
func answering(f *fake, args string, attachments ...[]byte) *fake {
	f.onDeliver = func(m *rooms.Message) bool {
		m.Acks.Acked(f.ID(), []byte(args), attachments)
		return true
	}
	return f
}

func TestEmitWithAck(t *testing.T) {
	w := newWorld(t)
	yes := answering(w.socket(t, "/", "", "r"), `"yes",{"_placeholder":true,"num":0}`, []byte{7})
	nothing := answering(w.socket(t, "/", "", "r"), "")
	large := answering(w.socket(t, "/", "", "r"), "1", make([]byte, maxMessageBytes))
	leaves := w.socket(t, "/", "", "r")
	leaves.onDeliver = func(m *rooms.Message) bool {
		m.Acks.Gone(leaves.ID())
		return true
	}
	refuses := w.socket(t, "/", "", "r")
	refuses.onDeliver = func(*rooms.Message) bool { return false }
	silent := w.socket(t, "/", "", "r")
	w.socket(t, "/", "")

	answers, summary := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{
		Target: inRooms("r"), Event: "ask", Arguments: `[1]`, Attachments: [][]byte{{1}}, Timeout: durationpb.New(10 * time.Millisecond),
	})
	want := map[string]*realtimev1.AckAnswer{
		yes.ID().String(): {
			SocketId: yes.ID().String(), Arguments: `["yes",{"_placeholder":true,"num":0}]`, Attachments: [][]byte{{7}},
		},
		nothing.ID().String(): {SocketId: nothing.ID().String(), Arguments: `[]`},
	}
	if diff := cmp.Diff(want, answers, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	wantSummary := &realtimev1.AckSummary{Matched: 6, Answered: 2, TimedOut: 1, Disconnected: 2, Oversized: 1}
	if diff := cmp.Diff(wantSummary, summary, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if m := silent.got[0]; <-silent.forgot != m.AckID || string(m.Args) != "1" || len(m.Attachments) != 1 || m.Event != "ask" {
		t.Errorf("message %+v", m)
	}
	if len(large.forgot)+len(yes.forgot) != 0 {
		t.Error("who has answered is told to forget")
	}
}

// The summary comes when all have answered, not when the time is up.
func TestEmitWithAckEndsEarly(t *testing.T) {
	w := newWorld(t)
	answering(w.socket(t, "/", ""), "1")
	for _, target := range []*realtimev1.Target{everyone(), inRooms("empty")} {
		began := time.Now()
		_, summary := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: target, Event: "ask"})
		if summary.GetMatched() != summary.GetAnswered() || time.Since(began) > defaultAckTimeout/2 {
			t.Errorf("summary %v after %v", summary, time.Since(began))
		}
	}
}

// Answers are sent as they come.
func TestEmitWithAckStreams(t *testing.T) {
	w := newWorld(t)
	first, second := answering(w.socket(t, "/", ""), "1"), w.socket(t, "/", "")
	stream, err := w.emit.EmitWithAck(w.ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "ask"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetAnswer().GetSocketId() != first.ID().String() {
		t.Fatalf("message %v, error %v", m, err)
	}
	second.got[0].Acks.Acked(second.ID(), []byte("2"), nil)
	if m, err := stream.Recv(); err != nil || m.GetAnswer().GetArguments() != "[2]" {
		t.Fatalf("message %v, error %v", m, err)
	}
	if m, err := stream.Recv(); err != nil || m.GetSummary().GetAnswered() != 2 {
		t.Fatalf("message %v, error %v", m, err)
	}
}

// I2: the headers come once the event is out, whoever answers when, so that a caller can put its next call after it.
func TestI2EmitWithAckSendsItsHeadersWithTheEvent(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	stream, err := w.emit.EmitWithAck(w.ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "second"}); err != nil {
		t.Fatal(err)
	}
	if len(f.got) != 2 || f.got[0].Event != "first" {
		t.Errorf("the socket got %d events", len(f.got))
	}
}

// A caller that goes away is waited for by nobody.
func TestEmitWithAckCancelled(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	asked := make(chan uint64, 1)
	f.onDeliver = func(m *rooms.Message) bool {
		asked <- m.AckID
		return true
	}
	ctx, cancel := context.WithCancel(w.ctx)
	stream, err := w.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "ask"})
	if err != nil {
		t.Fatal(err)
	}
	id := <-asked
	cancel()
	if forgotten := <-f.forgot; forgotten != id {
		t.Errorf("id %d is forgotten, %d was asked", forgotten, id)
	}
	_, err = stream.Recv()
	wantStatus(t, err, codes.Canceled, "")
}

func TestEmitWithAckDeadline(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Millisecond)
	defer cancel()
	stream, err := w.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "ask"})
	if err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.DeadlineExceeded, "")
	if len(f.events()) > 0 { // the call may have ended before it came here
		<-f.forgot
	}
}

func TestEmitWithAckEndsAtShutdown(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	asked := make(chan struct{})
	f.onDeliver = func(*rooms.Message) bool {
		close(asked)
		return true
	}
	stream, err := w.emit.EmitWithAck(w.ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "ask"})
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	w.svc.Shutdown()
	_, err = stream.Recv()
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
	<-f.forgot
}
