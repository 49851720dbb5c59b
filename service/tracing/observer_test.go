package tracing

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// read returns what a traceparent says, as OpenTelemetry reads it.
func read(traceparent string) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": traceparent}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// Each kind has its span, with attributes from closed sets only: nothing that a client or a service chose.
func TestObserverMakesASpanOfEachEvent(t *testing.T) {
	for _, tt := range []struct {
		event rooms.Event
		name  string // "": none
		want  map[string]string
	}{
		{
			rooms.Event{Kind: rooms.KindConnected, Namespace: "/chat", User: "secret", Auth: []byte(`{"token":"secret"}`)},
			"socket connected", map[string]string{"realtime.event.kind": "connected", "realtime.namespace": "/chat"},
		},
		{
			rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: "secret", Args: []byte(`"secret"`), User: "secret"},
			"event received", map[string]string{"realtime.event.kind": "event", "realtime.namespace": "/"},
		},
		{
			rooms.Event{Kind: rooms.KindEvent, Namespace: "/room-secret"}, // a pattern lets clients choose it
			"event received", map[string]string{"realtime.event.kind": "event"},
		},
		{
			rooms.Event{Kind: rooms.KindDisconnected, Namespace: "/", Reason: rooms.ReasonPingTimeout, Description: "secret", Rooms: []string{"secret"}},
			"socket disconnected",
			map[string]string{"realtime.event.kind": "disconnected", "realtime.namespace": "/", "realtime.disconnect.reason": "ping timeout"},
		},
		{
			rooms.Event{Kind: rooms.KindExpired, Namespace: "/"},
			"socket expired", map[string]string{"realtime.event.kind": "expired", "realtime.namespace": "/"},
		},
		{rooms.Event{Kind: rooms.KindJoined, Namespace: "/", Room: "secret"}, "", nil},
		{rooms.Event{Kind: rooms.KindRoomDeleted, Namespace: "/", Room: "secret"}, "", nil},
		{rooms.Event{}, "", nil},
		{rooms.Event{Kind: 200}, "", nil},
	} {
		t.Run(tt.event.Kind.String()+" "+tt.event.Namespace, func(t *testing.T) {
			c, next := &collector{}, &heard{flow: rooms.Flow{Holds: 2}}
			tracing := start(t, c)
			if flow := tracing.Observer(next).Observe(&tt.event); flow != next.flow {
				t.Errorf("the flow became %v", flow)
			}
			spans := flushed(t, tracing, c)
			if tt.name == "" {
				if len(spans) != 0 || next.events[0].Trace != "" {
					t.Errorf("traced: %v", spans)
				}
				return
			}
			if len(spans) != 1 || len(next.events) != 1 {
				t.Fatalf("%d spans of %d events", len(spans), len(next.events))
			}
			span, told := spans[0], read(next.events[0].Trace)
			if span.Name != tt.name || span.SpanKind != trace.SpanKindServer || span.Status.Code != codes.Unset {
				t.Errorf("%s, %v, %v", span.Name, span.SpanKind, span.Status)
			}
			if diff := cmp.Diff(tt.want, attributes(span.Attributes)); diff != "" {
				t.Error(diff)
			}
			if !told.Equal(span.SpanContext.WithRemote(true)) || !told.IsSampled() || span.Parent.IsValid() {
				t.Errorf("traceparent %s is not %v", next.events[0].Trace, span.SpanContext)
			}
		})
	}
}

// The header is the one that OpenTelemetry itself would write.
func TestTraceparentIsW3Cs(t *testing.T) {
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled, 0x03} {
		c := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0x0a, 15: 0xff}, SpanID: trace.SpanID{0xb7, 7: 0x01}, TraceFlags: flags, Remote: true,
		})
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(t.Context(), c), carrier)
		if got := traceparent(c); got != carrier["traceparent"] || !read(got).Equal(c) {
			t.Errorf("%s, want %s", got, carrier["traceparent"])
		}
	}
}

// What is not sampled is still told, so that whoever goes on with it does not sample either.
func TestNotSampledIsTold(t *testing.T) {
	c, next := &collector{}, &heard{}
	tracing := start(t, c, func(c *Config) { c.Ratio = 0 })
	observer := tracing.Observer(next)
	for range 3 {
		observer.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/"})
	}
	if spans := flushed(t, tracing, c); len(spans) != 0 {
		t.Errorf("%d spans", len(spans))
	}
	seen := map[trace.TraceID]bool{}
	for _, e := range next.events {
		told := read(e.Trace)
		if !told.IsValid() || told.IsSampled() || !strings.HasSuffix(e.Trace, "-00") {
			t.Errorf("traceparent %q", e.Trace)
		}
		seen[told.TraceID()] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d traces", len(seen))
	}
	if stats := tracing.Stats(); stats != (Stats{}) {
		t.Errorf("%+v", stats)
	}
}

func TestRefusedEventIsAnError(t *testing.T) {
	c := &collector{}
	tracing := start(t, c)
	tracing.Observer(&heard{flow: rooms.Flow{Refused: rooms.RefusedOverloaded}}).Observe(&rooms.Event{Kind: rooms.KindEvent})
	spans := flushed(t, tracing, c)
	if len(spans) != 1 || spans[0].Status.Code != codes.Error || spans[0].Status.Description != "overloaded" {
		t.Errorf("%+v", spans)
	}
}

func BenchmarkObserve(b *testing.B) {
	for name, ratio := range map[string]float64{"all": 1, "none": 0} {
		b.Run(name, func(b *testing.B) {
			observer := start(b, &collector{}, func(c *Config) { c.Ratio = ratio }).Observer(quiet{})
			e := &rooms.Event{Kind: rooms.KindEvent, Namespace: "/"}
			b.ReportAllocs()
			for b.Loop() {
				observer.Observe(e)
			}
		})
	}
}

type quiet struct{}

func (quiet) Observe(*rooms.Event) rooms.Flow { return rooms.Flow{} }
