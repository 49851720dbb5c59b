package service

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// emitter is a caller of EmitStream.
type emitter struct {
	tb     testing.TB
	stream realtimev1.EmitService_EmitStreamClient
}

func (w *world) emitStream(tb testing.TB) *emitter {
	tb.Helper()
	stream, err := w.emit.EmitStream(w.ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return &emitter{tb, stream}
}

func (e *emitter) send(id uint64, r *realtimev1.EmitRequest) {
	e.tb.Helper()
	if err := e.stream.Send(&realtimev1.EmitStreamRequest{Id: id, Emit: r}); err != nil {
		e.tb.Fatal(err)
	}
}

func (e *emitter) next() *realtimev1.EmitStreamResponse {
	e.tb.Helper()
	response, err := e.stream.Recv()
	if err != nil {
		e.tb.Fatal(err)
	}
	return response
}

func (e *emitter) ask(id uint64, r *realtimev1.EmitRequest) *realtimev1.EmitStreamResponse {
	e.tb.Helper()
	e.send(id, r)
	return e.next()
}

// I2: a stream's requests are carried out and answered in their order, however many are sent ahead.
func TestI2EmitStreamKeepsTheOrder(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	e := w.emitStream(t)
	const requests = 300
	var want []string
	for i := range requests {
		want = append(want, strconv.Itoa(i))
		e.send(uint64(i), &realtimev1.EmitRequest{Target: everyone(), Event: strconv.Itoa(i)})
	}
	if err := e.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for i := range requests {
		if r := e.next(); r.GetId() != uint64(i) || r.GetEmitted().GetMatched() != 1 || r.GetEmitted().GetDelivered() != 1 {
			t.Fatalf("response %d is %v", i, r)
		}
	}
	if _, err := e.stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the caller's last response: %v", err)
	}
	if got := f.events(); !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}

// A request that fails gets what Emit would have ended with, and the stream goes on.
func TestEmitStreamGoesOnAfterErrors(t *testing.T) {
	w := newWorld(t)
	w.socket(t, "/", "")
	e := w.emitStream(t)
	for i, tt := range []struct {
		request *realtimev1.EmitRequest
		code    codes.Code
		reason  string
		fields  []string
	}{
		{nil, codes.InvalidArgument, "", []string{"emit"}},
		{&realtimev1.EmitRequest{}, codes.InvalidArgument, "", []string{"event", "target"}},
		{&realtimev1.EmitRequest{Target: everyone(), Event: "e", Arguments: "{"}, codes.InvalidArgument, "", []string{"arguments"}},
		{&realtimev1.EmitRequest{Target: &realtimev1.Target{Namespace: "/none"}, Event: "e"}, codes.NotFound, "NAMESPACE_NOT_FOUND", nil},
	} {
		r := e.ask(uint64(i), tt.request)
		if r.GetId() != uint64(i) || r.GetEmitted() != nil {
			t.Errorf("%d: %v", i, r)
		}
		wantStatus(t, fromStatus(r.GetError()), tt.code, tt.reason, tt.fields...)
		if good := e.ask(99, &realtimev1.EmitRequest{Target: everyone(), Event: "e"}); good.GetEmitted().GetDelivered() != 1 {
			t.Errorf("after error %d: %v", i, good)
		}
	}
}

// A bug in one request ends its stream, and nothing else.
func TestEmitStreamSurvivesAPanic(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "", "r")
	f.onDeliver = func(*rooms.Message) bool { panic("a bug") }
	e := w.emitStream(t)
	e.send(1, &realtimev1.EmitRequest{Target: inRooms("r"), Event: "e"})
	if _, err := e.stream.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("%v", err)
	}
	if r := w.emitStream(t).ask(1, &realtimev1.EmitRequest{Target: inRooms("none"), Event: "e"}); r.GetEmitted() == nil {
		t.Errorf("%v", r)
	}
}

func TestEmitStreamEndsAtShutdown(t *testing.T) {
	w := newWorld(t)
	e := w.emitStream(t)
	e.ask(1, &realtimev1.EmitRequest{Target: everyone(), Event: "e"}) // it is there
	w.svc.Shutdown()
	_, err := e.stream.Recv()
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
}

// A caller that does not read its responses is not read from: what it sends is held up at its own end.
func TestEmitStreamHoldsBackWhoDoesNotRead(t *testing.T) {
	w := newWorld(t)
	carried := make(chan struct{}, 1<<20)
	f := w.socket(t, "/", "")
	f.onDeliver = func(*rooms.Message) bool { carried <- struct{}{}; return true }
	ctx, cancel := context.WithCancel(w.ctx)
	stream, err := w.emit.EmitStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	blocked := make(chan int)
	go func() {
		sent := 0
		for stream.Send(&realtimev1.EmitStreamRequest{Emit: &realtimev1.EmitRequest{Target: everyone(), Event: "e", Arguments: argumentsOf(4 << 10)}}) == nil {
			sent++
		}
		blocked <- sent
	}()
	// Responses of 10 bytes fill a window of 64 KiB, then requests fill theirs.
	for range 3000 {
		<-carried
	}
	cancel()
	sent := <-blocked
	if n := 3000 + len(carried); sent < n || sent > n+10_000 {
		t.Errorf("%d were sent, %d carried out", sent, n)
	}
}

// argumentsOf returns the text of an array of about that many bytes.
func argumentsOf(n int) string { return `["` + string(slices.Repeat([]byte("x"), n)) + `"]` }

func fromStatus(s *realtimev1.Status) error {
	st := status.New(codes.Code(s.GetCode()), s.GetMessage()).Proto()
	st.Details = s.GetDetails()
	return status.ErrorProto(st)
}

func BenchmarkEmitStream(b *testing.B) {
	w := newWorld(b)
	w.socket(b, "/", "ann").onDeliver = func(*rooms.Message) bool { return true }
	e := w.emitStream(b)
	r := &realtimev1.EmitRequest{Target: &realtimev1.Target{Users: []string{"ann"}}, Event: "e", Arguments: `["about as long as what people say"]`}
	b.ReportAllocs()
	const ahead = 256
	tokens := make(chan struct{}, ahead)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range b.N {
			if _, err := e.stream.Recv(); err != nil {
				b.Error(err)
				return
			}
			<-tokens
		}
	}()
	for range b.N {
		tokens <- struct{}{}
		e.send(1, r)
	}
	<-done
}
