package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// server is a Socket.IO server that runs, and how it is told what to do.
type server interface {
	process() *process
	edge() string
	// fanout emits to everybody flat out until stop, with so much padding, and returns how many events that were.
	fanout(padding int) (stop func() (int, error), err error)
	// offer emits so many events a second to everybody for a while; each event's number is when it was due, in microseconds
	// since 1970.
	offer(rate int, lasts time.Duration, padding int) (int, error)
	// burst emits so many bytes to everybody.
	burst(bytes int) error
	end()
}

// node is Node's socket.io.
type node struct {
	p  *process
	at string
}

func startNode(script string) (server, error) {
	p, err := startProcess("node", script)
	if err != nil {
		return nil, err
	}
	port, err := p.say(`^listening (\d+)$`)
	if err != nil {
		return nil, err
	}
	return &node{p, "127.0.0.1:" + port[1]}, nil
}

func (n *node) process() *process { return n.p }
func (n *node) edge() string      { return n.at }
func (n *node) end()              { n.p.end() }

func (n *node) tell(command string, fields map[string]any) error {
	line := map[string]any{"command": command}
	for name, value := range fields {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = n.p.stdin.Write(append(text, '\n'))
	return err
}

func (n *node) done(command string) (count int, err error) {
	groups, err := n.p.say("^done " + command + ` (\d+)$`)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(groups[1], &count)
	return count, err
}

func (n *node) fanout(padding int) (func() (int, error), error) {
	stop := func() (int, error) {
		if err := n.tell("stop", nil); err != nil {
			return 0, err
		}
		return n.done("fanout")
	}
	return stop, n.tell("fanout", map[string]any{"padding": padding})
}

func (n *node) offer(rate int, lasts time.Duration, padding int) (int, error) {
	if err := n.tell("offer", map[string]any{"rate": rate, "ms": lasts.Milliseconds(), "padding": padding}); err != nil {
		return 0, err
	}
	return n.done("offer")
}

func (n *node) burst(bytes int) error {
	if err := n.tell("burst", map[string]any{"bytes": bytes}); err != nil {
		return err
	}
	_, err := n.done("burst")
	return err
}

// ours is realtime-svc.
type ours struct {
	p      *process
	worker *process // answers what clients ask
	at     string
	grpc   string
	admin  string
	conn   *grpc.ClientConn
	emit   realtime.EmitServiceClient
}

func startOurs(binary string, flags ...string) (server, error) {
	flags = append([]string{"--listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, flags...)
	p, err := startProcess(binary, flags...)
	if err != nil {
		return nil, err
	}
	at, err := p.say(` listen=(\S+) grpc_listen=(\S+) admin_listen=(\S+)`)
	if err != nil {
		return nil, err
	}
	o := &ours{p: p, at: at[1], grpc: at[2], admin: at[3]}
	if o.conn, err = grpc.NewClient(o.grpc, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		return nil, err
	}
	o.emit = realtime.NewEmitServiceClient(o.conn)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if o.worker, err = startProcess(self, "worker", o.grpc); err != nil {
		return nil, err
	}
	_, err = o.worker.say("^ready$")
	return o, err
}

func (o *ours) process() *process { return o.p }
func (o *ours) edge() string      { return o.at }

func (o *ours) end() {
	_ = o.conn.Close()
	o.worker.end()
	o.p.end()
}

// profile writes one of the server's profiles to a file, for go tool pprof; what names it as its address does.
func (o *ours) profile(path, what string) error {
	text, err := o.fetch("/debug/pprof/" + what)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// fetch asks the admin port.
func (o *ours) fetch(path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+o.admin+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	return io.ReadAll(answer.Body)
}

// emitters is how many calls of Emit are open at a time.
const emitters = 16

func (o *ours) tell(n int, padding string) error {
	_, err := o.emit.Emit(context.Background(), &realtime.EmitRequest{
		Target: &realtime.Target{}, Event: "m", Arguments: fmt.Sprintf("[%d,%q]", n, padding),
	})
	return err
}

func (o *ours) fanout(padding int) (func() (int, error), error) {
	var stopped atomic.Bool
	var count atomic.Int64
	var working sync.WaitGroup
	text, failed := strings.Repeat("x", padding), make(chan error, emitters)
	for range emitters {
		working.Go(func() {
			for !stopped.Load() {
				// Not in order: that several are under way is what callers in several processes do.
				if err := o.tell(int(count.Add(1)), text); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	return func() (int, error) {
		stopped.Store(true)
		working.Wait()
		close(failed)
		return int(count.Load()), <-failed
	}, nil
}

func (o *ours) offer(rate int, lasts time.Duration, padding int) (int, error) {
	begun, text, count := time.Now(), strings.Repeat("x", padding), int(lasts.Seconds()*float64(rate))
	for n := range count {
		due := begun.Add(time.Duration(n) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		if err := o.tell(int(due.UnixMicro()), text); err != nil {
			return n, err
		}
	}
	return count, nil
}

func (o *ours) burst(bytes int) error {
	text := strings.Repeat("x", 64<<10)
	for n := 0; n*len(text) < bytes; n++ {
		if err := o.tell(n+1, text); err != nil {
			return err
		}
	}
	return nil
}

// work is the worker: it answers what clients ask with what they said.
func work(address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	stream, err := realtime.NewEventServiceClient(conn).Consume(context.Background())
	if err != nil {
		return err
	}
	open := &realtime.ConsumeOpen{Group: "bench", Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_RECEIVED}, EventNames: []string{"ask"}, MaxEvents: 100_000, MaxBytes: 256 << 20}
	if err := stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Open{Open: open}}); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		settle := &realtime.ConsumeSettle{}
		for _, d := range r.GetBatch().GetDeliveries() {
			received := d.GetEvent().GetReceived()
			settle.Acks = append(settle.Acks, d.GetId())
			settle.Replies = append(settle.Replies, &realtime.ConsumeReply{AckToken: received.GetAckToken(), Arguments: received.GetArguments()})
		}
		if len(settle.GetAcks()) == 0 {
			return errors.New("a message without deliveries")
		}
		if err := stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Settle{Settle: settle}}); err != nil {
			return err
		}
	}
}
