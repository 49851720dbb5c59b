package access

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// The streams of a caller end when its entry goes or loses rights, whatever their handlers are doing; those of others go on.
func TestStreamsEndWithTheirCaller(t *testing.T) {
	const bob = "- {name: bob, token: 0123456789abcdef}\n"
	for name, c := range map[string]struct {
		before, after string
		ends          bool
	}{
		"gone":             {"", "", true},
		"another token":    {"", "- {name: ann, token: another-token-of-ann}", true},
		"another's now":    {"", "- {name: eve, token: " + secret + "}", true},
		"expired":          {"", "- {name: ann, token: " + secret + ", expires: 2020-01-01T00:00:00Z}", true},
		"fewer methods":    {"", "- {name: ann, token: " + secret + ", methods: [Watch]}", true},
		"fewer namespaces": {"", "- {name: ann, token: " + secret + ", namespaces: [/a*]}", true},
		"more rights":      {"methods: [EmitService, EventService], namespaces: [/a]", "- {name: ann, token: " + secret + "}", false},
		"another rate":     {"", "- {name: ann, token: " + secret + ", rate: 1000}", false},
		"another hash too": {"", "- {name: ann, token: [another-token-of-ann, " + secret + "]}", false},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.before
			if before != "" {
				before = ", " + before
			}
			f := serve(t, bob+"- {name: ann, token: "+secret+before+"}")
			ctx := f.as("Bearer " + secret)
			waiting, err := f.watch(ctx) // its handler waits for its context
			if err != nil {
				t.Fatal(err)
			}
			reading := f.emitStream(ctx)                                          // its handler reads
			writing, err := realtimev1.NewEventServiceClient(f.conn).Consume(ctx) // its handler writes, and nobody reads
			other := f.emitStream(f.as("Bearer 0123456789abcdef"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := writing.Recv(); err != nil {
				t.Fatal(err)
			}
			f.write(bob + c.after)
			f.guard.look()
			if c.ends {
				_, err = waiting.Recv()
				wantCode(t, err, codes.Unauthenticated)
				_, err = reading.Recv()
				wantCode(t, err, codes.Unauthenticated)
				for err = nil; err == nil; {
					_, err = writing.Recv()
				}
				wantCode(t, err, codes.Unauthenticated)
			} else if err := again(reading); err != nil {
				t.Error(err)
			}
			if err := again(other); err != nil {
				t.Errorf("another's stream: %v", err)
			}
		})
	}
}

// again makes another request on a stream.
func again(stream realtimev1.EmitService_EmitStreamClient) error {
	if err := stream.Send(&realtimev1.EmitStreamRequest{}); err != nil {
		return err
	}
	_, err := stream.Recv()
	return err
}

// Run does by itself what the other tests do by hand.
func TestRun(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+"}")
	stream, err := f.watch(f.as("Bearer " + secret))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.guard.Run(ctx)
	}()
	f.write("[]")
	_, err = stream.Recv()
	wantCode(t, err, codes.Unauthenticated)
	cancel()
	<-ended
}

// A stream that has ended is not kept.
func TestStreamsAreForgotten(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+"}")
	for range 3 {
		stream := f.emitStream(f.as("Bearer " + secret))
		_ = stream.CloseSend()
		for {
			if _, err := stream.Recv(); err != nil {
				break
			}
		}
	}
	f.guard.mu.Lock()
	defer f.guard.mu.Unlock()
	if len(f.guard.streams) != 0 {
		t.Errorf("%d streams are kept", len(f.guard.streams))
	}
}

func TestRateOverGRPC(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+"}\n- {name: bob, token: 0123456789abcdef, rate: 0}\n- {name: eve, token: eve-eve-eve-eve-eve, burst: 4}",
		func(c *Config) { c.Rate, c.Burst = 0.001, 2 })
	for token, allowed := range map[string]int{secret: 2, "0123456789abcdef": 20, "eve-eve-eve-eve-eve": 4} {
		ctx := f.as("Bearer " + token)
		for i := range 20 {
			want := codes.OK
			if i >= allowed {
				want = codes.ResourceExhausted
			}
			if i%2 == 0 {
				wantCode(t, f.emit(ctx), want)
			} else {
				_, err := f.watch(ctx) // to open a stream is a call
				wantCode(t, err, want)
			}
		}
	}
}

// Without tokens an address is a caller.
func TestRateOfAnAddress(t *testing.T) {
	f := serve(t, "", func(c *Config) { c.Rate = 0.001 })
	if err := f.emit(f.ctx); err != nil {
		t.Error(err)
	}
	wantCode(t, f.emit(f.ctx), codes.ResourceExhausted)
	for range 10 {
		if _, err := healthpb.NewHealthClient(f.conn).Check(f.ctx, &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("health: %v", err)
		}
	}
}

// A stream of emits is slowed down, not refused: party_test.go has how much.
func TestEmitStreamIsNotRefused(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+", rate: 1000, burst: 1}")
	stream := f.emitStream(f.as("Bearer " + secret))
	for range 50 { // more than the burst, and faster
		if err := again(stream); err != nil {
			t.Fatal(err)
		}
	}
}

// A stream that waits for its turn ends at once with its caller.
func TestEmitStreamThatWaitsEnds(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+", rate: 0.0001, burst: 2}")
	stream := f.emitStream(f.as("Bearer " + secret))
	if err := stream.Send(&realtimev1.EmitStreamRequest{}); err != nil {
		t.Fatal(err)
	}
	f.write("[]")
	f.guard.look()
	_, err := stream.Recv()
	wantCode(t, err, codes.Unauthenticated)
}

func TestStreamsAreBounded(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+"}\n- {name: bob, token: 0123456789abcdef, max_streams: 1}", func(c *Config) { c.MaxStreams = 2 })
	ann, cancel := context.WithCancel(f.as("Bearer " + secret))
	open := func(ctx context.Context, want codes.Code) grpc.ServerStreamingClient[realtimev1.WatchResponse] {
		t.Helper()
		stream, err := f.watch(ctx)
		wantCode(t, err, want)
		return stream
	}
	first := open(ann, codes.OK)
	open(ann, codes.OK)
	open(ann, codes.ResourceExhausted)
	open(f.as("Bearer 0123456789abcdef"), codes.OK)
	open(f.as("Bearer 0123456789abcdef"), codes.ResourceExhausted)
	if err := f.emit(ann); err != nil {
		t.Errorf("a call that is no stream: %v", err)
	}
	cancel()
	if _, err := first.Recv(); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	for ctx := f.as("Bearer " + secret); ; { // the server hears of the end a little later
		if stream, err := f.watch(ctx); err == nil {
			_ = stream
			return
		} else if status.Code(err) != codes.ResourceExhausted {
			t.Fatal(err)
		}
	}
}

// Nobody needs a token for health, but nobody may hold any number of its streams.
func TestHealthStreamsAreBounded(t *testing.T) {
	f := serve(t, "- {name: ann, token: "+secret+"}", func(c *Config) { c.MaxStreams = 2 })
	client := healthpb.NewHealthClient(f.conn)
	for _, want := range []codes.Code{codes.OK, codes.OK, codes.ResourceExhausted} {
		stream, err := client.Watch(f.ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantCode(t, err, want)
	}
	if err := f.emit(f.as("Bearer " + secret)); err != nil {
		t.Error(err)
	}
}
