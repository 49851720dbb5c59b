package tracing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// remindEvery is how often the log hears that exports still fail.
const remindEvery = time.Minute

// exporter counts what another one exports, keeps its failures from OpenTelemetry's global error handler, and can be cut
// off.
type exporter struct {
	// Fixed at construction.
	next    sdktrace.SpanExporter
	log     *slog.Logger
	stopped context.Context // ended by cut
	cut     context.CancelFunc

	recorded, exported, lost atomic.Uint64

	mu      sync.Mutex // guards the following; a leaf
	failing bool       // the last export failed
	said    time.Time  // when the log last heard of it
	unsaid  uint64     // spans lost since then
}

func newExporter(next sdktrace.SpanExporter, log *slog.Logger) *exporter {
	e := &exporter{next: next, log: log}
	e.stopped, e.cut = context.WithCancel(context.Background())
	return e
}

// errCut is why spans are lost that Shutdown had no time for.
var errCut = errors.New("tracing: the process ended first")

// ExportSpans implements sdktrace.SpanExporter. It returns no error: what failed was counted and logged.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.stopped, func() { cancel(errCut) })()
	var err error
	if e.stopped.Err() != nil {
		err = errCut // at once: most exporters would try first
	} else {
		err = e.next.ExportSpans(ctx, spans)
	}
	if err == nil {
		e.exported.Add(uint64(len(spans)))
		e.succeed()
		return nil
	}
	e.lost.Add(uint64(len(spans)))
	e.fail(err, uint64(len(spans)))
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error {
	defer e.cut()
	return e.next.Shutdown(ctx)
}

// fail logs the first failure, and from then on one line a minute.
func (e *exporter) fail(err error, spans uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsaid += spans
	if e.failing && time.Since(e.said) < remindEvery {
		return
	}
	e.failing, e.said = true, time.Now()
	e.log.Warn("traces are not exported", "error", err, "spans_lost", e.unsaid)
	e.unsaid = 0
}

func (e *exporter) succeed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.failing {
		return
	}
	e.failing = false
	e.log.Info("traces are exported again", "spans_lost", e.unsaid)
	e.unsaid = 0
}

// sayLost logs what was lost and not told yet.
func (e *exporter) sayLost() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unsaid > 0 {
		e.log.Warn("traces are not exported", "error", errCut, "spans_lost", e.unsaid)
		e.unsaid = 0
	}
}

// counting counts the spans that are recorded.
type counting struct{ recorded *atomic.Uint64 }

func (counting) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (c counting) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.recorded.Add(1)
	}
}

func (counting) Shutdown(context.Context) error   { return nil }
func (counting) ForceFlush(context.Context) error { return nil }
