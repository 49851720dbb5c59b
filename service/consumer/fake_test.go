package consumer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeConn is a connection whose streams are in the hands of the test. It works with virtual time, as no network is involved.
type fakeConn struct {
	streams chan *fakeStream // opened
	refuse  chan error       // each value fails the opening of one stream
	resets  int              // of the connection's backoff
}

func newFakeConn() *fakeConn {
	return &fakeConn{streams: make(chan *fakeStream, 100), refuse: make(chan error, 100)}
}

func (c *fakeConn) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	panic("no unary calls")
}

func (c *fakeConn) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	select {
	case err := <-c.refuse:
		return nil, err
	default:
	}
	s := &fakeStream{
		ctx: ctx, said: make(chan proto.Message, 100_000), answers: make(chan any, 100_000),
		gate: make(chan chan struct{}, 1), ended: make(chan struct{}),
	}
	c.streams <- s
	return s, nil
}

func (c *fakeConn) ResetConnectBackoff() { c.resets++ }

// fakeStream is the client's end of a stream.
type fakeStream struct {
	ctx     context.Context
	said    chan proto.Message // by the client
	answers chan any           // to the client: messages, and an error at the end
	gate    chan chan struct{} // has a value: the client's next message waits until that is closed
	once    sync.Once
	ended   chan struct{}
	closed  bool // by the client
	deaf    bool // to that
	quiet   bool // for benchmarks: what the client says is dropped, and what it hears is not copied
}

func (s *fakeStream) Header() (metadata.MD, error) { return nil, nil }
func (s *fakeStream) Trailer() metadata.MD         { return nil }
func (s *fakeStream) Context() context.Context     { return s.ctx }

// CloseSend ends the stream as a server does when all of it is given back.
func (s *fakeStream) CloseSend() error {
	s.closed = true
	if !s.deaf {
		s.answers <- io.EOF
	}
	return nil
}

func (s *fakeStream) SendMsg(m any) error {
	select {
	case <-s.ended:
		return io.EOF
	case <-s.ctx.Done():
		return io.EOF
	default:
	}
	select {
	case gate := <-s.gate:
		<-gate
	default:
	}
	if !s.quiet {
		s.said <- proto.Clone(m.(proto.Message))
	}
	return nil
}

func (s *fakeStream) RecvMsg(m any) error {
	select {
	case answer := <-s.answers:
		if err, ok := answer.(error); ok {
			s.once.Do(func() { close(s.ended) })
			return err
		}
		if response, ok := m.(*realtimev1.ConsumeResponse); ok && s.quiet {
			response.Message = answer.(*realtimev1.ConsumeResponse).Message
			return nil
		}
		proto.Merge(m.(proto.Message), answer.(proto.Message))
		return nil
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// world is a consumer that runs, in a bubble of virtual time.
type world struct {
	*testing.T
	conn     *fakeConn
	consumer *Consumer
	cancel   context.CancelFunc
	result   chan error
	log      *logBook
	members  []*memberStream
}

// inWorld runs a test with a consumer. Config needs no group.
func inWorld(t *testing.T, cfg Config, handler Handler, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, conn: newFakeConn(), result: make(chan error, 1), log: &logBook{}}
		cfg.Group = "g"
		cfg.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var err error
		if w.consumer, err = New(w.conn, cfg); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "of Run"))
		w.cancel = cancel
		go func() { w.result <- w.consumer.Run(ctx, handler) }()
		test(w)
		cancel()
		for _, s := range w.members {
			s.answers <- io.EOF // as a server does when nothing is unsettled; it may have ended in another way before
		}
		synctest.Wait()
	})
}

type ctxKey struct{}

// member takes the next stream and answers that it stands.
func (w *world) member() *memberStream {
	w.Helper()
	s := &memberStream{fakeStream: <-w.conn.streams, T: w.T}
	open := (<-s.said).(*realtimev1.ConsumeRequest).GetOpen()
	if open.GetGroup() != "g" {
		w.Fatalf("the stream begins with %v", open)
	}
	s.answers <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Opened{Opened: &realtimev1.ConsumeOpened{Members: 1}}}
	w.members = append(w.members, s)
	synctest.Wait()
	return s
}

// ends waits for Run to return.
func (w *world) ends() error {
	w.Helper()
	select {
	case err := <-w.result:
		return err
	case <-time.After(time.Hour):
		w.Fatal("Run does not return")
		return nil
	}
}

