package tracing

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Observer hears what sockets do: it is wsedge.Observer.
type Observer interface {
	Observe(e *rooms.Event) rooms.Flow
}

// Observer returns an observer that traces what it hears and passes it on to next. It sets the event's Trace before next
// hears of it, sampled or not: the flags at its end say which. Events of rooms are passed on untouched.
func (t *Tracing) Observer(next Observer) Observer { return &observer{t, next} }

type observer struct {
	*Tracing
	next Observer
}

// spans are the names of spans, and what they say of the kind.
var spans = [...]struct {
	name string
	kind attribute.KeyValue
}{
	rooms.KindConnected:    {"socket connected", kindAttribute(rooms.KindConnected)},
	rooms.KindEvent:        {"event received", kindAttribute(rooms.KindEvent)},
	rooms.KindDisconnected: {"socket disconnected", kindAttribute(rooms.KindDisconnected)},
	rooms.KindExpired:      {"socket expired", kindAttribute(rooms.KindExpired)},
}

func kindAttribute(k rooms.EventKind) attribute.KeyValue {
	return attribute.String("realtime.event.kind", k.String())
}

// Observe implements wsedge.Observer.
func (o *observer) Observe(e *rooms.Event) rooms.Flow {
	if e.Kind == 0 || int(e.Kind) >= len(spans) {
		return o.next.Observe(e)
	}
	of := &spans[e.Kind]
	_, span := o.tracer.Start(context.Background(), of.name, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(of.kind)
		if namespace, ok := o.namespaces[e.Namespace]; ok {
			span.SetAttributes(namespace)
		}
		if e.Kind == rooms.KindDisconnected {
			span.SetAttributes(attribute.String("realtime.disconnect.reason", string(e.Reason)))
		}
	}
	e.Trace = traceparent(span.SpanContext())
	flow := o.next.Observe(e)
	if flow.Refused != "" {
		span.SetStatus(codes.Error, string(flow.Refused))
	}
	return flow
}

// traceparent writes the header of W3C Trace Context, version 00 (section 3.2): version, trace id, parent id, flags, in
// lower case hexadecimals.
func traceparent(c trace.SpanContext) string {
	traceID, spanID, flags := c.TraceID(), c.SpanID(), [...]byte{byte(c.TraceFlags())}
	text := make([]byte, 0, len("00-")+2*len(traceID)+1+2*len(spanID)+1+2*len(flags))
	text = append(text, "00-"...)
	text = hex.AppendEncode(text, traceID[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, spanID[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, flags[:])
	return string(text)
}
