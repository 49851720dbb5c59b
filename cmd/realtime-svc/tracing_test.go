package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/wsedge"
)

// otlpCollector is a collector as the process knows it: OTLP over gRPC.
type otlpCollector struct {
	collectorpb.UnimplementedTraceServiceServer
	address string

	mu    sync.Mutex // guards the following
	spans []*tracepb.Span
	about map[string]string // the resource's attributes
	keys  []string          // metadata x-key of the exports
}

func (c *otlpCollector) Export(ctx context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range r.GetResourceSpans() {
		for _, a := range of.GetResource().GetAttributes() {
			c.about[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range of.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	c.keys = append(c.keys, metadata.ValueFromIncomingContext(ctx, "x-key")...)
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func newCollector(t *testing.T) *otlpCollector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &otlpCollector{address: listener.Addr().String(), about: map[string]string{}}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c
}

// to traces everything to c.
func (c *otlpCollector) to(cfg *Config) {
	cfg.TraceEndpoint, cfg.TraceInsecure, cfg.TraceSample, cfg.NodeID = c.address, true, "1", "n1"
}

// named returns the only span of that name whose parent is parent; nil: any.
func (c *otlpCollector) named(t *testing.T, name string, parent []byte) *tracepb.Span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*tracepb.Span
	for _, s := range c.spans {
		if s.GetName() == name && (parent == nil || bytes.Equal(s.GetParentSpanId(), parent)) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans are called %q in %v", len(found), name, c.spans)
	}
	return found[0]
}

// backend is a traced service: what it does goes to spans.
type backend struct {
	spans    *tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
	conn     *grpc.ClientConn
}

func newBackend(t *testing.T, p *Process) *backend {
	t.Helper()
	b := &backend{spans: tracetest.NewInMemoryExporter()}
	b.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(b.spans))
	var err error
	b.conn, err = grpc.NewClient(p.Addrs().GRPC.String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(b.provider), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.conn.Close() })
	return b
}

// handle begins the backend's span of an event, as a consumer does.
func (b *backend) handle(ctx context.Context, e *realtime.Event) (context.Context, trace.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.GetTraceparent()})
	return b.provider.Tracer("backend").Start(ctx, "handle", trace.WithSpanKind(trace.SpanKindConsumer))
}

// next returns the next event of the watch.
func next(t *testing.T, watch realtime.EventService_WatchClient) *realtime.Event {
	t.Helper()
	message, err := watch.Recv()
	if err != nil {
		t.Fatal(err)
	}
	events := message.GetBatch().GetEvents()
	if len(events) != 1 {
		t.Fatalf("no single event: %v", message)
	}
	return events[0]
}

