package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
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
)

const (
	// chaosEnv is how long the chaos goes on (make chaos), as a duration.
	chaosEnv = "REALTIME_TEST_CHAOS"
	// chaosSeedEnv replays one.
	chaosSeedEnv = "REALTIME_TEST_CHAOS_SEED"
	// chaosMemberEnv makes the test binary a member of a consumer group: ADDRESS GROUP SEED.
	chaosMemberEnv = "REALTIME_TEST_CHAOS_MEMBER"
	// chaosPatience is a deadline for failures: a client may be held back for long when its machine is busy with starting members.
	chaosPatience = 3 * time.Minute
)

// TestConsumeChaos has the real binary between real connections and members that are processes: they are killed, cut off, stall,
// acknowledge late, give back, leave and join. Each group gets every event that the server read at least once, those of a socket
// first in order, connected first and disconnected last, each redelivery with an attempt of its own to a member that has all that
// is unsettled before it, and no member more than it asked for.
func TestConsumeChaos(t *testing.T) {
	c := &chaos{t: t, seed: uint64(time.Now().UnixNano()), clients: 40, members: 2, lasts: 6 * time.Second}
	if text := os.Getenv(chaosEnv); text != "" {
		var err error
		if c.lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		c.clients, c.members = 200, 3
	}
	if text := os.Getenv(chaosSeedEnv); text != "" {
		_, _ = fmt.Sscan(text, &c.seed)
	}
	t.Logf("seed %d", c.seed)
	p, started := launchOnAnyPorts(t, "--group-buffer=3MiB", "--group-socket-buffer=16KiB", "--ping-interval=500ms", "--ping-timeout=2s")
	c.edge = regexp.MustCompile(` listen=(\S+)`).FindStringSubmatch(started)[1]
	c.grpc = regexp.MustCompile(` grpc_listen=(\S+)`).FindStringSubmatch(started)[1]
	go func() { // otherwise the server waits, once the pipe is full, until somebody reads what it says
		for p.log.Scan() {
		}
	}()
	c.run()
	t.Logf("%d sockets, %d of them cut off, %d events sent, %d clients refused while a group was full, longest client %v; "+
		"%d deliveries, %d of them again; %d members killed, %d ended otherwise; server's peak RSS %s",
		c.sockets.Load(), c.cut.Load(), c.sent.Load(), c.refused.Load(), time.Duration(c.longest.Load()).Round(time.Millisecond),
		c.deliveries, c.again, c.killed.Load(), c.ended.Load(), peakRSS(p.cmd.Process.Pid))
	if c.again == 0 || c.killed.Load() == 0 || c.cut.Load() == 0 {
		t.Error("nothing was ever delivered again: the chaos is none")
	}
}

// chaos is one run.
type chaos struct {
	// Fixed before it begins.
	t                *testing.T
	seed             uint64
	clients, members int // of each group
	lasts            time.Duration
	edge, grpc       string
	groups           []*witness

	sockets, cut, sent, refused, longest, killed, ended atomic.Int64

	deliveries, again int // set at the end
}

// fate is what a client did with a socket.
type fate struct {
	sent int
	cut  bool // so that the server may have read less
}

func (c *chaos) run() {
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	var members sync.WaitGroup
	for i, name := range []string{groupHasty, groupPatient, groupKit} {
		w := newWitness(c.t, c.seed, name)
		c.groups = append(c.groups, w)
		for j := range c.members {
			r := rand.New(rand.NewPCG(c.seed, uint64(i*100+j)))
			ready := make(chan struct{})
			members.Go(func() { c.memberLives(ctx, w, r, sync.OnceFunc(func() { close(ready) })) })
			<-ready // the group is there before the clients are
		}
	}
	expected := c.clientsLive()
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
		w.agree(c.groups[0], expected)
	}
}

// clientsLive has clients come and go, and returns what became of their sockets.
func (c *chaos) clientsLive() map[string]fate {
	var clients sync.WaitGroup
	fates := make([]map[string]fate, c.clients)
	until := time.Now().Add(c.lasts)
	for i := range fates {
		fates[i] = map[string]fate{}
		clients.Go(func() {
			r := rand.New(rand.NewPCG(c.seed, uint64(1000+i)))
			for time.Now().Before(until) {
				began := time.Now()
				if err := c.clientLives(r, fates[i]); err != nil {
					c.t.Errorf("seed %d, client %d: %v", c.seed, i, err)
					return
				}
				for took := int64(time.Since(began)); ; {
					if old := c.longest.Load(); took <= old || c.longest.CompareAndSwap(old, took) {
						break
					}
				}
			}
		})
	}
	clients.Wait()
	all := map[string]fate{}
	for _, f := range fates {
		maps.Copy(all, f)
	}
	return all
}

// clientLives is one socket: it connects, sends numbered events and ends, one way or the other.
func (c *chaos) clientLives(r *rand.Rand, fates map[string]fate) error {
	s, err := c.connects()
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = s.conn.Close() }()
	if s.sid == "" { // refused, as a group is full
		c.refused.Add(1)
		<-time.After(time.Duration(r.IntN(200)) * time.Millisecond)
		return nil
	}
	c.sockets.Add(1)
	f := fate{sent: 1 + r.IntN(120), cut: r.IntN(4) == 0}
	padding := strings.Repeat("x", r.IntN(80))
	for i := range f.sent {
		if err := s.send(fmt.Sprintf(`42["m",%d,%q]`, i+1, padding)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		c.sent.Add(1)
		if r.IntN(40) == 0 {
			<-time.After(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	fates[s.sid] = f
	if f.cut {
		c.cut.Add(1)
		if tcp, ok := s.conn.(*net.TCPConn); ok && r.IntN(2) == 0 {
			_ = tcp.SetLinger(0) // what the server has not read is gone
		}
		return nil
	}
	return c.leaves(s)
}

// connects opens a socket; one without an id was refused.
func (c *chaos) connects() (*tossed, error) {
	conn, err := net.Dial("tcp", c.edge)
	if err != nil {
		return nil, err
	}
	s := &tossed{conn: conn, r: bufio.NewReaderSize(conn, 1024), patience: chaosPatience}
	fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	_, err = http.ReadResponse(s.r, nil)
	if err == nil {
		err = s.send("40")
	}
	if err == nil {
		err = s.read(func() bool { return s.pastConnect })
	}
	if err != nil && !errors.Is(err, errNotLetIn) {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// leaves disconnects, and knows from the answer to another CONNECT that everything was read.
func (c *chaos) leaves(s *tossed) error {
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
		alive, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			c.t.Error(err)
			ready()
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
		case <-time.After(time.Duration(300+r.IntN(4_000)) * time.Millisecond):
			c.killed.Add(1)
		case <-ctx.Done():
		}
		_ = cmd.Process.Kill()
		_ = alive.Close()
		<-gone
	}
}
