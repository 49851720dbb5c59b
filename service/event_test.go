package service

import (
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// watch opens a stream and checks that its first message says so.
func watch(t *testing.T, w *world, r *realtimev1.WatchRequest) realtimev1.EventService_WatchClient {
	t.Helper()
	stream, err := w.events.Watch(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetOpened() == nil {
		t.Fatalf("first message %v, error %v", m, err)
	}
	return stream
}

// read returns the next n events and how many were missed before them.
func read(t *testing.T, stream realtimev1.EventService_WatchClient, n int) (events []*realtimev1.Event, missed uint64) {
	t.Helper()
	for len(events) < n {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, m.GetBatch().GetEvents()...)
		missed += m.GetBatch().GetMissed()
	}
	if len(events) != n {
		t.Fatalf("%d events, want %d", len(events), n)
	}
	return events, missed
}

// life is what one socket does: connected, n events, disconnected.
func life(w *world, namespace string, n int) rooms.SocketID {
	id := rooms.NewSocketID()
	w.feed.Observe(&rooms.Event{Kind: rooms.KindConnected, Namespace: namespace, Socket: id, Info: &rooms.Info{ID: id, Namespace: namespace}})
	for i := range n {
		w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: namespace, Socket: id, Name: strconv.Itoa(i)})
	}
	w.feed.Observe(&rooms.Event{Kind: rooms.KindDisconnected, Namespace: namespace, Socket: id, Reason: rooms.ReasonTransportClose})
	return id
}

// I1: connected, events, disconnected, for every watcher.
func TestI1WatchKeepsTheOrder(t *testing.T) {
	w := newWorld(t)
	streams := []realtimev1.EventService_WatchClient{watch(t, w, &realtimev1.WatchRequest{}), watch(t, w, &realtimev1.WatchRequest{})}
	const n = 1000
	id := life(w, "/", n).String()
	for _, stream := range streams {
		events, missed := read(t, stream, n+2)
		if missed != 0 {
			t.Errorf("%d missed", missed)
		}
		if events[0].GetConnected().GetSocket().GetId() != id || events[n+1].GetDisconnected() == nil {
			t.Errorf("begins with %v, ends with %v", events[0], events[n+1])
		}
		for i, e := range events[1 : n+1] {
			if e.GetReceived().GetName() != strconv.Itoa(i) || e.GetSocketId() != id {
				t.Fatalf("event %d is %v", i, e)
			}
		}
	}
}

// I5: a watcher that does not read is told how many it lost.
func TestI5WatchTellsWhatWasMissed(t *testing.T) {
	var f *feed.Feed
	w := newWorld(t, func(cfg *Config) {
		var err error
		if f, err = feed.New(feed.Config{QueueEvents: 10}); err != nil {
			t.Fatal(err)
		}
		cfg.Feed = f
	})
	stream := watch(t, w, &realtimev1.WatchRequest{})
	// Flow control stops the server soon; what is observed until then is read, what comes later is counted.
	const observed = 2000
	for i := range observed {
		f.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: strconv.Itoa(i), Args: make([]byte, 10_000)})
	}
	f.Shutdown()
	var seen, missed, lost uint64 // lost: since the last event
	last := -1
	for {
		m, err := stream.Recv()
		if err != nil {
			wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
			break
		}
		missed += m.GetBatch().GetMissed()
		lost += m.GetBatch().GetMissed()
		for _, e := range m.GetBatch().GetEvents() {
			n, err := strconv.Atoi(e.GetReceived().GetName())
			if err != nil {
				t.Fatal(err)
			}
			if n != last+1+int(lost) {
				t.Errorf("event %d after %d, %d missed between them", n, last, lost)
			}
			last, lost = n, 0
			seen++
		}
	}
	if seen+missed != observed || missed == 0 || missed != f.Stats().Missed {
		t.Errorf("%d seen and %d missed of %d; stats %+v", seen, missed, observed, f.Stats())
	}
}

