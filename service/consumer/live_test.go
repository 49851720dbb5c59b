package consumer

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// liveService is the control plane itself, without an edge: the test is the clients.
type liveService struct {
	*feed.Feed
	address string
}

func newLiveService(t *testing.T) *liveService {
	t.Helper()
	var hub *rooms.Hub
	f, err := feed.New(feed.Config{WantRoomEvents: func(delta int) { hub.WantRoomEvents(delta) }})
	if err != nil {
		t.Fatal(err)
	}
	if hub, err = rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}, RoomEvents: f.ObserveRooms}); err != nil {
		t.Fatal(err)
	}
	svc, err := service.New(service.Config{Hub: hub, Feed: f, NodeID: "n1", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server, err := service.NewServer(svc, service.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		svc.Shutdown()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &liveService{f, listener.Addr().String()}
}

// dial returns a connection and a function that breaks it; gRPC mends it.
func (s *liveService) dial(t *testing.T) (conn *grpc.ClientConn, cut func()) {
	t.Helper()
	var mu sync.Mutex
	var wires []net.Conn
	dialer := func(ctx context.Context, address string) (net.Conn, error) {
		wire, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		mu.Lock()
		defer mu.Unlock()
		wires = append(wires, wire)
		return wire, err
	}
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dialer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, wire := range wires {
			_ = wire.Close()
		}
		wires = nil
	}
}

// chaos is a group whose handlers fail in all ways, and what must be true of it nevertheless.
type chaos struct {
	*testing.T

	mu        sync.Mutex // guards the following
	random    *rand.Rand
	succeeded map[string]int    // by socket: up to which of its events a handler has succeeded
	running   map[[2]string]int // by member and socket: which of its events a handler has
	missing   int
	progress  chan struct{} // missing has changed
}

// handler of one member.
func (c *chaos) handler(member string) Handler {
	return HandlerFunc(func(ctx context.Context, event *Event) error {
		socket := event.GetSocketId()
		n, err := strconv.Atoi(event.GetReceived().GetName())
		if err != nil {
			return err
		}
		what := c.begin(member, socket, n)
		defer c.end(member, socket)
		switch {
		case what < 6:
			panic("so it goes")
		case what < 12:
			return Retry(errors.New("not now"), time.Millisecond)
		case what < 13:
			<-ctx.Done() // until the ack timeout, or the end of the stream
			return context.Cause(ctx)
		case what < 14:
			<-ctx.Done()
		case what < 50:
			runtime.Gosched()
		}
		c.succeed(socket, n)
		return nil
	})
}

func (c *chaos) begin(member, socket string, n int) (what int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.running[[2]string{member, socket}]; other != 0 {
		c.Errorf("member %s handles event %d of socket %s while it handles %d (K1)", member, n, socket, other)
	}
	c.running[[2]string{member, socket}] = n
	if done := c.succeeded[socket]; n > done+1 {
		c.Errorf("event %d of socket %s is handled after %d: what is in between was left out", n, socket, done)
	}
	return c.random.IntN(100)
}

func (c *chaos) end(member, socket string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, [2]string{member, socket})
}

func (c *chaos) succeed(socket string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == c.succeeded[socket]+1 {
		c.succeeded[socket] = n
		c.missing--
		select {
		case c.progress <- struct{}{}:
		default:
		}
	}
}

// The whole of it against the service: handlers fail, panic and take too long, connections break, members come and go; every event is handled at
// least once and in order.
func TestAtLeastOnceInOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const sockets, perSocket = 40, 50
	s := newLiveService(t)
	c := &chaos{
		T: t, random: rand.New(rand.NewPCG(seed, 0)), succeeded: map[string]int{}, running: map[[2]string]int{},
		missing: sockets * perSocket, progress: make(chan struct{}, 1),
	}
	join := func(name string) (member *Consumer, cut func()) {
		conn, cut := s.dial(t)
		stood := make(chan struct{}, 1)
		member, err := New(conn, Config{
			Group: "g", AckTimeout: 100 * time.Millisecond, Concurrency: 8, MaxEvents: 64, Logger: slog.New(slog.DiscardHandler),
			ReconnectPause: Backoff{time.Millisecond, 10 * time.Millisecond}, RetryPause: Backoff{time.Millisecond, time.Millisecond},
			Opened: func(context.Context, *realtimev1.ConsumeOpened) error {
				select {
				case stood <- struct{}{}:
				default:
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- member.Run(t.Context(), c.handler(name)) }()
		t.Cleanup(func() {
			if err := <-ended; err != nil {
				t.Errorf("%s: Run returns %v", name, err)
			}
		})
		<-stood
		return member, cut
	}
	first, cutFirst := join("first")
	_, cutSecond := join("second")
	ids := make([]rooms.SocketID, sockets)
	for i := range ids {
		ids[i] = rooms.NewSocketID()
	}
	for n := 1; n <= perSocket; n++ {
		for _, id := range ids {
			s.Observe(&rooms.Event{
				Kind: rooms.KindEvent, Namespace: "/", Socket: id, Time: time.Now(), Name: strconv.Itoa(n), Args: []byte("[]"),
			})
		}
	}
	c.watch(map[int]func(){
		1900: cutFirst, 1700: cutSecond, 1500: func() { join("third") }, 1400: cutFirst, 1200: cutSecond,
		1000: func() {
			if err := first.Drain(t.Context()); err != nil {
				t.Errorf("Drain returns %v", err)
			}
		}, 800: cutSecond, 400: cutSecond, 100: cutSecond,
	})
}

// watch waits until no event is missing, and does what is to be done when so many are left.
func (c *chaos) watch(then map[int]func()) {
	timeout := time.After(time.Minute)
	for missing := 1; missing > 0; {
		select {
		case <-c.progress:
		case <-timeout:
			c.Fatal("events are still missing")
		}
		c.mu.Lock()
		missing = c.missing
		c.mu.Unlock()
		for at, do := range then { // several at a time if it is quick
			if missing <= at {
				delete(then, at)
				do()
			}
		}
	}
}
