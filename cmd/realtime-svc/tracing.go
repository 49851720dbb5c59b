package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/realtime-svc/realtime-svc/service/tracing"
)

// maxTraceFlush bounds how long the end of the process waits for the collector.
const maxTraceFlush = 5 * time.Second

// tracing makes what traces; nil if nothing is traced.
func (c *Config) tracing(logger *slog.Logger) (*tracing.Tracing, error) {
	if c.TraceEndpoint == "" {
		return nil, nil //nolint:nilnil // nothing is traced
	}
	ratio, err := parseRatio(c.TraceSample)
	if err != nil {
		return nil, fmt.Errorf("--trace-sample: %w", err)
	}
	t, err := tracing.New(tracing.Config{
		Endpoint: c.TraceEndpoint, Insecure: c.TraceInsecure, Ratio: ratio,
		Node: c.NodeID, Version: version, Namespaces: c.Namespaces, Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("--trace-endpoint: %w", err)
	}
	return t, nil
}

// tracingOptions lets gRPC calls be traced, and counts spans.
func (p *Process) tracingOptions(r prometheus.Registerer) []grpc.ServerOption {
	if p.tracing == nil {
		return nil
	}
	r.MustRegister(traceCollector(p.tracing.Stats))
	return []grpc.ServerOption{p.tracing.ServerOption()}
}

// stopTracing sends the spans that wait. A collector that does not take them in time is no failure of the end: it is logged.
func (p *Process) stopTracing(ctx context.Context) error {
	if p.tracing == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxTraceFlush)
	defer cancel()
	p.tracing.Shutdown(ctx)
	return nil
}

var descSpans = desc("trace_spans_total", "Spans of traces, by outcome: those that were recorded, and what became of them, exported or lost. Missing without --trace-endpoint.", "outcome")

// traceCollector reads the counters of traces when it is scraped.
type traceCollector func() tracing.Stats

// Describe implements prometheus.Collector.
func (c traceCollector) Describe(ch chan<- *prometheus.Desc) { ch <- descSpans }

// Collect implements prometheus.Collector.
func (c traceCollector) Collect(ch chan<- prometheus.Metric) {
	s := c()
	sink(ch).each(descSpans, map[string]uint64{"recorded": s.Recorded, "exported": s.Exported, "lost": s.Lost})
}

// parseRatio reads a number from 0 to 1.
func parseRatio(text string) (float64, error) {
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) { // so that NaN is refused
		return 0, fmt.Errorf("%q is not a number from 0 to 1", text)
	}
	return ratio, nil
}

// checkTracing covers the settings of traces.
func (c *Config) checkTracing(wrong func(name, format string, args ...any)) {
	if _, err := parseRatio(c.TraceSample); err != nil {
		wrong("trace-sample", "%w", err)
	}
	if c.TraceEndpoint == "" {
		return
	}
	if err := checkAddress(c.TraceEndpoint); err != nil {
		wrong("trace-endpoint", "%w", err)
	}
}

// traced adds the trace of a call to the log lines about it.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }
