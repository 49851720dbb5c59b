package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

const (
	// chaosEnv is how long the chaos goes on (make chaos), as a duration.
	chaosEnv = "REALTIME_TEST_CHAOS"
	// chaosSeedEnv replays one.
	chaosSeedEnv = "REALTIME_TEST_CHAOS_SEED"
	// chaosMemberEnv makes the test binary a member of a consumer group: ADDRESS GROUP SEED.
	chaosMemberEnv = "REALTIME_TEST_CHAOS_MEMBER"
)

// TestConsumeChaos has the real binary between real connections and members that are processes: they are killed, cut off, stall,
// acknowledge late, give back, leave and join. Each group gets every event that the server read at least once, those of a socket
// first in order, connected first and disconnected last, and no member more than it asked for.
func TestConsumeChaos(t *testing.T) {
	c := &chaos{t: t, seed: uint64(time.Now().UnixNano()), clients: 40, members: 3, lasts: 6 * time.Second}
	if text := os.Getenv(chaosEnv); text != "" {
		var err error
		if c.lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		c.clients = 200
	}
	if text := os.Getenv(chaosSeedEnv); text != "" {
		_, _ = fmt.Sscan(text, &c.seed)
	}
	t.Logf("seed %d", c.seed)
	_, started := launchOnAnyPorts(t, "--group-buffer=3MiB", "--group-socket-buffer=16KiB", "--ping-interval=500ms", "--ping-timeout=2s")
	c.edge = regexp.MustCompile(` listen=(\S+)`).FindStringSubmatch(started)[1]
	c.grpc = regexp.MustCompile(` grpc_listen=(\S+)`).FindStringSubmatch(started)[1]
	c.run()
	t.Logf("%d sockets, %d more refused as there was no room, %d events sent, %d deliveries, %d of them again, %d members killed, %d ended otherwise",
		c.sockets.Load(), c.refused.Load(), c.sent.Load(), c.deliveries, c.again, c.killed.Load(), c.ended.Load())
	if c.again == 0 || c.killed.Load() == 0 {
		t.Error("nothing was ever delivered again: the chaos is none")
	}
}

// chaos is one run.
type chaos struct {
	// Fixed before it begins.
	t                *testing.T
	seed             uint64
	clients, members int
	lasts            time.Duration
	edge, grpc       string
	groups           [2]*witness

	sockets, refused, sent, killed, ended atomic.Int64

	deliveries, again int // set at the end
}

// witness reads what the members of one group say, all of them into one pipe, and so in the order in which they said it.
type witness struct {
	c    *chaos
	name string
	pipe *os.File      // members write here
	done chan struct{} // closed when all is read

	mu         sync.Mutex // guards the following
	seen       map[string]*life
	deliveries int
	again      int
}

// life is what was delivered of one socket.
type life struct {
	next int  // the number that has not come yet
	over bool // disconnected has come
}

func (c *chaos) run() {
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	var members, clients sync.WaitGroup
	for i := range c.groups {
		c.groups[i] = c.newWitness(fmt.Sprint("g", i))
		for j := range c.members {
			r := rand.New(rand.NewPCG(c.seed, uint64(i*100+j)))
			ready := make(chan struct{})
			members.Go(func() { c.memberLives(ctx, c.groups[i], r, sync.OnceFunc(func() { close(ready) })) })
			<-ready // the group is there before the clients are
		}
	}
	expected := make([]map[string]int, c.clients)
	until := time.Now().Add(c.lasts)
	for i := range expected {
		expected[i] = map[string]int{}
		clients.Go(func() {
			r := rand.New(rand.NewPCG(c.seed, uint64(1000+i)))
			for time.Now().Before(until) {
				if err := c.clientLives(r, expected[i]); err != nil {
					c.t.Errorf("client: %v", err)
					return
				}
			}
		})
	}
	clients.Wait()
	for _, w := range c.groups {
		w.awaitAll(expected)
	}
	stop()
	members.Wait()
	for _, w := range c.groups {
		_ = w.pipe.Close()
		<-w.done
		c.deliveries += w.deliveries
		c.again += w.again
	}
}

// clientLives is one socket: it connects, sends numbered events and ends, one way or the other. expected gets how many the
// server must have read: all, if the client left in order.
func (c *chaos) clientLives(r *rand.Rand, expected map[string]int) error {
	conn, err := net.Dial("tcp", c.edge)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(stormPatience))
	s := &tossed{conn: conn, r: bufio.NewReaderSize(conn, 1024)}
	fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if _, err := http.ReadResponse(s.r, nil); err != nil {
		return err
	}
	if err := s.send("40"); err != nil {
		return err
	}
	switch err := s.read(func() bool { return s.pastConnect }); {
	case errors.Is(err, errNotLetIn): // a group has no room
		c.refused.Add(1)
		return nil
	case err != nil:
		return fmt.Errorf("connect: %w", err)
	}
	c.sockets.Add(1)
	n := 1 + r.IntN(120)
	padding := strings.Repeat("x", r.IntN(80))
	for i := range n {
		if err := s.send(fmt.Sprintf(`42["m",%d,%q]`, i+1, padding)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		c.sent.Add(1)
		if r.IntN(40) == 0 {
			<-time.After(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	expected[s.sid] = n
	// The answer to another CONNECT, whatever it is, shows that everything was read.
	s.pastConnect = false
	for _, packet := range []string{"41", "40"} {
		if err := s.send(packet); err != nil {
			return err
		}
	}
	if err := s.read(func() bool { return s.pastConnect }); err != nil && !errors.Is(err, errNotLetIn) {
		return fmt.Errorf("before the server has read everything: %w", err)
	}
	return nil
}

// memberLives starts one member process after the other, until ctx ends.
func (c *chaos) memberLives(ctx context.Context, w *witness, r *rand.Rand, ready func()) {
	for ctx.Err() == nil {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", chaosMemberEnv, c.grpc, w.name, r.Uint64()), "GORACE=atexit_sleep_ms=0")
		cmd.Stdout, cmd.Stderr = w.pipe, os.Stderr
		joined, err := cmd.StdinPipe()
		if err != nil {
			c.t.Error(err)
			return
		}
		if err := cmd.Start(); err != nil {
			c.t.Error(err)
			return
		}
		gone := make(chan error, 1)
		go func() { gone <- cmd.Wait() }()
		w.awaitMember(cmd.Process.Pid, gone)
		ready()
		select {
		case <-gone:
			c.ended.Add(1)
			continue
		case <-time.After(time.Duration(200+r.IntN(1500)) * time.Millisecond):
			c.killed.Add(1)
		case <-ctx.Done():
		}
		_ = cmd.Process.Kill()
		_ = joined.Close()
		<-gone
	}
}

// said is a line of a member's.
type said struct {
	Joined  int    `json:"joined,omitempty"` // its process
	Socket  string `json:"socket,omitempty"`
	Number  int    `json:"number,omitempty"` // of the event: 0 connected, -1 disconnected
	Attempt int    `json:"attempt,omitempty"`
	Fault   string `json:"fault,omitempty"`
}

func (c *chaos) newWitness(name string) *witness {
	r, pipe, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	w := &witness{c: c, name: name, pipe: pipe, done: make(chan struct{}), seen: map[string]*life{}}
	go w.read(r)
	return w
}

// read notes lines until the pipe is closed.
func (w *witness) read(r *os.File) {
	defer close(w.done)
	defer func() { _ = r.Close() }()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line said
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			w.fault("a member says %q", lines.Text())
			continue
		}
		w.note(&line)
	}
}

func (w *witness) fault(format string, args ...any) {
	w.c.t.Errorf("seed %d, group %s: %s", w.c.seed, w.name, fmt.Sprintf(format, args...))
}

func (w *witness) note(line *said) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case line.Fault != "":
		w.fault("%s", line.Fault)
		return
	case line.Joined != 0:
		w.seen[memberName(line.Joined)] = &life{}
		return
	}
	w.deliveries++
	if line.Attempt > 1 {
		w.again++
	}
	l := w.seen[line.Socket]
	if l == nil {
		l = &life{}
		w.seen[line.Socket] = l
	}
	switch {
	case line.Number < 0:
		l.over = true
	case line.Number > l.next:
		w.fault("%s: event %d comes before %d", line.Socket, line.Number, l.next)
	case line.Number == l.next && l.over:
		w.fault("%s: event %d comes after the end", line.Socket, line.Number)
	case line.Number == l.next:
		l.next++
	}
}

func memberName(pid int) string { return fmt.Sprint("member ", pid) }

// awaitMember waits until the process is a member, or gone.
func (w *witness) awaitMember(pid int, gone chan error) {
	for {
		w.mu.Lock()
		_, ok := w.seen[memberName(pid)]
		delete(w.seen, memberName(pid))
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case err := <-gone:
			gone <- err
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// awaitAll waits until everything has come of every socket.
func (w *witness) awaitAll(expected []map[string]int) {
	deadline := time.Now().Add(stormPatience)
	for {
		missing := w.missing(expected)
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			w.fault("%s", missing)
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

// missing names a socket of which something has not come; empty: there is none.
func (w *witness) missing(expected []map[string]int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, sockets := range expected {
		for id, n := range sockets {
			switch l := w.seen[id]; {
			case l == nil:
				return fmt.Sprintf("%s: nothing came", id)
			case l.next != n+1 || !l.over:
				return fmt.Sprintf("%s: %d of %d came, the end: %v", id, l.next-1, n, l.over)
			}
		}
	}
	return ""
}

// chaosMember is the member: it takes, says what it got, and then decides what becomes of it.
func chaosMember(args string) error {
	var address, group string
	var seed uint64
	if _, err := fmt.Sscan(args, &address, &group, &seed); err != nil {
		return err
	}
	m := &badMember{r: rand.New(rand.NewPCG(seed, 0)), out: json.NewEncoder(os.Stdout)}
	m.most = 1 + m.r.IntN(200)
	go func() { // ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	stream, err := realtime.NewEventServiceClient(conn).Consume(context.Background())
	if err != nil {
		return err
	}
	m.stream = stream
	err = m.run(group)
	_ = conn.Close()
	return err
}

// badMember is a member with moods.
type badMember struct {
	r      *rand.Rand
	out    *json.Encoder
	stream realtime.EventService_ConsumeClient
	most   int // deliveries that may be unsettled

	held    []uint64 // unsettled deliveries
	leaving bool
}

func (m *badMember) run(group string) error {
	open := &realtime.ConsumeOpen{Group: group, MaxEvents: uint32(m.most), AckTimeout: durationpb.New(time.Duration(300+m.r.IntN(700)) * time.Millisecond)}
	if err := m.stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Open{Open: open}}); err != nil {
		return err
	}
	if _, err := m.stream.Recv(); err != nil {
		return err
	}
	if err := m.out.Encode(said{Joined: os.Getpid()}); err != nil {
		return err
	}
	for {
		r, err := m.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, d := range r.GetBatch().GetDeliveries() {
			if err := m.take(d); err != nil {
				return err
			}
		}
		if err := m.settle(); err != nil {
			return err
		}
	}
}

func (m *badMember) take(d *realtime.ConsumeDelivery) error {
	line := said{Socket: d.GetEvent().GetSocketId(), Attempt: int(d.GetAttempt())}
	switch {
	case d.GetEvent().GetDisconnected() != nil:
		line.Number = -1
	case d.GetEvent().GetReceived() != nil:
		if _, err := fmt.Sscanf(d.GetEvent().GetReceived().GetArguments(), "[%d", &line.Number); err != nil {
			line.Fault = err.Error()
		}
	}
	m.held = append(m.held, d.GetId())
	if len(m.held) > m.most && m.r.IntN(2) == 0 { // those that timed out are no longer its own: it cannot tell which
		m.held = m.held[len(m.held)-m.most:]
	}
	return m.out.Encode(line)
}

// settle does with what it holds as its mood is.
func (m *badMember) settle() error {
	s := &realtime.ConsumeSettle{}
	keep := m.held[:0]
	for _, id := range m.held {
		switch m.r.IntN(20) {
		case 0:
			keep = append(keep, id) // says nothing for now
		case 1:
			s.Nacks = append(s.Nacks, &realtime.ConsumeNack{DeliveryId: id, Delay: durationpb.New(time.Duration(m.r.IntN(50)) * time.Millisecond)})
		case 2:
			s.Nacks = append(s.Nacks, &realtime.ConsumeNack{DeliveryId: id, Release: true})
		default:
			s.Acks = append(s.Acks, id)
		}
	}
	m.held = keep
	switch n := m.r.IntN(400); {
	case n == 0: // stalls, or is killed meanwhile
		<-time.After(2 * time.Second)
	case n < 4 && !m.leaving:
		m.leaving = true
		if err := m.stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Leave{Leave: &realtime.ConsumeLeave{}}}); err != nil {
			return err
		}
	case n < 6:
		return errors.New("cuts itself off")
	case n < 20:
		credit := &realtime.ConsumeCredit{MaxEvents: uint32(1 + m.r.IntN(m.most))}
		if err := m.stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Credit{Credit: credit}}); err != nil {
			return err
		}
	}
	return m.stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Settle{Settle: s}})
}