func TestWatchFilters(t *testing.T) {
	w := newWorld(t)
	stream := watch(t, w, &realtimev1.WatchRequest{
		Namespaces: []string{"/chat"},
		Kinds:      []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_RECEIVED, realtimev1.EventKind_EVENT_KIND_DISCONNECTED},
		EventNames: []string{"1", "3"},
	})
	life(w, "/", 5)
	life(w, "/chat", 5)
	events, _ := read(t, stream, 3)
	if events[0].GetReceived().GetName() != "1" || events[1].GetReceived().GetName() != "3" || events[2].GetDisconnected() == nil {
		t.Errorf("events %v", events)
	}
}

func TestWatchErrors(t *testing.T) {
	w := newWorld(t)
	stream, err := w.events.Watch(w.ctx, &realtimev1.WatchRequest{Namespaces: []string{"/", "/none"}})
	if err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.NotFound, "NAMESPACE_NOT_FOUND")
}

// What was observed before Shutdown is read before the stream ends.
func TestWatchEndsAtShutdown(t *testing.T) {
	w := newWorld(t)
	stream := watch(t, w, &realtimev1.WatchRequest{})
	life(w, "/", 0)
	w.svc.Shutdown()
	read(t, stream, 2)
	_, err := stream.Recv()
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")

	late, err := w.events.Watch(w.ctx, &realtimev1.WatchRequest{})
	if err == nil {
		_, err = late.Recv()
	}
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
}

// The largest event that the feed passes on fits into what a gRPC client takes by default.
func TestLargestEventCanBeReceived(t *testing.T) {
	w := newWorld(t)
	stream := watch(t, w, &realtimev1.WatchRequest{})
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: "large", Args: make([]byte, feed.MaxEventBytes-1000)})
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: "too large", Args: make([]byte, feed.MaxEventBytes)})
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: "small"})
	events, missed := read(t, stream, 2)
	if events[0].GetReceived().GetName() != "large" || events[1].GetReceived().GetName() != "small" || missed != 1 {
		t.Errorf("events %q and %q, %d missed", events[0].GetReceived().GetName(), events[1].GetReceived().GetName(), missed)
	}
	if n := proto.Size(events[0]); n > 4<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestReply(t *testing.T) {
	w := newWorld(t)
	stream := watch(t, w, &realtimev1.WatchRequest{})
	f := w.socket(t, "/chat", "")
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/chat", Socket: f.ID(), Name: "ask", WantsAck: true, AckID: 7})
	events, _ := read(t, stream, 1)
	token := events[0].GetReceived().GetAckToken()

	reply := func(token string) error {
		_, err := w.events.Reply(w.ctx, &realtimev1.ReplyRequest{AckToken: token, Arguments: ` [ "ok" ]`, Attachments: [][]byte{{1}}})
		return err
	}
	if err := reply(token); err != nil {
		t.Fatal(err)
	}
	if m := f.replies[7]; m == nil || string(m.Args) != `"ok"` || len(m.Attachments) != 1 {
		t.Errorf("reply %+v", m)
	}
	f.onReply = func(uint64) error { return rooms.ErrAckUnknown }
	wantStatus(t, reply(token), codes.FailedPrecondition, "ACK_UNKNOWN")
	f.onReply = func(uint64) error { return rooms.ErrSocketGone }
	wantStatus(t, reply(token), codes.NotFound, "SOCKET_NOT_FOUND")
	f.ns.Remove(f)
	wantStatus(t, reply(token), codes.NotFound, "SOCKET_NOT_FOUND")

	other := ackToken{node: "n0", namespace: "/chat", socket: f.ID(), ack: 7}
	wantStatus(t, reply(other.String()), codes.NotFound, "NODE_NOT_FOUND")
	other = ackToken{node: "n1", namespace: "/none", socket: f.ID(), ack: 7}
	wantStatus(t, reply(other.String()), codes.NotFound, "NAMESPACE_NOT_FOUND")
}