// logBook collects what is logged.
type logBook struct {
	mu   sync.Mutex // guards the following
	text strings.Builder
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), text)
}

// memberStream is a stream that stands, seen from the server.
type memberStream struct {
	*fakeStream
	*testing.T
	lastID uint64
}

// give delivers events in one batch, and returns the id of the first.
func (s *memberStream) give(deliveries ...*realtimev1.ConsumeDelivery) uint64 {
	first := s.lastID + 1
	for _, d := range deliveries {
		s.lastID++
		d.Id = s.lastID
	}
	s.answers <- &realtimev1.ConsumeResponse{Message: &realtimev1.ConsumeResponse_Batch{Batch: &realtimev1.ConsumeBatch{Deliveries: deliveries}}}
	synctest.Wait()
	return first
}

// event is a delivery of an event of a socket that wants a reply.
func event(socket, name string, attempt uint32) *realtimev1.ConsumeDelivery {
	return &realtimev1.ConsumeDelivery{Attempt: attempt, Event: &realtimev1.Event{
		SocketId: socket, Namespace: "/", Kind: &realtimev1.Event_Received{
			Received: &realtimev1.Received{Name: name, Arguments: `["` + name + `"]`, AckToken: "token of " + name},
		},
	}}
}

// settled is everything that the member has settled so far, in words: "ack 1", "nack 2 1s", "release 3", "reply [4]", "leave".
func (s *memberStream) settled() (words []string) {
	synctest.Wait()
	for _, message := range s.messages() {
		words = append(words, message...)
	}
	return words
}

// messages is the same, message by message.
func (s *memberStream) messages() (messages [][]string) {
	for {
		select {
		case m := <-s.said:
			messages = append(messages, describe(m.(*realtimev1.ConsumeRequest)))
		default:
			return messages
		}
	}
}

func describe(m *realtimev1.ConsumeRequest) (words []string) {
	if m.GetLeave() != nil {
		return []string{"leave"}
	}
	for _, reply := range m.GetSettle().GetReplies() {
		words = append(words, "reply "+reply.GetArguments())
	}
	for _, id := range m.GetSettle().GetAcks() {
		words = append(words, fmt.Sprint("ack ", id))
	}
	for _, nack := range m.GetSettle().GetNacks() {
		switch {
		case nack.GetRelease():
			words = append(words, fmt.Sprint("release ", nack.GetDeliveryId()))
		default:
			words = append(words, fmt.Sprintf("nack %d %v", nack.GetDeliveryId(), nack.GetDelay().AsDuration()))
		}
	}
	return words
}

// want compares what was settled.
func (s *memberStream) want(words ...string) {
	s.Helper()
	if got := s.settled(); !slices.Equal(got, words) {
		s.Errorf("settled %q, want %q", got, words)
	}
}

// script is a handler that a test leads by the hand: it says what begins, and each ends when the test says so.
type script struct {
	began   chan *Event
	results map[string]chan error // by the event's name
	ctxs    map[string]context.Context
	mu      sync.Mutex
}

func newScript() *script {
	return &script{began: make(chan *Event, 1000), results: map[string]chan error{}, ctxs: map[string]context.Context{}}
}

func (h *script) result(name string) chan error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.results[name] == nil {
		h.results[name] = make(chan error, 100)
	}
	return h.results[name]
}

func (h *script) Handle(ctx context.Context, event *Event) error {
	name := event.GetReceived().GetName()
	h.mu.Lock()
	h.ctxs[name] = ctx
	h.mu.Unlock()
	h.began <- event
	return <-h.result(name)
}

func (h *script) ctx(name string) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ctxs[name]
}

// end has the handler of an event return.
func (h *script) end(name string, err error) {
	h.result(name) <- err
	synctest.Wait()
}

// running is what has begun since it was last asked, sorted: "name" or "name#attempt" from the second attempt on.
func (h *script) running() (names []string) {
	synctest.Wait()
	for len(h.began) > 0 {
		e := <-h.began
		name := e.GetReceived().GetName()
		if e.Attempt > 1 {
			name = fmt.Sprint(name, "#", e.Attempt)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (h *script) wantRunning(t *testing.T, names ...string) {
	t.Helper()
	if got := h.running(); !slices.Equal(got, names) {
		t.Errorf("begun %q, want %q", got, names)
	}
}
