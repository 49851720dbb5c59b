package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/consumer"
)

// A service that stores orders. Start it as often as there is work for: the members of a group share the sockets.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	conn, err := grpc.NewClient("127.0.0.1:9090", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	orders, err := consumer.New(conn, consumer.Config{Group: "orders", EventPrefixes: []string{"order:"}})
	if err != nil {
		log.Fatal(err)
	}
	// Returns when the process is told to end and what was begun is finished.
	if err := orders.Run(ctx, consumer.HandlerFunc(handle)); err != nil {
		log.Print(err)
	}
}

// errBusy stands for whatever passes.
var errBusy = errors.New("the store is busy")

func handle(ctx context.Context, event *consumer.Event) error {
	if event.GetReceived() == nil {
		return nil // connected and disconnected
	}
	var order struct {
		ID    string `json:"id"`
		Count int    `json:"count"`
	}
	if err := event.Bind(&order); err != nil {
		return consumer.Drop(err) // it will not get better
	}
	if err := store(ctx, order.ID, order.Count); err != nil {
		return err // the event comes again, and the socket's later events after it
	}
	return event.Reply(map[string]string{"stored": order.ID})
}

func store(ctx context.Context, _ string, count int) error {
	if count < 0 {
		return errBusy
	}
	return ctx.Err()
}

// What a handler does can be tried without a server.
func Example_handler() {
	event := func(arguments string) *consumer.Event {
		received := &realtimev1.Received{Name: "order:new", Arguments: arguments}
		return &consumer.Event{Event: &realtimev1.Event{Kind: &realtimev1.Event_Received{Received: received}}, Attempt: 1}
	}
	fmt.Println(handle(context.Background(), event(`[{"id":"7","count":1}]`)))
	fmt.Println(handle(context.Background(), event(`[{"id":"8","count":-1}]`)))
	fmt.Println(handle(context.Background(), event(`["what?"]`)) != nil)
	// Output:
	// <nil>
	// the store is busy
	// true
}

// Each handler runs in a span that is a child of the server's, whatever library makes it: here one that prints.
func ExampleConfig_context() {
	cfg := consumer.Config{
		Group: "orders",
		Context: func(ctx context.Context, event *consumer.Event) context.Context {
			ctx, end := startSpan(ctx, event.GetTraceparent())
			context.AfterFunc(ctx, end) // ctx ends when the handler has returned
			return ctx
		},
	}
	fmt.Println(cfg.Validate())
	// Output: <nil>
}

func startSpan(ctx context.Context, traceparent string) (context.Context, func()) {
	fields := strings.Split(traceparent, "-")
	return ctx, func() { fmt.Println("span ended, of the trace", fields) }
}

// Only those who know the word get in, each with a room of their own.
func ExampleAdmit() {
	decide := func(_ context.Context, question *realtimev1.AdmitQuestion) consumer.Verdict {
		if !strings.Contains(question.GetSocket().GetAuth(), `"sesame"`) {
			return consumer.Refuse("wrong word", `{"hint":"open"}`)
		}
		return consumer.Accept(&realtimev1.AdmitAccept{User: "ali", Rooms: []string{"cave"}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // in a service it ends with the process
	conn, err := grpc.NewClient("127.0.0.1:9090", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Println(consumer.Admit(ctx, conn, consumer.AdmitConfig{Namespaces: []string{"/"}}, decide))
	// Output: <nil>
}
