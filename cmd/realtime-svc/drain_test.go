package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// drainEnv asks for the drain in full (make drain).
const drainEnv = "REALTIME_TEST_DRAIN"

// A second process is started on the socket of the first, which is then ended: its clients are sent on at the configured rate and connect again, at
// once and each once, while others come and go. Nobody is refused, and the first tells of every disconnect.
func TestRestartRefusesNobody(t *testing.T) {
	clients, rate := 500, 1000
	if os.Getenv(drainEnv) != "" {
		clients, rate = 10_000, 1000
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	edge := listener.Addr().String()
	_ = listener.Close() // the file stays

	flags := []string{
		"--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--engine=" + onPortsOfTheirOwn().Engine, "--grace-period=5m", fmt.Sprintf("--drain-rate=%d", rate),
	}
	first := launchWith(t, map[string]*os.File{"edge": socket}, flags...)
	watch := watchDisconnects(t, regexp.MustCompile(` grpc_listen=(\S+)`).FindStringSubmatch(first.line("started"))[1])
	m := &move{t: t, storm: &storm{t: t, edge: edge}}
	m.connect(clients)
	stop := m.comeAndGo()

	second := launchWith(t, map[string]*os.File{"edge": socket}, flags...)
	second.line("started")
	began := time.Now()
	first.signal(syscall.SIGTERM)
	m.moved.Wait()
	took := time.Since(began)
	if code := first.exit(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, first.all.String())
	}
	stop()
	told := 0
	for range watch {
		told++
	}
	if told < clients {
		t.Errorf("the first process told of %d disconnects, want one for each of %d", told, clients)
	}
	t.Logf("%d clients moved in %v at %d a second, beside %d that came and went; %d failures; %d disconnects told; peak RSS of the first %s",
		clients, took.Round(time.Millisecond), rate, m.came.Load(), m.failed.Load(), told, peakRSS(second.cmd.Process.Pid))
	for _, c := range m.all {
		_ = c.conn.Close()
	}
	second.signal(syscall.SIGTERM)
	if code := second.exit(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, second.all.String())
	}
}

// move is clients that are sent on.
type move struct {
	t     *testing.T
	storm *storm
	all   []*tossed

	moved        sync.WaitGroup
	failed, came atomic.Int64
}

// connect brings the clients, each of which connects again when it is cut.
func (m *move) connect(clients int) {
	m.t.Helper()
	for i := range clients {
		c := &tossed{storm: m.storm, patience: 5 * time.Minute}
		if err := c.connect(); err != nil {
			m.t.Fatalf("client %d: %v", i, err)
		}
		m.all = append(m.all, c)
		m.moved.Go(func() {
			cut := c.read(func() bool { return false })
			_ = c.conn.Close()
			before := c.sid
			if err := c.connect(); err != nil {
				m.failed.Add(1)
				m.t.Errorf("client %d was cut by %v and refused: %v", i, cut, err)
			} else if c.sid == before {
				m.t.Errorf("client %d is where it was", i)
			}
		})
	}
}

// comeAndGo has clients come all the time, one after the other, until stop.
func (m *move) comeAndGo() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var going sync.WaitGroup
	for range 4 {
		going.Go(func() {
			for ctx.Err() == nil {
				c := &tossed{storm: m.storm}
				// Who is sent on right after the 101 may hear nothing of its CONNECT: it was let in, and comes again.
				if err := c.connect(); err != nil && !errors.Is(err, errFrame) {
					m.failed.Add(1)
					m.t.Errorf("one that came: %v", err)
				}
				if c.conn != nil {
					_ = c.conn.Close()
				}
				m.came.Add(1)
			}
		})
	}
	return func() {
		cancel()
		going.Wait()
	}
}

// watchDisconnects returns the disconnects that a process tells of because it ends; the channel is closed with the stream.
func watchDisconnects(t *testing.T, address string) <-chan struct{} {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := realtime.NewEventServiceClient(conn).Watch(t.Context(), &realtime.WatchRequest{
		Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_DISCONNECTED},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // it stands
		t.Fatal(err)
	}
	told := make(chan struct{}, 1_000_000)
	go func() { // ends with the process
		defer close(told)
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			for _, e := range r.GetBatch().GetEvents() {
				if e.GetDisconnected().GetReason() == realtime.DisconnectReason_DISCONNECT_REASON_SHUTTING_DOWN {
					told <- struct{}{}
				}
			}
		}
	}()
	return told
}
