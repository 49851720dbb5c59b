// Command go is a chat backend: it admits clients, consumes their events in a group, emits to a room, and asks clients. Package consumer
// does what the other languages' examples do by hand.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/consumer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, setting("REALTIME_GRPC", "127.0.0.1:9090"), setting("GROUP", "chat-go"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// run is the backend, until ctx ends.
func run(ctx context.Context, address, group string, out io.Writer) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var waiting sync.WaitGroup
	waiting.Add(2)
	ready := sync.OnceFunc(waiting.Done)
	opened := sync.OnceFunc(waiting.Done)
	go func() {
		waiting.Wait()
		_, _ = fmt.Fprintln(out, "ready")
	}()
	b := &backend{emit: realtimev1.NewEmitServiceClient(conn)}
	c, err := consumer.New(conn, consumer.Config{
		Group: group, EventNames: []string{"message", "poll"}, Kinds: []realtimev1.EventKind{realtimev1.EventKind_EVENT_KIND_RECEIVED},
		Opened: func(context.Context, *realtimev1.ConsumeOpened) error { opened(); return nil },
	})
	if err != nil {
		return err
	}
	admitted := make(chan error, 1)
	go func() {
		admitted <- consumer.Admit(ctx, conn, consumer.AdmitConfig{Namespaces: []string{"/"}, Attached: ready}, admit)
	}()
	return errors.Join(c.Run(ctx, consumer.Funcs{Received: b.handle}), <-admitted)
}

// admit lets those in who know the word.
func admit(_ context.Context, question *realtimev1.AdmitQuestion) consumer.Verdict {
	var auth struct{ Token string }
	_ = json.Unmarshal([]byte(question.GetSocket().GetAuth()), &auth) // nothing that can be read is nobody
	user, ok := strings.CutPrefix(auth.Token, "letmein-")
	if !ok {
		return consumer.Refuse("who are you?", "")
	}
	return consumer.Accept(&realtimev1.AdmitAccept{User: user, Rooms: []string{"chat"}})
}

type backend struct{ emit realtimev1.EmitServiceClient }

var room = &realtimev1.Target{Rooms: []string{"chat"}}

// handle does what a client asks, and answers its acknowledgement.
func (b *backend) handle(ctx context.Context, event *consumer.Event, received *realtimev1.Received) error {
	if received.GetName() == "poll" {
		answers, err := b.ask(ctx, received.GetArguments())
		if err != nil {
			return err
		}
		return event.Reply(answers)
	}
	var text json.RawMessage // whatever it is
	if err := event.Bind(&text); err != nil {
		return consumer.Drop(err)
	}
	arguments, err := json.Marshal([]any{event.GetUser(), text})
	if err != nil {
		return consumer.Drop(err)
	}
	if _, err := b.emit.Emit(ctx, &realtimev1.EmitRequest{Target: room, Event: "message", Arguments: string(arguments)}); err != nil {
		return err
	}
	return event.Reply("sent")
}

// ask asks everybody in the room and returns what they say, in order.
func (b *backend) ask(ctx context.Context, question string) ([]string, error) {
	stream, err := b.emit.EmitWithAck(ctx, &realtimev1.EmitWithAckRequest{
		Target: room, Event: "question", Arguments: question, Timeout: durationpb.New(5 * time.Second),
	})
	if err != nil {
		return nil, err
	}
	answers := []string{}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			slices.Sort(answers)
			return answers, nil
		}
		if err != nil {
			return nil, err
		}
		var said []string
		if json.Unmarshal([]byte(r.GetAnswer().GetArguments()), &said) == nil && len(said) > 0 {
			answers = append(answers, said[0])
		}
	}
}
