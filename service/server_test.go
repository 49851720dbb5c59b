package service

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestHealth(t *testing.T) {
	w := newWorld(t)
	names := append([]string{""}, serviceNames...)
	want := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, name := range names {
			got, err := w.health.Check(w.ctx, &healthpb.HealthCheckRequest{Service: name})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%q: %v, %v, want %v", name, got, err, want)
			}
		}
	}
	want(healthpb.HealthCheckResponse_SERVING)
	if len(serviceNames) != 6 || serviceNames[0] != "realtime.v1.EmitService" {
		t.Errorf("services %q", serviceNames)
	}
	w.svc.Drain()
	w.svc.Drain()
	want(healthpb.HealthCheckResponse_NOT_SERVING)
	if _, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "e"}); err != nil {
		t.Errorf("drained, Emit fails: %v", err)
	}
	watch(t, w, &realtimev1.WatchRequest{}) // still opens
}

// Health/Watch tells, and ends at Shutdown: the server's GracefulStop at the end of the test waits for it.
func TestHealthWatchEndsAtShutdown(t *testing.T) {
	w := newWorld(t)
	stream, err := w.health.Watch(w.ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("status %v, error %v", m, err)
	}
	w.svc.Drain()
	if m, err := stream.Recv(); err != nil || m.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Fatalf("status %v, error %v", m, err)
	}
	w.svc.Shutdown()
	_, err = stream.Recv()
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
}

func TestReflection(t *testing.T) {
	w := newWorld(t)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(w.conn).ServerReflectionInfo(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	request := &grpc_reflection_v1.ServerReflectionRequest_ListServices{}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: request}); err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, s := range m.GetListServicesResponse().GetService() {
		listed[s.GetName()] = true
	}
	for _, name := range append(serviceNames, "grpc.health.v1.Health") {
		if !listed[name] {
			t.Errorf("%s is not listed", name)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Recv()
	}
}

// log is a slog.Handler's output that tests may read while the server writes it.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A panic is the caller's INTERNAL, a line in the log, and nobody else's business.
func TestPanicIsRecovered(t *testing.T) {
	out := &log{}
	w := newWorld(t, func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(out, nil)) })
	w.socket(t, "/", "").onDeliver = func(*rooms.Message) bool { panic("a secret") }
	_, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "e"})
	wantStatus(t, err, codes.Internal, "")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the caller learns %v", err)
	}
	for _, want := range []string{"level=ERROR", `panic="a secret"`, "server_test.go", "grpc.method=Emit", "grpc.code=Internal"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in the log: %s", want, out)
		}
	}
	if _, err := w.sockets.CountSockets(w.ctx, &realtimev1.CountSocketsRequest{Target: inRooms("r")}); err != nil {
		t.Errorf("the next call fails: %v", err)
	}
}

func TestCallsAreLogged(t *testing.T) {
	for _, tt := range []struct {
		level      slog.Level
		good, poor bool
	}{
		{slog.LevelDebug, true, true},
		{slog.LevelInfo, false, true},
		{slog.LevelWarn, false, false},
	} {
		out := &log{}
		handler := slog.NewTextHandler(out, &slog.HandlerOptions{Level: tt.level})
		w := newWorld(t, func(cfg *Config) { cfg.Logger = slog.New(handler) })
		if _, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "e", Arguments: `["secret"]`}); err != nil {
			t.Fatal(err)
		}
		_, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Event: "secret"})
		wantStatus(t, err, codes.InvalidArgument, "", "target")
		w.svc.Shutdown()
		w.server.GracefulStop() // the lines are written after the answers
		text := out.String()
		if good, poor := strings.Contains(text, "grpc.code=OK"), strings.Contains(text, "grpc.code=InvalidArgument"); good != tt.good || poor != tt.poor {
			t.Errorf("at %v: %s", tt.level, text)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("what was emitted is in the log: %s", text)
		}
	}
}

func TestMetrics(t *testing.T) {
	svc, err := New(validConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	server, err := NewServer(svc, ServerConfig{Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				found = found || family.GetName() == "grpc_server_handled_total" && label.GetValue() == "EmitWithAck"
			}
		}
	}
	if !found {
		t.Error("no grpc_server_handled_total of EmitWithAck before the first call")
	}
	if _, err := NewServer(svc, ServerConfig{Registerer: registry}); err == nil {
		t.Error("two servers share one registry")
	}
}

// A message that the limits allow is not too large for the server; a larger one ends the call, not the connection.
func TestMessageSizes(t *testing.T) {
	w := newWorld(t)
	f := w.socket(t, "/", "")
	emit := func(bytes int) error {
		_, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: everyone(), Event: "e", Attachments: [][]byte{make([]byte, bytes)}})
		return err
	}
	if err := emit(1 << 20); err != nil {
		t.Error(err)
	}
	wantStatus(t, emit(1<<20+1), codes.InvalidArgument, "", "arguments")
	wantStatus(t, emit(5<<20), codes.ResourceExhausted, "")
	if err := emit(1); err != nil || len(f.got) != 2 {
		t.Errorf("error %v, %d messages", err, len(f.got))
	}
}

func BenchmarkEmit(b *testing.B) {
	w := newWorld(b)
	benchmarkEmit(w.ctx, b, w)
}

// What a token costs, with every kind of right and limit.
func BenchmarkEmitWithToken(b *testing.B) {
	w := newGuarded(b, entryOf("chat", ", methods: [EmitService/Emit], namespaces: [/], rate: 1000000"))
	benchmarkEmit(w.with("chat"), b, w)
}

func benchmarkEmit(ctx context.Context, b *testing.B, w *world) {
	b.Helper()
	f := w.socket(b, "/", "", "r")
	f.onDeliver = func(*rooms.Message) bool { f.got = f.got[:0]; return true }
	r := &realtimev1.EmitRequest{Target: inRooms("r"), Event: "message", Arguments: `["` + strings.Repeat("x", 60) + `"]`}
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.emit.Emit(ctx, r); err != nil {
				b.Error(err)
			}
		}
	})
}
