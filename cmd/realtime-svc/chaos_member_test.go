package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/consumer"
)

// What a member says, in lines of "pid what socket number attempt": short enough that each is written in one piece.
const (
	saysJoined = "joined"
	saysGot    = "got"
	saysAcks   = "acks"
)

func says(what, socket string, number, attempt int) {
	fmt.Fprintf(os.Stdout, "%d %s %s %d %d\n", os.Getpid(), what, socket, number, attempt)
}

// The groups: members of hasty have a short time for each event, and give some back. Those of patient do not, so that they know what
// is theirs and can hold the server to their credit: no delivery ends by itself. Those of kit are made with the consumer kit.
const (
	groupHasty   = "hasty"
	groupPatient = "patient"
	groupKit     = "kit"

	patience = time.Hour
)

// chaosMember is the member: it takes, says what it got, and then decides what becomes of it.
func chaosMember(args string) error {
	var address, group string
	var seed uint64
	if _, err := fmt.Sscan(args, &address, &group, &seed); err != nil {
		return err
	}
	go func() { // ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	r := rand.New(rand.NewPCG(seed, 0))
	if group == groupKit {
		return kitMember(conn, r)
	}
	stream, err := realtime.NewEventServiceClient(conn).Consume(context.Background())
	if err != nil {
		return err
	}
	m := &badMember{r: r, stream: stream, most: 1 + r.IntN(200), timeout: patience}
	if group == groupHasty {
		m.timeout = time.Duration(300+r.IntN(700)) * time.Millisecond
	}
	return m.run(group)
}

// numberOf is the number of the event: 0 for connected, -1 for disconnected.
func numberOf(e *realtime.Event) int {
	switch {
	case e.GetDisconnected() != nil:
		return -1
	case e.GetReceived() != nil:
		n := 1 << 30 // what nobody awaits
		_, _ = fmt.Sscanf(e.GetReceived().GetArguments(), "[%d", &n)
		return n
	}
	return 0
}

// kitMember handles events with the consumer kit, until it leaves or is killed.
func kitMember(conn *grpc.ClientConn, r *rand.Rand) error {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var mu sync.Mutex // guards r
	member, err := consumer.New(conn, consumer.Config{
		Group: groupKit, MaxEvents: 1 + r.IntN(200), AckTimeout: time.Second, Concurrency: 1 + r.IntN(16), Logger: slog.New(slog.DiscardHandler),
		Opened: func(context.Context, *realtime.ConsumeOpened) error {
			says(saysJoined, "-", 0, 0)
			return nil
		},
	})
	if err != nil {
		return err
	}
	return member.Run(ctx, consumer.HandlerFunc(func(ctx context.Context, event *consumer.Event) error {
		number := numberOf(event.Event)
		says(saysGot, event.GetSocketId(), number, int(event.Attempt))
		mu.Lock()
		mood, pause := r.IntN(2_000), time.Duration(r.IntN(50))*time.Millisecond
		mu.Unlock()
		switch {
		case mood == 0:
			<-ctx.Done() // until it is too late
			return ctx.Err()
		case mood == 1:
			leave()
		case mood == 2:
			os.Exit(1)
		case mood < 20:
			<-time.After(pause)
		case mood < 60:
			return consumer.Retry(errors.New("not now"), pause)
		}
		says(saysAcks, event.GetSocketId(), number, 0)
		return nil
	}))
}

// badMember is a member with moods.
type badMember struct {
	r       *rand.Rand
	stream  realtime.EventService_ConsumeClient
	most    int           // deliveries that may be unsettled
	timeout time.Duration // for each of them

	held    []heldDelivery // unsettled, the oldest first
	leaving bool
}

type heldDelivery struct {
	id     uint64
	socket string
	number int
}

func (m *badMember) run(group string) error {
	open := &realtime.ConsumeOpen{Group: group, MaxEvents: uint32(m.most), AckTimeout: durationpb.New(m.timeout)}
	if err := m.stream.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Open{Open: open}}); err != nil {
		return err
	}
	if _, err := m.stream.Recv(); err != nil {
		return err
	}
	says(saysJoined, "-", 0, 0)
	for {
		r, err := m.stream.Recv()
		if err != nil {
			return err
		}
		for _, d := range r.GetBatch().GetDeliveries() {
			m.take(d)
		}
		if err := m.settle(); err != nil {
			return err
		}
	}
}

func (m *badMember) take(d *realtime.ConsumeDelivery) {
	h := heldDelivery{d.GetId(), d.GetEvent().GetSocketId(), numberOf(d.GetEvent())}
	says(saysGot, h.socket, h.number, int(d.GetAttempt()))
	m.held = append(m.held, h)
	switch {
	case len(m.held) <= m.most:
	case m.timeout == patience:
		says("has-more-than-it-asked-for", h.socket, len(m.held), m.most)
	default: // those that timed out are no longer its own: it cannot tell which
		m.held = m.held[1:]
	}
}

// settle does with what it holds as its mood is.
func (m *badMember) settle() error {
	s := &realtime.ConsumeSettle{}
	keep := m.held[:0]
	for _, h := range m.held {
		switch mood := m.r.IntN(40); {
		case mood == 0:
			keep = append(keep, h) // says nothing for now
		case mood > 2 || m.timeout == patience:
			says(saysAcks, h.socket, h.number, 0)
			s.Acks = append(s.Acks, h.id)
		case mood == 1:
			s.Nacks = append(s.Nacks, &realtime.ConsumeNack{DeliveryId: h.id, Delay: durationpb.New(time.Duration(m.r.IntN(50)) * time.Millisecond)})
		default:
			s.Nacks = append(s.Nacks, &realtime.ConsumeNack{DeliveryId: h.id, Release: true})
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
