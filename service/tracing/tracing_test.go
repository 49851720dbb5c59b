package tracing

import (
	"context"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Endpoint: "localhost:1"}, ""},
		{Config{Exporter: &collector{}, Ratio: 1}, ""},
		{Config{}, "tracing: Endpoint is required"},
		{Config{Endpoint: "a:1", Ratio: -0.1}, "tracing: Ratio must be from 0 to 1, not -0.1"},
		{Config{Ratio: 2}, "tracing: Endpoint is required\ntracing: Ratio must be from 0 to 1, not 2"},
		{Config{Endpoint: "a:1", Ratio: math.NaN()}, "tracing: Ratio must be from 0 to 1, not NaN"},
	} {
		var got string
		if err := tt.cfg.Validate(); err != nil {
			got = err.Error()
			if _, err := New(tt.cfg); err == nil || err.Error() != got {
				t.Errorf("New: %v", err)
			}
		}
		if got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// The process is described, and the standard variables have the last word.
func TestResource(t *testing.T) {
	for name, tt := range map[string]struct {
		service, attributes string
		want                map[string]string
	}{
		"ours": {want: map[string]string{"service.name": "realtime-svc", "service.version": "v1", "service.instance.id": "n1"}},
		"theirs": {
			"chat", "service.instance.id=x,deployment.environment=test",
			map[string]string{"service.name": "chat", "service.version": "v1", "service.instance.id": "x", "deployment.environment": "test"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_SERVICE_NAME", tt.service)
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", tt.attributes)
			c := &collector{}
			tracing := start(t, c)
			tracing.Observer(quiet{}).Observe(&rooms.Event{Kind: rooms.KindEvent})
			got := attributes(flushed(t, tracing, c)[0].Resource.Attributes())
			for key := range got {
				if strings.HasPrefix(key, "telemetry.sdk.") {
					delete(got, key)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResourceThatCannotBeRead(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no pair")
	if _, err := New(Config{Exporter: &collector{}}); err == nil || !strings.HasPrefix(err.Error(), "tracing: describe this process: ") {
		t.Error(err)
	}
}

// serve runs a gRPC server with health and reflection, traced. stop ends it: then every span has ended.
func serve(t *testing.T, tracing *Tracing) (conn *grpc.ClientConn, stop func()) {
	t.Helper()
	server := grpc.NewServer(tracing.ServerOption())
	healthpb.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "realtime.v1.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			request := &healthpb.HealthCheckRequest{}
			return request, decode(request)
		},
	}}}, nil)
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.GracefulStop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// A call goes on with the trace that its metadata names, and is recorded if that is; another one begins a trace.
func TestCallsAreTraced(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for name, tt := range map[string]struct {
		traceparent string
		ratio       float64
		recorded    bool
		parent      string
	}{
		"none":                 {"", 1, true, ""},
		"none, not sampled":    {"", 0, false, ""},
		"sampled by the call":  {"00-" + id + "-b7ad6b7169203331-01", 0, true, "b7ad6b7169203331"},
		"not sampled by it":    {"00-" + id + "-b7ad6b7169203331-00", 1, false, ""},
		"what is no such name": {"00-zz-b7ad6b7169203331-01", 1, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &collector{}
			tracing := start(t, c, func(c *Config) { c.Ratio = tt.ratio })
			conn, stop := serve(t, tracing)
			ctx := t.Context()
			if tt.traceparent != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", tt.traceparent)
			}
			if err := conn.Invoke(ctx, "/realtime.v1.Echo/Echo", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckRequest{}); err != nil {
				t.Fatal(err)
			}
			stop()
			spans := flushed(t, tracing, c)
			if !tt.recorded {
				if len(spans) != 0 {
					t.Errorf("recorded: %v", spans)
				}
				return
			}
			if len(spans) != 1 || spans[0].Name != "realtime.v1.Echo/Echo" || spans[0].SpanKind != trace.SpanKindServer {
				t.Fatalf("%+v", spans)
			}
			if parent := spans[0].Parent; tt.parent != "" && (parent.SpanID().String() != tt.parent || spans[0].SpanContext.TraceID().String() != id) {
				t.Errorf("parent %v in trace %v", parent.SpanID(), spans[0].SpanContext.TraceID())
			} else if tt.parent == "" && parent.IsValid() {
				t.Errorf("parent %v", parent)
			}
		})
	}
}

// What only asks whether the server is well would fill every store of traces, and a name that a caller chose is none for a
// span.
func TestOthersAreNotTraced(t *testing.T) {
	c := &collector{}
	tracing := start(t, c)
	conn, stop := serve(t, tracing)
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if err := conn.Invoke(t.Context(), "/chosen.by/Callers", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}); status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
	stop()
	if spans := flushed(t, tracing, c); len(spans) != 0 {
		t.Errorf("%+v", spans)
	}
}
