package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

const (
	pressers = 150 // clients that send more than their group, and each more than it may have waiting there
	pressed  = 300 // events of each
	// pressure is what waits at most: the group's bound, and of each client the event that it was held for, which counts
	// for less than a KiB.
	pressure = 3<<20 + pressers<<10
	// pressureRSS is what the process may hold more then: what waits (3 MiB), a read buffer and goroutines for each client, and what it
	// says of itself, all of it several times under the race detector and again before it is collected. 32 to 60 MiB were seen.
	pressureRSS = 96 << 20
)

// TestConsumeHoldsClientsBack has many clients send far more than a group has room for while its member settles nothing. They are held
// and stay connected, the server's memory stays within its bound, another group and a watcher get everything meanwhile, and once the
// member goes on, it gets everything, in order.
func TestConsumeHoldsClientsBack(t *testing.T) {
	p, started := launchOnAnyPorts(t, "--group-buffer=3MiB", "--group-socket-buffer=32KiB", "--ping-interval=500ms", "--ping-timeout=3s")
	address := func(key string) string {
		return regexp.MustCompile(` ` + key + `=(\S+)`).FindStringSubmatch(started)[1]
	}
	conn, err := grpc.NewClient(address("grpc_listen"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	events := realtime.NewEventServiceClient(conn)
	stalled, other := joinAlone(t, events, "stalled", "m"), joinAlone(t, events, "other", "free")
	watch, err := events.Watch(t.Context(), &realtime.WatchRequest{EventNames: []string{"free"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, edge: address("listen")}
	all := c.connectMany(pressers + 1) // before the group is full
	defer func() {
		for _, s := range all {
			_ = s.conn.Close()
		}
	}()
	bystander := all[pressers]
	go func() { _ = bystander.read(func() bool { return false }) }() // its heartbeats, until it is closed
	before := rss(p.cmd.Process.Pid)

	// Each of them reads several heartbeats, which together take longer than a client may be silent.
	var sent, alive, clients sync.WaitGroup
	again := make(chan struct{})
	for _, s := range all[:pressers] {
		sent.Add(1)
		alive.Add(1)
		clients.Go(func() {
			if err := c.presses(s, sent.Done, alive.Done, again); err != nil {
				t.Error(err)
			}
		})
	}
	sent.Wait()
	admin := address("admin_listen")
	for deadline := time.Now().Add(stormPatience); metric(t, admin, "realtime_sessions_paused") != pressers; {
		if t.Failed() || time.Now().After(deadline) {
			t.Fatal("not all clients are held")
		}
		<-time.After(10 * time.Millisecond)
	}
	for n := range 100 {
		if err := bystander.send(fmt.Sprintf(`42["free",%d]`, n)); err != nil {
			t.Fatal(err)
		}
	}
	gets(t, other, map[string]int{}, 100)
	watches(t, watch, 100)
	alive.Wait()
	more := rss(p.cmd.Process.Pid) - before
	if waits := metric(t, admin, `realtime_group_backlog_bytes{group="stalled"}`); waits > pressure || more > pressureRSS {
		t.Errorf("%.0f bytes wait, at most %d may; the server has %d bytes more, at most %d", waits, pressure, more, pressureRSS)
	}
	t.Logf("while %d clients were held, the server had %d KiB more", pressers, more>>10)

	close(again)
	gets(t, stalled, map[string]int{}, pressers*pressed)
	clients.Wait()
}

// connectMany opens that many sockets at once.
func (c *chaos) connectMany(count int) []*tossed {
	all := make([]*tossed, count)
	var connecting sync.WaitGroup
	for i := range all {
		connecting.Go(func() {
			var err error
			if all[i], err = c.connects(); err != nil {
				c.t.Error(err)
			}
		})
	}
	connecting.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
	return all
}

// presses sends everything, stays for its heartbeats, and leaves once it may.
func (c *chaos) presses(s *tossed, sent, alive func(), again <-chan struct{}) error {
	sent, alive = sync.OnceFunc(sent), sync.OnceFunc(alive)
	defer alive()
	defer sent()
	for n := range pressed {
		if err := s.send(fmt.Sprintf(`42["m",%d,%q]`, n, strings.Repeat("x", 80))); err != nil {
			return err
		}
	}
	sent()
	packets := 0
	err := s.read(func() bool { packets++; return packets > 8 })
	alive()
	if err != nil {
		return fmt.Errorf("while it was held: %w", err)
	}
	err = s.read(func() bool { // more heartbeats, until it is told
		select {
		case <-again:
			return true
		default:
			return false
		}
	})
	if err != nil {
		return fmt.Errorf("while it was held: %w", err)
	}
	return c.leaves(s)
}

// joinAlone opens a membership that gets events of that name.
func joinAlone(t *testing.T, events realtime.EventServiceClient, group, name string) realtime.EventService_ConsumeClient {
	t.Helper()
	stream, err := events.Consume(t.Context())
	if err == nil {
		err = stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Open{Open: &realtime.ConsumeOpen{
			Group: group, Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_RECEIVED}, EventNames: []string{name},
			MaxEvents: 100, AckTimeout: durationpb.New(time.Hour),
		}}})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// gets takes and acknowledges that many events, each socket's in order.
func gets(t *testing.T, stream realtime.EventService_ConsumeClient, next map[string]int, count int) {
	t.Helper()
	for got := 0; got < count; {
		r, err := stream.Recv()
		if err != nil {
			t.Fatalf("after %d of %d events: %v", got, count, err)
		}
		s := &realtime.ConsumeSettle{}
		for _, d := range r.GetBatch().GetDeliveries() {
			got++
			inTurn(t, next, d.GetEvent())
			s.Acks = append(s.Acks, d.GetId())
		}
		if err := stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Settle{Settle: s}}); err != nil {
			t.Fatal(err)
		}
	}
}

// watches reads that many events, each socket's in order.
func watches(t *testing.T, stream realtime.EventService_WatchClient, count int) {
	t.Helper()
	next := map[string]int{}
	for got := 0; got < count; {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.GetBatch().GetEvents() {
			got++
			if e.GetReceived() != nil {
				inTurn(t, next, e)
			}
		}
	}
}

// inTurn checks that the event has the next number of its socket.
func inTurn(t *testing.T, next map[string]int, e *realtime.Event) {
	t.Helper()
	var args []any
	if err := json.Unmarshal([]byte(e.GetReceived().GetArguments()), &args); err != nil {
		t.Fatal(err)
	}
	if args[0] != float64(next[e.GetSocketId()]) {
		t.Fatalf("%s: %v comes instead of %d", e.GetSocketId(), args[0], next[e.GetSocketId()])
	}
	next[e.GetSocketId()]++
}

// metric is one number of the process that listens there for admins.
func metric(t *testing.T, admin, name string) float64 {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", admin)
	if err != nil {
		t.Fatal(err)
	}
	_, text := fetch(t, at, "/metrics")
	value := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if value == nil {
		t.Fatalf("no %s among the metrics", name)
	}
	number, err := strconv.ParseFloat(value[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// rss is how much memory a process has, in bytes; 0 where the system does not say.
func rss(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	size := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(status)
	if size == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(size[1]))
	return kib << 10
}