// One trace leads from a client's event over the service that handles it to what that emits.
func TestTraceFromEventToEmit(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k")
	c := newCollector(t)
	p := start(t, c.to)
	b := newBackend(t, p)
	// Its own span ends with the stream, and is none of what follows.
	watch, err := realtime.NewEventServiceClient(b.conn).Watch(t.Context(), &realtime.WatchRequest{Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_RECEIVED}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	consume := joinGroup(t, b)
	client := poll(t, p)
	client.connect("")
	if code, body := client.do(http.MethodPost, `42["secret name","secret argument"]`); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	event := next(t, watch)
	delivered, err := consume.Recv()
	if err != nil || len(delivered.GetBatch().GetDeliveries()) != 1 {
		t.Fatalf("%v, %v", delivered, err)
	}
	delivery := delivered.GetBatch().GetDeliveries()[0]
	if got := delivery.GetEvent().GetTraceparent(); got != event.GetTraceparent() {
		t.Errorf("the consumer was told of trace %q, the watcher of %q", got, event.GetTraceparent())
	}
	settle := &realtime.ConsumeRequest_Settle{Settle: &realtime.ConsumeSettle{Acks: []uint64{delivery.GetId()}}}
	if err := consume.Send(&realtime.ConsumeRequest{Message: settle}); err != nil { // the end waits for it
		t.Fatal(err)
	}
	ctx, span := b.handle(t.Context(), event)
	answer, err := realtime.NewEmitServiceClient(b.conn).Emit(ctx, &realtime.EmitRequest{Target: &realtime.Target{}, Event: "secret answer"})
	if err != nil || answer.GetMatched() != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	span.End()
	_, metrics := fetch(t, p.Addrs().Admin, "/metrics")
	if !strings.Contains(metrics, `realtime_trace_spans_total{outcome="recorded"} `) || strings.Contains(metrics, `{outcome="recorded"} 0`) {
		t.Error("spans are not counted")
	}
	stopped(t, p)

	received := c.named(t, "event received", nil)
	handled := spanNamed(t, b.spans.GetSpans(), "handle")
	called := spanNamed(t, b.spans.GetSpans(), "realtime.v1.EmitService/Emit")
	calledID := called.SpanContext.SpanID()
	emitted := c.named(t, "realtime.v1.EmitService/Emit", calledID[:])
	traceID, handledParent := handled.SpanContext.TraceID(), handled.Parent.SpanID()
	if !bytes.Equal(received.GetTraceId(), traceID[:]) || !bytes.Equal(received.GetSpanId(), handledParent[:]) || len(received.GetParentSpanId()) != 0 {
		t.Errorf("the handler's span %v is no child of the event's %v", handled.SpanContext, received)
	}
	if called.Parent.SpanID() != handled.SpanContext.SpanID() || called.SpanContext.TraceID() != traceID || !bytes.Equal(emitted.GetTraceId(), traceID[:]) {
		t.Errorf("the Emit %v is not in the trace of the event %v", emitted, received)
	}
	c.named(t, "socket connected", nil)
	c.named(t, "socket disconnected", nil)
	if c.about["service.name"] != "realtime-svc" || c.about["service.instance.id"] != "n1" || len(c.keys) == 0 || c.keys[0] != "k" {
		t.Errorf("about %v with keys %q", c.about, c.keys)
	}
	for _, s := range c.spans {
		if strings.Contains(s.String(), "secret") {
			t.Errorf("what clients and services say is in a span: %v", s)
		}
	}
}

// joinGroup becomes a member of a consumer group that gets what clients send.
func joinGroup(t *testing.T, b *backend) realtime.EventService_ConsumeClient {
	t.Helper()
	consume, err := realtime.NewEventServiceClient(b.conn).Consume(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	open := &realtime.ConsumeOpen{Group: "g", Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_RECEIVED}}
	if err := consume.Send(&realtime.ConsumeRequest{Message: &realtime.ConsumeRequest_Open{Open: open}}); err != nil {
		t.Fatal(err)
	}
	if opened, err := consume.Recv(); err != nil || opened.GetOpened() == nil {
		t.Fatalf("%v, %v", opened, err)
	}
	return consume
}

func spanNamed(t *testing.T, spans tracetest.SpanStubs, name string) tracetest.SpanStub {
	t.Helper()
	for _, s := range spans {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span is called %q in %v", name, spans)
	return tracetest.SpanStub{}
}

// What is not sampled is told all the same, and nothing of it is sent.
func TestTraceSample(t *testing.T) {
	c := newCollector(t)
	p := start(t, c.to, func(cfg *Config) { cfg.TraceSample = "0" })
	watch, err := realtime.NewEventServiceClient(dial(t, p)).Watch(t.Context(), &realtime.WatchRequest{Kinds: []realtime.EventKind{realtime.EventKind_EVENT_KIND_CONNECTED}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	poll(t, p).connect("")
	if got := next(t, watch).GetTraceparent(); !strings.HasPrefix(got, "00-") || !strings.HasSuffix(got, "-00") {
		t.Errorf("traceparent %q", got)
	}
	stopped(t, p)
	if len(c.spans) != 0 {
		t.Errorf("%v", c.spans)
	}
}

// Without a collector nothing is traced: the edge reports to the feed itself, and events name no trace.
func TestNoTraces(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	if p.observer() != wsedge.Observer(p.feed) || p.tracing != nil || p.tracingOptions(nil) != nil {
		t.Error("something traces")
	}
	if _, metrics := fetch(t, p.Addrs().Admin, "/metrics"); strings.Contains(metrics, "realtime_trace") {
		t.Error("spans are counted")
	}
}

// A collector that is not there holds up neither calls nor the end, and is told of in the log; one without TLS gets nothing
// unless that is allowed.
func TestCollectorThatIsNotThere(t *testing.T) {
	c := newCollector(t)
	for name, edit := range map[string]func(*Config){
		"nobody": func(cfg *Config) { cfg.TraceEndpoint = "127.0.0.1:1" },
		"no TLS": func(cfg *Config) { cfg.TraceInsecure = false },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			cfg := onPortsOfTheirOwn()
			c.to(&cfg)
			edit(&cfg)
			p, err := NewProcess(cfg, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			poll(t, p).connect("")
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if err := p.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
			if !strings.Contains(log.String(), "traces are not exported") || len(c.spans) != 0 {
				t.Errorf("%v, logged\n%s", c.spans, log.String())
			}
		})
	}
}

// The line about a call that failed has the trace that its metadata names.
func TestLogOfACallNamesItsTrace(t *testing.T) {
	out := &logBuffer{}
	cfg := onPortsOfTheirOwn()
	newCollector(t).to(&cfg)
	p, err := NewProcess(cfg, newLogger(cfg, out))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, err = realtime.NewEmitServiceClient(dial(t, p)).Emit(ctx, &realtime.EmitRequest{Target: &realtime.Target{Namespace: "/nobody"}, Event: "x"})
	if reason(err) != "NAMESPACE_NOT_FOUND" {
		t.Error(err)
	}
	stopped(t, p)
	if log := out.String(); count(log, "grpc.code=NotFound") != 1 || count(log, "trace_id=0af7651916cd43dd8448eb211c80319c") != 1 {
		t.Errorf("logged\n%s", log)
	}
}

// The lines about a call name its trace.
func TestLogNamesTheTrace(t *testing.T) {
	var out bytes.Buffer
	cfg := defaultConfig()
	cfg.TraceEndpoint = "localhost:1"
	logger := newLogger(cfg, &out).WithGroup("g").With("a", 1)
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	logger.InfoContext(ctx, "call")
	logger.InfoContext(t.Context(), "none")
	first, second, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(first, "g.a=1 g.trace_id=0af7651916cd43dd8448eb211c80319c g.span_id=b7ad6b7169203331") || strings.Contains(second, "trace_id") {
		t.Errorf("logged\n%s", out.String())
	}
}
